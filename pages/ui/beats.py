"""What the Review page says of beats and signal: numbers and tables. Knows nothing of Streamlit."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.figures import trend
from ecgcore.figures.clock import clock
from ecgcore.findings import AAMI_OF_MIT, Analysis
from ecgcore.record import Record
from pages.ui import cards
from pages.ui.text import plain

if TYPE_CHECKING:
    from pages.ui.hand import Hand

CLASS_NAMES: Final = {"N": "normal or bundle branch block", "S": "supraventricular ectopic", "V": "ventricular ectopic", "F": "fusion", "Q": "paced or unclassifiable"}


@dataclass(frozen=True)
class Number:
    """A number a clinician may quote, and how it was got."""

    label: str
    value: str
    how: str


@dataclass(frozen=True, eq=False)
class Uncertain:
    """Places (k,) of the beats that the model is not certain of, in time order, and how that was got."""

    places: NDArray[np.int64]
    how: str


def headline(held: "Hand") -> list[Number]:
    """Counts, burden and heart rate of the whole record as the reading has them."""
    beats, source = held.analysis.beats, how_got(held)
    numbers = [Number("Beats", f"{len(beats):,}", source)]
    for name, count in beats.counts.items():
        share = f" · {count / len(beats):.1%}" if len(beats) else ""
        how = f"{count:,} of {len(beats):,} beats are {name}, {CLASS_NAMES.get(name, 'class of the model')} (AAMI EC57). The burden is their share of all beats. {source}"
        numbers.append(Number(f"{name} beats", f"{count:,}{share}", how))
    return [*numbers, *_uncertain(held), _heart_rate(held)]


def how_got(held: "Hand") -> str:
    """Which model found the beats on which leads, how many a reader changed, and whether it was signed."""
    found, signed = held.found.beats, held.reading.signed
    edited = f" {held.state.changed:,} of them are as a reader or a file says." if held.state.changed else ""
    after = f" Signed off as version {signed.version} by {signed.who}." if signed else " Not signed off by a physician."
    where, looked_at = held.found.leads, found.leads
    on = f" on {', '.join(where)} and classified by {found.model} on {', '.join(looked_at)}" if where != looked_at else f" and classified by {found.model} on {', '.join(where)}"
    return f"Beats found by {found.detector}{on}.{edited}{after}"


def uncertain(held: "Hand") -> Uncertain | None:
    """The beats whose class shown has a probability below the limit of the model's card; None where that sets none."""
    card = cards.of_model(held.found.beats.model)
    if card is None or card.certain_from is None:
        return None
    return Uncertain(np.flatnonzero(held.certainty < card.certain_from), cards.uncertainty(card))  # NaN, which no model said, is not below


def _uncertain(held: "Hand") -> list[Number]:
    """How many beats the model is not certain of; nothing where its card sets no limit."""
    found, n_beats = uncertain(held), len(held.certainty)
    if found is None:
        return []
    n = found.places.size
    return [Number("Uncertain beats", f"{n:,} · {n / n_beats:.1%}" if n_beats else "0", found.how)]


def _heart_rate(held: "Hand") -> Number:
    _, bpm = trend.heart_rate(held.analysis.beats, held.record.fs_hz, held.blind_s)
    known = bpm[~np.isnan(bpm)]
    how = "60 / RR of successive beats of any class: median (least–greatest) over the record. Intervals across stretches without a readable lead are left out."
    if not known.size:
        return Number("Heart rate", "not measured", how)
    return Number("Heart rate, 1/min", f"{np.median(known):.0f} ({known.min():.0f}–{known.max():.0f})", how)


def quality_rows(analysis: Analysis, most: int = 200) -> list[tuple[str, ...]]:
    """Quality marks of the whole record, a line each: lead, from, to, what, why."""
    return [(plain(m.lead), clock(m.start_s, 1), clock(m.stop_s, 1), m.kind, plain(m.reason)) for m in analysis.quality.marks[:most]]


def usable_text(analysis: Analysis) -> str:
    """Share of usable windows by lead."""
    shares = ", ".join(f"{plain(lead)} {share:.0%}" for lead, share in analysis.quality.usable.items())
    return f"Usable {analysis.quality.window_s:g}-s windows: {shares}."


def beat_annotators(record: Record) -> tuple[str, ...]:
    """Annotators of the record that mark beats."""
    return tuple(a.annotator for a in record.annotations if any(symbol in AAMI_OF_MIT for symbol in a.symbols))
