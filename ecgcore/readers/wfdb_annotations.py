"""WFDB annotation files (MIT format): bytes → Annotation.

Decoded here rather than by wfdb.rdann, which drops notes at sample 0 and never ends on some broken files;
the tests hold the two equal on real recordings.

Source: annot(5) of the WFDB Applications Guide, https://physionet.org/physiotools/wag/annot-5.htm
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np

from ecgcore.errors import FormatError
from ecgcore.record import Annotation

# annot(5): symbol of each annotation code; codes 42 to 49 are the user's own.
SYMBOLS: Final[dict[int, str]] = {
    **dict(enumerate("N L R a V F J A S E j / Q ~".split(), 1)),
    16: "|",
    **dict(enumerate('s T * D " = p B ^ t + u ? ! [ ] e n @ x f ( ) r'.split(), 18)),
}
SKIP, NUM, SUB, CHAN, AUX = 59, 60, 61, 62, 63
_T = TypeVar("_T", int, str)
NOTE: Final = 22
_RESOLUTION = re.compile(r"## time resolution: (\d+\.?\d*)")
_DEFINITION = re.compile(r"(\d+) (\S+)(?: (.*))?")


@dataclass
class Marks:
    """The columns of an annotation file while it is read; `fs_hz` is its own time resolution, if it states one."""

    samples: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    subtypes: list[int] = field(default_factory=list)
    channels: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    symbols: dict[int, str] = field(default_factory=lambda: dict(SYMBOLS))
    fs_hz: float | None = None
    ended: bool = False


def decode(data: bytes, file_name: str) -> Marks:
    """All marks in an annotation file. Raises FormatError for bytes that are none."""
    words = np.frombuffer(data, "<u2", len(data) // 2).astype(np.uint16, copy=False).data
    marks = Marks()
    sample = channel = number = i = 0
    while i < len(words):
        code, low = words[i] >> 10, words[i] & 0x3FF
        i += 1
        if code == 0 and low == 0:
            marks.ended = True
            break
        if code == SKIP:
            if i + 2 > len(words):
                break
            jump = words[i] << 16 | words[i + 1]
            sample += jump - (1 << 32) if jump >> 31 else jump
            i += 2
        elif code == AUX:
            _set_last(marks.notes, _text(data[2 * i : 2 * i + low]))
            i += (low + 1) // 2
        elif code == SUB:
            _set_last(marks.subtypes, _signed_byte(low))
        elif code == CHAN:
            channel = low & 0xFF
            _set_last(marks.channels, channel)
        elif code == NUM:
            number = _signed_byte(low)
            _set_last(marks.numbers, number)
        elif code < 50:
            sample += low
            for column, value in zip(_columns(marks), (sample, code, "", 0, channel, number), strict=True):
                column.append(value)
        else:
            raise FormatError(f"{file_name} is no WFDB annotation file: code {code} at byte {2 * i - 2} has no meaning")
    if marks.ended and data[2 * i :].strip(b"\0"):
        raise FormatError(f"{file_name} is no WFDB annotation file: {len(data) - 2 * i} bytes follow its end mark")
    return _without_definitions(marks)


def annotation(marks: Marks, annotator: str, fs_hz: float, frames_hz: float, n_samples: int, notes: list[str]) -> Annotation:
    """The marks on the record's clock of `fs_hz`, in time order, none past its end.

    `frames_hz` is the rate they count in unless the file states its own. What is dropped is told in `notes`.
    """
    scale = fs_hz / (marks.fs_hz or frames_hz)
    samples = np.asarray(marks.samples, np.int64) if scale == 1 else np.rint(np.asarray(marks.samples, np.float64) * scale).astype(np.int64)
    order = np.argsort(samples, kind="stable")
    if not np.array_equal(order, np.arange(len(order))):
        notes.append(f"annotations {annotator} were not in time order; sorted")
    codes = np.asarray(marks.codes, np.int64)[order]
    inside = (samples[order] >= 0) & (samples[order] < n_samples) & (codes > 0)
    if dropped := int(((codes > 0) & ~inside).sum()):
        notes.append(f"annotations {annotator}: {dropped} outside the record's {n_samples} samples left out")
    if not marks.ended:
        notes.append(f"annotations {annotator} end without an end mark; some may be lost")
    keep = order[inside]
    return Annotation(
        annotator=annotator,
        samples=samples[keep],
        symbols=tuple(marks.symbols.get(marks.codes[i], f"[{marks.codes[i]}]") for i in keep),
        notes=tuple(marks.notes[i] for i in keep),
        subtypes=np.asarray(marks.subtypes, np.int16)[keep],
        channels=np.asarray(marks.channels, np.int16)[keep],
        numbers=np.asarray(marks.numbers, np.int16)[keep],
    )


def _columns(marks: Marks) -> tuple[list[Any], ...]:
    return marks.samples, marks.codes, marks.notes, marks.subtypes, marks.channels, marks.numbers


def _set_last(column: list[_T], value: _T) -> None:
    """Set the field of the mark read last; before the first mark there is nothing to set."""
    if column:
        column[-1] = value


def _text(data: bytes) -> str:
    """A note; WFDB says ASCII, so anything else is a guess between the two usual encodings."""
    data = data.rstrip(b"\0")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _signed_byte(value: int) -> int:
    value &= 0xFF
    return value - 256 if value > 127 else value


def _without_definitions(marks: Marks) -> Marks:
    """Take out the notes "## …" at sample 0, which state the time resolution and the user's own symbols."""
    kept = []
    defining = False
    for i in range(len(marks.codes)):
        text = marks.notes[i]
        if marks.codes[i] != NOTE or marks.samples[i] != 0 or not (text.startswith("## ") or defining):
            kept.append(i)
        elif found := _RESOLUTION.match(text):
            marks.fs_hz = float(found[1]) or None
        elif text in ("## annotation type definitions", "## end of definitions"):
            defining = text.endswith("type definitions")
        elif defining and (found := _DEFINITION.match(text)):
            marks.symbols[int(found[1])] = found[2]
    if len(kept) < len(marks.codes):
        for column in _columns(marks):
            column[:] = [column[i] for i in kept]
    return marks
