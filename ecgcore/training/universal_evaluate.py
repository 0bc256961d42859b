"""Figures of a rhythm model as it is shipped, on recordings read from their files: what a reader would be told."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import data
from ecgcore.errors import InputError
from ecgcore.inference import rhythm as rhythm_models
from ecgcore.leads import STANDARD
from ecgcore.rhythm import LEAST_S, LONGEST_S, rhythm_of
from ecgcore.rhythm_findings import RHYTHMS, Rhythm
from ecgcore.training import rhythm_labels, rhythm_sources
from ecgcore.training import universal_figures as figures
from ecgcore.training.rhythm_sources import Labelled
from ecgcore.training.universal_data import SUBSETS, contested
from ecgcore.training.universal_figures import Judged

HELD_OUT: Final = "held-out"
ALL: Final = "all"
WHOLE: Final = "12 leads"
MITDB: Final = "mitdb"  # names every rhythm, those that are none of the eight too


@dataclass(frozen=True, eq=False)
class Told:
    """A recording as the figures take it, and what was said of it."""

    patient: str
    allowed: NDArray[np.bool_]
    stated: NDArray[np.bool_]
    said: Rhythm


def evaluate(model: str, folder: Path, records: str, tell: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Figures of a rhythm model on one data set, by subset of leads, as plain values.

    folder   named as the data set is: ptbxl, ludb, cinc2017, mitdb, chapman-samples, …
    records  "held-out" for patients of whom the card names no record as learned from (of mitdb DS2), or "all"

    Of mitdb also what the windows are called whose rhythm is none of the eight: paced, junctional, of the ventricles.
    Raises InputError for another word, DataError for a folder that is no such set.
    """
    card = rhythm_models.load(model).card
    if records not in (HELD_OUT, ALL):
        raise InputError(f"no records {records!r} for a rhythm model; there are: {HELD_OUT}, {ALL}")
    learned = {(source, name) for source, named in card.training.trained.items() for name in named}
    items = list(_items(folder, everything=records == ALL))
    seen = {item.patient for item in items if (item.source, item.name.partition("@")[0]) in learned}
    items = [item for item in items if records == ALL or item.patient not in seen]
    chosen = [item for item in items if item.allowed]
    by_subset: dict[str, list[Told]] = {}
    for done, item in enumerate(chosen):
        if tell:
            tell(f"{done + 1} of {len(chosen)}: {item.name}")
        for name, leads in _subsets(item).items():
            by_subset.setdefault(name, []).append(_told(card.id, item, leads, checks=name == WHOLE))
    found = {"model": card.id, "data": folder.name, "records": records, "subsets": {name: _summary(told) for name, told in by_subset.items()}}
    if folder.name != MITDB:
        return found
    others = [rhythm_of(item.record, start_s=item.start_s, stop_s=item.stop_s, model=card.id) for item in items if not item.allowed]
    named = [one.label for one in others if one.sure]
    return {**found, "other_rhythms": {"n": len(others), "called_one_of_the_eight": _plain(len(named) / len(others)) if others else None, "called": dict(Counter(named))}}


def _items(folder: Path, *, everything: bool) -> Iterator[Labelled]:
    spans = (*data.DS1, *data.DS2) if everything else data.DS2
    loaders: dict[str, Callable[[Path], Iterator[Labelled]]] = {
        "chapman": rhythm_sources.load_chapman,
        "cinc2017": rhythm_sources.load_cinc2017,
        "cinc2020": rhythm_sources.load_challenge,
        "cinc2021": rhythm_sources.load_challenge,
        "ludb": rhythm_sources.load_ludb,
        "mitdb": lambda path: rhythm_sources.load_mitdb(path, spans),
        "ptbxl": rhythm_sources.load_ptbxl,
    }
    name = folder.name.removesuffix("-samples")
    if name not in loaders:
        raise InputError(f"rhythm is measured on a folder named {', '.join(loaders)}, with or without -samples; this is {folder.name}")
    return loaders[name](folder)


def _subsets(item: Labelled) -> dict[str, tuple[str, ...]]:
    if set(STANDARD) <= set(item.record.available_leads):
        return {name: tuple(STANDARD[row] for row in rows) for name, rows in SUBSETS.items()}
    leads = item.record.leads
    return {"all leads": leads, **({"first lead": leads[:1]} if len(leads) > 1 else {})}


def _told(model: str, item: Labelled, leads: tuple[str, ...], *, checks: bool) -> Told:
    stop_s = min(item.stop_s, item.record.duration_s, item.start_s + LONGEST_S)
    if stop_s - item.start_s < LEAST_S:
        raise InputError(f"{item.name} lasts {stop_s - item.start_s:g} s; rhythm is told from {LEAST_S:g} s on")
    said = rhythm_of(item.record, leads, start_s=item.start_s, stop_s=stop_s, model=model, checks=checks)
    whole = item.start_s == 0 and item.stop_s >= item.record.duration_s
    taught = contested(item.allowed, rhythm_sources.rate_bpm(item.record)) if whole else item.allowed
    return Told(item.patient, rhythm_labels.row(taught), rhythm_labels.row(item.allowed), said)


def _summary(told: list[Told]) -> dict[str, Any]:
    judged = Judged.of(told, np.array([[one.said.probabilities[name] for name in RHYTHMS] for one in told]))
    right = [bool(judged.allowed[i, RHYTHMS.index(one.said.label)]) for i, one in enumerate(told) if one.said.sure]
    checked = [one.said.checks for one in told if one.said.checks]
    return {
        "n": len(told),
        "patients": judged.n_patients,
        "macro_f1_sb_sr_afib_st": _plain(figures.macro_f1(judged)),
        "as_stated": _plain(figures.stated_f1(judged)),
        "afib_auc": _plain(figures.afib_auc(judged)),
        "right": _plain(figures.accuracy(judged)),
        "called": _plain(len(right) / len(told)),
        "right_of_called": _plain(float(np.mean(right)) if right else float("nan")),
        "weights_pass_both_checks": _plain(float(np.mean([not one.failing for one in checked])) if checked else float("nan")),
    }


def _plain(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
