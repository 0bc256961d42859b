"""The verbs that are neither reading nor analysis, as functions: what the command line does, for programs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecgcore import data, readers
from ecgcore.errors import InputError
from ecgcore.findings import Info
from ecgcore.inference.beats import BeatClassifier
from ecgcore.inference.beats import load as load_beats
from ecgcore.inference.cards import Card, available
from ecgcore.record import Record

QRS = "qrs"


def info(source: str | Path | bytes | Record) -> Info:
    """The header of a recording: format, leads, rate, length, annotations. Raises InputError for what cannot be read."""
    return Info.of(source if isinstance(source, Record) else readers.read(source))


def convert(source: str | Path | Record, out: str | Path) -> tuple[Path, ...]:
    """Write a recording as WFDB (.hea or no ending), EDF+ (.edf) or CSV (.csv), by the ending of `out`; the files written."""
    from ecgcore import writers

    record = source if isinstance(source, Record) else readers.read(source)
    return writers.write(record, Path(out))


def load_model(model: str = "beats") -> BeatClassifier:
    """A beat model by "name" or "name@version". Raises ModelError where it is not there or does not fit its card."""
    return load_beats(model)


def models() -> tuple[Card, ...]:
    """The cards of all models, shipped and trained here."""
    return tuple(card for _, card in available())


def evaluate(
    model: str,
    folder: str | Path,
    records: str = "ds2",
    *,
    leads: str | None = None,
    reference_beats: bool = False,
    against: tuple[str, ...] = (),
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Figures of a model on WFDB records with reference beats, as plain values.

    model            "beats", "beats@1", …, or "qrs" for beat detection alone, `against` other detectors
    records          "ds2", "ds1", "all" or "100,101"
    leads            None for all, "first" for the first of each record, or names with commas
    reference_beats  classify the reference beats instead of finding them

    Raises InputError for records or options that do not fit, ModelError for a model that is not there.
    """
    from ecgcore.evaluation import beats, detectors

    folder = Path(folder)
    names = data.select_records(folder, records)
    if model == QRS:
        if reference_beats:
            raise InputError("--reference-beats does not go with 'qrs': detection is what is measured")
        return detectors.compare(folder, names, leads, against, tell).as_dict()
    if against:
        raise InputError(f"--against goes with 'qrs', not with {model!r}")
    judge = beats.evaluate_reference if reference_beats else beats.evaluate_raw
    return {"records_of": folder.name, **judge(load_beats(model).card.id, folder, names, leads, tell).as_dict()}


def train(recipe: str, **options: Any) -> Card:
    """Train by a recipe, options as `ecgcore.training.train`; the card of the model made."""
    from ecgcore import training

    return training.train(recipe, **options)[0]
