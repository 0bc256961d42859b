"""WFDB signal formats: integer samples → packed bytes, the inverse of `ecgcore.readers.wfdb_samples`.

Source: signal(5) of the WFDB Applications Guide, https://physionet.org/physiotools/wag/signal-5.htm
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.integer[Any]]
Bytes = NDArray[np.uint8]


def _encode_212(samples: Samples) -> Bytes:
    """Pairs in three bytes; an odd last sample takes two."""
    pairs = np.zeros(len(samples) + len(samples) % 2, np.uint16)
    pairs[: len(samples)] = samples.astype(np.int16).view(np.uint16) & 0xFFF
    first, second = pairs[0::2], pairs[1::2]
    packed = np.stack([first & 0xFF, first >> 8 | (second >> 8) << 4, second & 0xFF], axis=1).astype(np.uint8).ravel()
    return packed[: -(-len(samples) * 3 // 2)]


def _encode_24(samples: Samples) -> Bytes:
    return np.ascontiguousarray(samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]).ravel()


ENCODERS: Final[dict[str, Callable[[Samples], Bytes]]] = {
    "16": lambda samples: samples.astype("<i2").view(np.uint8),
    "24": _encode_24,
    "32": lambda samples: samples.astype("<i4").view(np.uint8),
    "61": lambda samples: samples.astype(">i2").view(np.uint8),
    "80": lambda samples: (samples + 128).astype(np.uint8),
    "160": lambda samples: (samples.astype("<i2").view("<u2") ^ np.uint16(0x8000)).view(np.uint8),
    "212": _encode_212,
}
