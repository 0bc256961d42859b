"""How well a beat model does on records it has not learned from: after EC57 from the raw record, or on reference beats."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore import data
from ecgcore.analysis import analyze, classify
from ecgcore.evaluation.classification import Confusion, confusion, gross_confusion
from ecgcore.evaluation.ec57 import BeatComparison, compare_beats, gross
from ecgcore.evaluation.noise import Noise, add
from ecgcore.evaluation.ratios import Ratio, average
from ecgcore.findings import AAMI_CLASSES, AAMI_OF_MIT
from ecgcore.inference.cards import Figure
from ecgcore.record import Annotation

FIRST_LEAD = "first"
EC57_PROTOCOL = "EC57 from the raw record, own beat detection, ±150 ms, first 5 minutes left out; e and j count as N (de Chazal 2004)"
REFERENCE_PROTOCOL = "reference beat positions, whole record; e and j count as N (de Chazal 2004)"
LEFT_OUT = "; beats of classes that the model does not have are left out"
EC57_FIGURES = tuple(f"{what}_{figure}" for what in ("qrs", "veb", "sveb") for figure in ("sensitivity", "positive_predictivity", "f1"))
SHORT = {"sensitivity": "Se", "positive_predictivity": "+P", "f1": "F1"}
Told = Callable[[str], None]


@dataclass(frozen=True)
class RawEvaluation:
    """EC57 comparisons by record, from the raw signal."""

    model: str
    leads: str
    parts: dict[str, BeatComparison]
    noise: Noise | None = None

    def as_dict(self) -> dict[str, Any]:
        """Gross and average figures in percent, and those of each record; None where a figure does not exist."""
        total, parts = gross(list(self.parts.values())), list(self.parts.values())
        return {
            "model": self.model,
            "protocol": _protocol(EC57_PROTOCOL, self.noise),
            "leads": self.leads,
            "gross": _percents(total),
            "average": {name: _number(100 * average(parts, partial(_figure, name)).value) for name in EC57_FIGURES},
            "matrix": total.matrix.tolist(),
            "records": {name: _percents(part) for name, part in self.parts.items()},
        }


@dataclass(frozen=True)
class ReferenceEvaluation:
    """Confusion by record, on reference beats."""

    model: str
    leads: str
    parts: dict[str, Confusion]
    noise: Noise | None = None

    def as_dict(self) -> dict[str, Any]:
        """Figures over all beats, and those of each record, in percent; None where a figure does not exist."""
        total = gross_confusion(list(self.parts.values()))
        return {
            "model": self.model,
            "protocol": _protocol(REFERENCE_PROTOCOL + ("" if set(total.classes) == set(AAMI_CLASSES) else LEFT_OUT), self.noise),
            "leads": self.leads,
            "gross": _classes(total),
            "average": {name: _mean([_classes(part)[name] for part in self.parts.values()]) for name in _classes(total)},
            "matrix": total.matrix.tolist(),
            "records": {name: _classes(part) for name, part in self.parts.items()},
        }


def evaluate_raw(model: str, folder: Path, records: Iterable[str], leads: str | None = None, noise: Noise | None = None, tell: Told | None = None) -> RawEvaluation:
    """Analyse each record, with noise where some is given, and compare its beats with the reference. `leads`: None for all, "first", or names with commas."""
    parts = {}
    for labelled in data.load_all(folder, records):
        record = add(labelled.record, labelled.samples, noise) if noise else labelled.record
        found = analyze(record, _leads(record.leads, leads), model=model).beats
        test = Annotation.of("leadwise", found.samples, found.labels)
        parts[record.name] = compare_beats(record.annotation("atr"), test, record.fs_hz, classes=AAMI_OF_MIT)
        if tell:
            tell(f"{record.name}: {len(found)} beats")
    return RawEvaluation(model, leads or "all", parts, noise)


def evaluate_reference(model: str, folder: Path, records: Iterable[str], leads: str | None = None, noise: Noise | None = None, tell: Told | None = None) -> ReferenceEvaluation:
    """Classify the reference beats of each record, with noise where some is given; those of a class that the model does not have are not counted."""
    parts = {}
    for labelled in data.load_all(folder, records):
        record = add(labelled.record, labelled.samples, noise) if noise else labelled.record
        found = classify(record, labelled.samples, _leads(record.leads, leads), model=model)
        known = [(label, called) for label, called in zip(labelled.labels, found.labels, strict=True) if label in found.classes]
        parts[record.name] = confusion([label for label, _ in known], [called for _, called in known], found.classes)
        if tell:
            tell(f"{record.name}: {len(found)} beats")
    return ReferenceEvaluation(model, leads or "all", parts, noise)


def over_models(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several evaluations on the same records as one: mean and standard deviation (n - 1) of each gross and average figure."""
    summary: dict[str, Any] = {"models": [result["model"] for result in results], **{key: results[0][key] for key in ("records_of", "protocol", "leads")}}
    for kind in ("gross", "average"):
        if kind in results[0]:
            summary[kind] = {name: _mean_and_spread([result[kind][name] for result in results]) for name in results[0][kind]}
    return {**summary, "runs": list(results)}


def figures(summary: Mapping[str, Any], command: str, split: str) -> tuple[Figure, ...]:
    """The figures of `over_models` as they stand on a card, as shares of 1."""
    return tuple(
        Figure(
            name=f"{_plain(name)}, {kind}", value=_share(measured["mean"]), spread=_share(measured["spread"]), n=len(summary["models"]),
            protocol=f"{summary['protocol']}; leads: {summary['leads']}", split=split, command=command,
        )
        for kind in ("gross", "average")
        for name, measured in summary.get(kind, {}).items()
    )  # fmt: skip


def _protocol(text: str, noise: Noise | None) -> str:
    return f"{text}; {noise.text}" if noise else text


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean over the records that have the figure."""
    known = [value for value in values if value is not None]
    return _number(float(np.mean(known))) if known else None


def _plain(name: str) -> str:
    """veb_positive_predictivity → VEB +P."""
    what, _, figure = name.partition("_")
    return f"{what.upper()} {SHORT[figure]}" if figure in SHORT else name


def _share(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 5)


def _mean_and_spread(values: Sequence[float | None]) -> dict[str, float | None]:
    """None where a run has no such figure, or there is one run only."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return {"mean": None, "spread": None}
    return {"mean": _number(float(np.mean(known))), "spread": _number(float(np.std(known, ddof=1))) if len(known) > 1 else None}


def _leads(recorded: tuple[str, ...], wanted: str | None) -> tuple[str, ...] | None:
    if wanted is None:
        return None
    return recorded[:1] if wanted == FIRST_LEAD else tuple(wanted.split(","))


def _figure(name: str, part: BeatComparison) -> Ratio:
    ratio: Ratio = getattr(part, name)
    return ratio


def _percents(part: BeatComparison) -> dict[str, float | None]:
    return {name: _number(_figure(name, part).percent) for name in EC57_FIGURES}


def _classes(part: Confusion) -> dict[str, float | None]:
    figures = {f"{name}_{what}": getattr(part, what)(name) for name in part.classes for what in ("sensitivity", "positive_predictivity", "f1")}
    return {name: _number(ratio.percent) for name, ratio in figures.items()} | {"accuracy": _number(part.accuracy.percent)}


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return round(value, 3) if np.isfinite(value) else None
