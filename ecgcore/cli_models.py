"""The verbs of the command line that measure, train, compare and keep models."""

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgcore.cli_output import one_line_of_progress, print_json
from ecgcore.site import CORRECTED_WEIGHT

if TYPE_CHECKING:
    from ecgcore.inference.cards import Card
    from ecgcore.site import SiteData

Verb = Callable[..., argparse.ArgumentParser]


def add(verbs: Any, verb: Verb) -> None:
    """Add them."""
    for one in (_add_evaluate, _add_train, _add_quantize, _add_compare, _add_models):
        one(verbs, verb)


def _add_evaluate(verbs: Any, verb: Verb) -> None:
    evaluate = verb(verbs, "evaluate", _evaluate, "figures of a model on records with reference beats or rhythms, as JSON")
    models = "a beat model, several with commas for mean and spread, a rhythm model, qrs for beat detection alone, or intervals (PR, QRS, QT on LUDB)"
    evaluate.add_argument("model", metavar="MODEL", help=models)
    evaluate.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder of WFDB records with .atr files; for intervals and rhythm that of a data set")
    evaluate.add_argument("--records", help="ds1, ds2, all, or 100,101 (default: ds2); for intervals all, odd, even, or 1,2; for rhythm held-out (default) or all")
    evaluate.add_argument("--leads", help="first, or names with commas; all when left out")
    evaluate.add_argument("--without", default="", metavar="RECORDS", help="records to leave out of those, with commas")
    evaluate.add_argument("--noise", metavar="KIND:DB", help="add noise of nstdb first: ma:12 is muscle artefact at 12 dB, bw baseline wander")
    evaluate.add_argument("--reference-beats", action="store_true", help="classify the reference beats instead of finding them")
    evaluate.add_argument("--against", default="", metavar="NAMES", help="for qrs: neurokit2,xqrs,sleepecg; for intervals: neurokit2-dwt,neurokit2-cwt")
    evaluate.add_argument("--to-card", action="store_true", help="write the figures onto the card of the first model")


def _add_train(verbs: Any, verb: Verb) -> None:
    train = verb(verbs, "train", _train, "train a model by a recipe; evaluate, export ONNX and card")
    train.add_argument("recipe", metavar="RECIPE", help="a name, or a TOML file")
    train.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    train.add_argument("--minutes", type=float, help="time limit of the training")
    train.add_argument("--seed", type=int, help="another seed than the recipe's")
    train.add_argument("--resume", action="store_true", help="go on with the unfinished run")
    own = train.add_argument_group("fine-tuning, and learning from signed readings")
    own.add_argument("--from", dest="start", metavar="MODEL", help="go on from the weights of name or name@version")
    own.add_argument("--site", type=int, metavar="N", help="learn from version N of this site's data set too")
    own.add_argument("--weight", type=float, default=CORRECTED_WEIGHT, help=f"of a beat that a reader corrected, against 1 for every other (default: {CORRECTED_WEIGHT:g})")
    own.add_argument("--public", metavar="SETS", help="public data sets to learn from, with commas, or none (default: all of the recipe)")
    train.add_argument("--out", type=Path, metavar="DIR", help="folder for <name>/<version>/ (default: LEADWISE_HOME/models)")


def _add_quantize(verbs: Any, verb: Verb) -> None:
    quantize = verb(verbs, "quantize", _quantize, "copy a beat model in 8-bit integers, NAME-int8; evaluate says what that costs")
    quantize.add_argument("model", metavar="MODEL", help="name or name@version")
    quantize.add_argument("--out", type=Path, metavar="DIR", help="folder for <name>/<version>/ (default: LEADWISE_HOME/models)")


def _add_compare(verbs: Any, verb: Verb) -> None:
    compare = verb(verbs, "compare", _compare, "a new model against the current one, on patients held out: differences with intervals by patient")
    compare.add_argument("new", metavar="NEW", help="name or name@version")
    compare.add_argument("current", metavar="CURRENT", help="name or name@version")
    compare.add_argument("--site", type=int, metavar="N", help="on the held-out patients of version N of this site's data set too")
    compare.add_argument("--json", action="store_true", help="the whole comparison as JSON")


def _add_models(verbs: Any, verb: Verb) -> None:
    registry = verb(verbs, "models", _models, "shipped and trained models with their headline; one of them as a file, or taken in from one").add_mutually_exclusive_group()
    registry.add_argument("--export", nargs=2, metavar=("MODEL", "FILE"), help="write a model as one archive; for a folder NAME-VERSION.leadwise.zip in it")
    registry.add_argument("--import", type=Path, metavar="FILE", dest="taken", help="check such an archive and put its model into LEADWISE_HOME/models, not yet in use")
    registry.add_argument("--check", type=Path, metavar="DIR", help="check the folder of a model, NAME/VERSION, as an import does")


def _evaluate(options: argparse.Namespace) -> None:
    from ecgcore.api import evaluate

    against = tuple(name for name in options.against.split(",") if name)
    tell = (lambda said: print(said, file=sys.stderr)) if sys.stderr.isatty() else None
    how = {"leads": options.leads, "without": options.without, "noise": options.noise, "reference_beats": options.reference_beats, "against": against, "to_card": options.to_card}
    print_json(evaluate(options.model, options.data, options.records, tell=tell, **how))


def _train(options: argparse.Namespace) -> None:
    if options.start or options.site is not None or options.public is not None:
        card, folder = _retrain(options)
    else:
        from ecgcore.training import train

        card, folder = train(options.recipe, device=options.device, minutes=options.minutes, resume=options.resume, seed=options.seed, out=options.out)
    from ecgcore.training import processes

    if processes.first():
        print_json({"model": card.id, "folder": str(folder), "figures": [figure.model_dump() for figure in card.figures]})


def _retrain(options: argparse.Namespace) -> "tuple[Card, Path]":
    from ecgcore import settings
    from ecgcore.inference.cards import find, read_card
    from ecgcore.training.tuning import Retraining, retrain

    start = read_card(find(options.start)).id if options.start else None
    public = None if options.public is None else tuple(name for name in options.public.split(",") if name not in ("", "none"))
    parts = (options.recipe, "from", start or "scratch", "site", options.site or "none", "seed", "own" if options.seed is None else options.seed)
    run = settings.runs() / "-".join(str(part) for part in parts)
    how = {"device": options.device, "minutes": options.minutes, "resume": options.resume, "seed": options.seed, "out": options.out}
    return retrain(Retraining(options.recipe, run, start, public, _site(options.site), options.weight, **how))


def _quantize(options: argparse.Namespace) -> None:
    from ecgcore.training import quantize

    card, folder = quantize(options.model, out=options.out)
    print_json({"model": card.id, "folder": str(folder)})


def _compare(options: argparse.Namespace) -> None:
    from ecgcore.comparing import compare_models
    from ecgcore.comparison_text import text

    site = _site(options.site)
    with one_line_of_progress() as progress:
        comparison = compare_models(options.new, options.current, site=site, progress=progress)
    print(comparison.model_dump_json(indent=1) if options.json else text(comparison))


def _site(number: int | None) -> "SiteData | None":
    """A version of this site's data set; None where none was asked for."""
    if number is None:
        return None
    from ecgcore.store import Store
    from ecgcore.store.datasets import Datasets

    with closing(Store()) as store:
        return Datasets(store).load(number)


def _models(options: argparse.Namespace) -> None:
    from ecgcore.inference.cards import available, find, refused

    if options.export or options.taken or options.check:
        from ecgcore import registry
        from ecgcore.store import LOCAL_USER

        if options.export:
            print(registry.export_model(options.export[0], Path(options.export[1]), LOCAL_USER))
        elif options.taken:
            card = registry.import_model(options.taken, LOCAL_USER)
            print_json({"model": card.id, "folder": str(find(card.id))})
        else:
            print(f"{registry.check(options.check).id}: its card, hashes, networks and tables fit, and it answers as the card says")
        return
    for folder, why in refused():
        print(f"ecgcore: not used: {folder}: {why}", file=sys.stderr)
    for folder, card in available():
        print(f"{card.id}  {card.task}, classes {' '.join(card.classes)}  ({folder})")
        for figure in card.figures:
            value = "not established" if figure.value is None else f"{figure.value:g}" + (f" ± {figure.spread:g}" if figure.spread is not None else "")
            print(f"  {figure.name}: {value}  [{figure.split}; {figure.protocol}; n = {figure.n}]")
