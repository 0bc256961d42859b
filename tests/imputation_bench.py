"""SAITS and BRITS of PyPOTS on the windows, gaps and measures of WonHEE: python -m tests.imputation_bench SAITS --minutes 20

Needs tests/bench-requirements.txt. Both learn from the recipe's patients, drawn as for WonHEE and on the same scale, for so many minutes
of processor time, and add their row to the tables measures-*.json of the model. So that a minute goes further for them, a window is 80 steps
of 8 samples, as it is for WonHEE. Both also learn from the error of what was hidden, and by its square, which is what they are measured by.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from ecgcore.evaluation.measures import Measured, Measures
from ecgcore.evaluation.reconstruction import nearness
from ecgcore.signals import fills
from ecgcore.training import gaps, recipes
from ecgcore.training.wonhee_card import compared, key, named
from ecgcore.training.wonhee_data import Drawn, evenly, leads_of, with_folds

STEP_SAMPLES = 8
RATE = 1e-3
CHUNK = 256


def core(name: str, samples: int) -> torch.nn.Module:
    """The network of PyPOTS by that name, in the sizes of its own examples."""
    from pypots.nn.modules.loss import MSE

    steps = samples // STEP_SAMPLES
    if name == "SAITS":
        from pypots.imputation.saits.core import _SAITS

        return _SAITS(2, steps, STEP_SAMPLES, 256, 4, 64, 64, 128, 0.0, 0.0, True, 1.0, 1.0, MSE(), MSE())
    from pypots.imputation.brits.core import _BRITS

    return _BRITS(steps, STEP_SAMPLES, 128, MSE(), MSE())


def inputs(name: str, values: Tensor, observed: Tensor, truth: Tensor, weights: Tensor) -> dict:
    """Windows (n, samples) as PyPOTS wants them."""
    x, known, true = (part.view(len(values), -1, STEP_SAMPLES) for part in (values, observed.float(), truth))
    hidden = (1 - known) * weights[:, None, None]
    if name == "SAITS":
        return {"X": x, "missing_mask": known, "X_ori": true, "indicating_mask": hidden}
    both = {}
    for way, turn in (("forward", lambda t: t), ("backward", lambda t: t.flip(1))):
        a, b = turn(x), turn(known)
        deltas = [torch.zeros_like(b[:, 0])]
        for t in range(1, b.shape[1]):
            deltas.append(1 + (1 - b[:, t - 1]) * deltas[-1])
        both[way] = {"X": a, "missing_mask": b, "deltas": torch.stack(deltas, dim=1)}
    return {**both, "X_ori": true, "indicating_mask": hidden}


def batch(drawn: Drawn, shares: tuple[int, int, int], samples: int, rng: Generator) -> tuple[Tensor, ...]:
    """Values, observed, truth and weights, as WonHEE's batches are made."""
    windows = drawn.windows(shares[1] + shares[2], rng)
    observed = np.concatenate([gaps.imputed(shares[1], samples, rng, fills.FS_HZ), gaps.foreseen(shares[2], samples, rng, fills.FS_HZ)])
    scaled = fills.scaled(windows, observed)
    truth = ((windows - scaled.level_mv) / scaled.scale_mv).clip(-30, 30)
    weights = (scaled.scale_mv[:, 0] / np.median(scaled.scale_mv)).clip(0.2, 3)
    return tuple(map(torch.from_numpy, (scaled.values, observed, truth, weights)))


def learn(name: str, recipe: recipes.WonheeRecipe, minutes: float) -> torch.nn.Module:
    """Train for so many minutes of processor time, the learning rate falling straight to nothing."""
    leads = leads_of(with_folds(recipe.data.trained), recipe.input.band_hz)
    drawn = Drawn(leads, recipe.augmentation.shares, recipe.input.samples, wander=recipe.augmentation.wander, invert=recipe.augmentation.invert)
    torch.manual_seed(recipe.optimisation.seed)
    net = core(name, recipe.input.samples).train()
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    begun, step, total = time.process_time(), 0, 0.0
    while (spent := (time.process_time() - begun) / 60 / minutes) < 1:
        optimizer.param_groups[0]["lr"] = RATE * min(1 - spent, (step + 1) / 100)
        given = inputs(name, *batch(drawn, recipe.optimisation.shares, recipe.input.samples, np.random.default_rng((recipe.optimisation.seed, step))))
        results = net(given, calc_criterion=True)
        loss = results["loss"]
        if name == "BRITS":
            error = (results["reconstruction"] - given["X_ori"]) ** 2 * given["indicating_mask"]
            loss = loss + error.sum() / given["indicating_mask"].sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step, total = step + 1, total + float(loss.detach())
        if step % 100 == 0:
            print(f"{name}: {step} steps, {spent:.0%} of the time, loss {total / 100:.4f}", flush=True)
            total = 0.0
    return net.eval()


def filled(name: str, net: torch.nn.Module, windows: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Windows in mV as the network completes them."""
    scaled = fills.scaled(windows, observed)
    parts = []
    with torch.no_grad():
        for at in range(0, len(windows), CHUNK):
            values, known = torch.from_numpy(scaled.values[at : at + CHUNK]), torch.from_numpy(observed[at : at + CHUNK])
            given = inputs(name, values, known, torch.zeros_like(values), torch.ones(len(values)))
            parts.append(net(given)["reconstruction"].reshape(len(values), -1))
    return np.where(observed, windows, scaled.mv(torch.cat(parts).numpy())).astype(np.float32)


def rows(name: str, net: torch.nn.Module, recipe: recipes.WonheeRecipe, sets: dict[str, tuple[str, ...]]) -> dict[str, dict[str, tuple[float | None, ...]]]:
    """By kind of gap and data set, the measures; the same windows and gaps as WonHEE's."""
    leads = leads_of(with_folds(sets), recipe.input.band_hz)
    cuts = {each: evenly((lead for lead in leads if lead.data_set == each), recipe.input.samples, recipe.measured.windows[each]) for each in sets}
    out: dict[str, dict[str, tuple[float | None, ...]]] = {}
    for number, (kind, hide) in enumerate(gaps.tested(recipe.input.fs_hz).items()):
        for each, cut in cuts.items():
            observed = hide(len(cut.windows), recipe.input.samples, np.random.default_rng((recipe.measured.seed, number)))
            out.setdefault(kind, {})[each] = nearness(filled(name, net, cut.windows, observed), cut.windows, observed, cut.peaks).row
            print(name, kind, each, out[kind][each], flush=True)
    return out


def beside(folder: Path, name: str, minutes: float, found: dict[str, dict[str, tuple[float | None, ...]]]) -> None:
    """Put the rows into the tables of the model, in the place of earlier ones."""
    label = f"{name} (PyPOTS), {minutes:g} min"
    for kind, sets in found.items():
        path = folder / f"measures-{key(kind)}.json"
        table = Measures.model_validate_json(path.read_bytes())
        others = tuple(row for row in table.rows if not row.name.startswith(f"{name} "))
        values = named(sets)
        row = Measured(name=label, runs=(tuple(values[measure.name] for measure in table.measures),))
        path.write_text(table.model_copy(update={"rows": (*others, row), "said": compared((*others, row))}).model_dump_json(indent=1) + "\n")


def main() -> None:
    """Train, measure, write."""
    options = argparse.ArgumentParser()
    options.add_argument("name", choices=("SAITS", "BRITS"))
    options.add_argument("--minutes", type=float, required=True)
    options.add_argument("--folder", type=Path, default=None, help="of the model whose tables get the rows; without it they are printed")
    options.add_argument("--held-out", action="store_true", help="measure on the patients held out instead of those tested")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    recipe = recipes.load("wonhee")
    net = learn(chosen.name, recipe, chosen.minutes)
    found = rows(chosen.name, net, recipe, recipe.held_out if chosen.held_out else recipe.data.tested)
    print(json.dumps(found))
    if chosen.folder:
        beside(chosen.folder, chosen.name, chosen.minutes, found)


if __name__ == "__main__":
    main()
