"""What the rhythm model for any leads is worth on patients it has not seen: calibration, threshold, and figures with their intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgcore.evaluation.calibration import binned
from ecgcore.evaluation.rhythms import LEAST_PATIENTS
from ecgcore.rhythm_findings import RHYTHMS
from ecgcore.training.universal_data import KINDS, Piece, single

COMMON: Final = ("SB", "SR", "AFIB", "ST")
AFIB: Final = RHYTHMS.index("AFIB")
RIGHT: Final = 0.95  # share of the calls that must be right, on unseen patients
DRAWS: Final = 1000
SCALES: Final = np.exp(np.linspace(np.log(0.25), np.log(4.0), 81))
LIMITS: Final = np.round(np.arange(0.3, 0.96, 0.01), 2)


@dataclass(frozen=True, eq=False)
class Answers:
    """What one network says of patients it has not seen, logits.

    twelve            twelve-lead pieces; by_subset (n, 8) of each, by subset of their leads; weights (n, 12) of all of them
    handheld          recordings of the 2017 challenge; kinds (n, 4), handheld_rhythm (n, 8)
    tested            spans of mitdb's test, tested_rhythm (n, 8); none for a network that is not shipped
    """

    twelve: tuple[Piece, ...]
    by_subset: dict[str, NDArray[np.float32]]
    weights: NDArray[np.float32]
    handheld: tuple[Piece, ...]
    kinds: NDArray[np.float32]
    handheld_rhythm: NDArray[np.float32]
    tested: tuple[Piece, ...]
    tested_rhythm: NDArray[np.float32] | None


class Known(Protocol):
    """What is known of a recording: its patient, and which of RHYTHMS are allowed and stated, (8,) bool each."""

    @property
    def patient(self) -> str:
        """Id over all sources."""

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """As `Piece` has it."""

    @property
    def stated(self) -> NDArray[np.bool_]:
        """As `Piece` has it."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Recordings: who each is of (n,), which rhythms are allowed and stated (n, 8) bool, and what was said of it as probabilities (n, 8)."""

    patients: NDArray[np.str_]
    allowed: NDArray[np.bool_]
    stated: NDArray[np.bool_]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, known: Sequence[Known], probabilities: NDArray[np.float64]) -> "Judged":
        """Recordings one by one."""
        allowed, stated = (np.array([getattr(one, name) for one in known], bool).reshape(-1, len(RHYTHMS)) for name in ("allowed", "stated"))
        return cls(np.array([one.patient for one in known], str), allowed, stated, probabilities)

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def n_patients(self) -> int:
        """How many they are of."""
        return int(np.unique(self.patients).size)

    def only(self, kept: NDArray[np.bool_] | NDArray[np.int64]) -> "Judged":
        """Those kept (n,), or by number."""
        return Judged(self.patients[kept], self.allowed[kept], self.stated[kept], self.probabilities[kept])


@dataclass(frozen=True)
class Settled:
    """Chosen on patients unseen: what logits are multiplied by, the probability from which a rhythm is called, classes too rare to be called, reliability by bin."""

    scale: float
    certain_from: float
    unestablished: tuple[str, ...]
    reliability: tuple[tuple[float, float, int], ...]


def softmax(logits: NDArray[np.floating], scale: float = 1.0) -> NDArray[np.float64]:
    """Probabilities (n, classes)."""
    z = scale * np.asarray(logits, np.float64)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def of_subset(answers: Sequence[Answers], subset: str, scale: float) -> Judged:
    """All twelve-lead patients of several networks, on a subset of their leads."""
    return Judged.of([piece for one in answers for piece in one.twelve], softmax(np.concatenate([one.by_subset[subset] for one in answers]), scale))


def settle(answers: Sequence[Answers]) -> Settled:
    """Scale, threshold and rare classes from networks asked about patients they have not seen, all subsets of leads alike."""
    subsets = tuple(answers[0].by_subset)
    fit = [np.mean([-np.log(np.maximum(_right(of_subset(answers, name, scale)), 1e-9)).mean() for name in subsets]) for scale in SCALES]
    scale = float(SCALES[int(np.argmin(fit))])
    every = [of_subset(answers, name, scale) for name in subsets]
    confidence = np.concatenate([one.probabilities.max(axis=1) for one in every])
    right = np.concatenate([one.allowed[np.arange(len(one)), one.probabilities.argmax(axis=1)] for one in every])
    enough = [limit for limit in LIMITS if (confidence >= limit).any() and right[confidence >= limit].mean() >= RIGHT]
    limit = float(enough[0]) if enough else float(LIMITS[-1])
    return Settled(round(scale, 4), limit, rare(every[0]), binned(confidence, right))


def rare(judged: Judged) -> tuple[str, ...]:
    """Rhythms that too few patients are known to have."""
    sure = single(judged.allowed)
    counts = {name: np.unique(judged.patients[sure & judged.allowed[:, k]]).size for k, name in enumerate(RHYTHMS)}
    return tuple(name for name, count in counts.items() if count < LEAST_PATIENTS)


def macro_f1(judged: Judged) -> float:
    """Mean F1 of COMMON over the recordings that are one of them for sure, a call of another rhythm is an error; NaN where one of them does not occur."""
    return _macro_f1(judged.allowed, judged.probabilities)


def stated_f1(judged: Judged) -> float:
    """The same by what each source says, whatever the rate."""
    return _macro_f1(judged.stated, judged.probabilities)


def _macro_f1(truth: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> float:
    ours = [RHYTHMS.index(name) for name in COMMON]
    kept = single(truth) & truth[:, ours].any(axis=1)
    true, said = truth[kept].argmax(axis=1), probabilities[kept].argmax(axis=1)
    return float(np.mean([_f1(true == k, said == k) for k in ours])) if set(ours) <= set(true.tolist()) else float("nan")


def accuracy(judged: Judged) -> float:
    """Share of the pieces whose most probable rhythm is one that is allowed."""
    return float(judged.allowed[np.arange(len(judged)), judged.probabilities.argmax(axis=1)].mean())


def afib_auc(judged: Judged) -> float:
    """Area under the curve of AFIB against every other rhythm, over the pieces of which it is known; NaN without both."""
    from sklearn.metrics import roc_auc_score

    known = ~judged.allowed[:, AFIB] | single(judged.allowed)
    true = judged.allowed[known, AFIB]
    return float(roc_auc_score(true, judged.probabilities[known, AFIB])) if 0 < true.sum() < true.size else float("nan")


def by_class(judged: Judged) -> dict[str, tuple[int, tuple[float, float, float]]]:
    """By rhythm the patients known to have it, and sensitivity, positive predictivity and F1 over the pieces of one rhythm for sure."""
    sure = judged.only(single(judged.allowed))
    true, said = sure.allowed.argmax(axis=1), sure.probabilities.argmax(axis=1)
    out = {}
    for k, name in enumerate(RHYTHMS):
        hits, facts, claims = int(((true == k) & (said == k)).sum()), int((true == k).sum()), int((said == k).sum())
        figures = (hits / facts if facts else float("nan"), hits / claims if claims else float("nan"), _f1(true == k, said == k) if facts else float("nan"))
        out[name] = (np.unique(sure.patients[true == k]).size, figures)
    return out


def kind_f1(answers: Answers) -> tuple[float, ...]:
    """F1 of each of KINDS on the hand-held recordings, then the mean of the first three, as the 2017 challenge scores."""
    true, said = np.array([piece.kind for piece in answers.handheld]), answers.kinds.argmax(axis=1)
    each = [_f1(true == k, said == k) for k in range(len(KINDS))]
    return (*each, float(np.mean(each[:3])))


def interval(judged: Judged, figure: Callable[[Judged], float], seed: int = 1) -> tuple[float, float]:
    """95 % interval of a figure, by bootstrap over patients."""
    rng = np.random.default_rng(seed)
    patients, numbers = np.unique(judged.patients, return_inverse=True)
    own = [np.flatnonzero(numbers == k) for k in range(patients.size)]
    draws = (rng.integers(0, patients.size, patients.size) for _ in range(DRAWS))
    found = [figure(judged.only(np.concatenate([own[k] for k in drawn]))) for drawn in draws]
    low, high = np.nanquantile(found, (0.025, 0.975))
    return float(low), float(high)


def called(judged: Judged, settled: Settled) -> tuple[float, float]:
    """Share of the pieces of which a rhythm is called, and share of these calls that are right."""
    best = judged.probabilities.argmax(axis=1)
    sure = (judged.probabilities.max(axis=1) >= settled.certain_from) & ~np.isin(best, [RHYTHMS.index(name) for name in settled.unestablished])
    right = judged.allowed[np.arange(best.size), best]
    return float(sure.mean()), float(right[sure].mean()) if sure.any() else float("nan")


def _right(judged: Judged) -> NDArray[np.float64]:
    """Probability (n,) of all that is allowed."""
    return np.asarray((judged.probabilities * judged.allowed).sum(axis=1))


def _f1(true: NDArray[np.bool_], said: NDArray[np.bool_]) -> float:
    total = int(true.sum()) + int(said.sum())
    return 2 * int((true & said).sum()) / total if total else 0.0
