"""The whole flow on one screen: record → leads → signals → beats → Analysis."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import ModelError
from ecgcore.findings import AAMI_CLASSES, Analysis, Beats, Info, Quality, QualityMark
from ecgcore.inference import beats as beat_models
from ecgcore.leads import ecg_leads, is_ecg, normalise
from ecgcore.progress import Progress, silent
from ecgcore.record import Record
from ecgcore.rhythm import LEAST_S, LONGEST_S, Heard, rhythm_of_heard
from ecgcore.signals import detection, features, filters, peaks, quality, resampling

AtRate: TypeAlias = Callable[[str, float], NDArray[np.float32]]  # a lead (n,) at a rate in Hz, without NaN

FEW_BEATS: Final = 5
LOW_FS_HZ: Final = 50.0
DOUBTFUL: Final = 0.10  # share of the beats
IRREGULAR: Final = 0.10  # of the RR interval; sinus rhythm stays below 0.05, atrial fibrillation lies around 0.2


def analyze(record: Record, leads: Iterable[str] | None = None, *, model: str = "beats", rhythm_model: str | None = "universal", progress: Progress | None = None) -> Analysis:
    """Every beat of a record found and classified, its rhythm told where it is short enough to have one, and the signal judged, on the leads chosen.

    For None these are all leads named as ECG leads, or all there are where none is named so. Without a `rhythm_model` no rhythm is told; where it is not there or does not
    fit, a note says so, and the beats are found all the same.

    Raises LeadError for a lead the record does not have, ModelError for a model of beats that is not there or does not fit.
    """
    tell, timing = progress or silent, _Timing()
    chosen = record.select(ecg_leads(record.leads) if leads is None else leads)
    classifier = beat_models.load(model)
    short = record.duration_s <= LONGEST_S
    at_rate = cache(partial(_at_rate, record)) if short else partial(_at_rate, record)  # a long one is read again each time
    with timing("detection"):
        clarities: list[detection.Clarity] = []
        coarse = detection.pick(detection.fuse(_envelopes(at_rate, chosen, clarities, tell)))
        samples = peaks.refine(partial(record.mv, chosen), record.n_samples, record.fs_hz, coarse / detection.FS_HZ, np.stack([c.background_at(coarse) for c in clarities]))
    with timing("quality"):
        tell(0.5, "judging the signal")
        judged = _quality(record, chosen, clarities)
    with timing("classification"):
        tell(0.6, "classifying beats")
        beats = _classified(classifier, record, chosen, clarities, samples, detection.NAME, at_rate)
    told, unsaid = None, ""
    if rhythm_model is not None and short and record.duration_s >= LEAST_S and record.fs_hz >= LOW_FS_HZ:
        with timing("rhythm"):
            tell(0.9, "telling the rhythm")
            heard = Heard(tuple(at_rate(lead, detection.FS_HZ) for lead in chosen), tuple(clarities), coarse)
            try:
                told = rhythm_of_heard(record, chosen, heard, model=rhythm_model)
            except ModelError as error:
                unsaid = f"No rhythm was told: {error}."
    tell(1.0, "done")
    said = (*_cautions(chosen, beats, judged, record.fs_hz), *cautions_of(classifier, chosen), *filter(None, (unsaid,)))
    return Analysis(Info.of(record), chosen, beats, rhythm=told, quality=judged, timing_s=timing.seconds, notes=said)


def classify(record: Record, samples: NDArray[np.int64], leads: Iterable[str] | None = None, *, model: str = "beats") -> Beats:
    """The class of beats whose R peaks (n_beats,) are given at the record's own rate, ascending. Errors as `analyze`."""
    chosen = record.select(ecg_leads(record.leads) if leads is None else leads)
    classifier = beat_models.load(model)
    clarities = [detection.envelope(_at_rate(record, lead, detection.FS_HZ)).clarity for lead in classifier.takes(chosen)]
    return _classified(classifier, record, classifier.takes(chosen), clarities, samples, "given", partial(_at_rate, record))


def cautions_of(classifier: beat_models.BeatModel, leads: tuple[str, ...]) -> tuple[str, ...]:
    """What a reader must know of a model before trusting its classes on these leads."""
    card, said = classifier.card, []
    absent = [name for name in AAMI_CLASSES if name not in card.classes]
    if absent:
        said.append(f"{card.id} knows the classes {', '.join(card.classes)} only: a beat that is {' or '.join(absent)} is called one of these.")
    if card.input.leads != "any" and not any(normalise(lead) in card.input.leads for lead in leads):
        said.append(f"{card.id} learned from lead {' or '.join(card.input.leads)}, and none of {', '.join(leads)} is that: its classes are not to be relied on.")
    return tuple(said)


def _envelopes(at_rate: AtRate, leads: tuple[str, ...], clarities: list[detection.Clarity], tell: Progress) -> Iterator[detection.LeadEnvelope]:
    """The detector's view of each lead, one at a time: a day of several leads never stands in memory as floats. Their clarity is kept."""
    for done, lead in enumerate(leads):
        tell(0.5 * done / len(leads), f"finding beats in {lead}")
        seen = detection.envelope(at_rate(lead, detection.FS_HZ))
        clarities.append(seen.clarity)
        yield seen
        del seen  # before the next is made


def _classified(
    classifier: beat_models.BeatModel, record: Record, leads: tuple[str, ...], clarities: list[detection.Clarity], samples: NDArray[np.int64], detector: str, at_rate: AtRate
) -> Beats:
    """Beats from their positions; those of the leads that the model looks at are read again, one at a time, at its rate."""
    spec, looked_at = classifier.card.input, classifier.takes(leads)
    filtered = (filters.band_pass(at_rate(lead, spec.fs_hz), spec.band_hz, spec.fs_hz) for lead in looked_at)
    at = (samples / record.fs_hz * detection.FS_HZ).astype(np.int64)
    trust = np.stack([clarity.trust(at) for lead, clarity in zip(leads, clarities, strict=True) if lead in looked_at])
    probabilities = classifier.probabilities(filtered, trust, samples, record.fs_hz)
    labels = classifier.labels(probabilities)
    return Beats(samples, labels, labels, probabilities, classifier.card.id, looked_at, detector, classifier.card.classes)


def _cautions(leads: tuple[str, ...], beats: Beats, judged: Quality, fs_hz: float) -> tuple[str, ...]:
    """What a reader must know before trusting the counts."""
    said = []
    if not any(is_ecg(lead) for lead in leads):
        said.append(f"No channel is named as an ECG lead: {', '.join(leads)}.")
    if fs_hz < LOW_FS_HZ:
        said.append(f"{fs_hz:g} Hz is too low a rate to tell the shapes of beats; from {LOW_FS_HZ:g} Hz on they can be classified.")
    if len(beats) < FEW_BEATS:
        said.append(f"Only {len(beats)} beats: too few to tell this patient's usual beat.")
        return tuple(said)
    doubtful = float(np.mean(judged.without_good_lead(beats.samples / fs_hz)))
    if doubtful > DOUBTFUL:
        said.append(f"{doubtful:.0%} of the beats lie where no chosen lead is usable: they, and the counts with them, are not to be relied on.")
    irregular = features.irregularity(beats.samples, fs_hz)
    if irregular > IRREGULAR and "S" in beats.labels:
        said.append(f"Irregular rhythm (successive RR intervals differ by {irregular:.0%} in the median): in atrial fibrillation conducted beats may be called S.")
    return tuple(said)


def _at_rate(record: Record, lead: str, fs_hz: float) -> NDArray[np.float32]:
    """One lead at the rate of detection, or of a model, without NaN."""
    return resampling.resample_blocks(partial(_one_lead, record, lead), record.n_samples, record.fs_hz, fs_hz)


def _one_lead(record: Record, lead: str, start: int, stop: int) -> NDArray[np.float32]:
    return np.asarray(record.mv((lead,), start, stop)[0])


def _quality(record: Record, leads: tuple[str, ...], clarities: list[detection.Clarity]) -> Quality:
    """Marks of all leads; a window has one mark, and missing, flat and clipped come before noise."""
    n_windows = max(1, math.ceil(record.duration_s / quality.WINDOW_S))
    marks: list[QualityMark] = []
    usable = {}
    for lead, clarity in zip(leads, clarities, strict=True):
        found = {mark.window: mark for mark in quality.noisy(clarity.background_at(np.arange(clarity.present.size)), detection.FS_HZ) if mark.window < n_windows}
        found |= {mark.window: mark for mark in quality.broken(partial(_one_lead, record, lead), record.n_samples, record.fs_hz)}
        for window, mark in sorted(found.items()):
            start_s = window * quality.WINDOW_S
            marks.append(QualityMark(lead, start_s, min(start_s + quality.WINDOW_S, record.duration_s), mark.kind, mark.reason))
        usable[lead] = 1 - len(found) / n_windows
    return Quality(quality.WINDOW_S, usable, tuple(marks))


class _Timing:
    """Seconds of each step, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - begun, 4)
