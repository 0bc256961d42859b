"""The REST service: signals in, beats and rhythm out, for programs elsewhere.

`app.create` makes the application; `serve.serve` runs it by itself, and the app in the browser mounts it at /api. A request passes
`guard` (who asks, how often), `bodies` (how much of it is held), `signals` or `uploads` (JSON or files → Record), `verbs` (Record → answer).
"""
