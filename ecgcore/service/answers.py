"""What the service answers, as it stands in JSON."""

import math
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ecgcore.findings import Analysis
from ecgcore.inference.cards import Card
from ecgcore.rhythm_findings import RHYTHM_NAMES, Rhythm, RhythmTrend

RhythmName = Literal["SB", "SR", "AFIB", "ST", "SVT", "AF", "SA", "AT"]
NAMES: Final = "; ".join(f"{short} is {name}" for short, name in RHYTHM_NAMES.items())


class Part(BaseModel):
    """A piece of an answer; none is changed."""

    model_config = ConfigDict(frozen=True)


class Problem(Part):
    """Why there is no answer."""

    detail: str = Field(description="One sentence that says what is wrong and what would be right.")


class WeightChecks(Part):
    """What was measured of the lead weights: whether they say anything of the model."""

    heaviest: str
    highlighted: float = Field(description="How far the probability falls without the heaviest lead.")
    random: float = Field(description="How far it falls without another one, in the mean.")
    correlation: float = Field(description="Of the weights with those of the same network with random weights, -1 to 1.")
    failed: str = Field(description="Why the weights are not to be trusted; empty where both checks are passed.")


class RhythmAnswer(Part):
    """The rhythm of one stretch of 5 to 60 s."""

    rhythm: RhythmName | None = Field(description=f"The rhythm called; null where the model is not sure. {NAMES}.")
    sure: bool = Field(description="Whether a rhythm is called.")
    doubt: str = Field(description="Why none is called; empty where one is.")
    most_probable: RhythmName = Field(description="The rhythm of greatest probability, called or not.")
    confidences: dict[str, float] = Field(description="Probability of each of the eight rhythms.")
    lead_weights: dict[str, float] = Field(description="How much each lead weighed, 0 to 1, sum 1.")
    checks: WeightChecks | None = Field(description="Of the lead weights; null where they were not asked for, or there were too few leads.")
    model: str = Field(description="name@version of the model.")
    leads: tuple[str, ...] = Field(description="The leads looked at.")
    start_s: float
    stop_s: float

    @classmethod
    def of(cls, found: Rhythm) -> "RhythmAnswer":
        """The answer that tells a Rhythm."""
        checks = found.checks
        return cls(
            rhythm=_name(found.label) if found.sure else None,
            sure=found.sure,
            doubt=found.doubt,
            most_probable=_name(found.label),
            confidences=found.probabilities,
            lead_weights=found.lead_weights,
            checks=WeightChecks(heaviest=checks.heaviest, highlighted=checks.highlighted, random=checks.random, correlation=checks.correlation, failed=checks.failed)
            if checks
            else None,
            model=found.model,
            leads=found.leads,
            start_s=found.start_s,
            stop_s=round(found.stop_s, 3),
        )


class WindowAnswer(Part):
    """The rhythm of one window."""

    start_s: float
    stop_s: float
    rhythm: RhythmName | None = Field(description="The rhythm called; null where the model is not sure.")
    doubt: str
    confidences: dict[str, float]


class SpanAnswer(Part):
    """Neighbouring windows of one rhythm."""

    rhythm: RhythmName
    start_s: float
    stop_s: float
    confidence: float = Field(description="Mean probability of this rhythm over the windows.")


class TrendAnswer(Part):
    """The rhythm along a recording, by window."""

    model: str
    leads: tuple[str, ...]
    duration_s: float
    window_s: float
    judged: float = Field(description="Share of the time in which a rhythm is called, 0 to 1.")
    shares: dict[str, float | None] = Field(description="Share of each rhythm in the time judged, 0 to 1; null where none is. AFIB's is the burden of atrial fibrillation.")
    spans: tuple[SpanAnswer, ...]
    windows: tuple[WindowAnswer, ...]

    @classmethod
    def of(cls, found: RhythmTrend) -> "TrendAnswer":
        """The answer that tells a RhythmTrend."""
        windows = zip(found.starts_s.tolist(), found.lengths_s.tolist(), found.labels, found.doubts, found.probabilities.tolist(), strict=True)
        return cls(
            model=found.model,
            leads=found.leads,
            duration_s=found.duration_s,
            window_s=found.window_s,
            judged=round(found.judged, 4),
            shares={name: None if math.isnan(share := found.share(name)) else round(share, 4) for name in found.classes},
            spans=tuple(SpanAnswer(rhythm=_name(span.label), start_s=span.start_s, stop_s=span.stop_s, confidence=span.probability) for span in found.spans()),
            windows=tuple(
                WindowAnswer(start_s=start, stop_s=round(start + length, 3), rhythm=_name(label) if label else None, doubt=doubt, confidences=_rounded(found.classes, row))
                for start, length, label, doubt, row in windows
            ),
        )


class BeatsAnswer(Part):
    """Every beat found, in time order."""

    samples: tuple[int, ...] = Field(description="R peaks, as samples of the recording from 0 on.")
    labels: tuple[str, ...] = Field(description="AAMI class of each beat: N, S, V, F or Q.")
    codes: tuple[str, ...] = Field(description="MIT-BIH annotation code of each beat.")
    probabilities: tuple[tuple[float, ...], ...] = Field(description="Of each beat, one for each of `classes`.")
    classes: tuple[str, ...]
    counts: dict[str, int] = Field(description="Beats by class.")
    model: str
    detector: str
    leads: tuple[str, ...] = Field(description="The leads by which beats were classified.")
    fs_hz: float
    duration_s: float
    notes: tuple[str, ...] = Field(description="What must be known before the counts are trusted.")

    @classmethod
    def of(cls, found: Analysis, read: tuple[str, ...]) -> "BeatsAnswer":
        """The answer that tells an Analysis; `read` is what was noted on reading."""
        beats = found.beats
        return cls(
            samples=tuple(beats.samples.tolist()),
            labels=beats.labels,
            codes=beats.codes,
            probabilities=tuple(tuple(round(p, 4) for p in row) for row in beats.probabilities.tolist()),
            classes=beats.classes,
            counts=beats.counts,
            model=beats.model,
            detector=beats.detector,
            leads=beats.leads,
            fs_hz=found.record.fs_hz,
            duration_s=found.record.duration_s,
            notes=(*read, *found.notes),
        )


class BatchItem(Part):
    """One recording of a batch: its answer, or why there is none."""

    answer: RhythmAnswer | None
    error: str | None
    status: int = Field(description="The status that this recording alone would have had.")


class BatchAnswer(Part):
    """The recordings of a batch, in their order."""

    answers: tuple[BatchItem, ...]


class ModelFigure(Part):
    """One measured number, with how it was measured."""

    name: str
    value: float | None = Field(description="null where it was not established.")
    spread: float | None
    n: int
    protocol: str
    split: str


class ModelAnswer(Part):
    """What is on a model's card."""

    id: str
    task: str
    leads: tuple[str, ...] | Literal["any"]
    classes: tuple[str, ...]
    intended_use: str
    limits: tuple[str, ...]
    figures: tuple[ModelFigure, ...]

    @classmethod
    def of(cls, card: Card) -> "ModelAnswer":
        """The answer that tells a card."""
        figures = tuple(ModelFigure(name=one.name, value=one.value, spread=one.spread, n=one.n, protocol=one.protocol, split=one.split) for one in card.figures)
        return cls(id=card.id, task=card.task, leads=card.input.leads, classes=card.classes, intended_use=card.intended_use, limits=card.limits, figures=figures)


class ModelsAnswer(Part):
    """All models there are."""

    models: tuple[ModelAnswer, ...]


class Health(Part):
    """That the service answers, and which version."""

    status: Literal["ok"]
    version: str


def _name(label: str) -> RhythmName:
    found: RhythmName = label  # type: ignore[assignment]  # a model of task rhythm has these classes only
    return found


def _rounded(classes: tuple[str, ...], row: list[float]) -> dict[str, float]:
    return {name: round(p, 4) for name, p in zip(classes, row, strict=True)}
