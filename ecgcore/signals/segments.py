"""What a model of segments is fed: a lead over its usual height, and the timing of its beats at every sample."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.signals.features import RR_FEATURES, rr_features

FS_HZ: Final = 128.0
BLOCK_SAMPLES: Final = 256  # 2 s, which hold a beat
BLOCKS: Final = 9  # whose median height is the usual one
LEAST_RANGE_MV: Final = 0.1  # a flat lead is not magnified
COMPRESSION: Final = 3.0  # arcsinh(3x) leaves a P wave visible beside the QRS
MARK_SAMPLES: Final = 4.0  # standard deviation of the bump that marks a beat
TIMING: Final = ("pre_to_local", "post_to_local", "pre_to_post", "previous_to_local", "local_to_reference", "irregularity")  # what a stretch tells by itself
CHANNELS: Final = 2 + len(TIMING)


def scaled(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """A filtered lead (n,) in mV at FS_HZ over its usual range nearby, compressed by arcsinh: no unit."""
    from scipy.ndimage import median_filter

    n_blocks = max(1, x.size // BLOCK_SAMPLES)
    blocks = np.array_split(x, [BLOCK_SAMPLES * i for i in range(1, n_blocks)])
    ranges = np.array([float(np.ptp(block)) if block.size else 0.0 for block in blocks])
    usual = np.maximum(median_filter(ranges, BLOCKS, mode="nearest"), LEAST_RANGE_MV)
    middles = BLOCK_SAMPLES * (np.arange(n_blocks) + 0.5)
    return np.arcsinh(COMPRESSION * x / np.interp(np.arange(x.size), middles, usual)).astype(np.float32)


def timing(at: NDArray[np.int64]) -> NDArray[np.float32]:
    """Timing (n_beats, len(TIMING)) of beats at samples `at` of FS_HZ, ascending: logarithms of ratios to the beats around."""
    return rr_features(at, FS_HZ)[:, [RR_FEATURES.index(name) for name in TIMING]]


def nearest(at: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """For each of n samples the place of the nearest beat in `at`, ascending and not empty."""
    between = (at[1:] + at[:-1] + 1) // 2
    return np.searchsorted(between, np.arange(n), "right")


def channels(lead: NDArray[np.float32], at: NDArray[np.int64]) -> NDArray[np.float32]:
    """Input (CHANNELS, n): the lead as `scaled` gives it, a bump on each beat, and at each sample the timing of the nearest beat; no beats give zeros."""
    out = np.zeros((CHANNELS, lead.size), np.float32)
    out[0] = lead
    if at.size and lead.size:
        beat = nearest(at, lead.size)
        out[1] = marks(np.arange(lead.size) - at[beat])
        out[2:] = timing(at)[beat].T
    return out


def marks(away_samples: NDArray[np.int64]) -> NDArray[np.float32]:
    """The bump that marks a beat, at samples so far away from it."""
    return np.exp(-0.5 * np.square(away_samples / MARK_SAMPLES)).astype(np.float32)
