"""Onset, peak and end of P, QRS and T on a median beat: over all leads together, and in each lead.

QRS and P    where the activity of all leads, the root mean square of slope and curvature over leads, leaves its resting level.
             Spatial velocity after Rautaharju et al. (1973); the curvature keeps it from vanishing at the peak of a lone lead.
T            its place by a Mexican hat of its own width, which neither baseline nor ST level moves, summed over leads; its end
             in each lead by the greatest trapezium (Vázquez-Seisdedos et al. 2011), over leads by a weighted quantile.
All settings were chosen on the even records of LUDB; see EXPERIMENTS.md.
"""

from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

FS_HZ: Final = 500.0  # median beats are delineated at this rate, whatever the record's
NAME: Final = "spatial-activity@1"  # another version when other marks may be found


@dataclass(frozen=True)
class Settings:
    """All constants of the delineator. Widths of Gaussians are standard deviations; shares are of the greatest activity of that wave."""

    curvature: float = 0.5  # weight beside the slope
    spike_share: float = 0.3  # of the beat's deflection, from which on a needle is a pacing spike
    spike_width_s: float = 0.004  # a needle is no wider at half its height
    spike_median_s: float = 0.018  # a running median of this width removes it
    spike_blank_s: float = 0.008  # either side of it is bridged
    spike_before_s: float = 0.04  # a QRS that seems to begin so little before a spike begins at it
    core_s: tuple[float, float] = (-0.12, 0.20)  # the steepest point of the QRS lies here, from R
    qrs_smooth_s: float = 0.006
    qrs_share: float = 0.2  # the QRS has surely begun
    qrs_hold_s: float = 0.03  # less than that for so long is outside
    onset_smooth_s: float = 0.004
    onset_reach_s: float = 0.03  # the onset is looked for so far before
    onset_share: float = 0.15  # of the way from the least activity there
    offset_smooth_s: float = 0.006
    offset_shares: tuple[float, ...] = (0.09, 0.13, 0.20, 0.30)  # a higher one where the QRS would run into a steep T
    offset_longest_s: float = 0.22
    p_width_s: float = 0.024
    p_usual_s: tuple[float, float] = (0.13, 0.09)  # peak before QRS onset: usual, spread
    p_search_s: tuple[float, float] = (0.32, 0.036)  # farthest and nearest
    p_slope_s: float = 0.08  # its steepest points are no farther from the peak
    p_reach_s: float = 0.15  # nor are its ends: otherwise it merges with what is beside it
    p_smooth_s: float = 0.008
    p_share: tuple[float, float] = (0.25, 0.4)  # onset, offset
    p_hold_s: tuple[float, float] = (0.020, 0.010)
    repeat_share: float = 0.55  # a wave like P is at least so high, of P
    repeat_overlap_s: float = 0.01  # and begins no sooner than so long before the end of T
    t_width_s: float = 0.036
    t_usual_s: tuple[float, float, float] = (0.13, 0.17, 0.09)  # peak after R: 0.13 s + 0.17 RR, spread
    t_longest_rr_s: float = 1.2
    t_search: tuple[float, float, float] = (0.05, 0.06, 0.62)  # from QRS offset in s, to 0.06 s + 0.62 RR after R
    t_latest_s: float = 0.6
    t_lead_s: float = 0.06  # how far one lead's peak may lie from that of all
    t_smooth_s: float = 0.010
    t_slope_s: float = 0.11  # the steepest point is no farther from the peak
    t_reach_s: float = 0.14  # nor is the end
    t_quantile: float = 0.7  # of the ends in the leads


DEFAULT: Final = Settings()


@dataclass(frozen=True)
class Marks:
    """Where the waves of a beat lie, in ms from R; None where a wave was not found."""

    p_onset_ms: float | None = None
    p_peak_ms: float | None = None
    p_offset_ms: float | None = None
    qrs_onset_ms: float | None = None
    qrs_offset_ms: float | None = None
    t_peak_ms: float | None = None
    t_offset_ms: float | None = None

    @property
    def p_ms(self) -> float | None:
        """Duration of P."""
        return _between(self.p_onset_ms, self.p_offset_ms)

    @property
    def pr_ms(self) -> float | None:
        """P onset to QRS onset."""
        return _between(self.p_onset_ms, self.qrs_onset_ms)

    @property
    def qrs_ms(self) -> float | None:
        """Duration of the QRS."""
        return _between(self.qrs_onset_ms, self.qrs_offset_ms)

    @property
    def qt_ms(self) -> float | None:
        """QRS onset to T end."""
        return _between(self.qrs_onset_ms, self.t_offset_ms)

    def without(self, wave: str) -> "Marks":
        """The same marks without those of "p", "qrs" or "t"."""
        return replace(self, **{field.name: None for field in fields(self) if field.name.startswith(f"{wave}_")})


def _between(start: float | None, stop: float | None) -> float | None:
    return None if start is None or stop is None else stop - start


@dataclass(frozen=True)
class Delineation:
    """Marks of a beat and what speaks for them.

    p_mv, t_mv  the greatest deflection of P from the line between its ends, of T from its end, over leads
    contrast    activity at the steepest point of the QRS over the median activity of the beat
    spikes_ms   pacing spikes, from R
    """

    marks: Marks
    p_mv: float = 0.0
    t_mv: float = 0.0
    contrast: float = 0.0
    spikes_ms: tuple[float, ...] = ()


def delineate(mv: NDArray[np.float32], r: int, rr_s: float, *, with_p: bool = True, settings: Settings = DEFAULT) -> Delineation:
    """The waves of a median beat (n_leads, n) in mV at FS_HZ, without NaN, R at sample r, RR interval in s.

    Marks hold for all leads together. A wave is left out only where there is no place for it; whether what was found is a wave, the
    deflections tell, and `consistency`. Where there is none, `with_p=False` keeps T from ending at it. A P without onset merges with what precedes it.
    """
    beat, spikes = without_spikes(np.asarray(mv, np.float64), r, settings)
    contrast = _contrast(beat, r, settings)
    onset, offset = _around_peak(*_qrs(beat, r, settings), r, spikes, settings)
    marks = Marks(qrs_onset_ms=_ms(onset, r), qrs_offset_ms=_ms(offset, r))
    spikes_ms = tuple(_ms(int(spike), r) for spike in spikes)
    t_peak = _t_place(beat, r, offset, rr_s, settings)
    p_mv, t_mv, last = 0.0, 0.0, min(beat.shape[1] - 2, _n(rr_s) + onset)
    p_peak = _p_place(beat, onset, max(0, (offset if t_peak is None else t_peak) + _n(settings.t_search[0]) - _n(rr_s)), settings) if with_p else None
    if p_peak is not None:
        start, stop = _p_bounds(beat, p_peak, onset, settings)
        p_mv = _deflection(beat[:, max(0, p_peak - _n(settings.p_slope_s)) if start is None else start : stop + 1])
        marks = replace(marks, p_onset_ms=None if start is None else _ms(start, r), p_peak_ms=_ms(p_peak, r), p_offset_ms=_ms(stop, r))
        last = last if start is None else min(last, _n(rr_s) + start)
    if t_peak is not None:
        marks = replace(marks, t_peak_ms=_ms(t_peak, r))
    if t_peak is not None and last > t_peak:
        end, t_mv = _t_end(beat, t_peak, (offset + _n(settings.t_search[0]), last), settings)
        marks = replace(marks, t_offset_ms=_ms(end, r))
    return Delineation(marks, p_mv, t_mv, contrast, spikes_ms)


def without_spikes(mv: NDArray[np.float64], r: int, settings: Settings = DEFAULT) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The beat (n_leads, n) with pacing spikes bridged by straight lines, and the samples where they were, ascending."""
    from scipy.ndimage import median_filter

    needle = _rms(mv - median_filter(mv, (1, _n(settings.spike_median_s))))
    low, high = max(0, r - _n(0.25)), min(mv.shape[1], r + _n(0.12))
    found: list[int] = []
    bridged = mv.copy()
    blank = _n(settings.spike_blank_s)
    while len(found) < 3:  # atrium and both ventricles
        at = low + int(needle[low:high].argmax())
        around = slice(max(0, at - 4 * blank), at + 4 * blank + 1)
        wide = int((needle[around] > needle[at] / 2).sum())
        if needle[at] <= settings.spike_share * _rms(bridged[:, low:high]).max() or wide > _n(settings.spike_width_s) or needle[at] <= 0:
            break
        left, right = max(0, at - blank), min(mv.shape[1] - 1, at + blank)
        step = np.linspace(0, 1, right - left + 1)
        bridged[:, left : right + 1] = bridged[:, [left]] + (bridged[:, [right]] - bridged[:, [left]]) * step
        needle[left : right + 1] = 0
        found.append(at)
    return bridged, np.asarray(sorted(found), np.int64)


def activity(mv: NDArray[np.float64], smooth_s: float, settings: Settings = DEFAULT) -> NDArray[np.float64]:
    """Root mean square over leads of slope and weighted curvature of (n_leads, n), in mV/s, (n,)."""
    from scipy.ndimage import gaussian_filter1d

    width = smooth_s * FS_HZ
    slope = gaussian_filter1d(mv, width, axis=1, order=1)
    curvature = gaussian_filter1d(mv, width, axis=1, order=2) * width * settings.curvature
    return np.asarray(FS_HZ * np.sqrt((slope**2 + curvature**2).mean(axis=0)))


def consistency(beats: NDArray[np.float32], start: int, stop: int) -> float:
    """How alike a stretch of the beats (n_beats, n_leads, n) is: median correlation of each, over leads, with the median of the others.

    A straight line is taken off each lead first. NaN for fewer than three beats or three samples.
    """
    from scipy.ndimage import gaussian_filter1d

    few = beats[:: max(1, -(-len(beats) // 30)), :, max(0, start) : stop]
    if len(few) < 3 or few.shape[2] < 3:
        return float("nan")
    parts = _straight(gaussian_filter1d(few.astype(np.float64), DEFAULT.p_smooth_s * FS_HZ, axis=2))
    alike = []
    for i, part in enumerate(parts):
        others = np.median(np.delete(parts, i, axis=0), axis=0)
        size = np.sqrt((part**2).sum() * (others**2).sum())
        alike.append((part * others).sum() / size if size > 0 else 0.0)
    return float(np.median(alike))


def repeated(mv: NDArray[np.float32], r: int, marks: Marks, rr_s: float, settings: Settings = DEFAULT) -> float:
    """Correlation, over leads, of P with the wave most like it between T and the next P that is at least half as high; 0 where there is none.

    In atrial flutter with a slow ventricle, and in AV block, waves like P come more than once a beat.
    """
    from scipy.ndimage import gaussian_filter1d

    if marks.p_onset_ms is None or marks.p_offset_ms is None or marks.t_offset_ms is None:
        return 0.0
    start, stop, after = (r + round(at / 1000 * FS_HZ) for at in (marks.p_onset_ms, marks.p_offset_ms, marks.t_offset_ms))
    width = stop - start
    smooth = gaussian_filter1d(mv.astype(np.float64), settings.p_smooth_s * FS_HZ, axis=1)
    wave = _straight(smooth[:, start:stop])
    size = float(np.sqrt((wave**2).sum()))
    best = 0.0
    for at in range(after - _n(settings.repeat_overlap_s), min(mv.shape[1], start + _n(rr_s)) - width):
        other = _straight(smooth[:, at : at + width])
        height = float(np.sqrt((other**2).sum()))
        if height >= settings.repeat_share * size > 0:
            best = max(best, float((wave * other).sum()) / (size * height))
    return best


def _contrast(beat: NDArray[np.float64], r: int, settings: Settings) -> float:
    height = activity(beat, settings.qrs_smooth_s, settings)
    usual = float(np.median(height))
    return float(height[_core(height, r, settings)] / usual) if usual > 0 else float("inf") if height.any() else 0.0


def _core(height: NDArray[np.float64], r: int, settings: Settings) -> int:
    """Where the QRS is most active."""
    low = max(0, r + round(settings.core_s[0] * FS_HZ))
    return low + int(height[low : r + _n(settings.core_s[1])].argmax())


def _qrs(beat: NDArray[np.float64], r: int, settings: Settings) -> tuple[int, int]:
    """First and last sample of the QRS. The onset is refined from a point surely within, because a low threshold would find the P wave."""
    hold = _n(settings.qrs_hold_s)
    height = activity(beat, settings.qrs_smooth_s, settings)
    core = _core(height, r, settings)
    within = _walk(height, core, settings.qrs_share * height[core], hold, -1)
    fine = activity(beat, settings.onset_smooth_s, settings)
    left = max(0, within - _n(settings.onset_reach_s))
    least = fine[left : within + 1].min()
    onset = _walk(fine, within, least + settings.onset_share * (fine[within] - least), 1, -1)
    coarse = activity(beat, settings.offset_smooth_s, settings)
    core = _core(coarse, r, settings)
    offset = onset
    for share in settings.offset_shares:
        offset = _walk(coarse, core, share * coarse[core], hold, 1)
        if offset - onset <= _n(settings.offset_longest_s):
            break
    return onset, offset


def _around_peak(onset: int, offset: int, r: int, spikes: NDArray[np.int64], settings: Settings) -> tuple[int, int]:
    """The QRS widened to hold R, unless R is a pacing spike; it begins no sooner than the spike that made it."""
    if spikes.size == 0 or np.abs(spikes - r).min() > _n(settings.onset_reach_s):
        onset, offset = min(onset, r), max(offset, r)
    for spike in spikes:
        if -_n(settings.spike_blank_s) <= spike - onset <= _n(settings.spike_before_s):
            onset = int(spike)
    return onset, offset


def _walk(height: NDArray[np.float64], start: int, threshold: float, hold: int, step: int) -> int:
    """The first sample from start on, in steps of ±1, from which `hold` samples on end are no higher than the threshold; the last there is where none is."""
    below = 0
    at = start
    while 0 <= at < height.size:
        below = below + 1 if height[at] <= threshold else 0
        if below >= hold:
            return at - step * (hold - 1)
        at += step
    return at - step * (below + 1) if below else at - step


def _p_place(beat: NDArray[np.float64], qrs_onset: int, first: int, settings: Settings) -> int | None:
    """The peak of P: the highest local maximum of the hat response, weighted by how usual its distance from the QRS is."""
    response = _rms(_hat(beat, settings.p_width_s))
    distance_s = (qrs_onset - np.arange(response.size)) / FS_HZ
    usual, spread = settings.p_usual_s
    farthest, nearest = settings.p_search_s
    return _highest(response * np.exp(-0.5 * ((distance_s - usual) / spread) ** 2), max(first, qrs_onset - _n(farthest)), qrs_onset - _n(nearest))


def _p_bounds(beat: NDArray[np.float64], peak: int, qrs_onset: int, settings: Settings) -> tuple[int | None, int]:
    """Onset and end of P: where activity falls to a share of that on its slopes, above the quietest tenth before the QRS. No onset where it does not fall."""
    height = activity(beat, settings.p_smooth_s, settings)
    reach = _n(settings.p_slope_s)
    rest = float(np.quantile(height[max(0, qrs_onset - _n(settings.p_search_s[0])) : qrs_onset], 0.1))
    rising = max(0, peak - reach) + int(height[max(0, peak - reach) : peak + 1].argmax())
    falling = peak + int(height[peak : max(peak + 1, min(peak + reach, qrs_onset - _n(0.016)))].argmax())
    up, down = (rest + share * (height[at] - rest) for share, at in zip(settings.p_share, (rising, falling), strict=True))
    onset = _walk(height[:qrs_onset], rising, up, _n(settings.p_hold_s[0]), -1)
    offset = min(_walk(height[:qrs_onset], falling, down, _n(settings.p_hold_s[1]), 1), qrs_onset)
    return onset if onset > 0 and peak - onset <= _n(settings.p_reach_s) else None, offset


def _t_place(beat: NDArray[np.float64], r: int, qrs_offset: int, rr_s: float, settings: Settings) -> int | None:
    """The peak of T over all leads: as `_p_place`."""
    response = _rms(_hat(beat, settings.t_width_s))
    after_s = (np.arange(response.size) - r) / FS_HZ
    least, slope, spread = settings.t_usual_s
    usual = least + slope * min(rr_s, settings.t_longest_rr_s)
    gap, offset, share = settings.t_search
    last = r + _n(min(offset + share * rr_s, settings.t_latest_s))
    return _highest(response * np.exp(-0.5 * ((after_s - usual) / spread) ** 2), qrs_offset + _n(gap), last)


def _t_end(beat: NDArray[np.float64], peak: int, within: tuple[int, int], settings: Settings) -> tuple[int, float]:
    """The end of T and its greatest deflection in mV: a quantile of the leads' ends, each weighted by its response, none more than twice the usual.

    The leads' peaks and ends lie from the first sample of `within` to the last.
    """
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(beat, settings.t_smooth_s * FS_HZ, axis=1)
    hats = _hat(beat, settings.t_width_s)
    ends, weights, deflections = [], [], []
    for lead, hat in zip(smooth, hats, strict=True):
        at, sign = _lead_peak(lead, hat, peak, within[0], settings.t_lead_s)
        end = _trapezium(sign * lead, at, min(at + _n(settings.t_reach_s), within[1]), _n(settings.t_slope_s))
        ends.append(end)
        weights.append(abs(hat[at]))
        deflections.append(abs(lead[at] - lead[end]))
    limit = 2 * float(np.median(weights))
    return round(_quantile(np.asarray(ends), np.minimum(weights, limit), settings.t_quantile)), float(max(deflections))


def _lead_peak(lead: NDArray[np.float64], hat: NDArray[np.float64], near: int, first: int, spread_s: float) -> tuple[int, float]:
    """One lead's peak near that of all leads but not before `first`, and its sign."""
    index = np.arange(max(first, near - _n(2 * spread_s)), max(near + 1, min(lead.size - 2, near + _n(2 * spread_s))))
    weight = np.exp(-0.5 * ((index - near) / (spread_s * FS_HZ)) ** 2)
    at = int(index[(np.abs(hat[index]) * weight).argmax()])
    sign = 1.0 if hat[at] >= 0 else -1.0
    left, right = max(first, at - _n(0.024)), min(lead.size - 2, at + _n(0.024))
    return left + int((sign * lead[left : right + 1]).argmax()), sign


def _trapezium(y: NDArray[np.float64], peak: int, last: int, reach: int) -> int:
    """The end of a wave (upright in y) that makes the greatest trapezium between its steepest fall after the peak and `last`."""
    if last - peak < 3:
        return max(peak, last)
    steepest = peak + int((y[peak : min(peak + reach, last)] - y[peak + 1 : min(peak + reach, last) + 1]).argmax())
    index = np.arange(steepest, last + 1)
    return int(index[((y[steepest] - y[index]) * (2 * last - index - steepest)).argmax()])


def _hat(mv: NDArray[np.float64], width_s: float) -> NDArray[np.float64]:
    """Mexican hat response, positive for an upright wave; free of scale, offset and slope of the baseline."""
    from scipy.ndimage import gaussian_filter1d

    width = width_s * FS_HZ
    return np.asarray(-gaussian_filter1d(mv, width, axis=1, order=2) * width**2)


def _highest(height: NDArray[np.float64], first: int, last: int) -> int | None:
    """The highest local maximum at first ≤ i < last; None where there is none."""
    index = np.arange(max(1, first), min(last, height.size - 1))
    peaks = index[(height[index] >= height[index - 1]) & (height[index] > height[index + 1])]
    return int(peaks[height[peaks].argmax()]) if peaks.size else None


def _deflection(waves: NDArray[np.float64]) -> float:
    """The greatest distance of (n_leads, n) from the straight line between its ends."""
    line = waves[:, [0]] + (waves[:, [-1]] - waves[:, [0]]) * np.linspace(0, 1, waves.shape[1])
    return float(np.abs(waves - line).max())


def _quantile(values: NDArray[np.int64], weights: NDArray[np.float64], share: float) -> float:
    """Weighted quantile, by straight lines between the middles of the weights."""
    if not weights.sum() > 0:
        return float(np.quantile(values, share))
    order = np.argsort(values)
    middles = np.cumsum(weights[order]) - 0.5 * weights[order]
    return float(np.interp(share * weights.sum(), middles, values[order]))


def _straight(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(…, n) without the straight line that fits it best."""
    ramp = np.arange(x.shape[-1]) - 0.5 * (x.shape[-1] - 1)
    return np.asarray(x - x.mean(axis=-1, keepdims=True) - (x @ ramp)[..., None] / max((ramp**2).sum(), 1.0) * ramp)


def _rms(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt((x**2).mean(axis=0)))


def _n(seconds: float) -> int:
    return max(1, round(seconds * FS_HZ))


def _ms(sample: int, r: int) -> float:
    return (sample - r) / FS_HZ * 1000
