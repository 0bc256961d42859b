"""What the Admin page says of a comparison of two models: verdicts, figures, patients. Knows nothing of Streamlit."""

from collections.abc import Collection, Sequence
from typing import Final

from pydantic import ValidationError

from ecgcore.errors import InputError
from ecgcore.evaluation.comparison import (
    BETTER,
    BY_PATIENT,
    DECIDING,
    NOT_INDEPENDENT,
    NOT_SHOWN,
    WORSE,
    Comparison,
    FigureComparison,
    PatientComparison,
    SetComparison,
    overall,
)
from ecgcore.jobs.specs import CompareSpec, parse
from ecgcore.store.jobs import DONE, Job
from pages.ui.admin.telling import times
from pages.ui.text import plain

ICONS: Final = {BETTER: ":material/trending_up:", WORSE: ":material/trending_down:", NOT_SHOWN: ":material/trending_flat:"}
NOTHING: Final = "–"
EC57_HEADER: Final = ("Figure", "Beats", "Patients", "New", "Current", "Difference", "95 % interval", "Verdict")
SHARES: Final = ("Right, new", "Right, current")
CHANGE: Final = "Change"
LOOKED_AT: Final = "mitdb DS2"  # the set that is for a final figure: each look at it to choose by wears it out


def read(job: Job) -> Comparison:
    """The comparison that a job made. Raises InputError for one that cannot be read."""
    try:
        return Comparison.model_validate_json(job.result or "")
    except ValidationError as error:
        raise InputError("this comparison was made by another version of Leadwise and cannot be read; compare again") from error


def spec(job: Job) -> CompareSpec:
    """What a comparison was asked to compare. Raises InputError."""
    asked = parse("compare", job.spec)
    if not isinstance(asked, CompareSpec):
        raise InputError(f"{job.title} is no comparison")
    return asked


def of_pair(jobs: Sequence[Job], new: str, current: str) -> tuple[Job, ...]:
    """The comparisons of two models, in the order in which they are given. Raises InputError."""
    return tuple(job for job in jobs if (asked := spec(job)).new == new and asked.current == current)


def headline(found: Comparison) -> str:
    """The verdict in words, in Markdown."""
    return f"{ICONS[found.verdict]} {plain(found.new)} against {plain(found.current)}: **{found.verdict}**"


def how_decided(found: Comparison) -> str:
    """What the verdict rests on."""
    on = f"by {', '.join(DECIDING)}" if is_measured(found) else "by every figure that stands on both cards"
    gains = " A gain on patients from whom only the new model has learned does not count." if is_measured(found) else ""
    return f"The worst that was shown on any set {on}.{gains} {found.interval}."


def is_measured(found: Comparison) -> bool:
    """Whether the models were asked beat by beat, rather than their cards."""
    return any(one.n_beats is not None for one in found.sets)


def by_set(found: Comparison) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of verdicts, a line each set, in Markdown."""
    told = [name for name in DECIDING if any(one.figure(name) for one in found.sets)]
    rows = []
    for one in found.sets:
        cells = [_short(figure, one) if (figure := one.figure(name)) else NOTHING for name in told]
        rows.append((f"**{plain(one.name)}**", _count(one.n_patients), _count(one.n_beats), f"**{overall([one], DECIDING if told else None)}**", *cells))
    return ("Set", "Patients", "Beats", "Verdict", *told), rows


def figure_rows(one: SetComparison) -> list[tuple[str, ...]]:
    """The figures of one set, a line each, in Markdown."""
    return [
        (
            _whole(plain(figure.name)),
            f"{figure.n:,}",
            _count(figure.n_patients),
            value(figure.new, one),
            value(figure.current, one),
            difference(figure.difference, one),
            _whole(interval(figure, one)),
            _whole(_shown(figure)),
        )
        for figure in one.figures
    ]


def units(one: SetComparison) -> str:
    """In what the figures of a set are given."""
    return "Over all beats, in %; differences in percentage points, new less current." if one.n_beats is not None else "As they stand on the cards; differences new less current."


def value(share: float | None, one: SetComparison) -> str:
    """A figure: in % where it is a share of beats, else as it stands on a card."""
    if share is None:
        return NOTHING
    return f"{100 * share:.2f}" if one.n_beats is not None else plain(f"{share:.4g}")


def difference(found: float | None, one: SetComparison) -> str:
    """A difference with its sign."""
    if found is None:
        return NOTHING
    return _minus(f"{100 * found:+z.2f}" if one.n_beats is not None else f"{found:+.3g}")


def interval(figure: FigureComparison, one: SetComparison) -> str:
    """The 95 % interval of a difference."""
    if figure.low is None or figure.high is None:
        return "none"
    return f"{difference(figure.low, one)} to {difference(figure.high, one)}"


def mcnemar(found: Comparison, one: SetComparison) -> str:
    """Who is right where the other is not, in words, with what the test takes for granted."""
    test = one.mcnemar
    if test is None:
        return ""
    p = "p below 0.001" if test.p < 0.001 else f"p = {test.p:.3f}"
    alone = f"{test.b:,} are right by {found.new} alone and {test.c:,} by {found.current} alone"
    return f"Beat by beat: of {test.n:,} reference beats {alone} (McNemar's exact test, {p}). {NOT_INDEPENDENT}"


def caveats(one: SetComparison) -> tuple[str, ...]:
    """What stands against a set's figures; what is said with McNemar's test is not said twice."""
    return tuple(said for said in one.caveats if said != NOT_INDEPENDENT)


def patients_said(one: SetComparison) -> str:
    """How many gained and how many lost, in words."""
    lost, gained = (sum(1 for patient in one.patients if sign * patient.change > 0) for sign in (-1, 1))
    return f"Patients, who lost most first: {lost:,} with fewer beats called right, {gained:,} with more, {len(one.patients) - lost - gained:,} unchanged"


def patient_columns(one: SetComparison) -> dict[str, list[object]]:
    """A line a patient by column: beats, share called right in %, and how his figures changed in percentage points."""
    told = [name for name in BY_PATIENT if one.figure(name)]
    learned_new, learned_current = set(one.learned_new), set(one.learned_current)
    columns: dict[str, list[object]] = {
        "Patient": [patient.name for patient in one.patients],
        "Beats": [patient.n for patient in one.patients],
        "VEB": [patient.n_veb for patient in one.patients],
        "SVEB": [patient.n_sveb for patient in one.patients],
        SHARES[0]: [_percent(patient.right_new) for patient in one.patients],
        SHARES[1]: [_percent(patient.right_current) for patient in one.patients],
        CHANGE: [_points(patient.change) for patient in one.patients],
        **{name: [_points(patient.change_of(name)) for patient in one.patients] for name in told},
    }
    if learned_new | learned_current:
        columns["Learned from by"] = [_learned(patient, learned_new, learned_current) for patient in one.patients]
    return columns


def calibration(found: Comparison, one: SetComparison) -> str:
    """How far each model's probabilities are from the shares that are right, in words."""
    errors = [None if half is None or half.ece is None else f"{100 * half.ece:.2f}" for half in (one.calibration_new, one.calibration_current)]
    said = [f"{model} {error or NOTHING}" for model, error in zip((found.new, found.current), errors, strict=True)]
    return f"Expected calibration error, in percentage points: {', '.join(said)}. It is the mean distance of probability and share right, weighted by beats; less is better."


def looks(jobs: Sequence[Job], names: Collection[str]) -> str:
    """How often the final set was looked at, in words: by each comparison that is done of models of these names, which classify beats. Raises InputError."""
    done = sum(job.status == DONE and spec(job).new.partition("@")[0] in names for job in jobs)
    return f"Comparisons on this desk have looked at {LOOKED_AT} {times(done)} so far: a set that is chosen by again and again flatters what it chose."


def _short(figure: FigureComparison, one: SetComparison) -> str:
    return f"{_shown(figure)}, {difference(figure.difference, one)}" if figure.difference is not None else _shown(figure)


def _shown(figure: FigureComparison) -> str:
    return f"**{figure.verdict}**" if figure.verdict != NOT_SHOWN else figure.verdict


def _whole(text: str) -> str:
    """A cell that is not broken into lines."""
    return text.replace(" ", "\u00a0")


def _learned(patient: PatientComparison, new: set[str], current: set[str]) -> str:
    return {(True, True): "both", (True, False): "new", (False, True): "current"}.get((patient.name in new, patient.name in current), "")


def _count(n: int | None) -> str:
    return NOTHING if n is None else f"{n:,}"


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _points(change: float | None) -> float | None:
    return None if change is None else 100 * change + 0.0


def _minus(text: str) -> str:
    return text.replace("-", "−")
