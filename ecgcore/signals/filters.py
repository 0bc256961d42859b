"""Band-pass and notch filters without phase shift, named as they stand on screen."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.signals.resampling import filled

ORDER: Final = 2  # Butterworth, run forward and backward: 4th order in effect
NOTCH_Q: Final = 30.0
NYQUIST_SHARE: Final = 0.45  # a cut-off above this share of the rate is left out


@dataclass(frozen=True)
class BandFilter:
    """Pass band in Hz; None leaves that side open."""

    name: str
    low_hz: float | None
    high_hz: float | None


@dataclass(frozen=True)
class Butterworth:
    """A Butterworth filter for signals at fs_hz; run forward and backward its order is twice that."""

    order: int
    cut_hz: float | tuple[float, float]
    passes: Literal["bandpass", "highpass", "lowpass"]
    fs_hz: float


FILTERS: Final = {
    band.name: band
    for band in (
        BandFilter("diagnostic 0.05–150 Hz", 0.05, 150.0),
        BandFilter("ambulatory 0.5–40 Hz", 0.5, 40.0),
        BandFilter("exercise 0.5–100 Hz", 0.5, 100.0),
        BandFilter("low-pass 40 Hz", None, 40.0),
        BandFilter("unfiltered", None, None),
    )
}
DIAGNOSTIC: Final = "diagnostic 0.05–150 Hz"
NOTCHES_HZ: Final = (50.0, 60.0)


def apply(name: str, mv: NDArray[np.float32], fs_hz: float, notch_hz: float | None = None) -> NDArray[np.float32]:
    """Filter (n_leads, n) in mV by a band of FILTERS, and a notch if one is given; same shape, no phase shift.

    Missing samples (NaN) are bridged for the filter and missing again in the result.
    A cut-off that the sampling rate cannot carry is left out, as `effective` says. Raises InputError for an unknown name.
    """
    from scipy.signal import sosfiltfilt

    low, high, notch = _cut_offs(name, fs_hz, notch_hz)
    if not (low or high or notch) or mv.shape[-1] < 2:
        return mv
    pad = min(mv.shape[-1] - 1, round(3 * fs_hz / (low or 1.0)))
    bridged = np.stack([filled(row) for row in mv])
    out = sosfiltfilt(_sections(low, high, notch, fs_hz), bridged.astype(np.float64), axis=-1, padlen=pad)
    return np.where(np.isnan(mv), np.float32(np.nan), out.astype(np.float32))


def band_pass(x: NDArray[np.float32], band_hz: tuple[float, float], fs_hz: float) -> NDArray[np.float32]:
    """One lead (n,) within a pass band, zero phase. No NaN may be in it."""
    if x.size < 2:
        return np.zeros_like(x)
    return zero_phase(x, Butterworth(ORDER, band_hz, "bandpass", fs_hz), round(3 * fs_hz))


def zero_phase(x: NDArray[np.float32], kind: Butterworth, most_pad: int) -> NDArray[np.float32]:
    """A signal (n,), n at least 2, filtered forward and backward; its ends are mirrored through their last sample, by `most_pad` samples or all there are.

    Gives what scipy's sosfiltfilt does; a filter asked for again is not designed again.
    """
    from scipy.signal import sosfilt

    sections, settled = _designed(kind)
    pad = min(x.size - 1, most_pad)
    mirrored = np.concatenate([2 * x[0] - x[pad:0:-1], x, 2 * x[-1] - x[-2 : -pad - 2 : -1]])
    forward, _ = sosfilt(sections, mirrored, zi=settled * mirrored[0])
    backward, _ = sosfilt(sections, forward[::-1], zi=settled * forward[-1])
    return np.asarray(backward[::-1][pad : pad + x.size], np.float32)


def effective(name: str, fs_hz: float, notch_hz: float | None = None) -> str:
    """What the filter does at this sampling rate, for print beside the tracing."""
    low, high, notch = _cut_offs(name, fs_hz, notch_hz)
    if low and high:
        band = f"{low:g}–{high:g} Hz"
    elif low or high:
        band = f"above {low:g} Hz" if low else f"below {high:g} Hz"
    else:
        band = "unfiltered"
    return f"{band}, notch {notch:g} Hz" if notch else band


@lru_cache(maxsize=64)  # designing takes longer than filtering ten seconds
def _designed(kind: Butterworth) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Second-order sections (n_sections, 6), and their state (n_sections, 2) after a long time of ones; shared by all who ask, not to be changed."""
    from scipy.signal import butter, sosfilt_zi

    sections = butter(kind.order, kind.cut_hz, kind.passes, fs=kind.fs_hz, output="sos")
    return np.asarray(sections), np.asarray(sosfilt_zi(sections))


@lru_cache(maxsize=64)  # designing takes half as long as filtering a minute
def _sections(low_hz: float | None, high_hz: float | None, notch_hz: float | None, fs_hz: float) -> NDArray[np.float64]:
    """Second-order sections (n_sections, 6) of at least one cut-off; shared by all who ask, not to be changed."""
    from scipy.signal import butter, iirnotch, tf2sos

    sections = []
    if low_hz:
        sections.append(butter(ORDER, low_hz, "highpass", fs=fs_hz, output="sos"))
    if high_hz:
        sections.append(butter(ORDER, high_hz, "lowpass", fs=fs_hz, output="sos"))
    if notch_hz:
        sections.append(tf2sos(*iirnotch(notch_hz, NOTCH_Q, fs=fs_hz)))
    return np.concatenate(sections)


def _cut_offs(name: str, fs_hz: float, notch_hz: float | None) -> tuple[float | None, float | None, float | None]:
    """Low, high and notch frequency that this rate can carry."""
    if name not in FILTERS:
        raise InputError(f"no filter {name!r}; there are: {', '.join(FILTERS)}")
    band, limit = FILTERS[name], NYQUIST_SHARE * fs_hz
    low = band.low_hz if band.low_hz and band.low_hz < limit else None
    high = band.high_hz if band.high_hz and band.high_hz < limit else None
    return low, high, notch_hz if notch_hz and notch_hz < limit else None
