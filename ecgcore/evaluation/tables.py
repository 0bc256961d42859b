"""Tables of a paper's protocol: runs of several arms, what was published, and how the arms compare run by run."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ecgcore.errors import ModelError
from ecgcore.evaluation.classification import Confusion
from ecgcore.evaluation.ratios import Ratio

FILES: Final = "table-*.json"
BY_CLASS: Final = ("accuracy", "sensitivity", "specificity", "PPV", "F1")
Matrix = tuple[tuple[int, ...], ...]


class Part(BaseModel):
    """A piece of a table: no field may be unknown, none is changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Run(Part):
    """One network's answer: `n` beats counted, rows reference, columns called; `fold` is None outside cross-validation."""

    arm: str
    fold: int | None
    seed: int
    n: int
    epochs: int
    confusion: Matrix


class Arm(Part):
    """Runs of one network that differ by fold or seed alone."""

    name: str
    runs: tuple[Run, ...]

    def summary(self, classes: Sequence[str]) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation (n - 1) of each figure over the runs that have it; NaN where none has, or only one."""
        measured = [figures(run.confusion, classes) for run in self.runs]
        return {name: _mean_and_spread([one[name] for one in measured]) for name in measured[0]}


class Published(Part):
    """A row of the paper, in percent; None where it says nothing."""

    name: str
    figures: dict[str, float | None]


class Comparison(Part):
    """Arm a minus arm b in one figure, run by run, in percentage points; `n` pairs. p is None where it is not defined."""

    a: str
    b: str
    figure: str
    difference: float
    spread: float
    p: float | None
    n: int
    test: str


class Table(Part):
    """All that was measured under one protocol, as it stands in table-*.json beside the weights.

    records  all that beats were taken from, by data set; `trained` and `tested` share them out, or repeat them in a random split
    """

    model: str
    title: str
    split: Literal["random split", "by patient"]
    protocol: str
    records: dict[str, tuple[str, ...]]
    trained: dict[str, tuple[str, ...]]
    tested: dict[str, tuple[str, ...]]
    classes: tuple[str, ...]
    arms: tuple[Arm, ...]
    published: tuple[Published, ...]
    comparisons: tuple[Comparison, ...]
    command: str
    git_commit: str
    device: str
    minutes: float


def figures(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> dict[str, float]:
    """Figures in percent: "N accuracy", "S PPV", … of each class against the rest, "accuracy", "macro F1", "weighted precision", ….

    Weighted figures weigh a class by its beats in the reference; one that is never called has a precision of 0 there.
    NaN where a figure is not defined.
    """
    counted = Confusion(tuple(classes), np.array(confusion, np.int64))
    by_class = {f"{name} {what}": ratio.percent for name in classes for what, ratio in zip(BY_CLASS, _ratios(counted, name), strict=True)}
    shares = counted.matrix.sum(axis=1) / max(1, counted.n)
    weighted = {
        f"weighted {said}": sum(share * _or_zero(by_class[f"{name} {what}"]) for share, name in zip(shares.tolist(), classes, strict=True))
        for said, what in (("precision", "PPV"), ("recall", "sensitivity"), ("F1", "F1"))
    }
    return {**by_class, "accuracy": counted.accuracy.percent, "macro F1": 100 * counted.macro_f1, **weighted}


def compare(a: Arm, b: Arm, classes: Sequence[str], names: Sequence[str], test_to_train: float = 0.0) -> tuple[Comparison, ...]:
    """Paired comparisons of two arms, run by run, by a t test on the differences.

    In cross-validation the runs share training beats, so that a plain t test finds too much: with `test_to_train`, the tested
    beats over the trained ones, its variance is corrected (Nadeau & Bengio, 2003). Raises ValueError for runs that do not pair.
    """
    if [(run.fold, run.seed) for run in a.runs] != [(run.fold, run.seed) for run in b.runs]:
        raise ValueError(f"the runs of {a.name!r} and {b.name!r} are not of the same folds and seeds")
    ours, theirs = ([figures(run.confusion, classes) for run in arm.runs] for arm in (a, b))
    test = "paired t, corrected for shared training beats (Nadeau & Bengio, 2003)" if test_to_train else "paired t"
    return tuple(_comparison(a.name, b.name, name, [x[name] - y[name] for x, y in zip(ours, theirs, strict=True)], test, test_to_train) for name in names)


def class_figures(classes: Sequence[str], what: Sequence[str] = BY_CLASS) -> tuple[str, ...]:
    """Names of the figures of each class."""
    return tuple(f"{name} {figure}" for name in classes for figure in what)


def read_tables(folder: Path) -> tuple[Table, ...]:
    """The tables in a model's folder, by file name. Raises ModelError for one that does not fit."""
    tables = []
    for path in sorted(folder.glob(FILES)):
        try:
            tables.append(Table.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            first = error.errors()[0]
            raise ModelError(f"{path.name} of {folder.parent.name}@{folder.name} does not fit: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return tuple(tables)


def write_table(table: Table, folder: Path, name: str) -> None:
    """Write table-<name>.json into a model's folder."""
    (folder / FILES.replace("*", name)).write_text(table.model_dump_json(indent=1) + "\n")


def _ratios(counted: Confusion, name: str) -> tuple[Ratio, ...]:
    """In the order of BY_CLASS."""
    false = counted.false_positive_rate(name)
    missed = counted.sensitivity(name)
    wrong = false.numerator + missed.denominator - missed.numerator
    return (
        Ratio(counted.n - wrong, counted.n),
        missed,
        Ratio(false.denominator - false.numerator, false.denominator),
        counted.positive_predictivity(name),
        counted.f1(name),
    )


def _comparison(a: str, b: str, figure: str, differences: list[float], test: str, test_to_train: float) -> Comparison:
    from scipy.stats import t

    known = [value for value in differences if math.isfinite(value)]
    mean, spread = _mean_and_spread(known)
    n, p = len(known), None
    if n > 1 and spread > 0:
        p = float(2 * t.sf(abs(mean) / (spread * math.sqrt(1 / n + test_to_train)), n - 1))
    return Comparison(a=a, b=b, figure=figure, difference=_finite(mean), spread=_finite(spread), p=p, n=n, test=test)


def _mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    known = [value for value in values if math.isfinite(value)]
    return (float(np.mean(known)) if known else math.nan), (float(np.std(known, ddof=1)) if len(known) > 1 else math.nan)


def _or_zero(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _finite(value: float) -> float:
    """JSON knows no NaN; no pair means no difference."""
    return round(_or_zero(value), 6)
