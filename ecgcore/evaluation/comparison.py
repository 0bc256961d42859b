"""Two models on the same patients: what is better, what is worse, how sure that is, and whose beats are lost.

Every difference is new less current. What is shown is shown by patient: the beats of one patient are alike, so that an
interval over patients decides, and McNemar's test over beats stands beside it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.evaluation.beats import EC57_FIGURES, SHORT
from ecgcore.evaluation.calibration import binned, calibration_error
from ecgcore.evaluation.ec57 import BeatComparison, gross
from ecgcore.evaluation.ratios import Ratio
from ecgcore.evaluation.tables import Part

Verdict: TypeAlias = Literal["better", "worse", "no difference shown"]
BETTER: Final = "better"
WORSE: Final = "worse"
NOT_SHOWN: Final = "no difference shown"

DRAWS: Final = 2000
SEED: Final = 1
COVERED: Final = (2.5, 97.5)  # percentiles between which an interval lies
LEAST_PATIENTS: Final = 6  # with fewer, all of them go one way by chance oftener than once in 40, which the interval leaves to either side
MARGIN: Final = 0.02  # that the sensitivity for VEB or SVEB may fall by
LEAST_BEATS: Final = 10  # of a class in a set, for its sensitivity to stand for or against a promotion
DIGITS: Final = 5
INTERVAL: Final = (
    f"95 % intervals: percentile bootstrap over patients, {DRAWS:,} draws, seed {SEED}; draws in which a figure does not exist are left out; none for a figure that fewer "
    f"than {LEAST_PATIENTS} patients have. A figure is better or worse where its whole interval lies above or below 0; how many are looked at is not allowed for"
)
NOT_INDEPENDENT: Final = "McNemar's test takes every beat as independent, and those of one patient are not: the intervals over patients decide."

FIGURES: Final = {f"{what.upper()} {SHORT[figure]}": name for name in EC57_FIGURES for what, _, figure in (name.partition("_"),)}  # "VEB Se" → "veb_sensitivity"
SENSITIVITIES: Final = {"VEB Se": "V", "SVEB Se": "S"}
DECIDING: Final = ("VEB Se", "VEB F1", "SVEB Se", "SVEB F1")
BY_PATIENT: Final = DECIDING


class FigureComparison(Part):
    """One figure of both models, as a share of 1 where its name says nothing else; None where it does not exist.

    n           reference beats it speaks of; of a figure that stands on cards its runs, the fewer of both
    n_patients  those in whom it exists, for the model that has it in fewer; None where that is not known
    low, high   95 % interval of the difference; None where there is none
    """

    name: str
    n: int
    n_patients: int | None
    new: float | None
    current: float | None
    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict


class McNemar(Part):
    """Of `n` reference beats, b are right by the new model alone and c by the current one alone; p of the exact two-sided binomial test."""

    n: int
    b: int
    c: int
    p: float


class Calibration(Part):
    """Reliability of the most probable class: bins of (mean probability, share right, beats), and the expected calibration error; None without a beat."""

    bins: tuple[tuple[float, float, int], ...]
    ece: float | None


class PatientFigure(Part):
    """One figure of one patient by both models."""

    name: str
    new: float | None
    current: float | None


class PatientComparison(Part):
    """One patient: reference beats `n`, with `n_veb` and `n_sveb` of them in the test period of EC57, and the share of them called right by each model."""

    name: str
    n: int
    n_veb: int
    n_sveb: int
    right_new: float | None
    right_current: float | None
    figures: tuple[PatientFigure, ...]

    @property
    def change(self) -> float:
        """Share of the beats called right, new less current; 0 without a beat."""
        return (self.right_new or 0.0) - (self.right_current or 0.0)

    def change_of(self, figure: str) -> float | None:
        """The same of one of the figures; None where either model has none."""
        found = next(((one.new, one.current) for one in self.figures if one.name == figure), (None, None))
        return None if found[0] is None or found[1] is None else found[0] - found[1]


class SetComparison(Part):
    """Both models on one set of patients.

    split, protocol     as they stand on cards
    reference_protocol  the same of McNemar's test, the calibrations and the shares called right, which are None for a set known by cards alone
    figures             over all beats ("gross")
    patients            who lost most first
    learned_new, learned_current  patients of the set that the model, or one it was fine-tuned from, has learned from
    """

    name: str
    split: str
    protocol: str
    reference_protocol: str | None = None
    n_patients: int | None
    n_beats: int | None
    figures: tuple[FigureComparison, ...]
    mcnemar: McNemar | None = None
    calibration_new: Calibration | None = None
    calibration_current: Calibration | None = None
    patients: tuple[PatientComparison, ...] = ()
    learned_new: tuple[str, ...] = ()
    learned_current: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()

    def figure(self, name: str) -> FigureComparison | None:
        """The figure of a name; None where there is none."""
        return next((one for one in self.figures if one.name == name), None)

    @property
    def favours_new(self) -> bool:
        """Whether the new model has learned from patients that the current one has not, so that a gain on them shows nothing."""
        return not set(self.learned_new) <= set(self.learned_current)


class Comparison(Part):
    """A new model against the current one.

    new, current  name@version of each, and the sha256 of its weights
    site          version of this site's data set that was among the sets; None for none
    margin        that the sensitivity for VEB or SVEB may fall by; `refusals` say where it falls further or is not known, and stand against a promotion
    interval      how the intervals were got
    """

    new: str
    current: str
    new_sha256: str
    current_sha256: str
    task: str
    site: int | None
    sets: tuple[SetComparison, ...]
    verdict: Verdict
    margin: float
    interval: str
    refusals: tuple[str, ...]
    caveats: tuple[str, ...]
    command: str
    git_commit: str
    minutes: float


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model makes of one patient.

    beats       EC57 counts from the raw record
    right       (n_beats,) whether it calls each reference beat by its class
    probable    (n_beats,) whether its most probable class is that class
    confidence  (n_beats,) probability of the most probable class
    """

    beats: BeatComparison
    right: NDArray[np.bool_]
    probable: NDArray[np.bool_]
    confidence: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient's answers of both models, on the same reference beats."""

    name: str
    new: Answers
    current: Answers


def together(records: Sequence[Answers]) -> Answers:
    """The records of one patient as one."""
    return Answers(
        gross(record.beats for record in records),
        np.concatenate([record.right for record in records]),
        np.concatenate([record.probable for record in records]),
        np.concatenate([record.confidence for record in records]),
    )


def compare_set(
    name: str, split: str, protocols: tuple[str, str], patients: Sequence[Patient], figures: Sequence[str] = tuple(FIGURES),
    learned: tuple[Iterable[str], Iterable[str]] = ((), ()), caveats: Iterable[str] = (),
) -> SetComparison:  # fmt: skip
    """Both models on the patients of one set, by these of FIGURES. Raises InputError for a set without patients.

    protocols  of the figures, and on reference beats
    learned    whom the new and the current model have learned from
    """
    if not patients:
        raise InputError(f"the set {name!r} has no patients, and two models are compared on one or more")
    weights = draws(len(patients))
    compared = tuple(_compared(figure, patients, weights) for figure in figures)
    new, current = together([patient.new for patient in patients]), together([patient.current for patient in patients])
    by_loss = sorted((_patient(patient, [figure for figure in BY_PATIENT if figure in figures]) for patient in patients), key=lambda one: (one.change, one.name))
    return SetComparison(
        name=name, split=split, protocol=protocols[0], reference_protocol=protocols[1], n_patients=len(patients), n_beats=new.right.size, figures=compared,
        mcnemar=mcnemar(new.right, current.right), calibration_new=_calibration(new), calibration_current=_calibration(current), patients=tuple(by_loss),
        learned_new=tuple(learned[0]), learned_current=tuple(learned[1]), caveats=(*caveats, *_too_few(compared, len(patients)), NOT_INDEPENDENT),
    )  # fmt: skip


def draws(n_patients: int) -> NDArray[np.int64]:
    """How often each patient is in each bootstrap sample, (DRAWS, n_patients): as many are drawn as there are, with replacement, the same at every call."""
    return np.random.default_rng(SEED).multinomial(n_patients, np.full(n_patients, 1 / n_patients), size=DRAWS)


def interval(new: NDArray[np.int64], current: NDArray[np.int64], weights: NDArray[np.int64]) -> tuple[float, float] | None:
    """95 % interval of the difference of two ratios, each of counts added up over patients (Efron & Tibshirani, 1993, percentile interval).

    new, current  (n_patients, 2) numerator and denominator of each patient
    weights       (draws, n_patients) as of `draws`

    None where fewer than LEAST_PATIENTS have the figure by either model.
    """
    if _having(new, current) < LEAST_PATIENTS:
        return None
    differences = _ratios(weights @ new) - _ratios(weights @ current)
    low, high = np.percentile(differences[~np.isnan(differences)], COVERED)
    return float(low), float(high)


def mcnemar(new: NDArray[np.bool_], current: NDArray[np.bool_]) -> McNemar:
    """McNemar's exact test (1947) on whether two models are right on the same items (n,); p is 1 where they never differ."""
    from scipy.stats import binomtest

    b, c = int((new & ~current).sum()), int((current & ~new).sum())
    return McNemar(n=new.size, b=b, c=c, p=float(binomtest(b, b + c, 0.5).pvalue) if b + c else 1.0)


def verdict_of(low: float | None, high: float | None, lower_is_better: bool = False) -> Verdict:
    """What an interval of a difference shows."""
    if low is None or high is None or low <= 0 <= high:
        return NOT_SHOWN
    return BETTER if (high < 0) == lower_is_better else WORSE


def overall(sets: Iterable[SetComparison], deciding: Sequence[str] | None = DECIDING) -> Verdict:
    """The worst that was shown of the deciding figures (None: of all) on any set; a gain on patients that only the new model has learned from does not count."""
    shown = {
        figure.verdict
        for one in sets
        for figure in one.figures
        if (deciding is None or figure.name in deciding) and not (figure.verdict == BETTER and one.favours_new)
    }  # fmt: skip
    return WORSE if WORSE in shown else BETTER if BETTER in shown else NOT_SHOWN


def refusals(sets: Sequence[SetComparison], margin: float = MARGIN) -> tuple[str, ...]:
    """What stands against putting the new model in use, a sentence each.

    The sensitivity for VEB or SVEB falls by more than the margin on a set of LEAST_BEATS or more of them; or whether it falls cannot be
    told, as no set holds so many; one whose patients only the new model has learned from does not tell.
    """
    said = []
    for name in SENSITIVITIES:
        on = [(one, figure) for one in sets if (figure := one.figure(name)) is not None]
        for one, figure in on:
            if figure.n >= LEAST_BEATS and figure.new is not None and figure.current is not None and round(figure.current - figure.new, DIGITS) > margin:
                said.append(_falls(one, figure, figure.current, figure.new, margin))
        if on and not any(figure.n >= LEAST_BEATS and not one.favours_new for one, figure in on):
            said.append(_unknown(on))
    return tuple(said)


def _falls(one: SetComparison, figure: FigureComparison, was: float, now: float, margin: float) -> str:
    beats = f"{figure.n:,} beats of {figure.n_patients} patient{'s' if figure.n_patients != 1 else ''}"
    flattered = f" The current model has learned from {len(one.learned_current)} of this set's patients, and may be better on them than on others." if one.learned_current else ""
    return (
        f"{figure.name.removesuffix(' Se')} sensitivity on {one.name} falls from {was:.1%} to {now:.1%}, by {100 * round(was - now, DIGITS):.3g} percentage points, "
        f"and {100 * margin:g} are allowed ({beats}).{flattered}"
    )


def _unknown(on: Sequence[tuple[SetComparison, FigureComparison]]) -> str:
    held = "; ".join(f"{one.name} has {figure.n:,}{', of patients the new model has learned from' if one.favours_new else ''}" for one, figure in on)
    return f"Whether {on[0][1].name.removesuffix(' Se')} sensitivity falls is not known: that takes {LEAST_BEATS} or more such beats in a set, and {held}."


def known(value: float) -> float | None:
    """A value as it is kept: rounded, None for NaN."""
    return round(value, DIGITS) + 0.0 if math.isfinite(value) else None


def _compared(name: str, patients: Sequence[Patient], weights: NDArray[np.int64]) -> FigureComparison:
    new, current = (_counts([_ratio(answers.beats, name) for answers in side]) for side in ([one.new for one in patients], [one.current for one in patients]))
    beats = f"{name.partition(' ')[0]} Se"  # whose denominators are the reference beats
    ours, theirs = _ratios(new.sum(axis=0)[None])[0], _ratios(current.sum(axis=0)[None])[0]
    low, high = (known(end) for end in interval(new, current, weights) or (math.nan, math.nan))
    return FigureComparison(
        name=name, n=sum(_ratio(one.new.beats, beats).denominator for one in patients), n_patients=_having(new, current),
        new=known(ours), current=known(theirs), difference=known(ours - theirs), low=low, high=high, verdict=verdict_of(low, high),
    )  # fmt: skip


def _patient(patient: Patient, figures: Sequence[str]) -> PatientComparison:
    new, current = patient.new, patient.current
    values = [PatientFigure(name=name, new=known(_ratio(new.beats, name).value), current=known(_ratio(current.beats, name).value)) for name in figures]
    return PatientComparison(
        name=patient.name, n=new.right.size, n_veb=new.beats.veb_sensitivity.denominator, n_sveb=new.beats.sveb_sensitivity.denominator,
        right_new=_share(new.right), right_current=_share(current.right), figures=tuple(values),
    )  # fmt: skip


def _too_few(figures: Sequence[FigureComparison], n_patients: int) -> tuple[str, ...]:
    """In words, which figures have no interval."""
    if n_patients == 1:
        return ("There is one patient: no interval can be given, and no difference be shown.",)
    without = [f"{one.name} ({one.n_patients})" for one in figures if one.low is None]
    return (f"Fewer than {LEAST_PATIENTS} patients, which is too few for an interval, have: {', '.join(without)}.",) if without else ()


def _calibration(answers: Answers) -> Calibration:
    bins = binned(answers.confidence, answers.probable)
    return Calibration(bins=bins, ece=known(calibration_error(bins)))


def _ratio(beats: BeatComparison, name: str) -> Ratio:
    ratio: Ratio = getattr(beats, FIGURES[name])
    return ratio


def _counts(ratios: Sequence[Ratio]) -> NDArray[np.int64]:
    """(n_patients, 2). Both counts are sums of cells, so that adding them up is adding up the matrices."""
    return np.array([(ratio.numerator, ratio.denominator) for ratio in ratios], np.int64).reshape(-1, 2)


def _ratios(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) of counts (n, 2); NaN where there is nothing to divide by."""
    ratios: NDArray[np.float64] = np.divide(counts[:, 0], counts[:, 1], out=np.full(len(counts), np.nan), where=counts[:, 1] > 0)
    return ratios


def _having(new: NDArray[np.int64], current: NDArray[np.int64]) -> int:
    """Patients who have a figure, for the model by which fewer have it."""
    return int(min((new[:, 1] > 0).sum(), (current[:, 1] > 0).sum()))


def _share(right: NDArray[np.bool_]) -> float | None:
    return known(float(right.mean())) if right.size else None
