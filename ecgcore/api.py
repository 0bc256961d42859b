"""The verbs that are neither reading nor analysis, as functions: what the command line does, for programs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgcore import data
from ecgcore.errors import InputError
from ecgcore.findings import Info
from ecgcore.record import Record

if TYPE_CHECKING:
    from ecgcore.inference.beats import BeatModel
    from ecgcore.inference.cards import Card, Figure
    from ecgcore.reconstructed import Accepted

QRS = "qrs"
INTERVALS = "intervals"


def info(source: str | Path | bytes | Record) -> Info:
    """The header of a recording: format, leads, rate, length, annotations. Raises InputError for what cannot be read."""
    return Info.of(source if isinstance(source, Record) else _read(source))


def convert(source: str | Path | Record, out: str | Path, reconstructions: "Sequence[Accepted]" = ()) -> tuple[Path, ...]:
    """Write a recording as WFDB (.hea or no ending), EDF+ (.edf) or CSV (.csv), by the ending of `out`; the files written.

    `reconstructions` that somebody accepted are told of there, and their values written beside it.
    """
    from ecgcore import writers

    return writers.write(source if isinstance(source, Record) else _read(source), Path(out), reconstructions=reconstructions)


def _read(source: str | Path | bytes) -> Record:
    from ecgcore import readers

    return readers.read(source)


def load_model(model: str = "beats") -> "BeatModel":
    """A model that classifies beats, by "name" or "name@version". Raises ModelError where it is not there or does not fit its card."""
    from ecgcore.inference import beats

    return beats.load(model)


def list_models() -> "tuple[Card, ...]":
    """The cards of all models, shipped and trained here. (The verb is `models`, but `ecgcore.models` is the folder of networks.)"""
    from ecgcore.inference.cards import available

    return tuple(card for _, card in available())


def evaluate(
    model: str,
    folder: str | Path,
    records: str | None = None,
    *,
    leads: str | None = None,
    reference_beats: bool = False,
    without: str = "",
    noise: str | None = None,
    against: tuple[str, ...] = (),
    to_card: bool = False,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Figures of a model on recordings with reference beats or rhythms, as plain values.

    model            "beats", "beats@1", …, several with commas for mean and spread; or "qrs" for detection alone, `against` other detectors,
                     or "intervals" for PR, QRS and QT on LUDB, `against` other delineators; or a rhythm model, on the folder of one data set
    records          "ds2" (None), "ds1", "all" or "100,101"; for intervals "all", "odd", "even" or "1,2"; for rhythm "held-out" (None) or "all"
    leads            None for all, "first" for the first of each record, or names with commas
    without          records left out of those, with commas
    noise            added before anything else: "ma:12" or "bw:12", kind and signal-to-noise ratio in dB
    reference_beats  classify the reference beats instead of finding them
    to_card          write the figures onto the card of the (first) model

    Raises InputError for records or options that do not fit, ModelError for a model that is not there.
    """
    from ecgcore.evaluation import beats, detectors, intervals
    from ecgcore.evaluation import noise as noises

    folder = Path(folder)
    if model not in (QRS, INTERVALS) and _tells_rhythm(model):
        if leads or reference_beats or to_card or without or noise or against:
            raise InputError(f"{model} tells rhythm: only --data and --records go with it, and every subset of leads is measured")
        from ecgcore.training import universal_evaluate

        return universal_evaluate.evaluate(model, folder, records or universal_evaluate.HELD_OUT, tell)
    records = records or "ds2"
    if model == INTERVALS:
        if leads or reference_beats or to_card:
            raise InputError("--leads, --reference-beats and --to-card do not go with 'intervals': they are measured over all leads and in II, on beats found")
        return intervals.evaluate(folder, intervals.select(folder, records), against, tell).as_dict()
    names = data.select_records(folder, records, without)
    if model == QRS:
        if reference_beats or to_card or noise:
            raise InputError("--reference-beats, --noise and --to-card do not go with 'qrs': it is no model, and detection is what is measured")
        return detectors.compare(folder, names, leads, against, tell).as_dict()
    if against:
        raise InputError(f"--against goes with 'qrs' and 'intervals', not with {model!r}")
    judge = beats.evaluate_reference if reference_beats else beats.evaluate_raw
    ids = [load_model(one.strip()).card.id for one in model.split(",")]
    heard = noises.parse(noise) if noise else None
    results = [{"records_of": folder.name, **judge(one, folder, names, leads, heard, tell).as_dict()} for one in ids]
    summary = beats.over_models(results)
    if to_card:
        options = {"--leads": leads, "--without": without, "--noise": noise}
        split = f"{folder.name} {records}{f' without {without}' if without else ''}, by patient"
        _onto_card(ids[0], beats.figures(summary, _command(ids, folder, records, options, reference_beats), split))
    return results[0] if len(results) == 1 else summary


def _tells_rhythm(model: str) -> bool:
    from ecgcore.inference import cards, rhythm

    return "," not in model and cards.read_card(cards.find(model)).task == rhythm.TASK


def _command(ids: list[str], folder: Path, records: str, stated: dict[str, str | None], reference_beats: bool) -> str:
    """The command lines that give these figures again; of several models the others are first trained with the seeds on their cards."""
    from ecgcore.inference import cards

    seeds = [(cards.read_card(cards.find(model)).name, cards.read_card(cards.find(model)).training.seed) for model in ids[1:]]
    options = [*(f"{option} {value}" for option, value in stated.items() if value), *(["--reference-beats"] if reference_beats else [])]
    evaluate = " ".join(["python -m ecgcore evaluate", ",".join(ids), f"--data .data/{folder.name}", f"--records {records}", *options])
    return " && ".join([*(f"python -m ecgcore train {name} --seed {seed}" for name, seed in seeds), evaluate])


def _onto_card(model: str, figures: "tuple[Figure, ...]") -> None:
    """Replace what the same command measured before."""
    from ecgcore.inference import cards

    folder = cards.find(model)
    card = cards.read_card(folder)
    kept = tuple(figure for figure in card.figures if figure.command != figures[0].command)
    cards.write_card(card.model_copy(update={"figures": (*kept, *figures)}), folder)


def quantize(model: str, **options: Any) -> "Card":
    """A copy of a beat model in 8-bit integers, options as `ecgcore.training.quantize`; its card."""
    from ecgcore import training

    return training.quantize(model, **options)[0]


def train(recipe: str, **options: Any) -> "Card":
    """Train by a recipe, options as `ecgcore.training.train`; the card of the model made."""
    from ecgcore import training

    return training.train(recipe, **options)[0]
