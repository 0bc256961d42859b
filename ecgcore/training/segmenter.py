"""Training of the segmenter: the paper's four arms on segments of mitdb, then the segmenter at large, which ships, with all that is measured of it."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch

from ecgcore.evaluation.localisation import Located, total
from ecgcore.evaluation.measures import Measures, write_measures
from ecgcore.findings import MapChecks
from ecgcore.inference import segmenter as inference
from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData
from ecgcore.models.ectopy import EctopyNet, Several
from ecgcore.signals import segments
from ecgcore.training import ectopy_runs, loop, processes
from ecgcore.training.ectopy_data import LABELS, Patient, noise_leads, prepare_all, rhythm_ids, without_marks
from ecgcore.training.ectopy_runs import CheckedSegment
from ecgcore.training.export import FreeAxes, export, git_commit
from ecgcore.training.recipes.segmenting import SegmenterRecipe
from ecgcore.training.segment_arms import folds_by_chance, folds_by_patient, run_arms
from ecgcore.training.segmenter_tables import Ran, arm_tables, card_figures, checks_table, localisation_table
from ecgcore.training.segments import segment_set

PROTOCOL: Final = (
    "taught by the classes of segments alone: does it hold a V, does it hold an S; {folds} folds by patient chose the limits, then {seeds} trainings on all of them; "
    "the first of these, named beforehand, ships; DS2 asked once"
)
LIMITS: Final = (
    "S is not established: on DS2 nine S beats in ten have no place, and six places in seven marked S are on none. No place says nothing of S.",
    "Where S beats outnumber N beats they are mostly missed; in atrial fibrillation irregular conducted beats may be marked S.",
    "Aberrantly conducted S beats may be marked V, and F beats may be marked V or not at all.",
    "Looks at one lead. Learned from two-lead ambulatory recordings of adults; paced rhythm, children and other leads: not established.",
    "A place is where the evidence for the class of its segment lies: it is no measurement, and not every ectopic beat has one.",
)


@dataclass(frozen=True, eq=False)
class Trained:
    """The network that ships, those with random weights beside it, and the tables by name."""

    net: EctopyNet
    control: Several
    tables: dict[str, Measures]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What the folds say of patients that their networks have not seen: limits, what was located by data set and label, and checks."""

    limits: dict[str, float]
    located: dict[str, dict[str, Located]]
    checked: tuple[CheckedSegment, ...]

    def write(self, path: Path) -> None:
        """Keep it for a run that goes on."""
        plain = {"limits": self.limits, "located": {name: {label: asdict(one) for label, one in parts.items()} for name, parts in self.located.items()}}
        processes.write_text(path, json.dumps({**plain, "checked": [asdict(one) for one in self.checked]}))

    @classmethod
    def read(cls, path: Path) -> "HeldOut":
        """What `write` wrote."""
        plain = json.loads(path.read_text())
        located = {name: {label: Located(**one) for label, one in parts.items()} for name, parts in plain["located"].items()}
        return cls(plain["limits"], located, tuple(CheckedSegment(one["label"], one["reached"], MapChecks(**one["checks"])) for one in plain["checked"]))


class Stopwatch:
    """Minutes spent on each part in a run's folder, those of the runs it goes on from among them."""

    def __init__(self, run: Path, resume: bool) -> None:
        self.path, self.begun = run / "minutes.json", time.monotonic()
        self.spent: dict[str, float] = json.loads(self.path.read_text()) if resume and self.path.is_file() else {}

    def stop(self, part: str) -> float:
        """Minutes of this part up to now; what comes next is the next part's."""
        self.spent[part] = self.spent.get(part, 0.0) + (time.monotonic() - self.begun) / 60
        self.begun = time.monotonic()
        processes.write_text(self.path, json.dumps(self.spent))
        return self.spent[part]


def parts(recipe: SegmenterRecipe) -> int:
    """How many trainings there are."""
    how = recipe.at_large.optimisation
    return recipe.optimisation.folds * (len(recipe.arms) + len(recipe.arms_by_patient)) + how.patient_folds + how.seeds


def train(recipe: SegmenterRecipe, run: Path, device: str, minutes: float | None, resume: bool) -> tuple[Trained, Card]:
    """Run everything in the folder `run`; the network that ships, with its card (without the hash of its weights). `minutes` are shared out evenly."""
    watch, ran, how = Stopwatch(run, resume), Ran(recipe, loop.accelerator(device)), recipe.at_large
    share = minutes / parts(recipe) if minutes else None
    found = segment_set(recipe.records, recipe.input)
    by_chance = run_arms(recipe, recipe.arms, found, folds_by_chance(found, recipe), run / "arms" / "random", ran.device, share, resume)
    by_patient = run_arms(recipe, recipe.arms_by_patient, found, folds_by_patient(found, recipe), run / "arms" / "patient", ran.device, share, resume)
    tables = arm_tables(ran, found, by_chance, by_patient, watch.stop("arms"))
    patients, others = prepare_all(how.data.trained, how.input), without_marks(how.input, how.rhythms)
    held = held_out(recipe, patients, others, run / "at-large", ran.device, share, resume)
    nets = every_seed(recipe, [*patients, *others], run / "at-large", ran.device, share, resume)
    tested = prepare_all(how.data.tested, how.input)
    maps = [ectopy_runs.mapped(net, tested, how, first_only=True) for net in nets]
    checked = tuple(ectopy_runs.check(nets[0], ectopy_runs.by_chance(how), maps[0], held.limits, how))
    at_large = watch.stop("at large")
    tables["localisation"] = localisation_table(ran, held.limits, maps, at_large)
    tables["checks"] = checks_table(ran, {"held-out patients of DS1 and svdb": held.checked, "DS2": checked}, at_large)
    figures = card_figures(ran, held.located, tables)
    return Trained(nets[0], ectopy_runs.by_chance(how), tables), _card(ran, held.limits, figures, sum(watch.spent.values()))


def held_out(recipe: SegmenterRecipe, patients: Sequence[Patient], others: Sequence[Patient], run: Path, device: str, minutes: float | None, resume: bool) -> HeldOut:
    """A network a fold of patients, asked about the patients it has not seen; the limits are chosen on what all say."""
    how, maps, drawn_by, kept = recipe.at_large, [], [], run / "held-out.json"
    if resume and kept.is_file():
        for k in range(how.optimisation.patient_folds):
            loop.over(run / f"fold{k}")
        return HeldOut.read(kept)
    noise, chance = noise_leads(how.input), ectopy_runs.by_chance(how)
    for k, fold in enumerate(ectopy_runs.folds(patients, how.optimisation.patient_folds)):
        names = {one.name for one in fold}
        training = [*(one for one in patients if one.name not in names), *others]
        net = ectopy_runs.learn(how, training, noise, how.optimisation.seed, run / f"fold{k}", device, minutes, resume, fold)
        maps.append(ectopy_runs.mapped(net, fold, how, first_only=False))
        drawn_by.append(net)
    step_s, everyone = how.input.step / segments.FS_HZ, [one for part in maps for one in part]
    limits = ectopy_runs.choose_limits(everyone, step_s)
    firsts = [[one for one in part if one.lead == 0] for part in maps]
    checked = [one for net, part in zip(drawn_by, firsts, strict=True) for one in ectopy_runs.check(net, chance, part, limits, how)]
    scored = {name: ectopy_runs.score([one for one in everyone if one.patient.name in records], limits, step_s) for name, records in how.data.trained.items()}
    held = HeldOut(limits, {name: {label: total(found) for label, found in parts.items()} for name, parts in scored.items()}, tuple(checked))
    held.write(kept)
    return held


def every_seed(recipe: SegmenterRecipe, patients: Sequence[Patient], run: Path, device: str, minutes: float | None, resume: bool) -> list[EctopyNet]:
    """The networks that learn from all patients, one a seed."""
    how, noise = recipe.at_large, noise_leads(recipe.at_large.input)
    seeds = range(how.optimisation.seed, how.optimisation.seed + how.optimisation.seeds)
    return [ectopy_runs.learn(how, patients, noise, seed, run / f"seed{seed}", device, minutes, resume) for seed in seeds]


def save(trained: Trained, card: Card, folder: Path) -> Card:
    """Write ONNX, control, safetensors, card and tables into a folder; the card with the hashes."""
    example = (torch.randn(2, segments.CHANNELS, card.input.samples),)  # a length of 1 would be baked in
    free: FreeAxes = {0: "batch", 2: ("blocks", math.prod(trained.net.strides))}
    card = export(trained.net, example, ("segments",), inference.OUTPUTS, (free,), card, folder, trained.control)
    for name, table in trained.tables.items():
        write_measures(table, folder, name)
    return card


def _card(ran: Ran, limits: dict[str, float], figures: tuple[Figure, ...], minutes: float) -> Card:
    recipe, how = ran.recipe, ran.recipe.at_large
    return Card(
        name=recipe.name, version=recipe.version, task=inference.TASK,
        input=InputSpec(
            leads="any", fs_hz=segments.FS_HZ, samples=how.input.samples, before_samples=0, units="mV", scaling="over the usual range of the lead nearby, arcsinh",
            band_hz=how.input.band_hz, features=segments.TIMING, windowing="segments",
        ),
        classes=LABELS, thresholds=limits,
        training=TrainingData(
            trained={**how.data.trained, **({"cinc2017": tuple(sorted(rhythm_ids(how.rhythms)))} if how.rhythms else {})},
            held_out=how.data.trained, left_out=how.data.left_out, protocol=PROTOCOL.format(folds=how.optimisation.patient_folds, seeds=how.optimisation.seeds),
            augmentation=how.augmentation.model_dump_json(), seed=how.optimisation.seed,
        ),
        figures=figures, sha256="0" * 64, git_commit=git_commit(), device=ran.device, minutes=round(minutes, 1), limits=LIMITS,
        intended_use="Points a physician to stretches of one lead that look like ventricular or supraventricular ectopic beats. "
        "Each place carries two checks; where one fails it is not to be shown.",
    )  # fmt: skip
