"""What was found of a record's rhythm: of one stretch, and along the whole of it."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.findings import CORRELATED

# As the Chapman-Shaoxing database names them (Zheng et al., 2020): its AF is atrial flutter.
RHYTHMS: Final = ("SB", "SR", "AFIB", "ST", "SVT", "AF", "SA", "AT")
RHYTHM_NAMES: Final = {
    "SB": "sinus bradycardia",
    "SR": "sinus rhythm",
    "AFIB": "atrial fibrillation",
    "ST": "sinus tachycardia",
    "SVT": "supraventricular tachycardia",
    "AF": "atrial flutter",
    "SA": "sinus arrhythmia",
    "AT": "atrial tachycardia",
}


@dataclass(frozen=True)
class LeadChecks:
    """Whether the weights of the leads say anything of the network, measured when they were made.

    heaviest     the lead with the greatest weight
    highlighted  fall of the called rhythm's probability without it
    random       mean fall without another one
    correlation  of the weights with those of the same network with random weights, -1 to 1
    """

    heaviest: str
    highlighted: float
    random: float
    correlation: float

    @property
    def failing(self) -> tuple[str, ...]:
        """The checks that are not passed, of "dropping" and "randomisation"."""
        fails = {"dropping": self.highlighted <= self.random, "randomisation": self.correlation >= CORRELATED}
        return tuple(name for name, failed in fails.items() if failed)

    @property
    def failed(self) -> str:
        """Why the weights are not to be trusted; empty where both checks are passed."""
        said = []
        if "dropping" in self.failing:
            said.append(f"without {self.heaviest} the probability falls by {self.highlighted:.3f}, no more than without another lead ({self.random:.3f})")
        if "randomisation" in self.failing:
            said.append(f"they are like those of a network with random weights (correlation {self.correlation:.2f})")
        return "; ".join(said)


@dataclass(frozen=True)
class Rhythm:
    """Probability of each rhythm over one stretch, calibrated as the model's card says.

    lead_weights  how much each lead weighed, 0 to 1, sum 1
    doubt         why no rhythm is called; empty where the most probable one is
    checks        of the weights; None where they were not asked for, or there is one lead
    """

    probabilities: dict[str, float]
    lead_weights: dict[str, float]
    leads: tuple[str, ...]
    model: str
    start_s: float
    stop_s: float
    doubt: str = ""
    checks: LeadChecks | None = None

    @property
    def label(self) -> str:
        """The most probable rhythm, called or not."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def sure(self) -> bool:
        """Whether the most probable rhythm is called."""
        return not self.doubt

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Rhythm":
        """The Rhythm that `dataclasses.asdict` made plain. Raises KeyError or TypeError for anything else."""
        checks = LeadChecks(**data["checks"]) if data["checks"] else None
        return cls(**{**data, "leads": tuple(data["leads"]), "checks": checks})


@dataclass(frozen=True)
class RhythmSpan:
    """A stretch of one rhythm: its windows' mean probability of it."""

    label: str
    start_s: float
    stop_s: float
    probability: float


@dataclass(frozen=True, eq=False)
class RhythmTrend:
    """Rhythm along a record, by windows that lie side by side; the last may end after the record.

    starts_s       (n_windows,) float64
    probabilities  (n_windows, n_classes) float32
    doubts         of each window: why no rhythm is called, empty where one is
    """

    model: str
    leads: tuple[str, ...]
    classes: tuple[str, ...]
    window_s: float
    duration_s: float
    starts_s: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    doubts: tuple[str, ...]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The rhythm called in each window; empty where none is."""
        return tuple("" if doubt else self.classes[best] for doubt, best in zip(self.doubts, self.probabilities.argmax(axis=1).tolist(), strict=True))

    @property
    def lengths_s(self) -> NDArray[np.float64]:
        """Seconds of the record in each window (n_windows,)."""
        return np.minimum(self.window_s, self.duration_s - self.starts_s)

    @property
    def judged(self) -> float:
        """Share of the time in which a rhythm is called, 0 to 1."""
        return float(self.lengths_s[[bool(label) for label in self.labels]].sum() / self.duration_s)

    def share(self, label: str) -> float:
        """Share of the time judged that is of one rhythm, 0 to 1; NaN where nothing is judged."""
        judged = self.lengths_s[[bool(called) for called in self.labels]].sum()
        return float(self.lengths_s[[called == label for called in self.labels]].sum() / judged) if judged else float("nan")

    def spans(self) -> tuple[RhythmSpan, ...]:
        """Neighbouring windows of one called rhythm as one stretch each, in time order; windows that are not sure end a stretch."""
        edges = [0, *(i for i in range(1, len(self.labels)) if self.labels[i] != self.labels[i - 1]), len(self.labels)]
        return tuple(self._span(first, stop) for first, stop in pairwise(edges) if stop > first and self.labels[first])

    def _span(self, first: int, stop: int) -> RhythmSpan:
        label = self.labels[first]
        mean = float(self.probabilities[first:stop, self.classes.index(label)].mean())
        return RhythmSpan(label, float(self.starts_s[first]), min(float(self.starts_s[stop - 1]) + self.window_s, self.duration_s), round(mean, 4))
