"""From a record to where a model sees ectopic beats in it, each place with the two checks that say whether to believe it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError, LeadError
from ecgcore.findings import EctopyMap, Place
from ecgcore.inference import map_checks, segmenter
from ecgcore.inference.cards import Card
from ecgcore.leads import ecg_leads, normalise
from ecgcore.progress import Progress, silent
from ecgcore.record import Record
from ecgcore.signals import detection, filters, peaks, places, resampling, segments

LOW_FS_HZ: Final = 50.0
FLAT_MV: Final = 0.02  # a lead that moves by less than this …
FLAT_S: Final = 1.0  # … over this long shows no beat
BLOCK_S: Final = 600.0


@dataclass(frozen=True, eq=False)
class _Lead:
    """One lead at segments.FS_HZ: as the model is fed it (channels, n); where it is missing or flat (n,); its R peaks (n_beats,) at the record's own rate."""

    fed: NDArray[np.float32]
    unknown: NDArray[np.bool_]
    peaks: NDArray[np.int64]


def locate(record: Record, leads: Iterable[str] | None = None, *, model: str = "segmenter", progress: Progress | None = None) -> EctopyMap:
    """Where in a record a model sees ectopic beats of each of its classes, with both checks of each place.

    One lead is looked at: the first of those chosen that the model takes. Where it is missing or flat the map is 0.
    Raises LeadError for a lead the record does not have or the model does not take, InputError for a rate below 50 Hz,
    ModelError for a model that is not there or maps nothing.
    """
    tell = progress or silent
    found = segmenter.load(model)
    lead = _taken(found.card, record.select(ecg_leads(record.leads) if leads is None else leads))
    if record.fs_hz < LOW_FS_HZ:
        raise InputError(f"{record.name} has {record.fs_hz:g} samples a second; ectopic beats are located from {LOW_FS_HZ:g} on")
    tell(0.0, f"reading {lead}")
    seen = _read(record, lead, found.card)
    maps = (_drawn(found.answer, seen, found, _part(tell, 0.1, 0.2)), _drawn(found.by_chance, seen, found, _part(tell, 0.2, 0.5)))
    checked = _checked(record, lead, found, seen, maps, _part(tell, 0.5, 1.0))
    tell(1.0, "done")
    return checked


def _taken(card: Card, leads: Sequence[str]) -> str:
    """The first lead that the model takes. Raises LeadError."""
    taken = [lead for lead in leads if card.input.leads == "any" or normalise(lead) in card.input.leads]
    if not taken:
        raise LeadError(f"{card.id} looks at {', '.join(card.input.leads)}; chosen are {', '.join(leads) or 'none'}")
    return taken[0]


def _read(record: Record, lead: str, card: Card) -> _Lead:
    """The lead with its beats, found in it alone."""
    raw = resampling.resample_blocks(partial(_one_lead, record, lead), record.n_samples, record.fs_hz, segments.FS_HZ)
    envelope = detection.envelope(raw)
    at = detection.pick(detection.fuse([envelope]))
    refined = peaks.refine(partial(record.mv, (lead,)), record.n_samples, record.fs_hz, at / detection.FS_HZ, envelope.clarity.background_at(at)[None])
    fed = segments.channels(segments.scaled(filters.band_pass(raw, card.input.band_hz, segments.FS_HZ)), at)
    return _Lead(fed, _missing(record, lead, raw.size) | _flat(raw), refined)


def _part(tell: Progress, begin: float, end: float) -> Progress:
    """How a piece of the work tells how far it is, as a part of the whole."""
    return lambda share, what: tell(begin + (end - begin) * share, what)


def _drawn(answer: segmenter.Answer, seen: _Lead, found: segmenter.Segmenter, tell: Progress) -> NDArray[np.float32]:
    """Strengths (n_labels, n_steps) of the whole lead, 0 where nothing was seen."""
    drawn = segmenter.strengths(answer, seen.fed, found.card.input.samples, tell)
    unseen = np.logical_or.reduceat(seen.unknown, np.arange(0, seen.unknown.size, found.step))
    return np.where(unseen[: drawn.shape[1]], np.float32(0), drawn)


def _checked(record: Record, lead: str, found: segmenter.Segmenter, seen: _Lead, maps: tuple[NDArray[np.float32], NDArray[np.float32]], tell: Progress) -> EctopyMap:
    """The map with its places and their checks."""
    card, step_s = found.card, found.step / segments.FS_HZ
    limits = [card.thresholds[label] for label in card.classes]
    strong = places.highlighted(maps[0], limits, seen.peaks / record.fs_hz, step_s)
    checks = map_checks.check_places(found.answer, seen.fed, card.input.samples, maps, found.step, strong, progress=tell)
    half_s = map_checks.WIDTH_S / 2
    listed = []
    for one, passed in zip(strong, checks, strict=True):
        at, start, stop = (round(time_s * record.fs_hz) for time_s in (one.at_s, one.at_s - half_s, one.at_s + half_s))
        listed.append(Place(card.classes[one.label], min(at, record.n_samples - 1), max(0, start), min(record.n_samples, stop), round(one.strength, 4), passed))
    by_label = {label: map_checks.check_map(maps, k, [passed for one, passed in zip(strong, checks, strict=True) if one.label == k]) for k, label in enumerate(card.classes)}
    return EctopyMap(card.id, (lead,), card.classes, step_s, maps[0], dict(zip(card.classes, limits, strict=True)), tuple(listed), by_label)


def _missing(record: Record, lead: str, n: int) -> NDArray[np.bool_]:
    """Where samples are missing, (n,) at segments.FS_HZ."""
    out, block = np.zeros(n, np.bool_), max(1, round(BLOCK_S * record.fs_hz))
    for start in range(0, record.n_samples, block):
        gaps = np.flatnonzero(np.isnan(_one_lead(record, lead, start, min(record.n_samples, start + block))))
        out[np.minimum(((start + gaps) * segments.FS_HZ / record.fs_hz).astype(np.int64), n - 1)] = True
    return out


def _flat(raw: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where a lead (n,) in mV at segments.FS_HZ stands still."""
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    width = round(FLAT_S * segments.FS_HZ)
    still = maximum_filter1d(raw, width) - minimum_filter1d(raw, width) < FLAT_MV  # of the samples around each
    return np.asarray(maximum_filter1d(still, width), np.bool_)


def _one_lead(record: Record, lead: str, start: int, stop: int) -> NDArray[np.float32]:
    return np.asarray(record.mv((lead,), start, stop)[0])
