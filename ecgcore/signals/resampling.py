"""Polyphase resampling, whole or in blocks."""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError

BLOCK_S: Final = 600.0
MARGIN_S: Final = 2.0
MAX_TERM: Final = 20_000  # a rate such as 257.0159 Hz becomes a ratio of numbers no larger than this


def ratio(fs_from_hz: float, fs_to_hz: float) -> Fraction:
    """fs_to / fs_from as a ratio of integers. Raises InputError for rates that are not positive."""
    if not (fs_from_hz > 0 and fs_to_hz > 0):
        raise InputError(f"cannot resample from {fs_from_hz} Hz to {fs_to_hz} Hz; both must be above 0")
    return (Fraction(fs_to_hz).limit_denominator(MAX_TERM) / Fraction(fs_from_hz).limit_denominator(MAX_TERM)).limit_denominator(MAX_TERM)


def filled(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) with NaN replaced by a straight line between its neighbours; all NaN becomes 0."""
    gaps = np.isnan(x)
    if not gaps.any():
        return x
    known = np.flatnonzero(~gaps)
    if known.size == 0:
        return np.zeros_like(x)
    return np.where(gaps, np.interp(np.arange(x.size), known, x[known]), x).astype(np.float32)


def resample(x: NDArray[np.float32], fs_from_hz: float, fs_to_hz: float) -> NDArray[np.float32]:
    """(…, n) → (…, ceil(n · fs_to / fs_from)), anti-aliased (Kaiser window), without delay. No NaN may be in it."""
    from scipy.signal import resample_poly

    step = ratio(fs_from_hz, fs_to_hz)
    if step == 1:
        return x
    kept = _low_pass(max(step.numerator, step.denominator)).astype(x.dtype if x.dtype.kind == "f" else np.float64)
    return np.asarray(resample_poly(x, step.numerator, step.denominator, axis=-1, window=kept, padtype="edge"), np.float32)  # type: ignore[call-overload]  # the stubs know no ready filter


@lru_cache(maxsize=8)  # designing takes longer than resampling ten seconds
def _low_pass(factor: int) -> NDArray[np.float64]:
    """The filter against aliasing (20 · factor + 1,) that scipy designs for the greater of two terms; not to be changed."""
    from scipy.signal import firwin

    return np.asarray(firwin(20 * factor + 1, 1 / factor, window=("kaiser", 5.0)))


def resample_blocks(read: Callable[[int, int], NDArray[np.float32]], n_samples: int, fs_from_hz: float, fs_to_hz: float) -> NDArray[np.float32]:
    """One lead resampled without ever holding it whole at its own rate.

    read(start, stop) gives samples in mV, NaN where missing; the result is (ceil(n · fs_to / fs_from),),
    missing samples bridged by a straight line.
    """
    step = ratio(fs_from_hz, fs_to_hz)
    down = step.denominator
    block = max(1, round(BLOCK_S * fs_from_hz / down)) * down
    margin = max(1, round(MARGIN_S * fs_from_hz / down)) * down
    out = np.empty(-(-n_samples * step.numerator // down), np.float32)
    for start in range(0, n_samples, block):
        stop = min(start + block, n_samples)
        left, right = max(0, start - margin), min(n_samples, stop + margin)
        y = resample(filled(read(left, right)), fs_from_hz, fs_to_hz)
        first = start * step.numerator // down
        last = out.size if stop == n_samples else stop * step.numerator // down
        offset = left * step.numerator // down
        out[first:last] = y[first - offset : last - offset]
    return out
