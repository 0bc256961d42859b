"""What was found in a record: beats, rhythm, signal quality, and the Analysis that holds them all.

Every finding says which model made it and from which leads. An Analysis can be written as JSON and read back equal.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import FormatError
from ecgcore.record import Record

if TYPE_CHECKING:
    from ecgcore.rhythm_findings import Rhythm

AAMI_CLASSES: Final = ("N", "S", "V", "F", "Q")
CORRELATED: Final = 0.5  # a map this like that of random weights shows the signal, not what was learned
# ANSI/AAMI EC57 with the grouping of the MIT-BIH codes; "!" (flutter wave) and rhythm marks are no beats.
AAMI_OF_MIT: Final = {
    **dict.fromkeys("NLRejBn", "N"),
    **dict.fromkeys("AaJS", "S"),
    **dict.fromkeys("VE", "V"),
    "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}


@dataclass(frozen=True)
class Info:
    """The header of a record, in plain values."""

    name: str
    format: str
    file_name: str
    sha256: str
    leads: tuple[str, ...]
    derivable_leads: tuple[str, ...]
    fs_hz: float
    n_samples: int
    duration_s: float
    start: str | None
    annotations: dict[str, int]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, record: Record) -> "Info":
        """The header of a record; annotations are counted by annotator."""
        return cls(
            name=record.name,
            format=record.source.format,
            file_name=record.source.file_name,
            sha256=record.source.sha256,
            leads=record.leads,
            derivable_leads=record.available_leads[len(record.leads) :],
            fs_hz=record.fs_hz,
            n_samples=record.n_samples,
            duration_s=record.duration_s,
            start=record.start.isoformat() if record.start else None,
            annotations={a.annotator: len(a) for a in record.annotations},
            notes=record.notes,
        )


@dataclass(frozen=True, eq=False)
class Beats:
    """Every beat found, in time order.

    samples        (n,) int64, R peak at the record's own rate
    labels         AAMI class of each beat, one of `classes`
    codes          MIT annotation code of each beat
    probabilities  (n, n_classes) float32, calibrated or not as the model's card says
    model          name@version of what classified them; "name:annotator" for beats read from a file
    """

    samples: NDArray[np.int64]
    labels: tuple[str, ...]
    codes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    model: str
    leads: tuple[str, ...]
    detector: str
    classes: tuple[str, ...] = AAMI_CLASSES

    def __len__(self) -> int:
        return len(self.labels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Beats) and beats_to_dict(self) == beats_to_dict(other)

    @property
    def counts(self) -> dict[str, int]:
        """Beats by class, every class of the model named; then those that it does not have and a reader gave."""
        return {name: self.labels.count(name) for name in (*self.classes, *sorted(set(self.labels) - set(self.classes)))}

    @property
    def burden(self) -> dict[str, float]:
        """Share of all beats by class, 0 to 1; NaN where there is no beat."""
        return {name: count / len(self) if len(self) else float("nan") for name, count in self.counts.items()}


@dataclass(frozen=True)
class QualityMark:
    """A stretch of one lead that cannot be trusted, and why.

    `kind` is "missing", "flat", "clipped" or "noise"; `reason` says what was measured, with units.
    """

    lead: str
    start_s: float
    stop_s: float
    kind: str
    reason: str


@dataclass(frozen=True)
class Quality:
    """Signal quality by lead and window of `window_s`.

    usable  share of windows without a mark, by lead, 0 to 1
    marks   windows that are not good, by lead and time
    """

    window_s: float
    usable: dict[str, float]
    marks: tuple[QualityMark, ...]

    def without_good_lead(self, at_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether every lead has a mark at times (n,) in s."""
        windows = (at_s // self.window_s).astype(np.int64)
        bad = [{round(mark.start_s / self.window_s) for mark in self.marks if mark.lead == lead} for lead in self.usable]
        everywhere = set.intersection(*bad) if bad else set()
        return np.isin(windows, sorted(everywhere))


@dataclass(frozen=True)
class AttentionChecks:
    """What was measured of a model's attention maps on patients it has not learned from; None where that was not established.

    highlighted    mean fall of the called class's probability when the tenth of the window with the most attention is flattened
    random         the same for a tenth chosen by chance
    randomisation  mean correlation of the map with that of the same network with random weights
    """

    highlighted: float | None
    random: float | None
    randomisation: float | None

    @property
    def refuted(self) -> bool:
        """Whether what the map highlights was measured to matter no more to the answer than any other part."""
        return self.highlighted is not None and self.random is not None and self.highlighted <= self.random


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """How a model's attention lay over one beat, on the record's clock.

    sample       R peak, at the record's own rate; `peak_s` is its time
    start_s      where the beat's window begins; it may lie before the record, as ends are repeated
    step_s       length of a step
    weights      (n_steps,) float32, one after the other from `start_s` on; they add up to 1
    seen_stop_s  from here on the model was given zeros in place of the signal
    """

    model: str
    lead: str
    sample: int
    peak_s: float
    start_s: float
    step_s: float
    weights: NDArray[np.float32]
    seen_stop_s: float
    checks: AttentionChecks

    @property
    def stop_s(self) -> float:
        """Where the window ends."""
        return self.start_s + self.step_s * self.weights.size

    @property
    def unseen(self) -> float:
        """Share of the attention that lies on zeros, 0 to 1; a step half on zeros counts by half."""
        edges_s = self.start_s + self.step_s * np.arange(self.weights.size + 1)
        on_zeros = np.clip((edges_s[1:] - self.seen_stop_s) / self.step_s, 0, 1)
        return float((self.weights * on_zeros).sum())


@dataclass(frozen=True)
class MapChecks:
    """Whether a map says anything of its network, measured when it was made.

    highlighted  fall of the class's probability when the highlighted part is flattened
    random       the same for equally long parts elsewhere
    correlation  of the map with that of the same network with random weights, -1 to 1
    """

    highlighted: float
    random: float
    correlation: float

    @property
    def failing(self) -> tuple[str, ...]:
        """The checks that are not passed, of "deletion" and "randomisation"."""
        fails = {"deletion": self.highlighted <= self.random, "randomisation": self.correlation >= CORRELATED}
        return tuple(name for name, failed in fails.items() if failed)

    @property
    def failed(self) -> str:
        """Why the map is not to be trusted; empty where both checks are passed."""
        said = []
        if "deletion" in self.failing:
            said.append(f"flattening what it highlights lowers the probability by {self.highlighted:.3f}, no more than other parts do ({self.random:.3f})")
        if "randomisation" in self.failing:
            said.append(f"it looks like the map of a network with random weights (correlation {self.correlation:.2f})")
        return "; ".join(said)


@dataclass(frozen=True)
class Place:
    """A stretch that a map highlights: its class, where it is strongest and its ends at the record's own rate, how strong (0 to 1), and its checks."""

    label: str
    sample: int
    start_sample: int
    stop_sample: int
    strength: float
    checks: MapChecks


@dataclass(frozen=True, eq=False)
class EctopyMap:
    """Where in a record a model sees ectopic beats of each class.

    leads      looked at
    labels     AAMI classes mapped
    strengths  (n_labels, n_steps) float32, 0 to 1; step k covers k·step_s to (k + 1)·step_s of the record
    limits     strength from which a place counts, by label
    places     in time order, those that fail a check too
    checks     of the whole map by label, over all its places; None where it has none
    """

    model: str
    leads: tuple[str, ...]
    labels: tuple[str, ...]
    step_s: float
    strengths: NDArray[np.float32]
    limits: dict[str, float]
    places: tuple[Place, ...]
    checks: dict[str, MapChecks | None]


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What a model takes a lead to be where it was not observed, from start_sample to stop_sample at the record's own rate.

    kind      "gap": between observed samples; "forecast": after them
    signal_mv, low_mv, high_mv  (stop_sample - start_sample,) float32: the estimate, and the band that should hold `coverage` of the true samples
    """

    model: str
    lead: str
    kind: Literal["gap", "forecast"]
    start_sample: int
    stop_sample: int
    fs_hz: float
    signal_mv: NDArray[np.float32]
    low_mv: NDArray[np.float32]
    high_mv: NDArray[np.float32]
    coverage: float = 0.9


@dataclass(frozen=True)
class Analysis:
    """All findings for one record, one choice of leads and one choice of models.

    `rhythm` is None for a recording of more than a minute, which has no one rhythm, and where there was too little to tell; `timing_s` holds the seconds of each step.
    """

    record: Info
    leads: tuple[str, ...]
    beats: Beats
    rhythm: "Rhythm | None"
    quality: Quality
    timing_s: dict[str, float]
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self, indent: int | None = None) -> str:
        """JSON with the keys record, leads, beats, rhythm, quality, timing_s, notes, versions."""
        plain = {name: getattr(self, name) for name in ("leads", "timing_s", "notes", "versions")}
        nested = {
            "record": asdict(self.record),
            "beats": beats_to_dict(self.beats),
            "rhythm": asdict(self.rhythm) if self.rhythm else None,
            "quality": asdict(self.quality),
        }
        return json.dumps({**nested, **plain}, indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Analysis":
        """The Analysis that `to_json` wrote. Raises FormatError for any other text."""
        from ecgcore.rhythm_findings import Rhythm

        try:
            data = json.loads(text)
            quality = data["quality"]
            return cls(
                record=Info(**_tuples(data["record"])),
                leads=tuple(data["leads"]),
                beats=_beats_from_dict(data["beats"]),
                rhythm=Rhythm.from_dict(data["rhythm"]) if data["rhythm"] else None,
                quality=Quality(quality["window_s"], quality["usable"], tuple(QualityMark(**mark) for mark in quality["marks"])),
                timing_s=data["timing_s"],
                notes=tuple(data["notes"]),
                versions=data["versions"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"not an Analysis of Leadwise: {error}") from error


def beats_to_dict(beats: Beats) -> dict[str, Any]:
    """Beats in plain values, as they stand in the JSON of an Analysis."""
    return {
        "samples": beats.samples.tolist(),
        "labels": list(beats.labels),
        "codes": list(beats.codes),
        "probabilities": [[round(float(p), 4) for p in row] for row in beats.probabilities],
        "counts": beats.counts,
        "classes": list(beats.classes),
        "model": beats.model,
        "leads": list(beats.leads),
        "detector": beats.detector,
    }


def _beats_from_dict(data: dict[str, Any]) -> Beats:
    return Beats(
        samples=np.asarray(data["samples"], np.int64),
        labels=tuple(data["labels"]),
        codes=tuple(data["codes"]),
        probabilities=np.asarray(data["probabilities"], np.float32).reshape(len(data["labels"]), len(data["classes"])),
        model=data["model"],
        leads=tuple(data["leads"]),
        detector=data["detector"],
        classes=tuple(data["classes"]),
    )


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    """JSON arrays as the tuples they were."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
