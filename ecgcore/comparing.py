"""A new model against the current one, on patients that none should have learned from; other models than those of beats by their cards."""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from ecgcore import settings
from ecgcore.analysis import analyze, classify
from ecgcore.comparison_sets import ALL_LEADS, PatientSet, Read, said_of_learning, sets
from ecgcore.errors import InputError, ModelError
from ecgcore.evaluation.beats import LEFT_OUT, REFERENCE_PROTOCOL
from ecgcore.evaluation.card_comparison import NOTHING_IN_COMMON, WELCH, compare_cards
from ecgcore.evaluation.comparison import DECIDING, FIGURES, INTERVAL, MARGIN, Answers, Comparison, Patient, SetComparison, compare_set, overall, refusals, together
from ecgcore.evaluation.ec57 import compare_beats
from ecgcore.findings import AAMI_CLASSES, AAMI_OF_MIT, Beats
from ecgcore.inference import beats as beat_models
from ecgcore.inference import cards
from ecgcore.inference.cards import Card, Figure
from ecgcore.progress import Progress, silent
from ecgcore.record import Annotation
from ecgcore.revision import git_commit
from ecgcore.site import SiteData

CLASS_OF: Final = {"QRS": "N", "VEB": "V", "SVEB": "S"}  # that both models must have for a figure to be compared
ECE: Final = "calibration error (ECE), gross"


def compare_models(new: str, current: str, *, site: SiteData | None = None, progress: Progress | None = None) -> Comparison:
    """Two models of one task, "name" or "name@version": beat models on the public sets at hand and the site's held-out patients, others by their cards.

    Raises InputError for models that do not fit, or where there is no set to compare on, ModelError for a model that is not there.
    """
    begun, tell, ours, theirs = time.monotonic(), progress or silent, cards.read_card(cards.find(new)), cards.read_card(cards.find(current))
    task = _task(ours, theirs)
    of_beats = task == beat_models.TASK
    compared, caveats = _on_sets(ours, theirs, site, tell) if of_beats else _on_cards(ours, theirs)
    tell(1.0, "done")
    return Comparison(
        new=ours.id, current=theirs.id, new_sha256=ours.sha256, current_sha256=theirs.sha256, task=task, site=site.number if site else None, sets=compared,
        verdict=overall(compared, DECIDING if of_beats else None), margin=MARGIN, interval=INTERVAL if of_beats else WELCH, refusals=refusals(compared) if of_beats else (),
        caveats=caveats, command=f"python -m ecgcore compare {ours.id} {theirs.id}{f' --site {site.number}' if site else ''}",
        git_commit=git_commit(), minutes=round((time.monotonic() - begun) / 60, 2),
    )  # fmt: skip


def figures(comparison: Comparison, new: bool = True) -> tuple[Figure, ...]:
    """What was measured of the new model, or of the current one, as it stands on a card; nothing of sets whose patients it has learned from."""
    made: list[Figure] = []
    for one in comparison.sets:
        calibration = one.calibration_new if new else one.calibration_current
        if calibration is None or (one.learned_new if new else one.learned_current):
            continue
        values = [(f"{figure.name}, gross", figure.new if new else figure.current, one.protocol) for figure in one.figures]
        values.append((ECE, calibration.ece, one.reference_protocol or ""))
        made += [Figure(name=name, value=value, spread=None, n=1, protocol=how, split=one.split, command=comparison.command) for name, value, how in values]
    return tuple(made)


def onto_card(comparison: Comparison) -> Card:
    """Write what was measured of the new model onto its card, in place of what stood there under the same name, protocol and split; the card.

    A shipped model's card stays as it is. Raises ModelError where the model is no longer the one compared.
    """
    folder, measured = cards.find(comparison.new), figures(comparison)
    card = cards.read_card(folder)
    if card.sha256 != comparison.new_sha256:
        raise ModelError(f"the weights of {card.id} have sha256 {card.sha256[:12]}…, those that were compared {comparison.new_sha256[:12]}…; compare it anew")
    if folder.is_relative_to(settings.SHIPPED_WEIGHTS) or not measured:
        return card
    anew = {(figure.name, figure.protocol, figure.split) for figure in measured}
    kept = tuple(figure for figure in card.figures if (figure.name, figure.protocol, figure.split) not in anew)
    card = card.model_copy(update={"figures": (*kept, *measured)})
    cards.write_card(card, folder)
    return card


def _task(new: Card, current: Card) -> str:
    """What both are for. Raises InputError where that is not the same, or their classes do not compare."""
    if {new.task, current.task} <= set(beat_models.TASKS):
        ectopic = [{"S", "V"} & set(card.classes) for card in (new, current)]
        if ectopic[0] != ectopic[1]:
            raise InputError(f"{new.id} knows {', '.join(new.classes)}, {current.id} {', '.join(current.classes)}; beat models compare that know the same of S and V")
        return beat_models.TASK
    if new.task != current.task:
        raise InputError(f"{new.id} is a model for {new.task!r}, {current.id} one for {current.task!r}; two models of one task compare")
    if set(new.classes) != set(current.classes):
        raise InputError(f"{new.id} knows {', '.join(new.classes)}, {current.id} {', '.join(current.classes)}; models for {new.task!r} compare that know the same classes")
    return new.task


def _on_cards(new: Card, current: Card) -> tuple[tuple[SetComparison, ...], tuple[str, ...]]:
    """Both models by the figures on their cards, and whether there are any."""
    compared = compare_cards(new, current)
    return compared, () if compared else (f"{new.id} and {current.id}: {NOTHING_IN_COMMON}.",)


def _on_sets(new: Card, current: Card, site: SiteData | None, tell: Progress) -> tuple[tuple[SetComparison, ...], tuple[str, ...]]:
    """Both models on each set there is, and what of all of them must be known."""
    there, caveats = sets(site)
    if not there:
        raise InputError(f"there is nothing to compare {new.id} and {current.id} on: {' '.join(caveats)}")
    common = tuple(name for name in AAMI_CLASSES if name in new.classes and name in current.classes)
    lacking = [name for name in AAMI_CLASSES if name not in common]
    if lacking:
        caveats = (*caveats, f"Beats of class {' or '.join(lacking)} are left out of McNemar's test, of calibration and of the share called right: not both models have it.")
    compared, total, done = [], sum(one.n_records for one in there), 0
    for one in there:
        records: dict[str, list[tuple[Answers, Answers]]] = defaultdict(list)
        for read in one.read():
            tell(done / total, f"{one.name}: {read.labelled.record.name}")
            records[read.patient].append(_answers(read, new, current, common))
            done += 1
        compared.append(_set(one, records, new, current, common))
    return tuple(compared), caveats


def _set(one: PatientSet, records: dict[str, list[tuple[Answers, Answers]]], new: Card, current: Card, common: Sequence[str]) -> SetComparison:
    patients = [Patient(name, together([ours for ours, _ in both]), together([theirs for _, theirs in both])) for name, both in records.items()]
    told = [figure for figure in FIGURES if CLASS_OF[figure.partition(" ")[0]] in common]
    by_new, by_current, said = said_of_learning(new, current, one)
    protocols = (one.protocol, REFERENCE_PROTOCOL + ("" if set(common) == set(AAMI_CLASSES) else LEFT_OUT) + ALL_LEADS)
    return compare_set(one.name, one.split, protocols, patients, told, (by_new, by_current), (*one.caveats, *said))


def _answers(read: Read, new: Card, current: Card, classes: Sequence[str]) -> tuple[Answers, Answers]:
    """What both models make of a recording. Its beats are found once, for where they lie does not depend on the model."""
    record, samples = read.labelled.record, read.labelled.samples
    found = analyze(record, model=current.id, rhythm_model=None).beats
    return (
        _answered(read, classify(record, found.samples, model=new.id), classify(record, samples, model=new.id), classes),
        _answered(read, found, classify(record, samples, model=current.id), classes),
    )


def _answered(read: Read, found: Beats, given: Beats, classes: Sequence[str]) -> Answers:
    """One model's answers: on the beats `found` in the raw record after EC57, on those `given` one by one, where their class is one of these."""
    counts = compare_beats(read.reference, Annotation.of("leadwise", found.samples, found.labels), read.labelled.record.fs_hz, start_s=read.start_s, classes=AAMI_OF_MIT)
    reference = np.asarray(read.labelled.labels, "<U1")
    counted = np.isin(reference, classes)
    likeliest = np.asarray(given.classes, "<U1")[given.probabilities.argmax(axis=1)]
    return Answers(counts, (np.asarray(given.labels, "<U1") == reference)[counted], (likeliest == reference)[counted], given.probabilities.max(axis=1)[counted])
