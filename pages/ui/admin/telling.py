"""How a job, its curves and a worker are told in words. Knows nothing of Streamlit."""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ecgcore.figures.learning import Curve
from ecgcore.jobs.specs import CompareSpec, RecomputeSpec, TrainSpec, parse
from ecgcore.store.jobs import Job, LogLine, Point, Worker
from pages.ui.text import duration, moment

ICONS: Final = {
    "queued": ":material/schedule:",
    "running": ":material/play_circle:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/cancel:",
}
KINDS: Final = {"train": "Training", "compare": "Comparison", "recompute": "Analyses anew"}
HEADER: Final = ("Job", "Kind", "By", "Begun (UTC)", "Took", "Status", "Done")
NO_WORKER: Final = "No worker is running, so jobs wait. `make run` starts one with the app; `python -m ecgcore worker` starts one by itself."
NOTHING: Final = "–"
HOW_CURVES: Final = (
    "Loss: what the training makes small, on its own records as they are drawn, altered and weighted for learning. Validation loss: on patients whom this training does not learn "
    "from, as recorded; it may be of another height. Losses of two recipes, or of two data sets, cannot be compared."
)


def line(job: Job, now: datetime) -> tuple[str, ...]:
    """A job in the list, after its title."""
    done = "100%" if job.status == "done" else f"{job.progress:.0%}" if job.started else NOTHING
    return KINDS.get(job.kind, job.kind), job.created_by, moment(job.started or job.created), took(job, now), status(job), done


def status(job: Job) -> str:
    """The word, and what is not seen from it."""
    if job.cancelling and not job.ended:
        return "being cancelled"
    if job.status == "running" and job.attempts > 1:
        return f"running, begun {times(job.attempts)}"
    return "waiting" if job.status == "queued" else job.status


def icon(job: Job) -> str:
    """That of its status."""
    return ICONS[job.status]


def times(n: int) -> str:
    """1 once, 2 twice, then counted."""
    return {1: "once", 2: "twice"}.get(n, f"{n} times")


def took(job: Job, now: datetime) -> str:
    """How long it has worked, or did."""
    if job.started is None:
        return NOTHING
    seconds = ((job.finished or now) - job.started).total_seconds()
    return duration(round(seconds)) if seconds >= 1 else "under 1 s"


def left(job: Job) -> str:
    """How long it will yet take, as far as that is known."""
    if job.status != "running":
        return ""
    if job.left_s is None:
        return "time left: known after the first minute"
    if job.left_s < 60:
        return "less than a minute left"
    rounded = round(job.left_s / 60)
    return f"about {minutes(rounded)} left" if rounded < 100 else f"about {rounded / 60:.0f} hours left"


def doing(job: Job) -> str:
    """What it is at and how long yet, for the bar."""
    if job.status == "queued":
        return "Waiting for its turn"
    if job.cancelling:
        return "Being cancelled"
    said = job.doing or "begun"
    return " · ".join(filter(None, (said[:1].upper() + said[1:], left(job))))


def who(job: Job) -> str:
    """By whom, when, and how often it was begun."""
    begun = f", begun {moment(job.started)}" if job.started else ""
    ended = f", ended {moment(job.finished)}" if job.finished else ""
    again = f" It was begun {times(job.attempts)}; the log says why." if job.attempts > 1 else ""
    return f"Asked for by {job.created_by}, {moment(job.created)} UTC{begun}{ended}.{again}"


def asked(job: Job) -> str:
    """What it was asked to do, in a line. Raises InputError for a job of an unknown kind."""
    spec = parse(job.kind, job.spec)
    if isinstance(spec, TrainSpec):
        own = f"data set version {spec.dataset}, corrected beats weigh {spec.weight:g}" if spec.dataset is not None else "no signed readings"
        public = "all public sets of the recipe" if spec.public is None else ", ".join(spec.public) or "no public set"
        limit = f"at most {minutes(spec.minutes)}" if spec.minutes else "no limit of time"
        return f"Recipe {spec.recipe}, {f'from the weights of {spec.start}' if spec.start else 'from scratch'}; {public}; {own}; {limit}."
    if isinstance(spec, CompareSpec):
        return f"{spec.new} against {spec.current}{f', with data set version {spec.dataset}' if spec.dataset is not None else ''}."
    if isinstance(spec, RecomputeSpec):
        return f"{'All stored records' if spec.records is None else counted(len(spec.records), 'record')} by {spec.model}."
    return ""


def result(job: Job) -> dict[str, Any]:
    """What came of a job, from its JSON; empty where nothing did."""
    found = json.loads(job.result) if job.result else {}
    return found if isinstance(found, dict) else {}


def figures(job: Job) -> list[tuple[str, str, str]]:
    """What the training measured: name, value and protocol of each figure that has a value."""
    return [(one["name"], f"{one['value']:.4g}", one["protocol"]) for one in result(job).get("figures", ()) if one["value"] is not None]


def recomputed(job: Job) -> str:
    """How many records were analysed anew, in a sentence."""
    found = result(job)
    failed = len(found.get("failures", ()))
    already = f"; {counted(found.get('there', 0), 'record')} had such an analysis already" if found.get("there") else ""
    wrong = f"; {counted(failed, 'record')} could not be analysed" if failed else ""
    return f"{counted(found.get('analysed', 0), 'record')} analysed anew by {found.get('model', 'the model')}{already}{wrong}. The old analyses stay."


def failures(job: Job, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Records that could not be analysed, by name where they are still stored, and why."""
    return [(names.get(one["record"], one["record"]), one["why"]) for one in result(job).get("failures", ())]


def counted(n: int, what: str) -> str:
    """A number and its noun."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def parts(points: Sequence[Point]) -> tuple[str, ...]:
    """The trainings that a job holds, in the order in which they began."""
    return tuple(dict.fromkeys(point.part for point in points))


def curves(points: Sequence[Point], part: str) -> tuple[Curve, ...]:
    """The curves of one part, the losses first. A resumed training tells some epochs again: what was told last counts."""
    by_name: dict[str, dict[float, float]] = {}
    for point in points:
        if point.part == part:
            by_name.setdefault(point.name, {})[point.epoch] = point.value
    ordered = sorted(by_name, key=lambda name: (not name.endswith("loss"), name != "loss", name))
    return tuple(Curve(name, tuple(sorted(by_name[name].items()))) for name in ordered)


def log(lines: Sequence[LogLine], newest: int | None = None) -> str:
    """The log as text, a line each with its time; of many the newest."""
    shown = lines if newest is None else lines[-newest:]
    return "\n".join(f"{one.at:%Y-%m-%d %H:%M:%S}  {one.text}" for one in shown)


def machine(worker: Worker) -> str:
    """What a worker computes on. How many cores another machine has, it does not say."""
    memory = f"{worker.memory_mb / 1024:.0f} GB" if worker.memory_mb >= 1024 else f"{worker.memory_mb} MB"
    if worker.device.lower() != "cpu":
        return f"{worker.device}, {memory}"
    cores = os.cpu_count() if worker.host == socket.gethostname() else None
    return ", ".join(("CPU", *([f"{cores} {'core' if cores == 1 else 'cores'}"] if cores else []), f"{memory} of memory"))


def minutes(n: float) -> str:
    """A limit of time."""
    return f"{n:g} {'minute' if n == 1 else 'minutes'}"


def gigabytes(size: float) -> str:
    """A size in bytes, in GB or MB or kB."""
    for unit, many in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= many:
            return f"{size / many:.3g} {unit}" if size / many < 100 else f"{size / many:,.0f} {unit}"
    return f"{size:.0f} bytes"


def ago(seconds: float) -> str:
    """How long ago, in the largest unit that says it."""
    for unit, many in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= many:
            n = int(seconds // many)
            return f"{n} {unit}{'' if n == 1 else 's'} ago"
    return "just now" if seconds < 5 else f"{seconds:.0f} s ago"
