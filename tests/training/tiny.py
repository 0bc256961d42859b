"""Data sets made of synthetic records, in the layout of the real ones, and the default recipe made small enough for seconds; without torch."""

from pathlib import Path

from ecgcore import writers
from ecgcore.demo import record_of, synthesise
from ecgcore.training.recipes import Recipe, load


def rhythm(seed, seconds=60):
    codes = ["NAV"[(i * (seed + 3)) % 7 % 3] if i % 5 == 4 else "N" for i in range(int(seconds / 0.8))]
    return [(0.6 + 0.8 * i - (0.25 if code != "N" else 0), code) for i, code in enumerate(codes)]


def write_sets(folder: Path, sets: dict[str, str]) -> None:
    """Records of a minute by data set, in the layout of the real ones."""
    for name, records in sets.items():
        for seed, record in enumerate(records.split()):
            beats = rhythm(seed)
            mv = synthesise(beats, 60, ("II", "V1"), 250, seed=seed)
            writers.write(record_of(record, mv, beats, ("II", "V1"), 250), folder / name / f"{record}.hea")


def tiny_recipe(folder: Path) -> Recipe:
    """The recipe of the default model on synthetic data, which are written into the folder."""
    write_sets(folder, {"mitdb": "101 106 114", "svdb": "800 811", "nstdb-noise": "bw ma"})
    full = load("beats")
    data = full.data.model_copy(update={"trained": {"mitdb": ("101", "106", "114"), "svdb": ("800", "811")}})
    network = full.network.model_copy(update={"channels": (4, 4, 4), "hidden": 8})
    optimisation = full.optimisation.model_copy(update={"folds": 2, "epochs": 2, "batch": 2, "context_beats": 16, "average": 0.5})
    return full.model_copy(update={"data": data, "network": network, "optimisation": optimisation})
