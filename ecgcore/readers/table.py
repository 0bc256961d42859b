"""A table of signals before it becomes a Record, and the integers its values are."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import FormatError
from ecgcore.record import missing_code

MAX_DECIMALS: Final = 6
_MOST: Final = 2.0**31 - 1
_PIECE: Final = 1 << 20


@dataclass(frozen=True, eq=False)
class Column:
    """One column of numbers, (n_rows,) float64 or integer; NaN is missing. Name and units are None where not stated."""

    name: str | None
    units: str | None
    values: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Clock:
    """Where each row lies: `positions` are sample numbers, None for 0, 1, 2, …; the rate is None where rows are only counted."""

    fs_hz: float | None
    positions: NDArray[np.int64] | None

    def n_samples(self, n_rows: int) -> int:
        """Samples from the first row to the last."""
        return n_rows if self.positions is None else int(self.positions[-1]) + 1


@dataclass(frozen=True, eq=False)
class Table:
    """What a table states; what it leaves out is None, and the user must say it."""

    kind: str
    columns: tuple[Column, ...]
    clock: Clock | None
    fs_hz: float | None
    units: str | None
    start: datetime | None
    notes: tuple[str, ...]


def quantise(values: NDArray[Any], finest: int = MAX_DECIMALS) -> tuple[NDArray[np.int32], float]:
    """Numbers as integers: (n,) int32 with the missing code for NaN, and how many steps make one unit.

    A column of decimal fractions comes back exactly; one of arbitrary floats is rounded to 10^-`finest` units, or as
    fine as 32 bits allow. Raises FormatError for values that no voltage has.
    """
    missing = missing_code(np.dtype(np.int32))
    largest = max((float(np.nanmax(np.abs(piece), initial=0.0)) for piece in _pieces(values)), default=0.0)
    if not largest < _MOST:
        raise FormatError(f"value {largest:g} is too large for a signal")
    decimals = 0
    while (
        decimals < finest and largest * 10.0 ** (decimals + 1) < _MOST and not all(_whole(piece * 10.0**decimals, 0.5 * 10.0 ** (decimals - finest)) for piece in _pieces(values))
    ):
        decimals += 1
    steps = 10.0**decimals
    out = np.empty(len(values), np.int32)
    for first, piece in zip(range(0, len(values), _PIECE), _pieces(values), strict=True):
        absent = np.isnan(piece)
        out[first : first + _PIECE] = np.where(absent, missing, np.rint(np.where(absent, 0.0, piece) * steps))
    return out, steps


def _pieces(values: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """The values as floats, piece by piece, so that a day of them is never copied whole."""
    return (values[first : first + _PIECE].astype(np.float64) for first in range(0, len(values), _PIECE))


def _whole(values: NDArray[np.float64], tolerance: float) -> bool:
    return not bool((np.abs(values - np.rint(values)) > tolerance).any())
