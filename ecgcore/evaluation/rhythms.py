"""Figures of a rhythm classifier on patients tested, each with one record: those of Kisialeu & Nedzved, by scikit-learn."""

import math
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.evaluation.classification import Confusion

OVERALL: Final = ("accuracy", "macro precision", "macro recall", "macro F1", "weighted F1", "macro AUC", "Cohen's kappa", "MCC", "log loss", "top-2 accuracy")
BY_CLASS: Final = ("sensitivity", "specificity", "PPV", "F1")
LEAST_PATIENTS: Final = 20  # with fewer a figure is not established


@dataclass(frozen=True, eq=False)
class Judged:
    """Probabilities (n, n_classes) of n patients, one row each, and the class (n,) each really has."""

    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    targets: NDArray[np.int64]

    @property
    def called(self) -> NDArray[np.int64]:
        """The most probable class (n,)."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def confusion(self) -> Confusion:
        """Rows reference, columns called."""
        size = len(self.classes)
        return Confusion(self.classes, np.bincount(self.targets * size + self.called, minlength=size**2).reshape(size, size))


def overall(judged: Judged) -> dict[str, float | None]:
    """The figures of OVERALL, as shares of 1 but for the log loss; None where one is not defined, all None with fewer than LEAST_PATIENTS.

    Macro figures are means over the classes that occur among patients or answers, macro AUC over those that some patients have and others do not.
    """
    if judged.targets.size < LEAST_PATIENTS:
        return dict.fromkeys(OVERALL)
    return {name: round(value, 5) if math.isfinite(value) else None for name, value in measured(judged).items()}


def measured(judged: Judged) -> dict[str, float]:
    """The figures of OVERALL whatever the number of patients, NaN where one is not defined."""
    from sklearn import metrics

    true, called, labels = judged.targets, judged.called, np.arange(len(judged.classes))
    precision, recall, macro, _ = metrics.precision_recall_fscore_support(true, called, average="macro", zero_division=0)
    with warnings.catch_warnings():
        for said in (".*only one label in common", "A single label was found"):  # then kappa is not defined, NaN, and MCC is 0
            warnings.filterwarnings("ignore", message=said)
        kappa, mcc = metrics.cohen_kappa_score(true, called), metrics.matthews_corrcoef(true, called)
    values = (
        metrics.accuracy_score(true, called), precision, recall, macro, metrics.f1_score(true, called, average="weighted", zero_division=0), macro_auc(judged), kappa,
        mcc, metrics.log_loss(true, judged.probabilities, labels=labels),
        metrics.top_k_accuracy_score(true, judged.probabilities, k=2, labels=labels),
    )  # fmt: skip
    return {name: float(value) for name, value in zip(OVERALL, values, strict=True)}


def macro_auc(judged: Judged) -> float:
    """Mean area under the curve of each class against the rest; NaN where no class has both."""
    from sklearn.metrics import roc_auc_score

    areas = [roc_auc_score(judged.targets == k, judged.probabilities[:, k]) for k in range(len(judged.classes)) if 0 < np.count_nonzero(judged.targets == k) < judged.targets.size]
    return float(np.mean(areas)) if areas else math.nan


def by_class(judged: Judged) -> dict[str, tuple[int, dict[str, float | None]]]:
    """By class its patients and the figures of BY_CLASS; None where one is not defined, or the class has fewer than LEAST_PATIENTS."""
    counted = judged.confusion
    out = {}
    for k, name in enumerate(judged.classes):
        patients = int(np.count_nonzero(judged.targets == k))
        values = (counted.sensitivity(name).value, 1 - counted.false_positive_rate(name).value, counted.positive_predictivity(name).value, counted.f1(name).value)
        known = [round(value, 5) if math.isfinite(value) and patients >= LEAST_PATIENTS else None for value in values]
        out[name] = (patients, dict(zip(BY_CLASS, known, strict=True)))
    return out
