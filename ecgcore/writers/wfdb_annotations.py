"""WFDB annotation files (MIT format): Annotation → bytes, the inverse of `ecgcore.readers.wfdb_annotations`.

Source: annot(5) of the WFDB Applications Guide, https://physionet.org/physiotools/wag/annot-5.htm
"""

import re
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.readers.wfdb_annotations import AUX, CHAN, NOTE, NUM, SKIP, SUB, SYMBOLS
from ecgcore.record import Annotation

MAX_NOTE_BYTES: Final = 255
_MAX_STEP: Final = 0x3FF
_MAX_SKIP: Final = 0x7FFFFFFF
_OWN_CODES: Final = range(42, 50)


def encode(annotation: Annotation, fs_hz: float) -> bytes:
    """An annotation file that states its time resolution; notes are cut at 255 bytes, marks sorted by time.

    Raises InputError for what the format cannot hold: more than 8 symbols of one's own, a subtype beyond a byte.
    """
    codes = _codes(annotation.symbols)
    out = bytearray(_definitions(codes, fs_hz))
    _check_bytes("subtype", annotation.subtypes, -128, 127)
    _check_bytes("channel", annotation.channels, 0, 255)
    _check_bytes("number", annotation.numbers, -128, 127)
    if len(annotation) and annotation.samples.min() < 0:
        raise InputError(f"annotation {annotation.annotator} has a mark at sample {annotation.samples.min()}, before the record")
    sample = channel = number = 0
    for i in np.argsort(annotation.samples, kind="stable").tolist():
        out += _step(int(annotation.samples[i]) - sample, codes[annotation.symbols[i]])
        sample = int(annotation.samples[i])
        if annotation.subtypes[i]:
            out += _word(SUB, int(annotation.subtypes[i]) & 0xFF)
        if annotation.channels[i] != channel:
            channel = int(annotation.channels[i])
            out += _word(CHAN, channel)
        if annotation.numbers[i] != number:
            number = int(annotation.numbers[i])
            out += _word(NUM, number & 0xFF)
        out += _note(annotation.notes[i])
    return bytes(out) + _word(0, 0)


def _word(code: int, low: int) -> bytes:
    return struct.pack("<H", code << 10 | low)


def _step(ahead: int, code: int) -> bytes:
    """A mark `ahead` samples after the one before."""
    out = b""
    while ahead > _MAX_STEP:
        jump = min(ahead, _MAX_SKIP)
        out += _word(SKIP, 0) + struct.pack("<HH", jump >> 16, jump & 0xFFFF)
        ahead -= jump
    return out + _word(code, ahead)


def _note(text: str) -> bytes:
    data = text.encode("utf-8")[:MAX_NOTE_BYTES].decode("utf-8", "ignore").encode("utf-8")
    return _word(AUX, len(data)) + data + b"\0" * (len(data) % 2) if data else b""


def _codes(symbols: tuple[str, ...]) -> dict[str, int]:
    """The code of each symbol used; symbols that WFDB does not know get the codes kept for that."""
    known = {symbol: code for code, symbol in SYMBOLS.items()}
    known |= {f"[{code}]": code for code in range(1, 50) if code not in SYMBOLS}
    codes = {symbol: known[symbol] for symbol in dict.fromkeys(symbols) if symbol in known}
    own = [symbol for symbol in dict.fromkeys(symbols) if symbol not in known]
    if len(own) > len(_OWN_CODES) or any(not re.fullmatch(r"\S{1,20}", symbol) for symbol in own):
        raise InputError(f"WFDB has no codes for the annotation symbols {', '.join(map(repr, own[:10]))}; it holds {len(_OWN_CODES)} of one's own")
    return codes | dict(zip(own, _OWN_CODES, strict=False))


def _definitions(codes: dict[str, int], fs_hz: float) -> bytes:
    """Notes at sample 0 that state the time resolution and one's own symbols."""
    texts = [f"## time resolution: {fs_hz:.10g}"]
    own = [f"{code} {symbol} {symbol}" for symbol, code in codes.items() if code in _OWN_CODES and not symbol.startswith("[")]
    if own:
        texts += ["## annotation type definitions", *own, "## end of definitions"]
    return b"".join(_word(NOTE, 0) + _note(text) for text in texts)


def _check_bytes(what: str, values: NDArray[np.integer[Any]], low: int, high: int) -> None:
    if len(values) and (values.min() < low or values.max() > high):
        raise InputError(f"annotation {what} must be between {low} and {high}, not {values.min()} to {values.max()}")
