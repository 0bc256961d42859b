"""What the rhythm model for any leads learns from: recordings as it is fed them, and batches of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from ecgcore.inference.rhythm import lead_id
from ecgcore.leads import STANDARD
from ecgcore.signals import detection, filters, resampling, segments
from ecgcore.training import rhythm_labels
from ecgcore.training.rhythm_sources import Labelled

KINDS: Final = ("N", "A", "O", "~")  # of the 2017 challenge
NO_KIND: Final = -1
# Leads that are measured one beside the other, as rows of STANDARD.
SUBSETS: Final = {
    "12 leads": tuple(range(12)), "6 limb": tuple(range(6)), "I II V1": (0, 1, 6), "I II": (0, 1), "II": (1,), "I": (0,)
}  # fmt: skip
_SINUS_BY_RATE: Final = frozenset(("SB", "SR", "ST"))


@dataclass(frozen=True, eq=False)
class Piece:
    """A recording, or a stretch of one, as the network is fed it.

    signals   (n_leads, n) float16 at segments.FS_HZ
    lead_ids  (n_leads,) int64
    beats     by some subsets of the rows the R peaks found in them together, the single leads among them
    allowed   (8,) bool, of RHYTHMS: what it teaches
    stated    (8,) bool: what its source says, where that is another
    kind      of KINDS, or NO_KIND
    """

    source: str
    name: str
    patient: str
    fold: int
    signals: NDArray[np.float16]
    lead_ids: NDArray[np.int64]
    beats: dict[tuple[int, ...], NDArray[np.int64]]
    allowed: NDArray[np.bool_]
    stated: NDArray[np.bool_]
    kind: int

    def seen(self, rows: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signals (len(rows), n) of some leads and beats (CHANNELS - 1, n); where the beats of just these leads were not looked for, those of the first of them."""
        at = self.beats.get(rows, self.beats[rows[:1]])
        n = self.signals.shape[1]
        return self.signals[list(rows)].astype(np.float32), segments.channels(np.zeros(n, np.float32), at)[1:]


class Batch(NamedTuple):
    """signals (batch, leads, n), beats (batch, CHANNELS - 1, n), lead ids (batch, leads), allowed (batch, 8) float, kinds (batch,), weight in the loss."""

    signals: Tensor
    beats: Tensor
    lead_ids: Tensor
    allowed: Tensor
    kinds: Tensor
    weight: float


def prepare(items: Iterable[Labelled], band_hz: tuple[float, float]) -> list[Piece]:
    """Every recording that teaches something, twelve leads in the standard order where it has them."""
    return [_piece(item, band_hz) for item in items if item.teaches]


def _piece(item: Labelled, band_hz: tuple[float, float]) -> Piece:
    names = STANDARD if set(STANDARD) <= set(item.record.available_leads) else item.record.leads
    raw = [resampling.resample(resampling.filled(lead), item.record.fs_hz, segments.FS_HZ) for lead in item.mv(names)]
    signals = np.stack([segments.scaled(filters.band_pass(lead, band_hz, segments.FS_HZ)) for lead in raw]).astype(np.float16)
    envelopes = [detection.envelope(lead) for lead in raw]
    subsets = dict.fromkeys([tuple(range(len(names))), *((row,) for row in range(len(names))), *(SUBSETS.values() if len(names) == len(STANDARD) else ())])
    beats = {rows: detection.pick(detection.fuse([envelopes[row] for row in rows])) for rows in subsets}
    stated, taught = item.allowed, contested(item.allowed, rate_bpm(beats[tuple(range(len(names)))]))
    kind = KINDS.index(item.challenge) if item.challenge else NO_KIND
    ids = np.array([lead_id(name) for name in names], np.int64)
    return Piece(item.source, item.name, item.patient, item.fold, signals, ids, beats, rhythm_labels.row(taught), rhythm_labels.row(stated), kind)


def contested(allowed: frozenset[str], rate: float) -> frozenset[str]:
    """A sinus rhythm stated that is not the one its rate asks for: the source draws its line elsewhere, and does not tell the two apart.

    PTB-XL calls one in six sinus rhythms below 60 per minute no bradycardia.
    """
    if len(allowed) != 1 or not allowed <= _SINUS_BY_RATE or np.isnan(rate):
        return allowed
    return allowed | rhythm_labels.narrowed(_SINUS_BY_RATE, rate)


def rate_bpm(beats: NDArray[np.int64]) -> float:
    """Median ventricular rate of R peaks at segments.FS_HZ; NaN for fewer than three."""
    return float(60 * segments.FS_HZ / np.median(np.diff(beats))) if beats.size > 2 else float("nan")


class Drawn:
    """Draws pieces, the rarer rhythm or kind the more often."""

    def __init__(self, pieces: Sequence[Piece], power: float, *, by_kind: bool = False) -> None:
        groups = np.stack([np.eye(len(KINDS), dtype=bool)[piece.kind] if by_kind else piece.allowed for piece in pieces]).astype(np.float64)
        groups /= np.maximum(groups.sum(axis=1, keepdims=True), 1)
        chances = (groups * np.maximum(groups.sum(axis=0), 1) ** -power).sum(axis=1)
        self.pieces, self.chances = pieces, chances / chances.sum()

    def draw(self, count: int, rng: Generator) -> list[Piece]:
        """So many of them."""
        return [self.pieces[i] for i in rng.choice(len(self.pieces), count, p=self.chances)]


def batch(pieces: Sequence[Piece], rows: Sequence[tuple[int, ...]], n: int, rng: Generator, weight: float = 1.0, invert: float = 0.0) -> Batch:
    """Some leads of each piece, cut or repeated to n samples from a random place on, by the chance `invert` upside down."""
    signals, beats = [], []
    for piece, chosen in zip(pieces, rows, strict=True):
        x, at = piece.seen(chosen)
        length = x.shape[1]
        first = int(rng.integers(0, length - n + 1 if length >= n else length))
        places = np.arange(first, first + n) % length
        signals.append(-x[:, places] if rng.random() < invert else x[:, places])
        beats.append(at[:, places])
    ids = np.stack([piece.lead_ids[list(chosen)] for piece, chosen in zip(pieces, rows, strict=True)])
    allowed, kinds = np.stack([piece.allowed for piece in pieces]), np.array([piece.kind for piece in pieces], np.int64)
    fed, marks, numbers, may_be, kind = (torch.from_numpy(part) for part in (np.stack(signals), np.stack(beats), ids, allowed.astype(np.float32), kinds))
    return Batch(fed, marks, numbers, may_be, kind, weight)


def some_leads(count: int, fewer: float, rng: Generator) -> list[tuple[int, ...]]:
    """Rows for a batch of twelve-lead pieces: all twelve, or with the chance `fewer` one of SUBSETS, or one to eleven by chance; as many for each piece."""
    if rng.random() >= fewer:
        return [SUBSETS["12 leads"]] * count
    named = list(SUBSETS.values())[1:]
    choice = int(rng.integers(len(named) + 1))
    if choice < len(named):
        return [named[choice]] * count
    size = int(rng.integers(1, len(STANDARD)))
    return [tuple(rng.permutation(len(STANDARD))[:size].tolist()) for _ in range(count)]


def one_lead(pieces: Sequence[Piece], rng: Generator) -> list[tuple[int, ...]]:
    """One lead of each piece by chance."""
    return [(int(rng.integers(len(piece.lead_ids))),) for piece in pieces]


def single(allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows (n, 8) allow one rhythm alone, and so can be judged."""
    return np.asarray(allowed.sum(axis=1) == 1)
