"""How a job's process tells the store how far it is: share done, curves, log, and the time left as the speed so far has it."""

import math
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final

from ecgcore.errors import StoreError
from ecgcore.store.jobs import Job, Jobs

EVERY_S: Final = 1.0  # the store is written to no oftener
FIRST_S: Final = 60.0  # the speed of so long says how long the rest takes
MOST_POINTS: Final = 200  # of a curve within the epochs of a part; the end of an epoch is always drawn


class Pace:
    """How long the rest takes, by the speed since the first step.

    What was there already when a part was taken up again after a break says nothing of the speed, and does not count.
    """

    def __init__(self, limit_s: float | None, clock: Callable[[], float]) -> None:
        self._limit_s, self._clock = limit_s, clock
        self._since: float | None = None
        self._last = self._earned = 0.0

    def left_s(self, share: float, first: bool = False) -> float | None:
        """Seconds that are left, at most those of the time limit; None in the first minute, and where nothing moves. `first` is the first step of a part."""
        now = self._clock()
        if self._since is None:
            self._since, first = now, True
        if not first:
            self._earned += share - self._last
        self._last = share
        spent = now - self._since
        if spent < FIRST_S or self._earned <= 0:
            return None
        left = spent * (1 - share) / self._earned
        return left if self._limit_s is None else max(0.0, min(left, self._limit_s - spent))


class Watching:
    """Follows a job's work and writes of it to the store, once a second, in a thread of its own: no training waits for a database.

    While it is entered it writes; what is left is written at the end. What the database refuses is kept and tried again; at the end that raises StoreError.
    """

    def __init__(self, jobs: Jobs, job: Job, minutes: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._jobs, self._job = jobs, job
        self._pace = Pace(None if minutes is None else 60 * minutes, clock)
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._keep_writing, name="watching", daemon=True)
        self._lines: list[str] = []
        self._points: list[tuple[str, str, float, float]] = []
        self._again: list[tuple[str, str, float]] = []
        self._drawn: dict[tuple[str, str], float] = {}
        self._odd: set[tuple[str, str]] = set()
        self._told: tuple[float, str, float | None] | None = None
        self._parts, self._part, self._name, self._of = 1, 0, "", ""
        self._epochs, self._steps, self._fresh = 1, 1, True

    def __enter__(self) -> "Watching":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self.write()

    def plan(self, parts: int) -> None:
        """So many parts there will be."""
        self._parts = max(parts, 1)

    def begun(self, part: str, epochs: int, steps: int) -> None:
        """A part has begun, of so many epochs of so many steps."""
        self._part, self._name = self._part + 1, part
        self._parts = max(self._parts, self._part)
        self._epochs, self._steps = max(epochs, 1), max(steps, 1)
        self._of = f"part {self._part} of {self._parts}, " if self._parts > 1 else ""
        self._fresh = True
        self.said(f"{self._of}{part}: {epochs} epochs of {steps} steps")

    def step(self, epoch: int, step: int) -> None:
        """A step of the present part is done; both count from 0."""
        done = min((epoch + (step + 1) / self._steps) / self._epochs, 1.0)
        self._tell((max(self._part, 1) - 1 + done) / self._parts, f"{self._of}epoch {min(epoch + 1, self._epochs)} of {self._epochs}", first=self._fresh)
        self._fresh = False

    def point(self, name: str, epoch: float, value: float) -> None:
        """A value of the present part; within the epochs not each is kept. One that is no number is told in the log instead."""
        curve = (self._name, name)
        if not math.isfinite(value):
            if curve not in self._odd:
                self.said(f"{name} is {value} after {epoch:.3g} epochs; values that are no number are not drawn")
                self._odd.add(curve)
            return
        with self._lock:
            last = self._drawn.get(curve)
            if last is None and self._job.attempts > 1:
                self._again.append((*curve, epoch))
            if last is None or float(epoch).is_integer() or epoch - last >= self._epochs / MOST_POINTS:
                self._drawn[curve] = epoch
                self._points.append((*curve, epoch, value))

    def said(self, text: str) -> None:
        """Something worth a line of the log."""
        with self._lock:
            self._lines.append(text)

    def progress(self, share: float, what: str) -> None:
        """So much is done, and this is being done: for work that is no training."""
        self._tell(share, what)

    def write(self) -> None:
        """Write what has come since. Raises StoreError."""
        with self._lock:
            lines, points, again, told = self._lines, self._points, self._again, self._told
            self._lines, self._points, self._again, self._told = [], [], [], None
        try:
            if told:
                self._jobs.tell(self._job.id, *told)
                told = None
            if lines:
                self._jobs.log(self._job.id, *lines)
                lines = []
            for part, name, epoch in again:
                self._jobs.redraw(self._job.id, part, name, epoch)
            again = []
            if points:
                self._jobs.draw(self._job.id, points)
                points = []
        finally:  # what was not written is, the next time
            with self._lock:
                self._lines[:0], self._points[:0], self._again[:0], self._told = lines, points, again, self._told or told

    def _tell(self, share: float, what: str, *, first: bool = False) -> None:
        with self._lock:
            self._told = share, what, self._pace.left_s(share, first)

    def _keep_writing(self) -> None:
        while not self._over.wait(EVERY_S):
            try:
                self.write()
            except StoreError:  # the database may be there again in a second; the training goes on
                continue
