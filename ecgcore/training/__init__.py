"""Training: recipe in, model with its card out."""

from pathlib import Path
from typing import Any

from ecgcore import settings
from ecgcore.errors import InputError
from ecgcore.inference.cards import Card, find, read_card
from ecgcore.training import recipes


def train(recipe: str, *, device: str = "auto", minutes: float | None = None, resume: bool = False, seed: int | None = None, out: Path | None = None) -> tuple[Card, Path]:
    """Train by a recipe (a name in `recipes`, or a TOML file), export ONNX, safetensors and card; the card and its folder.

    device   "auto", "cpu" or "cuda"
    minutes  limit for the training itself; None for none
    resume   go on from the last checkpoint of the unfinished run of this recipe
    seed     another than the recipe's
    out      where <name>/<version>/ is put, else LEADWISE_HOME/models; a version that is there is never overwritten

    Raises InputError for a recipe that is not there or does not fit, a device that is not there, nothing to resume.
    """
    loaded = recipes.load(recipe)
    if seed is not None:
        loaded = loaded.model_copy(update={"optimisation": loaded.optimisation.model_copy(update={"seed": seed})})
    from ecgcore.training import beats, cinc2017, hadln, neural_flow, segmenter, seresnet18, universal, wonhee

    models: dict[str, Any] = {
        "beats": beats, "neural_flow": neural_flow, "hadln": hadln, "hadln_cinc2017": cinc2017,
        "segmenter": segmenter, "wonhee": wonhee, "universal": universal, "universal_full": universal,
    }  # fmt: skip
    models |= dict.fromkeys(recipes.CHAPMAN, seresnet18)
    if loaded.name not in models:
        raise InputError(f"no training for {loaded.name!r}; there is: {', '.join(models)}")
    run = settings.home() / "runs" / f"{loaded.name}-{loaded.version}-seed{loaded.optimisation.seed}"
    if resume and not run.is_dir():
        raise InputError(f"nothing to resume in {run}; leave out --resume to start anew")
    result, card = models[loaded.name].train(loaded, run, device, minutes, resume)
    version, folder = _free_version(out or settings.trained_weights(), loaded.name, loaded.version)
    saved: Card = models[loaded.name].save(result, card.model_copy(update={"version": version}), folder)
    return saved, folder


def quantize(model: str, *, out: Path | None = None) -> tuple[Card, Path]:
    """A copy of a beat model (name or name@version) in 8-bit integers, <name>-int8; its card and its folder.

    out      where <name>/<version>/ is put, else LEADWISE_HOME/models; a version that is there is never overwritten

    Raises ModelError for a model of another kind, DataError where the records it learned from are not there.
    """
    from ecgcore.training import quantization

    card = read_card(find(model))
    _, folder = _free_version(out or settings.trained_weights(), card.name + quantization.SUFFIX, card.version)
    return quantization.quantize(model, folder), folder


def _free_version(root: Path, name: str, version: str) -> tuple[str, Path]:
    """The version itself, or version.1, version.2, … where it is taken, here or by a shipped model, and its folder."""
    candidate, count = version, 0
    while any((place / name / candidate).exists() for place in (root, settings.SHIPPED_WEIGHTS)):
        count += 1
        candidate = f"{version}.{count}"
    return candidate, root / name / candidate
