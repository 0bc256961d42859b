"""Calibration and thresholds of a beat classifier, from predictions on patients it has not learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgcore.evaluation.calibration import BINS, binned, calibration_error
from ecgcore.findings import AAMI_CLASSES

THRESHOLDS: Final = np.round(np.arange(0.05, 0.96, 0.025), 3)  # tried for S and V
PRIOR: Final = 10
S, V = AAMI_CLASSES.index("S"), AAMI_CLASSES.index("V")
FLAGGED: Final = 0.05  # share of beats called uncertain on unseen patients
SHARES: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)  # flagged, at which the error among the others is measured
OTHERS: Final = 0.5  # threshold of F and Q, too rare to choose one


@dataclass(frozen=True, eq=False)
class Unseen:
    """What a network that has not learned from a patient says of him: logits (n_leads, n_beats, n_classes), targets (n_beats,)."""

    logits: NDArray[np.float32]
    targets: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Probabilities are softmax(scale · logits + bias), bias (n_classes,)."""

    scale: float
    bias: NDArray[np.float32]

    def probabilities(self, patient: Unseen) -> NDArray[np.float32]:
        """(n_beats, n_classes), the mean over leads as inference takes it."""
        z = self.scale * patient.logits + self.bias
        e = np.exp(z - z.max(axis=2, keepdims=True))
        return np.asarray((e / e.sum(axis=2, keepdims=True)).mean(axis=0), np.float32)


NONE: Final = Calibration(1.0, np.zeros(len(AAMI_CLASSES), np.float32))


@dataclass(frozen=True, eq=False)
class Scored:
    """Probabilities (n_beats, n_classes), targets and number of the patient (n_beats,)."""

    probabilities: NDArray[np.float32]
    targets: NDArray[np.int64]
    patients: NDArray[np.int64]

    @classmethod
    def of(cls, patients: Sequence[Unseen], calibration: Calibration) -> "Scored":
        """All patients under one calibration."""
        numbers = [np.full(len(patient.targets), number) for number, patient in enumerate(patients)]
        probabilities = [calibration.probabilities(patient) for patient in patients]
        return cls(np.concatenate(probabilities), np.concatenate([patient.targets for patient in patients]), np.concatenate(numbers))


def calibrate(patients: Sequence[Unseen]) -> Calibration:
    """Scale and bias by class that make single-lead probabilities fit best (log loss)."""
    logits = torch.cat([torch.from_numpy(patient.logits).flatten(0, 1) for patient in patients])
    targets = torch.cat([torch.from_numpy(np.tile(patient.targets, len(patient.logits))) for patient in patients])
    scale, bias = torch.ones(1, requires_grad=True), torch.zeros(logits.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([scale, bias], max_iter=100)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(logits * scale + bias, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return Calibration(float(scale.detach()), bias.detach().numpy().copy())


def patient_f1(found: NDArray[np.bool_], true: NDArray[np.bool_], patients: NDArray[np.int64]) -> float:
    """Mean over patients of one class's F1; PRIOR beats, found rightly, are added to each, so that those with few beats count too.

    A patient with thousands of ectopic beats weighs no more than one with ten.
    """
    hits, claims, facts = (np.bincount(patients, flags) for flags in (found & true, found, true))
    return float(np.mean((2 * hits + PRIOR) / (claims + facts + PRIOR)))


def best_threshold(scored: Scored, k: int, free: NDArray[np.bool_] | None = None) -> tuple[float, float]:
    """Threshold of class k with the best mean F1 by patient, and that F1; only `free` beats (n_beats,) can be called k."""
    free = np.ones(len(scored.targets), bool) if free is None else free
    reached = {t: patient_f1(free & (scored.probabilities[:, k] >= t), scored.targets == k, scored.patients) for t in THRESHOLDS}
    best = max(reached, key=reached.__getitem__)
    return float(best), reached[best]


def choose_thresholds(scored: Scored) -> dict[str, float]:
    """Thresholds by class, in the order in which `decide` asks: V first, then S among the beats that are not V."""
    v, _ = best_threshold(scored, V)
    s, _ = best_threshold(scored, S, scored.probabilities[:, V] < v)
    return {"S": s, "V": v, "F": OTHERS, "Q": OTHERS}


def reliability(scored: Scored, bins: int = BINS) -> tuple[tuple[float, float, int], ...]:
    """For equal bins of the greatest probability that hold beats: its mean, the share whose most probable class is right, beats (Guo et al., 2017)."""
    return binned(scored.probabilities.max(axis=1), scored.probabilities.argmax(axis=1) == scored.targets, bins)


def expected_calibration_error(scored: Scored, bins: int = BINS) -> float:
    """Mean distance of confidence and accuracy over equal bins of confidence, weighted by their beats (Guo et al., 2017)."""
    return calibration_error(reliability(scored, bins))


@dataclass(frozen=True)
class Flagging:
    """`certain_from` is the probability of its class from which a beat counts as certain; shares are (flagged, wrong among the others)."""

    certain_from: float
    shares: tuple[tuple[float, float], ...]


def flagging(scored: Scored, called: NDArray[np.int64]) -> Flagging:
    """What a flag on the beats with the least probability of the class called (n_beats,) is worth."""
    confidence, wrong = scored.probabilities[np.arange(called.size), called], called != scored.targets
    limits = np.quantile(confidence, SHARES)
    shares = [(float((confidence < limit).mean()), float(wrong[confidence >= limit].mean())) for limit in limits]
    return Flagging(round(float(np.quantile(confidence, FLAGGED)), 3), tuple((round(share, 4), round(error, 5)) for share, error in shares))
