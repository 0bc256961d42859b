"""What was measured of the segmenter, as tables and as figures for its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from ecgcore.evaluation.localisation import Located, total
from ecgcore.evaluation.measures import Measure, Measured, Measures
from ecgcore.inference.cards import Figure
from ecgcore.signals import segments
from ecgcore.training import ectopy_runs
from ecgcore.training.ectopy_data import LABELS
from ecgcore.training.ectopy_runs import CheckedSegment, Mapped
from ecgcore.training.export import git_commit
from ecgcore.training.recipes.segmenting import SegmenterRecipe
from ecgcore.training.segment_arms import MEASURES, FoldRun, measured, published
from ecgcore.training.segments import SegmentSet

COLLAPSED: Final = 0.1  # an F1 below this says that a training has found nothing
MOSTLY_S: Final = "232"  # 1,382 of the 1,837 S beats of DS2
SHIPPED: Final = "segment labels only"
PUBLISHED: Final = "weak beat labels, best published"
PUBLISHED_F1: Final = {"V": 0.944, "S": 0.818}
PAPER: Final = (
    "2,000 samples of both leads at 360 Hz, whole beats, zeros after them; beats coded N with V against beats coded N with A; the epoch chosen on a tenth of the training "
    "segments; most probable class. As in the paper's table, specificity is the share of PVC segments found and sensitivity that of APB segments"
)
LOCATED: Final = (
    "first lead of each record; peaks of the map above the limit, set on the nearest detected beat within 150 ms, against annotated beats at ±150 ms; all beats "
    "of all records together; F counts neither way for V; limits {limits} chosen on held-out patients of DS1 and svdb"
)
CHECKED: Final = (
    "the strongest place of the class in every segment of 5.5 s that holds such a beat. Deletion: the probability falls more when .42 s around the place is flattened than "
    "in the mean of 4 parts elsewhere. Randomisation: the map correlates less than .5 with those of 4 networks with random weights, on average"
)


@dataclass(frozen=True)
class Ran:
    """What all tables say of how they came about."""

    recipe: SegmenterRecipe
    device: str

    @property
    def command(self) -> str:
        """What makes them."""
        return f"python -m ecgcore train {self.recipe.name}"

    def table(
        self, title: str, split: Literal["random split", "by patient"], protocol: str, trained: Mapping[str, tuple[str, ...]], tested: Mapping[str, tuple[str, ...]],
        measures: tuple[Measure, ...], rows: tuple[Measured, ...], said: tuple[str, ...], minutes: float,
    ) -> Measures:  # fmt: skip
        """One table."""
        return Measures(
            model=f"{self.recipe.name}@{self.recipe.version}", title=title, split=split, protocol=protocol, trained=dict(trained), tested=dict(tested), measures=measures,
            rows=rows, said=said, command=self.command, git_commit=git_commit(), device=self.device, minutes=round(minutes, 1),
        )  # fmt: skip


def arm_tables(ran: Ran, found: SegmentSet, by_chance: Sequence[FoldRun], by_patient: Sequence[FoldRun], minutes: float) -> dict[str, Measures]:
    """The paper's experiment: folds at random beside what it published, and folds of patients."""
    counts = f"{found.counts['PVC']:,} segments with PVC (the paper: 2,627), {found.counts['APB']:,} with APB (the paper: 356)."
    folds, whole = ran.recipe.optimisation.folds, {"mitdb": ran.recipe.records}
    rows = {name: measured(runs, found.targets) for name, runs in (("random", by_chance), ("patient", by_patient))}
    return {
        "segments-random": ran.table(
            "PVC or APB in a segment, folds at random", "random split", f"{folds} folds by chance within each class, the same patients in training and test; {PAPER}", whole, whole,
            MEASURES, (*rows["random"], *published()), (counts, *_against_classifier(rows["random"])), minutes,
        ),
        "segments-by-patient": ran.table(
            "PVC or APB in a segment, folds of patients", "by patient", f"{folds} folds of patients; {PAPER}", whole, whole,
            MEASURES, rows["patient"], (counts, *_against_classifier(rows["patient"])), minutes,
        ),
    }  # fmt: skip


def _against_classifier(rows: Sequence[Measured]) -> tuple[str, ...]:
    """Each arm against the classifier alone, fold by fold, in words."""
    first, said = rows[0], []
    for other in rows[1:]:
        for k, measure in enumerate(MEASURES):
            pairs = [(a[k], b[k]) for a, b in zip(other.runs, first.runs, strict=True)]
            differences = [a - b for a, b in pairs if a is not None and b is not None]
            mean, spread = float(np.mean(differences)), float(np.std(differences, ddof=1)) if len(differences) > 1 else float("nan")
            if measure.name in ("accuracy", "AUC"):
                within = "within its spread" if abs(mean) <= spread else "more than its spread"
                said.append(f"{other.name} against {first.name}: {measure.name} {mean:+.{measure.digits + 1}f} ± {spread:.{measure.digits + 1}f} over the folds, {within}.")
    return tuple(said)


def localisation_table(ran: Ran, limits: Mapping[str, float], seeds: Sequence[Sequence[Mapped]], minutes: float) -> Measures:
    """Where the maps of each seed point on the tested patients."""
    step_s = ran.recipe.at_large.input.step / segments.FS_HZ
    runs = tuple(_run(maps, limits, step_s) for maps in seeds)
    none = (None,) * 3
    best = tuple(value for label in LABELS for value in (None, None, PUBLISHED_F1[label]))
    data = ran.recipe.at_large.data
    return ran.table(
        "Where ectopic beats lie, taught by segment labels alone", "by patient", LOCATED.format(limits=", ".join(f"{label} {limit:g}" for label, limit in limits.items())),
        data.trained, data.tested, _LOCATION, (Measured(name=SHIPPED, runs=runs), Measured(name=PUBLISHED, runs=((*best, *none),), published=True)),
        tuple(_collapses(label, [run[3 * k + 2] or 0.0 for run in runs]) for k, label in enumerate(LABELS)), minutes,
    )  # fmt: skip


def _collapses(label: str, f1: Sequence[float]) -> str:
    collapsed = sum(one < COLLAPSED for one in f1)
    return f"{label}: F1 from {min(f1):.3f} to {max(f1):.3f}; {collapsed} of {len(f1)} trainings collapsed (F1 below {COLLAPSED:g}), a third of the published ones."


_LOCATION: Final = (
    *(Measure(name=f"{label} {what}", unit="", better="higher", digits=3) for label in LABELS for what in ("sensitivity", "PPV", "F1")),
    *(Measure(name=f"{label} F1, not set on beats", unit="", better="higher", digits=3) for label in LABELS),
    Measure(name=f"S F1 without {MOSTLY_S}", unit="", better="higher", digits=3),
)


def _run(maps: Sequence[Mapped], limits: Mapping[str, float], step_s: float) -> tuple[float | None, ...]:
    """One seed, in the order of the measures."""
    snapped, bare = ectopy_runs.score(maps, limits, step_s), ectopy_runs.score(maps, limits, step_s, snapped=False)
    most = [value for label in LABELS for value in _three(total(snapped[label]))]
    without = total(part for part, one in zip(snapped["S"], maps, strict=True) if one.patient.name != MOSTLY_S)
    return (*most, *(_finite(total(bare[label]).f1) for label in LABELS), _finite(without.f1))


def _three(one: Located) -> tuple[float | None, ...]:
    return _finite(one.sensitivity), _finite(one.ppv), _finite(one.f1)


def checks_table(ran: Ran, checked: Mapping[str, Sequence[CheckedSegment]], minutes: float) -> Measures:
    """How many ectopic segments have a map that passes both checks."""
    rows, data = [], ran.recipe.at_large.data
    for where, parts in checked.items():
        for label in LABELS:
            for reached in (False, True):
                chosen = [one for one in parts if one.label == label and (one.reached or not reached)]
                rows.append(Measured(name=f"{where}, {label}, {'segments with a place' if reached else 'all segments'}", runs=(_passed(chosen),)))
        rows.append(Measured(name=f"{where}, all segments", runs=(_passed(parts),)))
    return ran.table("Whether the maps say anything of their network", "by patient", CHECKED, data.trained, data.tested, _CHECKS, tuple(rows), (), minutes)


_CHECKS: Final = (
    Measure(name="segments", unit="", better="level", digits=0),
    Measure(name="both passed", unit="%", better="higher", digits=1),
    Measure(name="deletion passed", unit="%", better="higher", digits=1),
    Measure(name="randomisation passed", unit="%", better="higher", digits=1),
    Measure(name="fall, highlighted", unit="", better="higher", digits=3),
    Measure(name="fall, elsewhere", unit="", better="lower", digits=3),
    Measure(name="correlation", unit="", better="lower", digits=3),
)


def _passed(parts: Sequence[CheckedSegment]) -> tuple[float | None, ...]:
    """One row, in the order of the measures."""
    if not parts:
        return (0.0, *(None,) * 6)
    checks = [one.checks for one in parts]
    deleted, unlike = (np.array([name not in one.failing for one in checks]) for name in ("deletion", "randomisation"))
    means = (float(np.mean([getattr(one, name) for one in checks])) for name in ("highlighted", "random", "correlation"))
    return (float(len(parts)), *(float(100 * passed.mean()) for passed in (deleted & unlike, deleted, unlike)), *means)


def card_figures(ran: Ran, held: Mapping[str, Mapping[str, Located]], tables: Mapping[str, Measures]) -> tuple[Figure, ...]:
    """What the card says: localisation on held-out patients by data set, on DS2 over the seeds, and the share of maps that pass both checks."""
    large, found = ran.recipe.at_large, []
    protocol = f"every lead by itself, {large.optimisation.patient_folds} folds by patient, which chose the limits"
    for name, parts in held.items():
        split = f"by patient, {name}, {len(large.data.trained[name])} records"
        found += [_figure(ran, f"{label} F1", one.f1, None, 1, protocol, split) for label, one in parts.items()]
    table = tables["localisation"]
    for measure, (mean, spread) in zip(table.measures, table.rows[0].summary(), strict=True):
        found.append(_figure(ran, measure.name, mean, spread, len(table.rows[0].runs), table.protocol, "by patient, mitdb ds2"))
    for row in tables["checks"].rows:
        share = row.runs[0][1]
        found.append(_figure(ran, f"maps that pass both checks: {row.name}", None if share is None else share / 100, None, 1, tables["checks"].protocol, "by patient"))
    return tuple(found)


def _figure(ran: Ran, name: str, value: float | None, spread: float | None, n: int, protocol: str, split: str) -> Figure:
    rounded = [None if number is None or not np.isfinite(number) else round(number, 4) for number in (value, spread)]
    return Figure(name=name, value=rounded[0], spread=rounded[1], n=n, protocol=protocol, split=split, command=ran.command)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
