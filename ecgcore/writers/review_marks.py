"""A reading → WFDB annotation: beats, rhythm, artefact and comments, in a way that every WFDB tool reads and Leadwise reads back whole.

Tools see what they expect: "+" with "(AFIB" where a rhythm begins and with the rhythm that goes on, or "(N", where it ends;
"~" with the quality of the first four signals as subtype, 0 where all are clean; '"' with the text of a comment.
What spans are, WFDB does not know; so two fields that tools leave alone say it:

num      k > 0 where span k begins, again where it ends, and with more of its text; so spans may overlap
subtype  of '"' marks: see `About`

A lead stands after the text: "muscle @ V5".

Where a reconstruction stands beside the record a '"' mark tells so, at its first sample; a forecast is told at the sample before it.

On one sample WFDB wants marks in the order of their `chan` field, each its own: there the beat comes first, with 0.
Authors, ids and decisions are not in the file. `review_json` holds all.

Sources: https://archive.physionet.org/physiobank/annotations.shtml, annot(5) and putann of the WFDB library.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush
from typing import Final

import numpy as np

from ecgcore.errors import InputError
from ecgcore.reconstructed import NEVER_MEASURED, Accepted, standing
from ecgcore.record import Annotation
from ecgcore.review import Item, State
from ecgcore.writers.provenance import Provenance
from ecgcore.writers.wfdb_annotations import MAX_NOTE_BYTES

SYMBOL_OF_KIND: Final = {"rhythm": "+", "artefact": "~", "comment": '"'}  # what is to leave in an annotation file; a new kind of item is one entry here
SIGNATURE: Final = "# leadwise"  # how the first line about a file begins
UNREADABLE: Final = "unreadable"  # an artefact of this text is more than noise
LEAD: Final = " @ "  # stands between the text of a mark and its lead
N_QUALITY_SIGNALS: Final = 4
_MAX_SPANS: Final = 127


class About(IntEnum):
    """The subtype of a '"' mark: what its text is about."""

    EARLIER = -1  # a comment on the sample before: wfdb.rdann drops notes on sample 0, so these stand on sample 1
    HERE = 0
    FILE = 1  # where the file comes from, or a reconstruction: nothing that a reader marked
    GOES_ON = 2  # more text of the span of its number, or without one of the comment before, for a mark holds 255 bytes
    NEW_LINE = 3  # the next line of that text, for tools print a mark a line


@dataclass(frozen=True)
class _Mark:
    """A mark that is no beat. `turn` is its order among those on one sample."""

    sample: int
    turn: int
    symbol: str
    note: str
    subtype: int = 0
    number: int = 0


def annotation(
    state: State, fs_hz: float, annotator: str = "lw", leads: Sequence[str] = (), provenance: Provenance | None = None, reconstructions: Iterable[Accepted] = ()
) -> Annotation:
    """Beats, rhythm, artefact and comments of a reading as WFDB marks, for `writers.wfdb.write_annotation`.

    leads       the record's, in its order: "~" tells noise by signal. Without them an artefact of one lead counts as one of all
    provenance  written as '"' marks on sample 1, a line each; without it only that Leadwise made the file
    reconstructions  those that stand are told where they begin

    Raises InputError where more than 127 spans overlap.
    """
    about = [f"# {line}" for line in provenance.lines()] if provenance else [f"{SIGNATURE} review at {fs_hz:g} Hz"]
    marks = [_Mark(1, 3, '"', piece, About.FILE) for line in about for piece in _pieces(line)]
    marks += [_reconstructed(one) for one in standing(reconstructions)]
    items = [item for item in state.items if item.kind in SYMBOL_OF_KIND]
    numbers = _numbers(items)
    for kind in SYMBOL_OF_KIND:
        marks += _marks([(item, number) for item, number in zip(items, numbers, strict=True) if item.kind == kind], tuple(leads))
    marks.sort(key=lambda mark: (mark.sample, mark.turn))
    samples = np.concatenate([state.samples, np.array([mark.sample for mark in marks], np.int64)])
    order = np.argsort(samples, kind="stable")
    samples = samples[order]
    n_beats = len(state)
    symbols = [*state.codes.tolist(), *(mark.symbol for mark in marks)]
    notes = [""] * n_beats + [mark.note for mark in marks]
    zeros = np.zeros(n_beats, np.int64)
    return Annotation(
        annotator=annotator,
        samples=samples,
        symbols=tuple(symbols[i] for i in order.tolist()),
        notes=tuple(notes[i] for i in order.tolist()),
        subtypes=np.append(zeros, [mark.subtype for mark in marks])[order].astype(np.int16),
        channels=(np.arange(samples.size) - np.searchsorted(samples, samples)).astype(np.int16),
        numbers=np.append(zeros, [mark.number for mark in marks])[order].astype(np.int16),
    )


def _marks(items: Sequence[tuple[Item, int]], leads: tuple[str, ...]) -> Iterator[_Mark]:
    """The marks of items of one kind and their numbers: where each begins, what is left of its text, where it ends."""
    going: list[Item] = []
    edges = [(item.start, 0, i) for i, (item, _) in enumerate(items)] + [(item.stop, 1, i) for i, (item, number) in enumerate(items) if number]
    for sample, ends, i in sorted(edges):
        item, number = items[i]
        going = [other for other in going if other.stop > sample]
        if ends:
            yield _end(item, going, leads, number)
        else:
            going.append(item)
            yield from _beginning(item, going, leads, number)


def _beginning(item: Item, going: Sequence[Item], leads: tuple[str, ...], number: int) -> Iterator[_Mark]:
    text = f"{item.text}{LEAD}{item.lead or ''}" if item.lead is not None or LEAD in item.text else item.text
    lines = [_pieces(line) for line in (f"({text}" if item.kind == "rhythm" else text).split("\n")]
    symbol = SYMBOL_OF_KIND[item.kind]
    place = (1, 0) if item.start == 0 else (item.start, 1)  # of notes; those of sample 0 come first on sample 1
    if symbol == '"':
        yield _Mark(*place, symbol, lines[0][0], About.EARLIER if item.start == 0 else About.HERE, number)
    else:
        yield _Mark(item.start, 1, symbol, lines[0][0], _quality(going, leads) if symbol == "~" else 0, number)
    more = [(piece, About.NEW_LINE if k == 0 else About.GOES_ON) for line in lines for k, piece in enumerate(line)][1:]
    yield from (_Mark(*place, '"', piece, about, number) for piece, about in more)


def _end(item: Item, going: Sequence[Item], leads: tuple[str, ...], number: int) -> _Mark:
    """What holds once an item has ended: the rhythm begun last of those that go on, or what is noisy still."""
    symbol = SYMBOL_OF_KIND[item.kind]
    note = {"+": f"({going[-1].text}" if going else "(N", "~": "", '"': f"end of: {item.text}"}[symbol]
    return _Mark(item.stop, 2, symbol, _pieces(" ".join(note.split()))[0], _quality(going, leads) if symbol == "~" else 0, number)


def _reconstructed(accepted: Accepted) -> _Mark:
    """That a lead is reconstructed from here on. The record may end where a forecast begins, and rdann drops notes on sample 0."""
    made = accepted.made
    place = made.start_sample - 1 if made.kind == "forecast" else made.start_sample
    text = f"# reconstructed {made.lead} to sample {made.stop_sample}, {made.kind} by {made.model}, accepted by {accepted.who}; {NEVER_MEASURED}"
    return _Mark(max(1, place), 3, '"', _pieces(text)[0], About.FILE)


def _quality(artefacts: Sequence[Item], leads: tuple[str, ...]) -> int:
    """The subtype of "~": bit i for signal i noisy, bit i + 4 for unreadable besides, of the first four; a signed byte."""
    everything = (1 << min(len(leads) or N_QUALITY_SIGNALS, N_QUALITY_SIGNALS)) - 1
    bits = 0
    for item in artefacts:
        of_lead = everything if item.lead is None or not leads else 1 << leads.index(item.lead) & everything if item.lead in leads else 0
        bits |= of_lead | (of_lead << N_QUALITY_SIGNALS if item.text == UNREADABLE else 0)
    return bits - 256 if bits > 127 else bits


def _numbers(items: Sequence[Item]) -> list[int]:
    """The number 1, 2, … of each item, used again once its span has ended; 0 for comments on one sample, which have no end of their own."""
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    numbers = [0] * len(items)
    for i in sorted(range(len(items)), key=lambda i: items[i].start):
        item = items[i]
        if item.kind == "comment" and item.start == item.stop:
            continue
        while busy and busy[0][0] < item.start:
            heappush(free, heappop(busy)[1])
        numbers[i] = heappop(free) if free else len(busy) + 1
        if numbers[i] > _MAX_SPANS:
            raise InputError(f"{numbers[i]} spans overlap at sample {item.start}; an annotation file tells at most {_MAX_SPANS} apart")
        heappush(busy, (item.stop, numbers[i]))
    return numbers


def _pieces(text: str) -> list[str]:
    """The text in pieces that a mark can hold, cut between characters; one piece at least."""
    pieces = [""]
    size = 0
    for character in text:
        n_bytes = len(character.encode())
        if size + n_bytes > MAX_NOTE_BYTES:
            pieces.append("")
            size = 0
        pieces[-1] += character
        size += n_bytes
    return pieces
