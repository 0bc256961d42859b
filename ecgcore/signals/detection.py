"""R-peak detection on any subset of leads: slope envelopes, fused by how well the beats stand out.

Offline detection after the scheme of Pan & Tompkins (1985): band-pass, derivative, moving energy, adaptive
threshold with search-back. New here: each lead's envelope is scaled to its own beats and weighted by how quiet
it is between them, so that a bad lead does not spoil a good one. The settings were chosen on DS1 of mitdb
(clean and with muscle noise) and svdb; see EXPERIMENTS.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ecgcore.signals.filters import Butterworth, zero_phase

FS_HZ: Final = 128.0  # detection runs at this rate, whatever the record's
NAME: Final = "slope-envelope@1"  # another version when other beats may be found


@dataclass(frozen=True)
class Settings:
    """All constants of the detector; heights are in units of the usual beat."""

    band_hz: tuple[float, float] = (3.0, 22.0)
    smoothing_s: float = 0.10
    level_window_s: float = 2.0  # each window is taken to hold a beat
    level_windows: int = 9  # whose median is the usual beat
    present_window_s: float = 3.0  # a lead without any peak for this long has no say
    present_share: float = 0.25  # of the usual beat, to be a peak
    floor_mv_per_s: float = 0.7  # no beat is flatter than this
    ceiling: float = 3.0  # an artefact counts for no more than this many beats
    background_s: float = 10.0
    background_offset: float = 0.05
    background_power: float = 3.0
    sharp_above_hz: float = 35.0  # a QRS has little slope up there, a pacing spike or a loose contact has more than below
    sharpness: float = 0.7  # slope up there over slope in the band, from which on a lead has little say
    sharpness_power: float = 6.0
    threshold: float = 0.42
    search_back_threshold: float = 0.25
    search_back_rr: float = 1.4  # an interval this many times the usual one is searched again
    rr_memory: int = 8
    peak_distance_s: float = 0.09
    refractory_s: float = 0.25
    t_wave_s: float = 0.36  # until then a beat must have half the height of the one before
    t_wave_share: float = 0.5


DEFAULT: Final = Settings()


@dataclass(frozen=True, eq=False)
class Clarity:
    """How well one lead shows its beats: what is kept of it once its envelope is fused.

    background  (n_windows,) height between the beats, by window of Settings.background_s; the lower the clearer
    present     (n,) at FS_HZ, whether there is a signal that could hold beats
    """

    background: NDArray[np.float32]
    present: NDArray[np.bool_]

    def background_at(self, at: NDArray[np.int64]) -> NDArray[np.float32]:
        """Background at samples (k,) at FS_HZ, by straight lines between the middles of the windows."""
        return _between(self.background, DEFAULT.background_s, self.present.size, at)

    def trust(self, at: NDArray[np.int64]) -> NDArray[np.float32]:
        """How far the lead is to be trusted at samples (k,) at FS_HZ: the quieter between its beats, the more; 0 where it is flat."""
        at = np.clip(at, 0, self.present.size - 1)
        return np.asarray(self.present[at] / (DEFAULT.background_offset + self.background_at(at)), np.float32)


@dataclass(frozen=True, eq=False)
class LeadEnvelope:
    """One lead as the detector sees it, at FS_HZ.

    height     (n,) slope envelope; 1 is the usual beat of that time
    sharpness  (n_windows,) slope of its peaks above 35 Hz over that in the band, by window of Settings.level_window_s:
               0.1 to 0.4 for a QRS, above 1 for spikes
    """

    height: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    clarity: Clarity


def envelope(x: NDArray[np.float32], settings: Settings = DEFAULT) -> LeadEnvelope:
    """The envelope of one lead (n,) in mV at FS_HZ, without NaN."""
    from scipy.ndimage import maximum_filter1d, median_filter

    if x.size < 2:
        return LeadEnvelope(np.zeros(x.size, np.float32), np.zeros(1, np.float32), Clarity(np.ones(1, np.float32), np.zeros(x.size, bool)))
    window_s, floor = settings.level_window_s, settings.floor_mv_per_s
    energy = _slope(x, settings, settings.band_hz, "bandpass")
    level = median_filter(_by_window(energy, window_s, 1.0), settings.level_windows, mode="nearest")
    sharp = median_filter(_by_window(_slope(x, settings, settings.sharp_above_hz, "highpass"), window_s, 1.0), settings.level_windows, mode="nearest")
    usual = _between(level, window_s, x.size, np.arange(x.size))
    height = np.minimum(energy / np.maximum(usual, floor), settings.ceiling).astype(np.float32)
    background = median_filter(_by_window(height, settings.background_s, 0.5), 3, mode="nearest")
    # A stretch without any signal is not quiet: it counts as no quieter than its surroundings.
    quiet = np.maximum(background, median_filter(background, settings.level_windows, mode="nearest"))
    least = np.maximum(settings.present_share * usual, floor)
    present = (usual > floor) & (maximum_filter1d(energy, round(settings.present_window_s * FS_HZ)) > least)
    return LeadEnvelope(height, (sharp / np.maximum(level, floor)).astype(np.float32), Clarity(quiet, present))


def _slope(x: NDArray[np.float32], settings: Settings, cut_hz: float | tuple[float, float], kind: Literal["bandpass", "highpass"]) -> NDArray[np.float32]:
    """Root mean square slope (n,) in mV/s of what a filter leaves, over the smoothing time."""
    from scipy.ndimage import uniform_filter1d

    slope = np.gradient(zero_phase(x, Butterworth(2, cut_hz, kind, FS_HZ), int(FS_HZ))) * np.float32(FS_HZ)
    np.square(slope, out=slope)
    return np.asarray(np.sqrt(np.maximum(uniform_filter1d(slope, max(1, round(settings.smoothing_s * FS_HZ))), 0)), np.float32)


def fuse(envelopes: Iterable[LeadEnvelope], settings: Settings = DEFAULT) -> NDArray[np.float32]:
    """One envelope (n,) from those of all leads: their mean, weighted by how quiet each is between its beats, less where it is too sharp for a QRS.

    Envelopes are taken one by one, so that a generator never has two leads in memory.
    """
    total, weights = np.zeros(1, np.float32), np.zeros(1, np.float32)
    for lead in envelopes:
        weight = _weight(lead, settings)
        total = total + weight * lead.height
        weights = weights + weight
        del lead, weight  # a day of each: gone before the next lead comes
    return np.divide(total, weights, out=np.zeros_like(total), where=weights > 0)


def _weight(lead: LeadEnvelope, settings: Settings) -> NDArray[np.float32]:
    """What a lead has to say, (n,): much where it is quiet between its beats, little where it is too sharp for a QRS, nothing where it is flat."""
    everywhere = np.arange(lead.height.size)
    clear = (settings.background_offset + lead.clarity.background_at(everywhere)) ** -settings.background_power
    sharpness = _between(lead.sharpness, settings.level_window_s, lead.height.size, everywhere)
    smooth = 1 / (1 + (sharpness / settings.sharpness) ** settings.sharpness_power)
    return (lead.clarity.present * clear * smooth).astype(np.float32)


def pick(height: NDArray[np.float32], settings: Settings = DEFAULT) -> NDArray[np.int64]:
    """Beat positions in a fused envelope (n,) at FS_HZ, ascending."""
    from scipy.ndimage import maximum_filter1d

    reach = 2 * int(settings.peak_distance_s * FS_HZ) + 1
    candidates = np.flatnonzero((height == maximum_filter1d(height, reach)) & (height > settings.search_back_threshold)) if height.size else np.zeros(0, np.int64)
    return _Picker(candidates.tolist(), height[candidates].tolist(), settings).run()


class _Picker:
    """Walks the candidates in time order and keeps those that are beats."""

    def __init__(self, at: list[int], height: list[float], settings: Settings) -> None:
        self.at, self.height, self.settings = at, height, settings
        self.kept: list[int] = []  # indices of candidates
        self.intervals: list[int] = [round(0.8 * FS_HZ)] * settings.rr_memory

    def run(self) -> NDArray[np.int64]:
        position = 0
        while position < len(self.at):
            missed = self._missed_before(position)
            if missed is not None:
                self._keep(missed)
                position = missed + 1
                continue
            if self.height[position] > self.settings.threshold:
                self._consider(position)
            position += 1
        return np.array([self.at[i] for i in self.kept], np.int64)

    def _missed_before(self, position: int) -> int | None:
        """The highest candidate in an interval that is too long, if there is one."""
        if not self.kept:
            return None
        last, now = self.at[self.kept[-1]], self.at[position]
        if now - last <= self.settings.search_back_rr * sorted(self.intervals)[len(self.intervals) // 2]:
            return None
        earliest, latest = last + self.settings.t_wave_s * FS_HZ, now - self.settings.refractory_s * FS_HZ
        between = [i for i in range(self.kept[-1] + 1, position) if earliest <= self.at[i] < latest]
        return max(between, key=lambda i: self.height[i], default=None)

    def _consider(self, position: int) -> None:
        if not self.kept:
            self.kept.append(position)
            return
        last = self.kept[-1]
        since = (self.at[position] - self.at[last]) / FS_HZ
        if since < self.settings.refractory_s:
            if self.height[position] > self.height[last]:
                self.kept[-1] = position
        elif since >= self.settings.t_wave_s or self.height[position] >= self.settings.t_wave_share * self.height[last]:
            self._keep(position)

    def _keep(self, position: int) -> None:
        self.intervals = [*self.intervals[1:], self.at[position] - self.at[self.kept[-1]]]
        self.kept.append(position)


def detect(signals: NDArray[np.float32], settings: Settings = DEFAULT) -> NDArray[np.int64]:
    """R peaks in leads (n_leads, n) in mV at FS_HZ, without NaN: sample numbers, ascending, good to ±0.1 s."""
    return pick(fuse((envelope(lead, settings) for lead in signals), settings), settings)


def _by_window(x: NDArray[np.float32], window_s: float, quantile: float) -> NDArray[np.float32]:
    """Quantile of each whole window of x; of all of x when it is shorter than one."""
    width = min(int(window_s * FS_HZ), x.size)
    whole = x[: x.size // width * width].reshape(-1, width)
    return whole.max(axis=1) if quantile == 1.0 else np.quantile(whole, quantile, axis=1).astype(np.float32)


def _between(values: NDArray[np.floating[Any]], window_s: float, n: int, at: NDArray[np.int64]) -> NDArray[np.float32]:
    """Values of windows of n samples, at samples (k,), by straight lines between the middles of the windows."""
    middles = (np.arange(values.size) + 0.5) * min(int(window_s * FS_HZ), n)
    return np.asarray(np.interp(at, middles, values), np.float32)
