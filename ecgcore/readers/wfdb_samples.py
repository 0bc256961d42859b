"""WFDB signal formats: packed bytes → integer samples, a pure function each.

The bytes are decoded here rather than by the wfdb package so that uploads need no temporary files, a day is read
piece by piece into int16, and no header text reaches another parser; the tests hold each format equal to wfdb's.

Source: signal(5) of the WFDB Applications Guide, https://physionet.org/physiotools/wag/signal-5.htm
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.integer[Any]]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class SampleFormat:
    """How samples are packed: `block_samples` in `block_bytes`, two's complement of `bits`.

    missing  the value that stands for a missing sample
    decode   whole blocks (n · block_bytes,) → (n · block_samples,)
    """

    bits: int
    block_samples: int
    block_bytes: int
    decode: Callable[[Bytes], Samples]

    @property
    def missing(self) -> int:
        """The least value of the format: "no sample here"."""
        return int(-(1 << (self.bits - 1)))

    @property
    def dtype(self) -> type[np.int16 | np.int32]:
        """The smallest of our two sample types that holds the format."""
        return np.int16 if self.bits <= 16 else np.int32

    def n_bytes(self, n_samples: int) -> int:
        """Bytes that hold that many samples."""
        return -(-n_samples * self.block_bytes // self.block_samples)

    def n_samples(self, n_bytes: int) -> int:
        """Whole samples in that many bytes."""
        return n_bytes * self.block_samples // self.block_bytes


def _signed(values: NDArray[np.uint16], bits: int) -> NDArray[np.int16]:
    """Two's complement of `bits` in the low bits of each value."""
    shift = 16 - bits
    return (values << shift).view(np.int16) >> shift


def _decode_212(data: Bytes) -> Samples:
    low, middle, high = data.reshape(-1, 3).T.astype(np.uint16)
    return _signed(np.stack([low | (middle & 0x0F) << 8, high | (middle & 0xF0) << 4], axis=1).ravel(), 12)


def _decode_310(data: Bytes) -> Samples:
    first, second = data.view("<u2").reshape(-1, 2).T
    third = (first >> 11) | (second >> 11) << 5
    return _signed(np.stack([first >> 1 & 0x3FF, second >> 1 & 0x3FF, third], axis=1).ravel(), 10)


def _decode_311(data: Bytes) -> Samples:
    word = data.view("<u4")
    return _signed(np.stack([word & 0x3FF, word >> 10 & 0x3FF, word >> 20 & 0x3FF], axis=1).astype(np.uint16).ravel(), 10)


def _decode_24(data: Bytes) -> Samples:
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = data.reshape(-1, 3)
    return wide.view("<i4").ravel() >> 8


FORMATS: Final[dict[str, SampleFormat]] = {
    "16": SampleFormat(16, 1, 2, lambda data: data.view("<i2")),
    "24": SampleFormat(24, 1, 3, _decode_24),
    "32": SampleFormat(32, 1, 4, lambda data: data.view("<i4")),
    "61": SampleFormat(16, 1, 2, lambda data: data.view(">i2").astype(np.int16)),
    "80": SampleFormat(8, 1, 1, lambda data: data.astype(np.int16) - 128),
    "160": SampleFormat(16, 1, 2, lambda data: (data.view("<u2") ^ np.uint16(0x8000)).view(np.int16)),
    "212": SampleFormat(12, 2, 3, _decode_212),
    "310": SampleFormat(10, 3, 4, _decode_310),
    "311": SampleFormat(10, 3, 4, _decode_311),
    # FLAC: the file is unpacked by soundfile; these tell only width and missing code.
    "508": SampleFormat(8, 1, 1, lambda data: data.view(np.int8)),
    "516": SampleFormat(16, 1, 2, lambda data: data.view("<i2")),
    "524": SampleFormat(24, 1, 3, _decode_24),
}
FLAC: Final = frozenset({"508", "516", "524"})


def decode(format_name: str, data: Bytes) -> Samples:
    """Samples in packed bytes that begin on a block; a last block that is cut short is filled with zeros."""
    packing = FORMATS[format_name]
    n_samples = packing.n_samples(len(data))
    if short := -len(data) % packing.block_bytes:
        data = np.concatenate([data, np.zeros(short, np.uint8)])
    return packing.decode(np.ascontiguousarray(data))[:n_samples]
