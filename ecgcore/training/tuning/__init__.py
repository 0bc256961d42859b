"""A training begun from the app: from scratch or from a model's weights, on public patients and on what this site's readers signed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ecgcore import data
from ecgcore.errors import InputError, ModelError
from ecgcore.fingerprints import Fingerprints
from ecgcore.inference.cards import WEIGHTS, Card, find, read_card, verified_weights
from ecgcore.site import CORRECTED_WEIGHT, SiteData, SiteRecord
from ecgcore.training.recipes.choices import BEATS, why_not

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS_TO_TUNE: Final = "model.safetensors"
OWN_SHARE: Final = 0.25  # of what an epoch holds that is this site's, as far as …
MOST_TIMES: Final = 20  # … none of it comes oftener than this


@dataclass(frozen=True, eq=False)
class Retraining:
    """What is to be trained.

    start    name@version of the model whose weights are gone on from; None for from scratch
    public   data sets learned from; None for all of the recipe
    site     this site's data set, of which only the trained part is learned from; None for none
    weight   of a corrected beat against one of 1 for every other
    minutes  limit for the training itself; None for none
    run      folder in which it keeps what it goes on from, with `resume`
    out      where <name>/<version>/ is put, else LEADWISE_HOME/models
    """

    recipe: str
    run: Path
    start: str | None = None
    public: tuple[str, ...] | None = None
    site: SiteData | None = None
    weight: float = CORRECTED_WEIGHT
    device: str = "auto"
    minutes: float | None = None
    resume: bool = False
    seed: int | None = None
    out: Path | None = None

    @property
    def command(self) -> str:
        """The command line that trains so again."""
        stated = {
            "--from": self.start, "--public": None if self.public is None else ",".join(self.public) or "none", "--site": self.site and self.site.number,
            "--weight": f"{self.weight:g}" if self.site else None, "--minutes": self.minutes, "--seed": self.seed,
        }  # fmt: skip
        return " ".join(["python -m ecgcore train", self.recipe, *(f"{option} {value}" for option, value in stated.items() if value is not None)])

    @property
    def own(self) -> tuple[SiteRecord, ...]:
        """This site's records that are learned from."""
        return self.site.of("trained") if self.site else ()


def retrain(how: Retraining) -> tuple[Card, Path]:
    """Train, export ONNX, safetensors and card; the card and its folder.

    Raises InputError for what cannot be trained so, DataError for a data set that is not there, ModelError for weights to go on from that do not fit.
    """
    if why := why_not(how.recipe, how.start, how.public, how.site is not None):
        raise InputError(why)
    from ecgcore import training
    from ecgcore.training import loop, processes, recipes

    if how.start is None and how.recipe != BEATS:
        return training.train(how.recipe, device=how.device, minutes=how.minutes, resume=how.resume, seed=how.seed, out=how.out, run=how.run)
    recipe = training.with_seed(recipes.load(how.recipe), how.seed)
    tuner = _tuner(how.recipe)
    with processes.together(loop.accelerator(how.device)):
        result, card = tuner.anew(recipe, how) if how.start is None else tuner.tune(recipe, find(how.start), how)
        return training.put(tuner, result, card, how.out)


def _tuner(recipe: str) -> Any:
    from ecgcore.training.tuning import beats, segmenter, windows, wonhee

    return {"beats": beats, "neural_flow": windows, "hadln": windows, "segmenter": segmenter, "wonhee": wonhee}[recipe]


def loaded(net: "nn.Module", start: Path, example: "Sequence[Tensor]", inputs: Sequence[str]) -> "nn.Module":
    """A network as it is exported, with the weights in model.safetensors of a model's folder.

    The card knows the hash of model.onnx only: what both answer to `example`, whose inputs have these names, must be the same.
    Raises ModelError for weights that are not there, are of another network, or are not those the card describes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    from ecgcore.training.export import TOLERANCE, difference

    card = read_card(start)
    path = start / WEIGHTS_TO_TUNE
    if not path.is_file():
        raise ModelError(f"{card.id} has no {WEIGHTS_TO_TUNE}, so that nothing can go on from it")
    try:
        load_model(net, path)
    except (SafetensorError, RuntimeError) as error:
        raise ModelError(f"{WEIGHTS_TO_TUNE} of {card.id} is not of this network: {' '.join(str(error).split())[:200]}") from error
    gap = difference(net.eval(), verified_weights(start, card), example, inputs)
    if not gap <= TOLERANCE:
        raise ModelError(
            f"{WEIGHTS_TO_TUNE} of {card.id} does not answer as its {WEIGHTS}, whose hash is on the card: they differ by {gap:.1e}, more than {TOLERANCE:g}; it is not used"
        )
    return net


def public_records(sets: Mapping[str, Sequence[str]], how: Retraining) -> dict[str, tuple[str, ...]]:
    """Of the records a recipe learns from, by data set, those that are learned from now: of the sets chosen, without the patients that models are compared on."""
    chosen = sets if how.public is None else {name: records for name, records in sets.items() if name in how.public}
    kept_out = {"mitdb": data.DS2, "svdb": data.SVDB_HELD_OUT}
    return {name: tuple(record for record in records if record not in kept_out.get(name, ())) for name, records in chosen.items()}


def without_own(labelled: Iterable[data.LabelledBeats], how: Retraining) -> list[data.LabelledBeats]:
    """Public recordings but those that this site has read itself, whole or in part: they are learned from by its own beats, or held out, not both ways."""
    if how.site is None:
        return list(labelled)
    own = Fingerprints.of({str(number): record.labelled.record for number, record in enumerate(how.site.records)})
    return [one for one in labelled if not own.whose(one.record)]


def repeats(theirs: int, ours: int) -> int:
    """How often an epoch holds what is this site's, beside so much that is public once: as often as makes up its share."""
    return min(MOST_TIMES, max(1, round(OWN_SHARE / (1 - OWN_SHARE) * theirs / max(1, ours))))


def said(how: Retraining) -> str:
    """How much of what is learned from, in words for a card."""
    if how.site is None:
        return "public recordings only"
    corrected = sum(int(record.corrected.sum()) for record in how.own)
    return f"{len(how.own)} of this site's signed recordings (data set version {how.site.number}), whose {corrected} corrected beats weigh {how.weight:g} times another"


def records_of(public: Mapping[str, Sequence[str]], how: Retraining) -> dict[str, tuple[str, ...]]:
    """Record ids by data set as a card names them; this site's patients are counted there, since who they are stays with the site."""
    count = len({record.patient for record in how.own})
    own = {how.site.name: tuple(f"patient {number}" for number in range(1, count + 1))} if how.site else {}
    return {**{name: tuple(records) for name, records in public.items() if records}, **own}


def tuned(parent: Card, update: Mapping[str, Any]) -> Card:
    """The card of a model that was gone on with: what was measured of its parent is not said of it."""
    limits = (
        f"Fine-tuned from {parent.id}, whose calibration, thresholds and limit of certainty it keeps: none of them was chosen anew, or measured, for these weights.",
        *parent.limits,
    )
    fresh: dict[str, Any] = {"figures": (), "reliability": (), "uncertain": (), "parent": parent.id, "limits": tuple(dict.fromkeys(limits))}
    return parent.model_copy(update={**fresh, **update})
