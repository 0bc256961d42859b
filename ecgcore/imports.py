"""Annotation files that enter a review: checked against the record, then beats and items of a reading.

A file that does not fit is refused with the first value that does not, and nothing is changed.
"""

import math
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Final

import numpy as np

from ecgcore.errors import FormatError, InputError
from ecgcore.figures.clock import clock
from ecgcore.findings import AAMI_OF_MIT
from ecgcore.readers import wfdb_annotations
from ecgcore.readers.wfdb import MAX_ANNOTATION_BYTES
from ecgcore.readers.wfdb_annotations import SYMBOLS
from ecgcore.record import Annotation, Record
from ecgcore.review import FILE_AUTHOR, Item, Marks
from ecgcore.writers.review_marks import LEAD, N_QUALITY_SIGNALS, SIGNATURE, SYMBOL_OF_KIND, UNREADABLE, About

NOISY: Final = "noisy"
NORMAL: Final = "N"  # the rhythm that is not marked
R_ON_T: Final = "r"  # a beat, but of no AAMI class that `AAMI_OF_MIT` names
_KIND_OF_SYMBOL: Final = {symbol: kind for kind, symbol in SYMBOL_OF_KIND.items()}
_NO_BEATS: Final = frozenset(SYMBOLS.values()) - frozenset(AAMI_OF_MIT) - {R_ON_T}
_ODD: Final = re.compile(r"[\x00-\x08\x0b-\x1f]+")
_MORE: Final[dict[int, str]] = {About.GOES_ON: "", About.NEW_LINE: "\n"}  # what comes between a text and more of it
_ANY_LENGTH: Final = 1 << 62


@dataclass(frozen=True)
class Imported:
    """What an annotation file brings to a reading, all by "file:" and its annotator.

    items  rhythm, artefact and comments, with ids of their own
    notes  what was left out, a line each
    """

    beats: Marks
    items: tuple[Item, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Row:
    """A mark that is no beat."""

    sample: int
    symbol: str
    note: str
    subtype: int
    number: int

    @property
    def is_about_file(self) -> bool:
        """Whether it would be a line on where the file comes from, had Leadwise written it."""
        return self.symbol == '"' and self.subtype == About.FILE


def annotation_file(data: bytes, file_name: str, record: Record) -> Imported:
    """The beats and items in the bytes of a WFDB annotation file such as "119.atr", which counts in the record's samples.

    Raises InputError as `fits`, and where the file states another sampling rate; FormatError for bytes that are no whole annotation file.
    """
    name = PurePath(file_name).name[-80:]
    if len(data) > MAX_ANNOTATION_BYTES:
        raise InputError(f"{name} is {len(data):,} bytes long; an annotation file has at most {MAX_ANNOTATION_BYTES:,}")
    marks = wfdb_annotations.decode(data, name)
    if not marks.ended:
        raise FormatError(f"{name} has no end mark: it is cut off after {len(marks.samples):,} marks, or is no WFDB annotation file")
    if marks.fs_hz and not math.isclose(marks.fs_hz, record.fs_hz, rel_tol=1e-6):
        raise InputError(f"{name} does not fit {record.name}: it counts {marks.fs_hz:g} samples a second, the record has {record.fs_hz:g}")
    samples = np.array([0, *marks.samples], np.int64)
    if (back := np.flatnonzero(np.diff(samples) < 0)).size:
        where = int(back[0])
        raise InputError(f"{name} does not fit {record.name}: its marks must ascend from sample 0, but {samples[where + 1]} comes after {samples[where]}")
    return fits(wfdb_annotations.annotation(marks, name.rpartition(".")[2], record.fs_hz, record.fs_hz, _ANY_LENGTH, []), record)


def fits(annotation: Annotation, record: Record) -> Imported:
    """The beats and items in annotations that fit the record.

    They fit when there is a beat or more, every code is one of WFDB's, every mark lies within the record (an end may stand
    right after it), and no two beats share a sample. Of rhythm marks "(AFIB" is a span up to the next one and "(N" is none;
    "~" is artefact of the signals it names up to the next; '"' is a comment. Files that Leadwise wrote come back as they were.
    Marks that a review has no place for are told in `notes`. Raises InputError quoting the first mark that does not fit.
    """
    beats = _beats(annotation, record)
    rows = _rows(annotation)
    notes = []
    items = None
    if any(row.is_about_file and row.note.startswith(SIGNATURE) for row in rows):
        rows = [row for row in rows if not row.is_about_file]
        items = _own_items(rows)
        if items is None:
            notes.append("its spans no longer begin and end as Leadwise wrote them; they are read like those of any other file")
    if items is None:
        items = [*_rhythm(rows, record.n_samples), *_artefact(rows, record), *_comments(rows)]
    if left_out := Counter(row.symbol for row in rows if row.symbol not in _KIND_OF_SYMBOL):
        notes.append(f"left out, for a review has no such marks: {', '.join(f'{count:,} of {symbol}' for symbol, count in sorted(left_out.items()))}")
    author = f"{FILE_AUTHOR}{annotation.annotator[:40]}"
    own = tuple(replace(item, id=uuid.uuid4().hex, author=author) for item in items)
    return Imported(Marks.of(annotation.samples[beats].tolist(), (annotation.symbols[i] for i in beats), author), own, tuple(notes))


def _beats(annotation: Annotation, record: Record) -> list[int]:
    """Places of the beats. Raises InputError for the first mark that does not fit the record."""
    known = " ".join(AAMI_OF_MIT)
    beats = [i for i, symbol in enumerate(annotation.symbols) if symbol in AAMI_OF_MIT]
    if not beats:
        raise InputError(f"{annotation.annotator} does not fit {record.name}: of its {len(annotation):,} marks none is a beat; beats are {known}")
    if foreign := [i for i, symbol in enumerate(annotation.symbols) if symbol not in _NO_BEATS and symbol not in AAMI_OF_MIT]:
        raise _misfit(annotation, record, foreign[0], f"has no meaning in a review, whose beats are {known}")
    ends = np.full(len(annotation), record.n_samples)
    ends[beats] -= 1
    if (outside := np.flatnonzero((annotation.samples < 0) | (annotation.samples > ends))).size:
        last = record.n_samples - 1
        raise _misfit(annotation, record, int(outside[0]), f"lies outside the record, which ends with sample {last} ({clock(last / record.fs_hz, 3)})")
    if (late := np.flatnonzero(np.diff(annotation.samples[beats]) <= 0)).size:
        raise _misfit(annotation, record, beats[int(late[0]) + 1], f"does not come after the beat before it, at sample {annotation.samples[beats[int(late[0])]]}")
    return beats


def _misfit(annotation: Annotation, record: Record, place: int, what: str) -> InputError:
    sample = int(annotation.samples[place])
    at = f"sample {sample} ({clock(sample / record.fs_hz, 3)})" if sample >= 0 else f"sample {sample}"
    return InputError(f"{annotation.annotator} does not fit {record.name}: {annotation.symbols[place]!r} at {at} {what}")


def _rows(annotation: Annotation) -> list[_Row]:
    """The marks that are no beats, in the order of the file."""
    columns = zip(annotation.samples.tolist(), annotation.symbols, annotation.notes, annotation.subtypes.tolist(), annotation.numbers.tolist(), strict=True)
    return [_Row(*row) for row in columns if row[1] not in AAMI_OF_MIT]


def _own_items(rows: Sequence[_Row]) -> list[Item] | None:
    """The items that `writers.review_marks` wrote; None where a span lacks its beginning or end."""
    made: list[Item] = []
    begun: dict[int, int] = {}  # number → place of the span that bore it last
    going: dict[tuple[str, int], int] = {}
    for row in rows:
        span = row.symbol, row.number
        if row.symbol not in _KIND_OF_SYMBOL:
            continue
        if row.symbol == '"' and row.subtype in _MORE and made:
            place = begun.get(row.number, len(made) - 1)
            made[place] = replace(made[place], text=made[place].text + _MORE[row.subtype] + row.note)
        elif span in going:
            place = going.pop(span)
            made[place] = replace(made[place], stop=row.sample)
        elif row.number == 0 and row.symbol != '"':
            return None
        else:
            if row.number:
                going[span] = begun[row.number] = len(made)
            start = row.sample - 1 if row.symbol == '"' and row.subtype == About.EARLIER else row.sample
            made.append(Item("", _KIND_OF_SYMBOL[row.symbol], start, start, row.note, None, ""))
    return None if going else [_with_lead(item) for item in made]


def _with_lead(item: Item) -> Item:
    """The lead taken out of the text again."""
    text = item.text.removeprefix("(") if item.kind == "rhythm" else item.text
    text, lead = text.rsplit(LEAD, 1) if LEAD in text else (text, "")
    return replace(item, text=text, lead=lead or None)


def _rhythm(rows: Sequence[_Row], n_samples: int) -> Iterator[Item]:
    for row, stop in _until_next(rows, "+", n_samples):
        name = _text(row.note).removeprefix("(").strip()
        if name and name != NORMAL:
            yield Item("", "rhythm", row.sample, stop, name, None, "")


def _artefact(rows: Sequence[_Row], record: Record) -> Iterator[Item]:
    """Bit i of the subtype says that signal i is noisy, bit i + 4 that it is unreadable; all signals of a record are one item."""
    n = min(len(record.leads), N_QUALITY_SIGNALS)
    for row, stop in _until_next(rows, "~", record.n_samples):
        unreadable = [bool(row.subtype >> N_QUALITY_SIGNALS + i & 1) for i in range(n)]
        noisy = [bool(row.subtype >> i & 1) or unreadable[i] for i in range(n)]
        if all(noisy):
            yield Item("", "artefact", row.sample, stop, UNREADABLE if all(unreadable) else NOISY, None, "")
            continue
        for lead, is_noisy, is_unreadable in zip(record.leads, noisy, unreadable, strict=False):
            if is_noisy:
                yield Item("", "artefact", row.sample, stop, UNREADABLE if is_unreadable else NOISY, lead, "")


def _comments(rows: Sequence[_Row]) -> Iterator[Item]:
    for row in rows:
        if row.symbol == '"' and (text := _text(row.note)):
            yield Item("", "comment", row.sample, row.sample, text, None, "")


def _until_next(rows: Sequence[_Row], symbol: str, n_samples: int) -> Iterator[tuple[_Row, int]]:
    """Each mark of a symbol and where the next one stands, or the record's end; none that lasts no time."""
    found = [row for row in rows if row.symbol == symbol]
    stops = [*(row.sample for row in found), n_samples][1:]
    for row, stop in zip(found, stops, strict=True):
        if stop > row.sample:
            yield row, stop


def _text(note: str) -> str:
    """A note as text: up to the first zero byte, without control characters."""
    return _ODD.sub(" ", note.partition("\0")[0]).strip()
