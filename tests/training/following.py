"""One who follows a training, and keeps what he is told."""


class Seen:
    def __init__(self):
        self.parts, self.started, self.steps, self.points, self.lines = 0, [], [], [], []

    def plan(self, parts):
        self.parts = parts

    def begun(self, part, epochs, steps):
        self.started.append((part, epochs, steps))

    def step(self, epoch, step):
        self.steps.append((len(self.started) - 1, epoch, step))

    def point(self, name, epoch, value):
        self.points.append((self.started[-1][0], name, epoch, value))

    def said(self, text):
        self.lines.append(text)

    def curve(self, part, name):
        """Value by epoch."""
        return {epoch: value for told, which, epoch, value in self.points if (told, which) == (part, name)}
