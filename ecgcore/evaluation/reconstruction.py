"""How near a reconstruction comes to what was there: measures over hidden samples, and fills that are no network.

Windows are (n, samples) float32 in mV at 128 Hz, observed (n, samples) bool; nothing here reads a hidden sample of
what it fills. A fill is judged on hidden samples alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.evaluation.measures import Measure
from ecgcore.signals import fills
from ecgcore.signals.fills import Observed, Windows

TOLERANCE_S: Final = 0.15  # a peak found so near an annotated one is that peak
COVERAGE: Final = 0.9
MEASURES: Final = (
    Measure(name="MSE", unit="mV²", better="lower", digits=4),
    Measure(name="MAE", unit="mV", better="lower", digits=3),
    Measure(name="PCC", unit="", better="higher", digits=3),
    Measure(name="R-peak F1", unit="%", better="higher", digits=1),
)


@dataclass(frozen=True)
class Nearness:
    """Over all hidden samples of all windows: mean square and mean absolute error, Pearson correlation; and F1 of the R peaks among them, in %."""

    mse_mv2: float
    mae_mv: float
    pcc: float
    r_f1: float

    @property
    def row(self) -> tuple[float | None, ...]:
        """In the order of MEASURES, None where it is not defined."""
        values = (round(self.mse_mv2, 6), round(self.mae_mv, 5), round(self.pcc, 4), round(self.r_f1, 2))
        return tuple(value if np.isfinite(value) else None for value in values)


def nearness(filled: Windows, true: Windows, observed: Observed, peaks: Observed) -> Nearness:
    """How near windows completed by a method come to the true ones; `peaks` (n, samples) marks the true R peaks.

    R peaks of the completed window are those `signals.fills.r_peaks` finds in it, the same for every method; one within 0.15 s of a true
    one is that one. Both count where they are hidden.
    """
    hidden = ~observed
    error = (filled - true)[hidden].astype(np.float64)
    a, b = filled[hidden].astype(np.float64), true[hidden].astype(np.float64)
    spread = float(a.std() * b.std())
    pcc = float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else 0.0
    found = fills.r_peaks(np.where(observed, true, filled).astype(np.float32), np.ones_like(observed))
    return Nearness(float((error**2).mean()), float(np.abs(error).mean()), pcc, peak_f1(found, peaks, hidden))


def peak_f1(found: list[NDArray[np.int64]], peaks: Observed, hidden: Observed) -> float:
    """F1 in % of the peaks found (one array a window) in what is hidden, against those marked; NaN where no peak is marked."""
    matched = claimed = true = 0
    for at, marked, gap in zip(found, peaks, hidden, strict=True):
        claims, facts = [int(p) for p in at if gap[p]], np.flatnonzero(marked & gap).tolist()
        claimed, true = claimed + len(claims), true + len(facts)
        for claim in claims:
            near = min(facts, key=lambda fact: abs(fact - claim), default=None)
            if near is not None and abs(near - claim) <= TOLERANCE_S * fills.FS_HZ:
                matched += 1
                facts.remove(near)
    return 200 * matched / (claimed + true) if true else float("nan")


def coverage(low: Windows, high: Windows, true: Windows, observed: Observed) -> float:
    """Share of the hidden samples between low and high."""
    hidden = ~observed
    return float(((low <= true) & (true <= high))[hidden].mean())


def conformal(signal: Windows, low: Windows, high: Windows, true: Windows, observed: Observed, share: float = COVERAGE) -> float:
    """By how much a band is to be widened about its signal to hold that share of the hidden samples (split conformal, Romano et al., 2019)."""
    hidden = ~observed
    above = (true - signal)[hidden] / np.maximum((high - signal)[hidden], 1e-6)
    below = (signal - true)[hidden] / np.maximum((signal - low)[hidden], 1e-6)
    worst = np.maximum(above, below)
    return float(np.quantile(worst, min(1.0, share * (1 + 1 / worst.size)), method="higher"))


def baselines(windows_mv: Windows, observed: Observed) -> dict[str, Windows]:
    """Each window as completed by every method that is no network, by its name."""
    return {name: method(windows_mv, observed) for name, method in METHODS.items()}


def straight_line(windows_mv: Windows, observed: Observed) -> Windows:
    """Straight between the observed neighbours, level at the ends."""
    return fills.straight_line(windows_mv, observed)


def cubic_spline(windows_mv: Windows, observed: Observed) -> Windows:
    """A natural cubic spline through the observed samples, level at the ends: beyond them a spline runs away."""
    from scipy.interpolate import CubicSpline

    at = np.arange(windows_mv.shape[1])
    out = fills.straight_line(windows_mv, observed)
    for row, known in enumerate(observed):
        places = np.flatnonzero(known)
        if places.size > 1:
            within = ~known & (at > places[0]) & (at < places[-1])
            out[row, within] = CubicSpline(places, windows_mv[row, places], bc_type="natural")(at[within])
    return out


def last_value(windows_mv: Windows, observed: Observed) -> Windows:
    """The observed sample before; at the start, the first observed one."""
    at = np.arange(windows_mv.shape[1])
    left = np.maximum.accumulate(np.where(observed, at, -1), axis=1)
    left = np.where(left < 0, observed.argmax(axis=1)[:, None], left)
    return np.asarray(np.take_along_axis(np.where(observed, windows_mv, 0), left, axis=1), np.float32)


def mean_beat(windows_mv: Windows, observed: Observed) -> Windows:
    """The window's median beat at the R peaks found and expected, on the window's own level."""
    scaled, line, near = _known(windows_mv, observed)
    return scaled.mv(np.where(observed, line, fills.mean_beat(line, near, fills.period(line, near))))


def periodic_copy(windows_mv: Windows, observed: Observed) -> Windows:
    """The signal one period (or as few as it takes) before and after, their mean where both are known, on the window's own level."""
    scaled, line, near = _known(windows_mv, observed)
    before, after = fills.periodic_copies(line, near, fills.period(line, near))
    before, after = np.where(np.isnan(before), after, before), np.where(np.isnan(after), before, after)
    both = np.where(np.isnan(before), line, 0.5 * (before + after))
    return scaled.mv(np.where(observed, line, both).astype(np.float32))


def _known(windows_mv: Windows, observed: Observed) -> tuple[fills.Scaled, Windows, Observed]:
    scaled = fills.scaled(windows_mv, observed)
    return scaled, fills.straight_line(scaled.values, observed), fills.bridged(observed)


METHODS: Final[dict[str, Callable[[Windows, Observed], Windows]]] = {
    "linear": straight_line,
    "cubic spline": cubic_spline,
    "last value": last_value,
    "mean beat": mean_beat,
    "periodic copy": periodic_copy,
}
