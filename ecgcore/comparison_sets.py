"""The patients that models are compared on: DS2 of mitdb, svdb held out, and this site's own; and what a model has learned from among them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from ecgcore import data
from ecgcore.errors import DataError, ModelError
from ecgcore.evaluation.beats import EC57_PROTOCOL
from ecgcore.evaluation.ec57_marks import START_S
from ecgcore.fingerprints import NEEDED, Fingerprints
from ecgcore.inference import cards
from ecgcore.inference.cards import Card
from ecgcore.record import Annotation
from ecgcore.site import HELD_OUT, SiteData, SiteRecord

ALL_LEADS: Final = "; leads: all"
PROTOCOL: Final = EC57_PROTOCOL + ALL_LEADS  # as on cards
SHORT_S: Final = 600.0  # a site's recording shorter than this counts from its beginning
SITE_PROTOCOL: Final = f"{EC57_PROTOCOL}; recordings shorter than {SHORT_S / 60:g} minutes count whole; the beats as signed are the reference{ALL_LEADS}"
PUBLIC: Final = {"mitdb": ("mitdb DS2", "mitdb ds2, by patient", data.DS2), "svdb": ("svdb held out", "svdb held out, by patient", data.SVDB_HELD_OUT)}
ONE_PATIENT: Final = {"mitdb": {"201": "202"}}  # a record of another split, and that of the same patient here
SITE: Final = "site "  # with a number, what cards call a version of this site's data set

Learned: TypeAlias = Mapping[str, frozenset[str]]
Copies: TypeAlias = Mapping[tuple[str, str], frozenset[str]]


@dataclass(frozen=True, eq=False)
class Read:
    """A recording with its reference, compared from `start_s` on."""

    patient: str
    labelled: data.LabelledBeats
    reference: Annotation
    start_s: float


@dataclass(frozen=True, eq=False)
class PatientSet:
    """Patients to compare on: records of a public set, one a patient, or this site's held-out ones.

    source  the set as cards name it; None for this site's
    """

    name: str
    split: str
    protocol: str
    patients: tuple[str, ...]
    source: str | None
    own: tuple[SiteRecord, ...] = ()
    caveats: tuple[str, ...] = ()

    @property
    def n_records(self) -> int:
        """Recordings that `read` gives."""
        return len(self.own) or len(self.patients)

    def read(self) -> Iterator[Read]:
        """Its recordings, one at a time."""
        if self.source is None:
            for one in self.own:
                signed = Annotation.of("signed", one.labelled.samples, one.labelled.labels)
                yield Read(one.patient, one.labelled, signed, 0.0 if one.labelled.record.duration_s < SHORT_S else START_S)
            return
        for labelled in data.load_all(data.locate(self.source), self.patients):
            yield Read(labelled.record.name, labelled, labelled.record.annotation("atr"), START_S)

    def learned(self, learned: Learned, copies: Copies) -> tuple[str, ...]:
        """Those of its patients that a model which has learned so has learned from; of this site's patients by `copies` of public records too."""
        if self.source is not None:
            names = learned.get(self.source, frozenset())
        else:
            own = [those for name, those in learned.items() if name.startswith(SITE)]
            names = frozenset().union(*own, *(copies.get((name, record), frozenset()) for name, records in learned.items() for record in records))
        return tuple(patient for patient in self.patients if patient in names)


def sets(site: SiteData | None) -> tuple[tuple[PatientSet, ...], tuple[str, ...]]:
    """The sets at hand, and in words which are not."""
    there, caveats = [], []
    for source in PUBLIC:
        found, said = _public(source)
        there += [found] if found else []
        caveats += [said] if said else []
    held_out = site.of(HELD_OUT) if site else ()
    if site and held_out:
        patients = tuple(sorted({record.patient for record in held_out}))
        there.append(PatientSet(site.name, f"{site.name} held out, by patient", SITE_PROTOCOL, patients, None, held_out))
    elif site:
        caveats.append(f"Version {site.number} of this site's data set holds out no patient.")
    return tuple(there), tuple(caveats)


def _public(source: str) -> tuple[PatientSet | None, str]:
    """A public set, as far as it is on this machine; where it is not, how to get it."""
    name, split, wanted = PUBLIC[source]
    try:
        there = data.record_ids(data.locate(source))
    except DataError:
        there = ()
    records = tuple(record for record in wanted if record in there)
    if not records:
        return None, f"{name} is left out: {source} is not on this machine; get it with: python -m ecgcore data get {source}."
    if records == wanted:
        return PatientSet(name, split, PROTOCOL, records, source), ""
    few = f"Only {len(records)} of its {len(wanted)} records are on this machine ({', '.join(records)}); get the others with: python -m ecgcore data get {source}."
    return PatientSet(name, f"{split}, {len(records)} of {len(wanted)} records", PROTOCOL, records, source, caveats=(few,)), ""


def learned_from(card: Card) -> tuple[Learned, str]:
    """Records or patients by data set that a model has learned from, or a model it was fine-tuned from; and in words what of that is not known."""
    found: dict[str, set[str]] = defaultdict(set)
    seen: set[str] = set()
    unknown = ""
    while card.id not in seen:
        seen.add(card.id)
        for name, records in card.training.trained.items():
            found[name].update(records, (same for other, same in ONE_PATIENT.get(name, {}).items() if other in records))
        if card.parent is None:
            break
        try:
            card = cards.read_card(cards.find(card.parent))
        except ModelError:
            unknown = f"{card.id} was fine-tuned from {card.parent}, which is not on this machine: whom that one learned from is not known."
            break
    return {name: frozenset(records) for name, records in found.items()}, unknown


def said_of_learning(new: Card, current: Card, compared: PatientSet) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Whom the new and the current model have learned from among a set's patients, and what a reader must know of that."""
    (ours, unknown), (theirs, also_unknown) = learned_from(new), learned_from(current)
    copies, unchecked = _copies(compared, (ours, theirs))
    by_new, by_current = compared.learned(ours, copies), compared.learned(theirs, copies)
    said = [_favours(new.id, current.id, by_new, by_current, len(compared.patients))]
    for card, learned in ((new, by_new), (current, by_current)):
        if card.parent and learned:
            said.append(f"{card.id} was fine-tuned from {card.parent}, so that it has learned from whom that one has.")
        chosen = set(compared.learned({name: frozenset(records) for name, records in card.training.held_out.items()}, copies)) - set(learned)
        if chosen:
            said.append(f"{card.id} was chosen, in its epochs, calibration or thresholds, by looking at {len(chosen)} of these patients.")
    return by_new, by_current, tuple(dict.fromkeys(filter(None, (*said, unknown, also_unknown, *unchecked))))


def _copies(compared: PatientSet, learned: Iterable[Learned]) -> tuple[Copies, tuple[str, ...]]:
    """Which public records that models have learned from are in this site's recordings, by data set and record the patients; and in words what could not be looked at."""
    if not compared.own:
        return {}, ()
    known = Fingerprints.of({str(number): one.labelled.record for number, one in enumerate(compared.own)})
    found: dict[tuple[str, str], frozenset[str]] = {}
    unchecked = []
    for name in sorted({name for by in learned for name in by if name in data.PHYSIONET}):
        wanted = sorted(frozenset().union(*(by.get(name, frozenset()) for by in learned)))
        try:
            folder = data.locate(name)
        except DataError:
            unchecked.append(f"Whether a copy of a record of {name} that was learned from is among this site's could not be looked at: {name} is not on this machine.")
            continue
        for record in sorted(set(wanted) & set(data.record_ids(folder))):
            hits = known.hits(data.load_beats(folder, record).record)
            found[name, record] = frozenset(compared.own[int(place)].patient for place in np.flatnonzero(hits >= NEEDED))
    return found, tuple(unchecked)


def _favours(new: str, current: str, by_new: tuple[str, ...], by_current: tuple[str, ...], n: int) -> str:
    if not by_new and not by_current:
        return f"Neither {new} nor {current} names any of these {n} patients among those it learned from."
    if by_new == by_current:
        return f"Both have learned from {len(by_new)} of these {n} patients: the figures are better than on patients they have never seen."
    if not by_new:
        return f"{current} learned from {len(by_current)} of these {n} patients, {new} from none of them; the comparison favours {current}."
    if not by_current:
        return f"{new} learned from {len(by_new)} of these {n} patients, {current} from none of them; the comparison favours {new}, and a gain here does not count."
    unfair = "" if set(by_new) <= set(by_current) else " A gain here does not count."
    return f"{new} learned from {len(by_new)} of these {n} patients, {current} from {len(by_current)}, not the same.{unfair}"
