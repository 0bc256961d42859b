"""The process of a job, with work that can be stopped at a place: python tests/jobs/child_app.py JOB_ID

A recomputation does what its model is called. A training learns by the recipe in `LEADWISE_HOME`/tiny.json and stands still in the midst of its first attempt;
when it has gone on to its end, the same is trained unbroken beside it.
"""

import json
import os
import signal
import sys
import threading

from ecgcore import settings
from ecgcore.inference import cards
from ecgcore.jobs import child, watching, work
from ecgcore.progress import Unwatched, watched
from ecgcore.store.jobs import Jobs

HERE = "stands still in process "


def stand_still(jobs: Jobs, job_id: str) -> None:
    jobs.log(job_id, f"{HERE}{os.getpid()}")
    threading.Event().wait()


class Breaking(watching.Watching):
    """Stands still in the second epoch of the second part."""

    def step(self, epoch: int, step: int) -> None:
        super().step(epoch, step)
        if (self._job.attempts, self._part, epoch) == (1, 2, 1):
            self.write()
            stand_still(self._jobs, self._job.id)


class Curves(Unwatched):
    """Keeps every point."""

    def __init__(self) -> None:
        self.part, self.points = "", []

    def begun(self, part: str, epochs: int, steps: int) -> None:
        self.part = part

    def point(self, name: str, epoch: float, value: float) -> None:
        self.points.append((self.part, name, epoch, value))


def done(store, job):
    return json.dumps({"attempts": job.attempts})


def waits(store, job):
    stand_still(Jobs(store), job.id)


def waits_first(store, job):
    return done(store, job) if job.attempts > 1 else waits(store, job)


def killed_first(store, job):
    if job.attempts == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return done(store, job)


def play(store, job, spec):
    return {"done": done, "waits": waits, "waits-first": waits_first, "killed-first": killed_first}[spec.model](store, job)


def train(store, job, spec):
    from ecgcore.training import recipes
    from ecgcore.training.tuning import beats

    beats.save = save
    text = (settings.home() / "tiny.json").read_text()
    recipes.load = lambda name: recipes.Recipe.model_validate_json(text)
    work.Watching = Breaking
    return json.dumps({"broken": json.loads(work.train(store, job, spec)), "unbroken": unbroken(spec)})


def save(net, card, folder):
    """Weights and card alone: to export to ONNX takes ten times as long as the training."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    save_file(net.state_dict(), folder / "model.safetensors")
    cards.write_card(card, folder)
    return card


def unbroken(spec):
    from ecgcore.training.tuning import Retraining, retrain

    curves = Curves()
    with watched(curves):
        card, folder = retrain(Retraining(recipe=spec.recipe, run=settings.runs() / "unbroken", device=spec.device))
    return {"model": card.id, "folder": str(folder), "figures": [figure.model_dump() for figure in card.figures], "points": curves.points}


if __name__ == "__main__":
    child.NICENESS = 0  # other tests leave it no time
    watching.EVERY_S = 0.1
    work.FUNCTIONS |= {"recompute": play, "train": train}
    child.main(sys.argv[1])
