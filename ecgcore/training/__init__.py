"""Training: recipe in, model with its card out."""

from pathlib import Path
from typing import Any

from ecgcore import settings
from ecgcore.errors import InputError
from ecgcore.inference.cards import Card, find, read_card
from ecgcore.progress import watch
from ecgcore.training import recipes


def train(
    recipe: str, *, device: str = "auto", minutes: float | None = None, resume: bool = False, seed: int | None = None, out: Path | None = None, run: Path | None = None
) -> tuple[Card, Path]:
    """Train by a recipe (a name in `recipes`, or a TOML file), export ONNX, safetensors and card; the card and its folder.

    device   "auto", "cpu" or "cuda"
    minutes  limit for the training itself; None for none
    resume   go on from the last checkpoint of the unfinished run of this recipe
    seed     another than the recipe's
    out      where <name>/<version>/ is put, else LEADWISE_HOME/models; a version that is there is never overwritten
    run      folder in which the training keeps what it goes on from, else one by name, version and seed in LEADWISE_HOME/runs

    Several processes that torchrun has started share each batch; see `processes`.

    Raises InputError for a recipe that is not there or does not fit, a device that is not there, nothing to resume.
    """
    loaded = with_seed(recipes.load(recipe), seed)
    from ecgcore.training import beats, cinc2017, hadln, loop, neural_flow, processes, segmenter, seresnet18, universal, wonhee

    models: dict[str, Any] = {
        "beats": beats, "neural_flow": neural_flow, "hadln": hadln, "hadln_cinc2017": cinc2017,
        "segmenter": segmenter, "wonhee": wonhee, "universal": universal, "universal_full": universal,
    }  # fmt: skip
    models |= dict.fromkeys(recipes.CHAPMAN, seresnet18)
    if loaded.name not in models:
        raise InputError(f"no training for {loaded.name!r}; there is: {', '.join(models)}")
    run = run or settings.runs() / f"{loaded.name}-{loaded.version}-seed{loaded.optimisation.seed}"
    if resume and not run.is_dir():
        raise InputError(f"nothing to resume in {run}; leave out --resume to start anew")
    model = models[loaded.name]
    watch().plan(model.parts(loaded))
    with processes.together(loop.accelerator(device)):
        result, card = model.train(loaded, run, device, minutes, resume)
        return put(model, result, card, out)


def put(model: Any, result: Any, card: Card, out: Path | None) -> tuple[Card, Path]:
    """Save what a module's training has made under a version that is free; its card and its folder. Of several processes the first does."""
    from ecgcore.training import processes

    version, folder = processes.of_first(free_version(out, card.name, card.version))
    if processes.first():
        model.save(result, card.model_copy(update={"version": version}), folder)
    processes.wait()
    return read_card(folder), folder


def quantize(model: str, *, out: Path | None = None) -> tuple[Card, Path]:
    """A copy of a beat model (name or name@version) in 8-bit integers, <name>-int8; its card and its folder.

    out      where <name>/<version>/ is put, else LEADWISE_HOME/models; a version that is there is never overwritten

    Raises ModelError for a model of another kind, DataError where the records it learned from are not there.
    """
    from ecgcore.training import quantization

    card = read_card(find(model))
    _, folder = free_version(out, card.name + quantization.SUFFIX, card.version)
    return quantization.quantize(model, folder), folder


def with_seed(recipe: Any, seed: int | None) -> Any:
    """A recipe with another seed; the recipe itself for None."""
    return recipe if seed is None else recipe.model_copy(update={"optimisation": recipe.optimisation.model_copy(update={"seed": seed})})


def free_version(out: Path | None, name: str, version: str) -> tuple[str, Path]:
    """The version itself, or version.1, version.2, … where it is taken, in `out` (None: LEADWISE_HOME/models) or by a shipped model, and its folder."""
    root = out or settings.trained_weights()
    candidate, count = version, 0
    while any((place / name / candidate).exists() for place in (root, settings.SHIPPED_WEIGHTS)):
        count += 1
        candidate = f"{version}.{count}"
    return candidate, root / name / candidate
