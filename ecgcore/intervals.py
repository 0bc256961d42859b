"""PR, QRS, QT and QTc on the median beat of a stretch of record; what cannot be measured says why."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.findings import AAMI_OF_MIT
from ecgcore.leads import ecg_leads
from ecgcore.record import Record
from ecgcore.signals import delineation, median_beat
from ecgcore.signals.delineation import Delineation, Marks
from ecgcore.signals.median_beat import MedianBeat, Windows

MAX_BEATS: Final = 200  # looked at, evenly spread; more change the median no further
AFTER_S: Final = (0.45, 0.90)  # of the median beat, after R: one RR interval, within this
USUAL_RR_S: Final = 0.8  # where there is no interval to go by

# What is not measured, and why. The reasons are the words that stand on screen.
LEAST_FS_HZ: Final = 100.0  # a sample longer than 10 ms tells no interval
LEAST_BEATS: Final = 3
LEAST_ALIKE: Final = 0.6  # correlation of the beats with their median
LEAST_CONTRAST: Final = 4.0  # of the QRS over the rest of the beat
LEAST_LEAD_MV: Final = 0.05  # a lead flatter than this is left out
NOISIEST: Final = 0.10  # standard error of a lead's median beat, of its range
LEAST_P_MV: Final = 0.025
LEAST_T_MV: Final = 0.05
P_CONSTANT: Final = 0.65  # correlation of the beats where P is; below 0.5 in regular AV dissociation (LUDB, even records)
P_CONSTANT_IRREGULAR: Final = 0.95  # the same where the rhythm is irregular
IRREGULAR: Final = 0.10  # successive RR intervals differ by so much of the median; sinus rhythm stays below 0.05
LEAST_PR_MS: Final = 80.0  # what comes later before the QRS is not conducted, or belongs to it
P_REPEATED: Final = 0.80  # correlation of P with another wave between T and P
REST_MS: Final = 12.0  # between T and P; in 2:1 flutter and fast tachycardia there is none
T_CONSTANT: Final = 0.50
LONGEST_QRS_MS: Final = 250.0
WIDE_QRS_MS: Final = 120.0  # from here on QT is long because the QRS is
LEAD_P_MS: Final = 60.0  # one lead's peak is that of the same wave when no farther from that of all leads
LEAD_T_MS: Final = 100.0


@dataclass(frozen=True)
class QtcFormula:
    """A correction of QT for heart rate: QTc in ms of QT in ms and RR in s."""

    name: str
    formula: str
    source: str
    of: Callable[[float, float], float]


FORMULAS: Final[dict[str, QtcFormula]] = {
    one.name: one
    for one in (
        QtcFormula("Fridericia", "QT / RR^(1/3)", "Fridericia, Acta Med Scand 1920;53:469", lambda qt, rr: qt / rr ** (1 / 3)),
        QtcFormula("Bazett", "QT / RR^(1/2)", "Bazett, Heart 1920;7:353", lambda qt, rr: qt / rr**0.5),
        QtcFormula("Framingham", "QT + 154 ms · (1 − RR)", "Sagie et al., Am J Cardiol 1992;70:797", lambda qt, rr: qt + 154 * (1 - rr)),
        QtcFormula("Hodges", "QT + 1.75 ms · (HR − 60)", "Hodges et al., J Am Coll Cardiol 1983;1:694", lambda qt, rr: qt + 1.75 * (60 / rr - 60)),
    )
}
DEFAULT_FORMULA: Final = "Fridericia"  # overcorrects less than Bazett's away from 60/min (Rautaharju et al., Circulation 2009;119:e241)


@dataclass(frozen=True, eq=False)
class Intervals:
    """What was measured on the median beat of a stretch; None where it was not, with the reason in `not_measured`.

    pr_ms … qt_ms    over all leads: earliest onset, latest end
    qtc_ms           by formula of FORMULAS
    rr_ms            median interval between neighbouring beats of the dominant class
    not_measured     reason by "p", "pr", "qrs", "qt", "qtc", "rr"
    dominant         class of the beats measured
    n_beats, n_seen  beats the median was made of, beats in the stretch
    leads            those used; left_out has the reason of those that were not
    beat_mv          (n_leads, width) float32, the median beat at `beat_fs_hz`, R at sample `beat_r`; None where there is none
    marks            over all leads, ms from R; by_lead has those of each lead
    """

    p_ms: float | None
    pr_ms: float | None
    qrs_ms: float | None
    qt_ms: float | None
    qtc_ms: dict[str, float | None]
    rr_ms: float | None
    not_measured: dict[str, str]
    dominant: str | None
    n_beats: int
    n_seen: int
    start_s: float
    stop_s: float
    leads: tuple[str, ...]
    left_out: dict[str, str]
    beat_mv: NDArray[np.float32] | None
    beat_r: int
    marks: Marks
    by_lead: dict[str, Marks]
    spikes_ms: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    beat_fs_hz: float = delineation.FS_HZ
    delineator: str = delineation.NAME
    formula: str = field(default=DEFAULT_FORMULA)

    @property
    def heart_rate_bpm(self) -> float | None:
        """60,000 by the RR interval."""
        return None if self.rr_ms is None else 60_000 / self.rr_ms

    def as_dict(self) -> dict[str, Any]:
        """All of it in plain values, milliseconds and millivolts rounded to what they are good for."""
        plain = {name: _rounded(getattr(self, name)) for name in ("p_ms", "pr_ms", "qrs_ms", "qt_ms", "rr_ms", "heart_rate_bpm")}
        kept = ("not_measured", "dominant", "n_beats", "n_seen", "start_s", "stop_s", "left_out", "beat_r", "beat_fs_hz", "delineator", "formula")
        return {
            **plain,
            "qtc_ms": {name: _rounded(value) for name, value in self.qtc_ms.items()},
            **{name: getattr(self, name) for name in kept},
            "leads": list(self.leads),
            "marks": asdict(self.marks),
            "by_lead": {lead: asdict(marks) for lead, marks in self.by_lead.items()},
            "beat_mv": None if self.beat_mv is None else [[round(float(v), 4) for v in lead] for lead in self.beat_mv],
            "spikes_ms": list(self.spikes_ms),
            "notes": list(self.notes),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(round(value))


def measure(
    record: Record,
    samples: NDArray[np.int64],
    labels: Sequence[str],
    leads: Iterable[str] | None = None,
    start_s: float | None = None,
    stop_s: float | None = None,
    *,
    formula: str = DEFAULT_FORMULA,
) -> Intervals:
    """Intervals on the median of the beats in start_s ≤ t < stop_s that are of the dominant class, not beside others, and alike.

    samples         (n,) all R peaks of the record, ascending, at its own rate
    labels          (n,) AAMI classes or MIT codes
    leads           None for all ECG leads
    start_s, stop_s None for the record's; of more than MAX_BEATS beats as many are looked at, evenly spread

    Raises LeadError, and InputError for a stretch outside the record, labels that do not fit or an unknown formula.
    """
    chosen = record.select(ecg_leads(record.leads) if leads is None else leads)
    span = (0.0 if start_s is None else start_s, record.duration_s if stop_s is None else stop_s)
    _check(record, samples, labels, span, formula)
    classes = np.array([AAMI_OF_MIT.get(label, label) for label in labels], dtype="<U1")
    inside = np.flatnonzero((samples >= span[0] * record.fs_hz) & (samples < span[1] * record.fs_hz))
    stretch = _Stretch.of(samples / record.fs_hz, classes, inside)
    common = {"n_seen": len(inside), "start_s": span[0], "stop_s": span[1], "formula": formula, "dominant": stretch.dominant, "rr_ms": stretch.rr_ms}
    if record.fs_hz < LEAST_FS_HZ:
        return _nothing(f"{record.fs_hz:g} Hz is too low a rate; intervals need {LEAST_FS_HZ:g} Hz", common)
    after_s = float(np.clip(stretch.usual_rr_s, *AFTER_S))
    usable, notes = _usable(record, samples, stretch, inside, after_s)
    if len(usable) < LEAST_BEATS:
        return _nothing(f"fewer than {LEAST_BEATS} {stretch.named} beats", common)
    windows = median_beat.cut(partial(record.mv, chosen), samples, usable, record.fs_hz, after_s)
    next_s = float(np.median(np.diff(samples)[usable[usable < len(samples) - 1]])) / record.fs_hz
    return _measured(windows, chosen, next_s, stretch, common, notes)


def _check(record: Record, samples: NDArray[np.int64], labels: Sequence[str], span: tuple[float, float], formula: str) -> None:
    if len(labels) != len(samples):
        raise InputError(f"{len(labels)} labels for {len(samples)} beats; one is needed for each")
    if len(samples) and not (np.all(np.diff(samples) > 0) and samples[0] >= 0 and samples[-1] < record.n_samples):
        raise InputError(f"beats must ascend within the record's {record.n_samples} samples")
    if not 0 <= span[0] < span[1] <= record.duration_s + 1 / record.fs_hz:
        raise InputError(f"{span[0]:g} s to {span[1]:g} s is no stretch of the record's {record.duration_s:g} s")
    if formula not in FORMULAS:
        raise InputError(f"no QTc formula {formula!r}; there are: {', '.join(FORMULAS)}")


@dataclass(frozen=True, eq=False)
class _Stretch:
    """The beats of a stretch: which class is dominant, which beats are it, and how they follow each other.

    of_class, plain  (n,) of all beats of the record: of the dominant class; and so are both neighbours
    rr_ms            median interval between neighbours of the dominant class
    usual_rr_s       the same, or where there is none that of all beats
    irregularity     median difference of successive intervals between supraventricular beats, over the interval
    """

    dominant: str | None
    of_class: NDArray[np.bool_]
    plain: NDArray[np.bool_]
    rr_ms: float | None
    usual_rr_s: float
    irregularity: float

    @classmethod
    def of(cls, times_s: NDArray[np.float64], classes: NDArray[np.str_], inside: NDArray[np.int64]) -> "_Stretch":
        names, counts = np.unique(classes[inside], return_counts=True)
        dominant = str(names[counts.argmax()]) if names.size else None
        of_class = classes == dominant
        padded = np.pad(of_class, 1, constant_values=True)
        between = np.diff(times_s[inside])
        rr = between[_neighbours(of_class[inside])]
        usual_s = float(np.median(rr if rr.size else between)) if between.size else USUAL_RR_S
        conducted = _neighbours(of_class[inside] | ((classes[inside] == "S") & (dominant == "N")))
        jumps = np.abs(np.diff(between))[_neighbours(conducted)]
        irregularity = float(np.median(jumps)) / usual_s if jumps.size else 0.0
        return cls(dominant, of_class, of_class & padded[:-2] & padded[2:], 1000 * usual_s if rr.size else None, usual_s, irregularity)

    @property
    def irregular(self) -> bool:
        """Whether it is too irregular for sinus rhythm."""
        return self.irregularity > IRREGULAR

    @property
    def named(self) -> str:
        """The dominant class in words."""
        return "normal" if self.dominant in ("N", None) else f"{self.dominant}"


def _neighbours(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of each pair of neighbours, (n - 1,): whether both are marked."""
    return np.asarray(marked[:-1] & marked[1:])


def _usable(record: Record, samples: NDArray[np.int64], stretch: _Stretch, inside: NDArray[np.int64], after_s: float) -> tuple[NDArray[np.int64], list[str]]:
    """Which beats go into the median, at most MAX_BEATS, and what must be said of them."""
    whole = inside[median_beat.fits(samples[inside], record.n_samples, record.fs_hz, after_s)]
    plain = whole[stretch.plain[whole]]
    notes = []
    if len(plain) < LEAST_BEATS <= int(stretch.of_class[whole].sum()):
        plain = whole[stretch.of_class[whole]]
        notes.append("All beats lie beside beats of another class.")
    return plain[:: max(1, -(-len(plain) // MAX_BEATS))], notes


def _nothing(reason: str, common: Mapping[str, Any]) -> Intervals:
    """Intervals of which only the RR interval may be known."""
    reasons = dict.fromkeys(("p", "pr", "qrs", "qt", "qtc"), reason) | ({"rr": _no_rr(common["dominant"])} if common["rr_ms"] is None else {})
    none = dict.fromkeys(FORMULAS)
    return Intervals(None, None, None, None, none, not_measured=reasons, n_beats=0, leads=(), left_out={}, beat_mv=None, beat_r=0, marks=Marks(), by_lead={}, **common)


def _no_rr(dominant: str | None) -> str:
    return "no two neighbouring beats of the dominant class" if dominant else "no beats"


def _measured(windows: Windows, leads: tuple[str, ...], next_s: float, stretch: _Stretch, common: Mapping[str, Any], notes: list[str]) -> Intervals:
    """The median beat of the windows, its waves, and the intervals between them; the next beat comes after `next_s`."""
    beat, used, left_out = _median(windows, leads)
    if beat is None:
        return _nothing(_no_beat(used, left_out), common)
    found = delineation.delineate(beat.mv, beat.r, next_s)
    if found.contrast < LEAST_CONTRAST:
        return _nothing("no QRS stands out of the noise", common)
    if beat.alike < LEAST_ALIKE:
        return _nothing(f"the beats are too unlike each other (correlation {beat.alike:.2f})", common)
    reasons = {"p": why, "pr": why} if (why := _no_p(found, beat, next_s, stretch)) else {}
    if why:
        found = delineation.delineate(beat.mv, beat.r, next_s, with_p=False)
    if why := _no_t(found, beat):
        reasons["qt"] = reasons["qtc"] = why
    marks = found.marks.without("t") if why else found.marks
    if (marks.qrs_ms or 0.0) > LONGEST_QRS_MS:
        reasons["qrs"] = f"the end of the QRS cannot be told from the T wave (more than {LONGEST_QRS_MS:g} ms)"
    if stretch.rr_ms is None:
        reasons["rr"] = reasons["qtc"] = _no_rr(stretch.dominant)
    qrs_ms = None if "qrs" in reasons else marks.qrs_ms
    qtc_ms = {one.name: None if marks.qt_ms is None or stretch.rr_ms is None else one.of(marks.qt_ms, stretch.rr_ms / 1000) for one in FORMULAS.values()}
    by_lead = {lead: _of_lead(beat.mv[[row]], beat.r, next_s, marks) for row, lead in enumerate(used)}
    return Intervals(
        marks.p_ms, marks.pr_ms, qrs_ms, marks.qt_ms, qtc_ms, not_measured=reasons, n_beats=len(beat.beats), leads=used, left_out=left_out,
        beat_mv=beat.mv - _level(beat, marks)[:, None], beat_r=beat.r, marks=marks, by_lead=by_lead, spikes_ms=found.spikes_ms,
        notes=(*notes, *_notes(found, marks, stretch)), **common,
    )  # fmt: skip


def _no_beat(used: tuple[str, ...], left_out: Mapping[str, str]) -> str:
    if used:
        return f"fewer than {LEAST_BEATS} beats without missing samples"
    return "no lead shows the beats: " + "; ".join(f"{lead} {why}" for lead, why in left_out.items())


def _median(windows: Windows, leads: tuple[str, ...]) -> tuple[MedianBeat | None, tuple[str, ...], dict[str, str]]:
    """The median beat of the leads that show one, their names, and why the others do not."""
    left_out = {lead: "missing" for lead, gaps in zip(leads, windows.missing.T, strict=True) if gaps.mean() > 0.5}
    rows = [row for row, lead in enumerate(leads) if lead not in left_out]
    whole = ~windows.missing[:, rows].any(axis=1)
    if whole.sum() < LEAST_BEATS or not rows:
        return None, tuple(leads[row] for row in rows), left_out
    beat = median_beat.combine(windows.mv[whole][:, rows], windows.r)
    ranges = np.ptp(beat.mv, axis=1)
    for row, range_mv, noise_mv in zip(rows, ranges, beat.noise_mv, strict=True):
        if range_mv < LEAST_LEAD_MV:
            left_out[leads[row]] = f"flat, {range_mv:.2f} mV"
        elif noise_mv > NOISIEST * range_mv:
            left_out[leads[row]] = f"too noisy, ±{noise_mv:.2f} mV on {range_mv:.2f} mV"
    kept = [row for row in rows if leads[row] not in left_out]
    if not kept:
        return None, (), left_out
    if len(kept) < len(rows):  # what was left out must not have chosen the beats
        beat = median_beat.combine(windows.mv[~windows.missing[:, kept].any(axis=1)][:, kept], windows.r)
    return beat, tuple(leads[row] for row in kept), left_out


def _no_p(found: Delineation, beat: MedianBeat, next_s: float, stretch: _Stretch) -> str | None:
    """Why there is no P to measure from; None where there is."""
    marks = found.marks
    onset_ms, peak_ms = marks.p_onset_ms, marks.p_peak_ms
    if peak_ms is None or marks.qrs_onset_ms is None or found.p_mv < LEAST_P_MV:
        return f"{_rhythm(stretch)}, and no P wave on any lead, as in atrial fibrillation" if stretch.irregular else "no P wave found on any lead"
    first, last = (beat.r + round(at_ms / 1000 * delineation.FS_HZ) for at_ms in (peak_ms - 80 if onset_ms is None else onset_ms - 20, marks.qrs_onset_ms))
    alike = delineation.consistency(beat.beats, first, last)
    if stretch.irregular and not alike >= P_CONSTANT_IRREGULAR:
        return f"{_rhythm(stretch)}, and no constant P wave before the beats (correlation {alike:.2f}), as in atrial fibrillation"
    if not alike >= P_CONSTANT:
        return f"no P wave at a constant place before the beats (correlation {alike:.2f}), as in fibrillation or AV dissociation"
    if marks.pr_ms is not None and marks.pr_ms < LEAST_PR_MS:
        return f"no P wave found; what precedes the QRS by {marks.pr_ms:.0f} ms is too near"
    return _hidden_p(marks, beat, next_s)


def _hidden_p(marks: Marks, beat: MedianBeat, next_s: float) -> str | None:
    """Why what looks like P may be a flutter wave; None where it is a P."""
    if marks.p_onset_ms is None or (marks.t_peak_ms is not None and _rest_ms(marks, next_s) < REST_MS):
        return "no rest between the T wave and the P wave; on T, a P wave cannot be told from a flutter wave"
    repeated = delineation.repeated(beat.mv, beat.r, marks, next_s)
    return f"waves like P between the beats too (correlation {repeated:.2f}), as in atrial flutter or AV block" if repeated >= P_REPEATED else None


def _rest_ms(marks: Marks, next_s: float) -> float:
    """From the end of T to the onset of the next P; 0 where T has no end."""
    return 0.0 if marks.t_offset_ms is None or marks.p_onset_ms is None else 1000 * next_s + marks.p_onset_ms - marks.t_offset_ms


def _rhythm(stretch: _Stretch) -> str:
    return f"irregular rhythm (successive RR intervals differ by {stretch.irregularity:.0%})"


def _no_t(found: Delineation, beat: MedianBeat) -> str | None:
    """Why there is no T to measure to; None where there is."""
    marks = found.marks
    if marks.t_peak_ms is None or marks.t_offset_ms is None or marks.qrs_offset_ms is None:
        return "no T wave found on any lead"
    if found.t_mv < LEAST_T_MV:
        return f"T wave below {LEAST_T_MV:g} mV"
    alike = delineation.consistency(beat.beats, *(beat.r + round(at / 1000 * delineation.FS_HZ) for at in (marks.qrs_offset_ms, marks.t_offset_ms)))
    return None if alike >= T_CONSTANT else f"no T wave constant from beat to beat (correlation {alike:.2f})"


def _level(beat: MedianBeat, marks: Marks) -> NDArray[np.float32]:
    """What each lead shows just before the QRS: 0 mV."""
    onset = beat.r + round((marks.qrs_onset_ms or 0.0) / 1000 * delineation.FS_HZ)
    return np.asarray(np.median(beat.mv[:, max(0, onset - 8) : max(1, onset - 1)], axis=1), np.float32)


def _of_lead(mv: NDArray[np.float32], r: int, rr_s: float, whole: Marks) -> Marks:
    """The marks of one lead; its P and T only where they are those of all leads, and high enough."""
    found = delineation.delineate(mv, r, rr_s, with_p=whole.p_onset_ms is not None)
    marks = found.marks
    if marks.p_onset_ms is None or found.p_mv < LEAST_P_MV or _far(marks.p_peak_ms, whole.p_peak_ms, LEAD_P_MS):
        marks = marks.without("p")
    if found.t_mv < LEAST_T_MV or _far(marks.t_peak_ms, whole.t_peak_ms, LEAD_T_MS):
        marks = marks.without("t")
    return marks if found.contrast >= LEAST_CONTRAST else Marks()


def _far(one: float | None, other: float | None, most_ms: float) -> bool:
    return one is None or other is None or abs(one - other) > most_ms


def _notes(found: Delineation, marks: Marks, stretch: _Stretch) -> list[str]:
    """What a reader must know of the numbers."""
    said = []
    if stretch.dominant != "N":
        said.append(f"The dominant beats are of class {stretch.dominant}.")
    if found.spikes_ms:
        said.append("Pacing spike at " + ", ".join(f"{at:.0f}" for at in found.spikes_ms) + " ms from R, bridged before measuring.")
    if stretch.irregular:
        said.append(f"I{_rhythm(stretch)[1:]}: QTc by the median RR interval is a rough guide.")
    if marks.qrs_ms is not None and marks.qrs_ms >= WIDE_QRS_MS:
        said.append(f"QRS of {marks.qrs_ms:.0f} ms: QT is longer by what the QRS is wider.")
    return said
