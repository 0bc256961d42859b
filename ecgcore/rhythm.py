"""From a record to its rhythm: of one stretch on any leads, and along the whole of it by windows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.inference import rhythm as rhythm_models
from ecgcore.inference.map_checks import correlation
from ecgcore.inference.rhythm import RhythmModel, Windows
from ecgcore.leads import ecg_leads
from ecgcore.progress import Progress, silent
from ecgcore.record import Record
from ecgcore.rhythm_findings import RHYTHM_NAMES, LeadChecks, Rhythm, RhythmTrend
from ecgcore.signals import detection, filters, quality, resampling, segments

LOW_FS_HZ: Final = 50.0
LEAST_S: Final = 5.0
LONGEST_S: Final = 60.0  # a longer stretch has no one rhythm
WINDOW_S: Final = 10.0
MARGIN_S: Final = 10.0  # of signal read on both sides of a stretch, for filters and the detector
MISSING_SHARE: Final = 0.2  # of a window: a lead that lacks more has no say
FEW_BEATS: Final = 3  # fewer have no rhythm
CHECKED_LEADS: Final = 3  # the weights of fewer have nothing to be compared by
BLOCK: Final = 180  # windows whose signal is in memory at once: half an hour
AT_ONCE: Final = 32  # windows the network answers for at once
EPSILON: Final = 1e-6  # samples: a stretch is not cut shorter by rounding
STEP: Final = 32  # samples: the network takes multiples of them, a quarter of a second


@dataclass(frozen=True, eq=False)
class Seen:
    """Leads at segments.FS_HZ, and what was found in them.

    scaled      (n_leads, n) float32, as the model is fed them
    swing_mv    (n_leads, n) float32, unfiltered, missing samples bridged: to tell whether a lead is flat
    missing     (n_leads, n) bool
    background  (n_leads, n) float32, activity between the beats over that of the beats
    beats       (n_beats,) int64, R peaks
    """

    scaled: NDArray[np.float32]
    swing_mv: NDArray[np.float32]
    missing: NDArray[np.bool_]
    background: NDArray[np.float32]
    beats: NDArray[np.int64]

    def alive(self, first: int, n: int) -> NDArray[np.bool_]:
        """Which leads (n_leads,) have a say in n samples from `first` on: neither flat nor missing."""
        cut = slice(first, first + n)
        return np.asarray((np.ptp(self.swing_mv[:, cut], axis=1) >= quality.FLAT_RANGE_MV) & (self.missing[:, cut].mean(axis=1) <= MISSING_SHARE))


@dataclass(frozen=True, eq=False)
class Heard:
    """What the detector was given and what it found.

    leads      (n,) float32 each, at segments.FS_HZ, without NaN
    clarities  of each lead
    beats      (n_beats,) int64, R peaks at segments.FS_HZ
    """

    leads: tuple[NDArray[np.float32], ...]
    clarities: tuple[detection.Clarity, ...]
    beats: NDArray[np.int64]


def rhythm_of(record: Record, leads: Iterable[str] | None = None, *, start_s: float = 0.0, stop_s: float | None = None, model: str = "universal", checks: bool = False) -> Rhythm:
    """The rhythm of a stretch of 5 to 60 s on the leads chosen; with `checks` whether the weights of the leads are to be trusted.

    For None these are the whole record and all its leads that are named as ECG leads, or all there are where none is named so.
    Raises LeadError for a lead the record does not have, InputError for a stretch that is too short, too long or outside
    the record or a rate below 50 Hz, ModelError for a model that is not there or does not fit.
    """
    stop_s = record.duration_s if stop_s is None else stop_s
    found, chosen = rhythm_models.load(model), _chosen(record, leads)
    if not 0 <= start_s < stop_s <= record.duration_s + 1 / record.fs_hz:
        raise InputError(f"{start_s:g} to {stop_s:g} s is no stretch of {record.name}, which lasts {record.duration_s:g} s")
    if not LEAST_S <= stop_s - start_s <= LONGEST_S:
        raise InputError(f"a stretch of {stop_s - start_s:g} s has no one rhythm to tell; {LEAST_S:g} to {LONGEST_S:g} s have")
    left_s = max(0.0, start_s - MARGIN_S)
    seen = read(record, chosen, found, left_s, min(record.duration_s, stop_s + MARGIN_S))
    return told(found, seen, chosen, (round((start_s - left_s) * segments.FS_HZ), _length(stop_s - start_s)), start_s, checks)


def rhythm_of_heard(record: Record, leads: tuple[str, ...], heard: Heard, *, model: str = "universal") -> Rhythm:
    """As `rhythm_of` of a whole record of 5 to 60 s, where the detector has been over these leads of it already. Raises ModelError."""
    found = rhythm_models.load(model)
    seen = _seen(record, leads, found, (0, record.n_samples), heard)
    return told(found, seen, leads, (0, _length(record.duration_s)), 0.0, False)


def rhythm_along(record: Record, leads: Iterable[str] | None = None, *, model: str = "universal", progress: Progress | None = None) -> RhythmTrend:
    """The rhythm of each window of 10 s from the beginning of a record to its end, on the leads chosen; the last window may be shorter, from 5 s on.

    Errors as `rhythm_of`.
    """
    tell, found, chosen = progress or silent, rhythm_models.load(model), _chosen(record, leads)
    if record.duration_s < LEAST_S:
        raise InputError(f"{record.name} lasts {record.duration_s:g} s; rhythm is told from {LEAST_S:g} s on")
    starts_s = [float(start) for start in np.arange(0.0, record.duration_s - LEAST_S + 1 / record.fs_hz, WINDOW_S)]
    probabilities, doubts = [np.zeros((0, len(found.card.classes)), np.float32)], []
    for at in range(0, len(starts_s), BLOCK):
        tell(at / len(starts_s), "telling the rhythm")
        block = starts_s[at : at + BLOCK]
        left_s = max(0.0, block[0] - MARGIN_S)
        seen = read(record, chosen, found, left_s, min(record.duration_s, block[-1] + WINDOW_S + MARGIN_S))
        for same in _of_one_length([(round((start - left_s) * segments.FS_HZ), _length(min(WINDOW_S, record.duration_s - start))) for start in block]):
            answers, _ = found.answer(fed(seen, chosen, [first for first, _ in same], same[0][1]))
            probabilities.append(answers)
            doubts += [_doubt(found, seen, row, first, n) for (first, n), row in zip(same, answers, strict=True)]
    tell(1.0, "done")
    return RhythmTrend(found.card.id, chosen, found.card.classes, WINDOW_S, record.duration_s, np.array(starts_s), np.concatenate(probabilities), tuple(doubts))


def _length(seconds: float) -> int:
    """Samples of a stretch as the network takes them."""
    return int(seconds * segments.FS_HZ + EPSILON) // STEP * STEP


def _of_one_length(cuts: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Neighbouring cuts (first sample, number of samples) of one length, AT_ONCE at most."""
    for _, alike in groupby(cuts, key=itemgetter(1)):
        same = list(alike)
        yield from (same[at : at + AT_ONCE] for at in range(0, len(same), AT_ONCE))


def read(record: Record, leads: tuple[str, ...], model: RhythmModel, start_s: float, stop_s: float) -> Seen:
    """The leads between two times, at segments.FS_HZ, with their beats, found in all of them together."""
    start, stop = round(start_s * record.fs_hz), min(record.n_samples, round(stop_s * record.fs_hz))
    raw, envelopes = [], []
    for lead in leads:
        raw.append(resampling.resample_blocks(partial(_lead, record, lead, start), stop - start, record.fs_hz, segments.FS_HZ))
        envelopes.append(detection.envelope(raw[-1]))
    return _seen(record, leads, model, (start, stop), Heard(tuple(raw), tuple(one.clarity for one in envelopes), detection.pick(detection.fuse(envelopes))))


def _seen(record: Record, leads: tuple[str, ...], model: RhythmModel, cut: tuple[int, int], heard: Heard) -> Seen:
    """What a model is to look at of the record's samples cut[0] ≤ i < cut[1], from what the detector has made of them."""
    scaled = [segments.scaled(filters.band_pass(lead, model.card.input.band_hz, segments.FS_HZ)) for lead in heard.leads]
    missing = [_missing(record, lead, *cut, heard.leads[0].size) for lead in leads]
    everywhere = np.arange(heard.leads[0].size)
    background = np.stack([clarity.background_at(everywhere) for clarity in heard.clarities])
    return Seen(np.stack(scaled), np.stack(heard.leads), np.stack(missing), background, heard.beats)


def fed(seen: Seen, leads: tuple[str, ...], firsts: list[int], n: int) -> Windows:
    """What the model is fed of windows of n samples that begin at `firsts`."""
    signals, beats, present = [], [], []
    for first in firsts:
        cut = slice(first, first + n)
        within = seen.beats[(seen.beats >= first) & (seen.beats < first + n)] - first
        signals.append(seen.scaled[:, cut])
        beats.append(segments.channels(np.zeros(n, np.float32), within)[1:])
        alive = seen.alive(first, n)
        present.append(alive if alive.any() else np.ones_like(alive))
    ids = np.array([rhythm_models.lead_id(lead) for lead in leads], np.int64)
    return Windows(np.stack(signals), np.stack(beats), ids, np.stack(present))


def told(model: RhythmModel, seen: Seen, leads: tuple[str, ...], cut: tuple[int, int], start_s: float, checks: bool) -> Rhythm:
    """The rhythm of a cut (first sample, number of samples, a multiple of STEP), which begins at start_s of the record."""
    first, n = cut
    windows = fed(seen, leads, [first], n)
    (row,), (weights,) = model.answer(windows)
    said = _checked(model, windows, leads, row, weights) if checks and windows.present.sum() >= CHECKED_LEADS else None
    return Rhythm(
        probabilities=dict(zip(model.card.classes, np.round(row.astype(float), 4).tolist(), strict=True)),
        lead_weights=dict(zip(leads, np.round(weights.astype(float), 4).tolist(), strict=True)),
        leads=leads,
        model=model.card.id,
        start_s=start_s,
        stop_s=start_s + n / segments.FS_HZ,
        doubt=_doubt(model, seen, row, first, n),
        checks=said,
    )


def _chosen(record: Record, leads: Iterable[str] | None) -> tuple[str, ...]:
    if record.fs_hz < LOW_FS_HZ:
        raise InputError(f"{record.name} has {record.fs_hz:g} samples a second; rhythm is told from {LOW_FS_HZ:g} on")
    return record.select(ecg_leads(record.leads) if leads is None else leads)


def _doubt(model: RhythmModel, seen: Seen, row: NDArray[np.float32], first: int, n: int) -> str:
    """Why no rhythm is called from these probabilities (n_classes,); empty where one is."""
    alive = seen.alive(first, n)
    if not alive.any():
        return "every lead chosen is flat or missing here"
    n_beats = int(((seen.beats >= first) & (seen.beats < first + n)).sum())
    if n_beats < FEW_BEATS:
        return f"{n_beats} beats were found here; a rhythm takes {FEW_BEATS}"
    level = float(seen.background[alive, first : first + n].mean(axis=1).min())
    if level > quality.NOISE_BACKGROUND:
        return f"noise on every lead chosen: activity between the beats at {level:.0%} of the beats' slope, above {quality.NOISE_BACKGROUND:.0%}"
    best = model.card.classes[int(row.argmax())]
    if best in model.card.unestablished:
        return f"{RHYTHM_NAMES[best]} is most probable, but was measured on too few patients to be called"
    if row.max() < model.card.certain_from:
        return f"the most probable rhythm has {row.max():.0%}, below the {model.card.certain_from:.0%} from which one is called"
    return ""


def _checked(model: RhythmModel, windows: Windows, leads: tuple[str, ...], row: NDArray[np.float32], weights: NDArray[np.float32]) -> LeadChecks:
    """Both checks of the weights of one window: its leads dropped one by one, and networks with random weights."""
    there = np.flatnonzero(windows.present[0])
    masks = np.repeat(windows.present, there.size, axis=0)
    masks[np.arange(there.size), there] = False
    again = Windows(np.repeat(windows.signals, there.size, axis=0), np.repeat(windows.beats, there.size, axis=0), windows.lead_ids, masks)
    best, heaviest = int(row.argmax()), int(weights[there].argmax())
    falls = row[best] - model.answer(again)[0][:, best]
    others = np.delete(falls, heaviest)
    alike = np.mean([correlation(weights[there], other[there]) for other in model.by_chance(windows)[0]])
    return LeadChecks(leads[there[heaviest]], round(float(falls[heaviest]), 4), round(float(others.mean()), 4), round(float(alike), 4))


def _missing(record: Record, lead: str, start: int, stop: int, n: int) -> NDArray[np.bool_]:
    """Where samples of a lead are missing, (n,) at segments.FS_HZ."""
    out = np.zeros(n, np.bool_)
    block = max(1, round(resampling.BLOCK_S * record.fs_hz))
    for at in range(start, stop, block):
        gaps = np.flatnonzero(np.isnan(record.mv((lead,), at, min(stop, at + block))[0]))
        out[np.minimum(((at - start + gaps) * segments.FS_HZ / record.fs_hz).astype(np.int64), n - 1)] = True
    return out


def _lead(record: Record, lead: str, offset: int, start: int, stop: int) -> NDArray[np.float32]:
    return np.asarray(record.mv((lead,), offset + start, offset + stop)[0])
