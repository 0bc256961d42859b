"""The events of a record that a reader steps through: ectopic runs and patterns, pauses, slow and fast rhythm, noise.

All of it follows from where the beats are and what they are called, so that it changes at once with an edit. Fusion beats
count as ventricular, as in the runs of EC57. Neither an interval nor a pattern reaches across a stretch without a readable
lead: a beat may hide there. Paced and unclassifiable beats (Q) end every run and pattern.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgcore.errors import InputError
from ecgcore.evaluation.ec57_runs import COUPLET, RUN_CLASSES, SHORT_RUN
from ecgcore.findings import Quality

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

# The order in which a reader should see them, not a diagnosis: what may kill, then what is symptomatic, then single beats.
SEVERITY: Final[Mapping[str, int]] = {
    "ventricular tachycardia": 7,
    "pause": 5,
    "V run": 5,
    "S run": 4,
    "bradycardia": 4,
    "tachycardia": 4,
    "V couplet": 3,
    "V bigeminy": 3,
    "V trigeminy": 3,
    "S couplet": 2,
    "S bigeminy": 2,
    "S trigeminy": 2,
    "isolated V": 1,
    "isolated S": 1,
    "noise": 0,
}
KINDS: Final = tuple(SEVERITY)
SUSTAINED_S: Final = 30.0  # of ventricular tachycardia, AHA/ACC/HRS 2017: one more severe
LONG_PAUSE_S: Final = 3.0  # ACC/AHA/HRS 2018: one more severe
SORTS: Final = ("time", "severity", "uncertainty")
_PATTERNS: Final = {"bigeminy": 2, "trigeminy": 3}  # beats in a cycle
_SKIPPED: Final = 4  # a couplet between two beats leaves out three intervals
_TEXT: Final = {
    **dict.fromkeys(("ventricular tachycardia", "V run", "S run"), "{0.kind} of {0.n_beats} at {0.rate_bpm:.0f}/min"),
    **dict.fromkeys(("V couplet", "S couplet"), "{0.kind} at {0.rate_bpm:.0f}/min"),
    **dict.fromkeys(("bradycardia", "tachycardia"), "{0.kind} at {0.rate_bpm:.0f}/min, {0.n_beats} beats"),
    **{f"{letter} {name}": f"{{0.kind}}, {{0.n_cycles}} cycles of {period}" for letter in RUN_CLASSES for name, period in _PATTERNS.items()},
    "pause": "pause of {0.duration_s:.1f} s",
    "noise": "no lead to be relied on for {0.duration_s:.0f} s",
}


def _criterion(default: float, least: float, most: float, source: str) -> Any:
    return field(default=default, metadata={"least": least, "most": most, "source": source})


@dataclass(frozen=True)
class Criteria:
    """What counts as an event; `fields(Criteria)` say range and source of each in their metadata. Raises InputError outside the range."""

    ventricular_run_beats: int = _criterion(SHORT_RUN.start, 3, 100, "ANSI/AAMI EC57: a couplet has 2 beats, a short run 3 to 5, a long run more")
    ventricular_tachycardia_bpm: float = _criterion(100.0, 60.0, 250.0, "AHA/ACC/HRS 2017: three or more ventricular beats in a row, faster than 100/min")
    supraventricular_run_beats: int = _criterion(SHORT_RUN.start, 3, 100, "ANSI/AAMI EC57, as ventricular runs")
    pattern_cycles: int = _criterion(3, 2, 100, "Holter practice: NVNVNV and NNVNNVNNV (HScribe user manual), at least three cycles")
    pause_s: float = _criterion(2.0, 1.0, 20.0, "Holter practice: RR interval of 2 s or more; 3 s are clinically relevant (ACC/AHA/HRS 2018)")
    bradycardia_bpm: float = _criterion(50.0, 20.0, 100.0, "ACC/AHA/HRS 2018: sinus rate below 50/min")
    bradycardia_beats: int = _criterion(4, 3, 1000, "our choice: the least for which a single long interval does not count")
    tachycardia_bpm: float = _criterion(100.0, 60.0, 250.0, "ACC/AHA/HRS 2015: rate above 100/min")
    tachycardia_beats: int = _criterion(8, 3, 1000, "our choice, see EXPERIMENTS.md: shorter spans are single premature beats")
    noise_s: float = _criterion(10.0, 1.0, 3600.0, "one window of the quality check")
    isolated: bool = field(default=False, metadata={"source": "whether single V and S beats are listed too; the strip steps through them without a list"})

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.type is bool:
                if not isinstance(value, bool):
                    raise InputError(f"{one.name} {value!r} is neither True nor False")
                continue
            kind, said = (Integral, "a whole number") if one.type is int else (Real, "a number")
            least, most = one.metadata["least"], one.metadata["most"]
            if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
                raise InputError(f"{one.name} {value!r} is not {said} from {least:g} to {most:g}")


DEFAULT: Final = Criteria()


@dataclass(frozen=True)
class Episode:
    """One event, from its first to its last sample, both in it: the R peaks of its first and last beat, or the ends of the noise.

    kind         one of KINDS
    n_beats      beats in it; for a pause the two that bound it
    duration_s   from its first to its last sample
    rate_bpm     60 / mean RR in runs and couplets, 60 / median RR of N and S beats in slow and fast rhythm; else None
    severity     0 to 8 as SEVERITY says; one more for ventricular tachycardia of 30 s and pauses of 3 s
    uncertainty  0 to 1: 1 - mean probability of the labels of its beats; NaN where none of them comes from a model
    """

    kind: str
    start_sample: int
    stop_sample: int
    n_beats: int
    duration_s: float
    rate_bpm: float | None
    severity: int
    uncertainty: float

    @property
    def n_cycles(self) -> int:
        """Cycles of bigeminy or trigeminy; 0 for another kind."""
        period = _PATTERNS.get(self.kind.rpartition(" ")[2], 0)
        return self.n_beats // period if period else 0

    @property
    def text(self) -> str:
        """What stands on screen: "V run of 5 at 88/min"."""
        return _TEXT.get(self.kind, "{0.kind}").format(self)


def find(
    samples: ArrayLike,
    labels: Sequence[str] | NDArray[np.str_],
    fs_hz: float,
    criteria: Criteria = DEFAULT,
    *,
    certainty: ArrayLike | None = None,
    blind_s: ArrayLike | None = None,
    noise_s: ArrayLike | None = None,
) -> tuple[Episode, ...]:
    """All events among beats, in time order.

    samples    (n,) R peaks at fs_hz, ascending
    labels     (n,) AAMI class of each
    certainty  (n,) probability of the label, NaN for a beat that a reader set; None where there are none
    blind_s    (k, 2) stretches in s without a readable lead, as figures.trend.blind
    noise_s    (k, 2) stretches in s to be listed as noise, as `unreliable` gives them

    Raises InputError for beats out of order, a column of another length, or a rate that is not above 0.
    """
    beats = _Beats.of(samples, labels, fs_hz, certainty, blind_s)
    found = [*_runs_and_patterns(beats, criteria), _pauses(beats, criteria)]
    found.append(_spans(beats, "bradycardia", beats.rr > 60 * fs_hz / criteria.bradycardia_bpm, criteria.bradycardia_beats))
    found.append(_spans(beats, "tachycardia", beats.rr < 60 * fs_hz / criteria.tachycardia_bpm, criteria.tachycardia_beats))
    found.append(_noise(beats, noise_s, criteria))
    return _episodes(beats, [some for some in found if len(some.start)])


def sorted_by(episodes: Iterable[Episode], order: str) -> tuple[Episode, ...]:
    """Episodes by one of SORTS: time; severity, most beats first among equals; uncertainty, the unknown last. Raises InputError."""
    keys: dict[str, Callable[[Episode], tuple[float, ...]]] = {
        "time": lambda one: (one.start_sample, one.stop_sample),
        "severity": lambda one: (-one.severity, -one.n_beats, -one.duration_s, one.start_sample),
        "uncertainty": lambda one: (np.isnan(one.uncertainty), -one.uncertainty if one.uncertainty == one.uncertainty else 0.0, one.start_sample),
    }
    if order not in keys:
        raise InputError(f"episodes cannot be sorted by {order!r}; choose one of {', '.join(SORTS)}")
    return tuple(sorted(episodes, key=keys[order]))


def unreliable(quality: Quality, leads: Sequence[str]) -> NDArray[np.float64]:
    """Stretches (k, 2) in s in which every one of the leads has a mark of any kind: no lead there to check a beat on."""
    windows = [{round(mark.start_s / quality.window_s) for mark in quality.marks if mark.lead == lead} for lead in leads]
    shared = np.array(sorted(set.intersection(*windows)) if windows else [], np.int64)
    first, last = _stretches(np.ones(len(shared), np.bool_), np.diff(shared) == 1)
    ends = {round(mark.start_s / quality.window_s): mark.stop_s for mark in quality.marks if mark.lead in leads}
    stops = [ends[window] for window in shared[last].tolist()]
    return np.stack([shared[first] * quality.window_s, np.asarray(stops, np.float64)], axis=1)


@dataclass(frozen=True, eq=False)
class _Beats:
    """Beats as all the searches see them: rr and linked belong to the interval that follows each beat but the last."""

    samples: Indices
    labels: NDArray[np.str_]
    fs_hz: float
    rr: Indices
    linked: Flags
    known: Indices  # beats with a certainty, counted up to each
    certain: NDArray[np.float64]  # and the sum of theirs

    @classmethod
    def of(cls, samples: ArrayLike, labels: Sequence[str] | NDArray[np.str_], fs_hz: float, certainty: ArrayLike | None, blind_s: ArrayLike | None) -> "_Beats":
        at, names = np.asarray(samples, np.int64), np.asarray(labels, "<U1")
        sure = np.full(len(at), np.nan) if certainty is None else np.asarray(certainty, np.float64)
        if not len(at) == len(names) == len(sure):
            raise InputError(f"{len(at)} beats, but {len(names)} labels and {len(sure)} certainties")
        if not (np.isfinite(fs_hz) and fs_hz > 0):
            raise InputError(f"sampling rate {fs_hz} Hz must be above 0")
        rr = np.diff(at)
        if (rr < 0).any():
            where = int(np.flatnonzero(rr < 0)[0])
            raise InputError(f"beats are not in time order: sample {at[where + 1]} follows {at[where]}")
        blind = np.sort(np.asarray([] if blind_s is None else blind_s, np.float64).reshape(-1, 2) * fs_hz, axis=0)
        across = np.searchsorted(blind[:, 0], at[1:]) > np.searchsorted(blind[:, 1], at[:-1], "right")
        return cls(at, names, fs_hz, rr, ~across, np.append(0, np.cumsum(~np.isnan(sure))), np.append(0.0, np.cumsum(np.nan_to_num(sure))))

    def are(self, classes: str) -> Flags:
        """Which beats are of any of these classes."""
        return np.isin(self.labels, list(classes))


@dataclass(frozen=True, eq=False)
class _Found:
    """Events of one kind as columns: samples, the beats from first up to last (excluded), rate (NaN where it has none)."""

    kind: str
    start: Indices
    stop: Indices
    first: Indices
    last: Indices
    rate_bpm: NDArray[np.float64]

    @classmethod
    def of(cls, beats: _Beats, kind: str, first: Indices, last: Indices, rate_bpm: NDArray[np.float64] | None = None) -> "_Found":
        """Events from a first to a last beat, both in them."""
        rates = np.full(len(first), np.nan) if rate_bpm is None else rate_bpm
        return cls(kind, beats.samples[first], beats.samples[last], first, last + 1, rates)


def _runs_and_patterns(beats: _Beats, criteria: Criteria) -> list[_Found]:
    """Runs, couplets, isolated beats, bigeminy and trigeminy of V and of S."""
    found = []
    for letter, classes in RUN_CLASSES.items():
        ectopic = beats.are(classes)
        first, last = _stretches(ectopic, beats.linked)
        length = last - first + 1
        rate = _mean_rate(beats, first, last)
        run = length >= (criteria.ventricular_run_beats if letter == "V" else criteria.supraventricular_run_beats)
        fast = run & (letter == "V") & (rate >= criteria.ventricular_tachycardia_bpm)
        chosen = {"ventricular tachycardia": fast, f"{letter} run": run & ~fast, f"{letter} couplet": length == COUPLET.start}
        found += [_Found.of(beats, kind, first[some], last[some], rate[some]) for kind, some in chosen.items()]
        if criteria.isolated:
            found.append(_Found.of(beats, f"isolated {letter}", first[length == 1], last[length == 1]))
        found += [_Found.of(beats, f"{letter} {name}", *_pattern(beats, ectopic, period, criteria.pattern_cycles)) for name, period in _PATTERNS.items()]
    return found


def _pattern(beats: _Beats, ectopic: Flags, period: int, cycles: int) -> tuple[Indices, Indices]:
    """First and last beat where a cycle of normal beats with an ectopic one at its end repeats: NVNVNV, NNVNNVNNV.

    What stands before and after does not matter: the last ectopic beat may begin a couplet.
    """
    normal = beats.are("N")
    ends = np.arange(period - 1, len(ectopic))
    cycle = ectopic[ends]
    for back in range(1, period):
        cycle = cycle & normal[ends - back] & beats.linked[ends - back]
    at = ends[cycle]
    first, last = _stretches(np.ones(len(at), np.bool_), (np.diff(at) == period) & beats.linked[at[:-1]])
    enough = last - first + 1 >= cycles
    return at[first[enough]] - period + 1, at[last[enough]]


def _pauses(beats: _Beats, criteria: Criteria) -> _Found:
    """RR intervals of any two beats at or over the limit."""
    at = np.flatnonzero((beats.rr >= criteria.pause_s * beats.fs_hz) & beats.linked)
    return _Found.of(beats, "pause", at, at + 1)


def _spans(beats: _Beats, kind: str, beyond: Flags, least_beats: int) -> _Found:
    """Stretches of at least so many N and S beats in which most RR intervals are beyond a limit, wherever one looks.

    Every window of that many beats has more than half of its intervals beyond; windows that touch are one span, which
    begins and ends with such an interval. Single ectopic beats and couplets are stepped over, runs are not.
    """
    sinus = beats.are("NS")
    at = np.flatnonzero(sinus[:-1] & sinus[1:] & beats.linked)
    width = least_beats - 1
    breaks = np.append(0, np.cumsum(~beats.linked))
    joined = (np.diff(at) <= _SKIPPED) & (np.diff(breaks[at]) == 0)
    windows = max(0, len(at) - width + 1)
    inside, over = np.append(0, np.cumsum(joined)), np.append(0, np.cumsum(beyond[at]))
    opens = np.arange(windows)
    most = (2 * (over[opens + width] - over[opens]) > width) & (inside[opens + width - 1] - inside[opens] == width - 1)
    steps = np.zeros(len(at) + 1, np.int64)
    steps[opens[most]] += 1
    steps[opens[most] + width] -= 1
    first, last = _stretches(np.cumsum(steps)[:-1] > 0, joined)
    places = np.flatnonzero(beyond[at])
    first, last = places[np.searchsorted(places, first)], places[np.searchsorted(places, last, "right") - 1]
    rate = 60 * beats.fs_hz / np.maximum(_medians(beats.rr[at], first, last), 1)
    enough = (last - first + 1 >= width) & (_medians(beyond[at].astype(np.int64), first, last) > 0.5)
    return _Found.of(beats, kind, at[first[enough]], at[last[enough]] + 1, rate[enough])


def _noise(beats: _Beats, noise_s: ArrayLike | None, criteria: Criteria) -> _Found:
    """Noise that lasts, with the beats called in it."""
    stretches = np.asarray([] if noise_s is None else noise_s, np.float64).reshape(-1, 2)
    stretches = stretches[stretches[:, 1] - stretches[:, 0] >= criteria.noise_s]
    start, stop = np.round(stretches * beats.fs_hz).astype(np.int64).T
    first, last = np.searchsorted(beats.samples, start), np.searchsorted(beats.samples, stop)
    return _Found("noise", start, np.maximum(stop - 1, start), first, last, np.full(len(start), np.nan))


def _stretches(flags: Flags, joined: Flags) -> tuple[Indices, Indices]:
    """First and last index of each run of True in flags (n,); joined (n - 1,) is False where a run must break."""
    follows = flags[:-1] & flags[1:] & joined
    opens, closes = flags.copy(), flags.copy()
    opens[1:] &= ~follows
    closes[:-1] &= ~follows
    return np.flatnonzero(opens), np.flatnonzero(closes)


def _mean_rate(beats: _Beats, first: Indices, last: Indices) -> NDArray[np.float64]:
    """60 / mean RR from a first to a last beat; NaN for a single one."""
    rate = 60 * beats.fs_hz * (last - first) / np.maximum(beats.samples[last] - beats.samples[first], 1)
    return np.where(last > first, rate, np.nan)


def _medians(values: Indices, first: Indices, last: Indices) -> NDArray[np.float64]:
    """Median of values from each first to its last, both in it; stretches do not overlap."""
    lengths = last - first + 1
    offsets = np.cumsum(lengths) - lengths
    group = np.repeat(np.arange(len(first)), lengths)
    chosen = values[np.arange(len(group)) - offsets[group] + first[group]]
    ranked = chosen[np.lexsort((chosen, group))]
    return np.asarray((ranked[offsets + (lengths - 1) // 2] + ranked[offsets + lengths // 2]) / 2)


def _episodes(beats: _Beats, found: list[_Found]) -> tuple[Episode, ...]:
    """The columns of all kinds as Episodes in time order; among those that begin together the most severe first."""
    if not found:
        return ()
    kinds = np.concatenate([np.full(len(some.start), KINDS.index(some.kind)) for some in found])
    start, stop, first, last, rate = (np.concatenate([getattr(some, name) for some in found]) for name in ("start", "stop", "first", "last", "rate_bpm"))
    duration_s = (stop - start) / beats.fs_hz
    severity = np.array(list(SEVERITY.values()))[kinds]
    severity = severity + ((kinds == KINDS.index("ventricular tachycardia")) & (duration_s >= SUSTAINED_S))
    severity = severity + ((kinds == KINDS.index("pause")) & (duration_s >= LONG_PAUSE_S))
    known = beats.known[last] - beats.known[first]
    certain = np.clip((beats.certain[last] - beats.certain[first]) / np.maximum(known, 1), 0.0, 1.0)
    uncertainty = np.where(known > 0, 1 - certain, np.nan)
    rates = [None if np.isnan(bpm) else bpm for bpm in rate.tolist()]
    columns = ([KINDS[kind] for kind in kinds], start.tolist(), stop.tolist(), (last - first).tolist(), duration_s.tolist(), rates, severity.tolist(), uncertainty.tolist())
    order = np.lexsort((kinds, stop, start)).tolist()
    return tuple(Episode(*(column[i] for column in columns)) for i in order)
