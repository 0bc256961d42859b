"""The recordings from which rhythms are learned: every public source, its patients, the fifth that each patient is in, and what its labels allow.

A patient is in one fifth. PTB-XL's are its official folds, two by two; elsewhere the patient's id decides. Where a source says "sinus" and no more,
the ventricular rate narrows it (`rhythm_labels.narrowed`).
"""

import ast
import csv
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import data
from ecgcore.errors import DataError
from ecgcore.readers import read
from ecgcore.record import Record
from ecgcore.signals import detection
from ecgcore.signals.resampling import filled, resample
from ecgcore.training import chapman_records, sph_records
from ecgcore.training.rhythm_labels import VOCABULARIES, allowed, narrowed

SETS: Final = ("chapman-samples", "ptbxl", "cinc2021-samples", "cinc2017", "ludb", "mitdb")
FIFTHS: Final = 5
WINDOW_S: Final = 10.0
SAME_PATIENT: Final = {"202": "201"}  # of mitdb
# The parts of the 2020 and 2021 challenges by how their records are called; of JS, Chapman-Shaoxing gave the first and Ningbo the rest.
PARTS: Final = {"A": "cpsc", "Q": "cpsc-extra", "I": "incart", "S": "ptb", "HR": "ptbxl", "E": "georgia", "JS": "chapman"}
CHAPMAN_RECORDS: Final = 10_646
LEAST_BEATS: Final = 3  # two intervals, for a rate


@dataclass(frozen=True, eq=False)
class Labelled:
    """A record, or a stretch of one, of at least WINDOW_S but for a few shorter recordings, and the rhythms that its labels allow.

    source     whose labels they are: chapman, ningbo, georgia, cpsc, cpsc-extra, ptb, incart, ptbxl, sph, cinc2017, ludb, mitdb
    patient    id over all sources
    fold       the fifth that the patient is in, 0 to 4
    allowed    of RHYTHMS; empty where the labels teach nothing of these
    challenge  label of the 2017 challenge (N, A, O, ~); empty elsewhere
    """

    source: str
    name: str
    patient: str
    fold: int
    record: Record
    start_s: float
    stop_s: float
    allowed: frozenset[str]
    challenge: str = ""

    @property
    def teaches(self) -> bool:
        """Whether there is anything to learn from it."""
        return bool(self.allowed or self.challenge)

    def mv(self, leads: Iterable[str] | None = None) -> NDArray[np.float32]:
        """The stretch in mV, (n_leads, n) float32 at the record's rate, NaN where missing."""
        fs_hz = self.record.fs_hz
        return self.record.mv(leads, round(self.start_s * fs_hz), min(round(self.stop_s * fs_hz), self.record.n_samples))


def load_all(sets: Iterable[str] = SETS, mitdb_records: Sequence[str] = data.DS1) -> Iterator[Labelled]:
    """Every recording of these data sets, one at a time, those that teach nothing among them.

    PTB-XL's records in the challenge's form are left out where PTB-XL itself is among the sets. Raises DataError for a set that is not there or not known.
    """
    sets = tuple(sets)
    without = ("ptbxl",) if "ptbxl" in sets else ()
    loaders: dict[str, Callable[[Path], Iterator[Labelled]]] = {
        "chapman": load_chapman,
        "cinc2017": load_cinc2017,
        "cinc2020": lambda folder: load_challenge(folder, without),
        "cinc2021": lambda folder: load_challenge(folder, without),
        "ludb": load_ludb,
        "mitdb": lambda folder: load_mitdb(folder, mitdb_records),
        "ptbxl": load_ptbxl,
    }
    for name in sets:
        if name.removesuffix("-samples") not in loaders:
            raise DataError(f"no rhythms can be learned from {name!r}; they can from {', '.join(loaders)}")
        yield from loaders[name.removesuffix("-samples")](data.locate(name))


def load_chapman(folder: Path) -> Iterator[Labelled]:
    """Chapman-Shaoxing as figshare publishes it, or in the WFDB form; the patients' ids are the same."""
    if not (folder / chapman_records.TABLE).is_file():
        yield from load_challenge(folder)
        return
    for one in chapman_records.load(folder):
        yield labelled("chapman", one.id, one.record, "chapman", [one.rhythm])


def load_challenge(folder: Path, without: Sequence[str] = ()) -> Iterator[Labelled]:
    """The 2020 and 2021 challenges: `.hea` and `.mat` in the folder or below it, codes in the header; and the Shandong set where its table is there.

    `without` names sources to leave out. Challenge records name no patient, so each is taken as one.
    """
    headers = sorted(folder.rglob("*.hea"), key=lambda path: path.stem)
    if not headers and not (folder / sph_records.TABLE).is_file():
        raise DataError(f"no header (.hea) in {folder} or below it, where the records of the 2020 and 2021 challenges should be")
    for path in headers:
        source = part_of(path.stem)
        if source not in without:
            record = read(path)
            yield labelled(source, path.stem, record, f"{source}/snomed", codes(record))
    if (folder / sph_records.TABLE).is_file() and "sph" not in without:
        for patient, stated, record in sph_records.load(folder):
            yield labelled("sph", patient, record, "sph/snomed", stated)


def load_cinc2017(folder: Path) -> Iterator[Labelled]:
    """The 2017 challenge, all four labels, in the folder or below it; each recording is taken as a patient of its own."""
    headers = {path.stem: path for path in sorted(folder.rglob("A*.hea"), reverse=True)}
    for name, label in data.rhythm_labels(folder).items():
        if name not in headers:
            raise DataError(f"no {name}.hea in {folder}, which its labels name")
        yield labelled("cinc2017", name, read(headers[name]), "cinc2017", [label], challenge=label)


def load_ludb(folder: Path) -> Iterator[Labelled]:
    """LUDB: 200 patients, rhythm and pacing in `ludb.csv`."""
    for line in rows(folder / "ludb.csv"):
        labels = [label.strip() for label in line["Rhythms"].splitlines()] + (["Pacing"] if line["Cardiac pacing"].strip() else [])
        yield labelled("ludb", line["ID"].strip(), read(folder / "data" / line["ID"].strip()), "ludb", labels)


def load_ptbxl(folder: Path) -> Iterator[Labelled]:
    """PTB-XL at 500 Hz: the records of `ptbxl_database.csv`, by its patients and official folds."""
    for line in rows(folder / "ptbxl_database.csv"):
        fold = (int(float(line["strat_fold"])) - 1) // 2
        yield labelled("ptbxl", str(int(float(line["patient_id"]))), read(folder / line["filename_hr"]), "ptbxl", ast.literal_eval(line["scp_codes"]), fold=fold)


def load_mitdb(folder: Path, names: Sequence[str] = data.DS1) -> Iterator[Labelled]:
    """The rhythm spans of these records of mitdb cut into windows of WINDOW_S, each within one span; the rate is that of the reference beats."""
    for name in names:
        beats = data.load_beats(folder, name)
        record = beats.record
        for label, first, stop in _spans(record):
            stated = allowed("mitdb", [label])
            for start in np.arange(first, stop - WINDOW_S + 1e-9, WINDOW_S).tolist():
                inside = beats.samples[(beats.samples >= start * record.fs_hz) & (beats.samples < (start + WINDOW_S) * record.fs_hz)]
                patient, rhythms = SAME_PATIENT.get(name, name), narrowed(stated, _rate_bpm(inside / record.fs_hz))
                yield Labelled("mitdb", f"{name}@{start:.0f}", f"mitdb:{patient}", fifth(f"mitdb:{patient}"), record, start, start + WINDOW_S, rhythms)


def labelled(source: str, patient: str, record: Record, vocabulary: str, labels: Iterable[str], *, fold: int | None = None, challenge: str = "") -> Labelled:
    """A whole record; its rhythms are narrowed by the rate measured in it where its source does not say the rate's class."""
    whose, rhythms = f"{source}:{patient}", allowed(vocabulary, labels)
    if len(rhythms) > 1 and not VOCABULARIES[vocabulary].says_rate:
        rhythms = narrowed(rhythms, rate_bpm(record))
    return Labelled(source, record.name, whose, fifth(whose) if fold is None else fold, record, 0.0, record.duration_s, rhythms, challenge)


def rate_bpm(record: Record) -> float:
    """Ventricular rate per minute over a whole record, from the median interval of the beats detected in all its leads; NaN with fewer than LEAST_BEATS."""
    leads = np.stack([resample(filled(lead), record.fs_hz, detection.FS_HZ) for lead in record.mv()])
    return _rate_bpm(detection.detect(leads) / detection.FS_HZ)


def fifth(patient: str) -> int:
    """The fifth (0 to 4) of a patient by id, the same on every machine."""
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") % FIFTHS


def part_of(name: str) -> str:
    """The source of a record of the challenges by what it is called. Raises DataError for another."""
    found = re.fullmatch(r"([A-Z]+)(\d+)", name)
    if found is None or found[1] not in PARTS:
        raise DataError(f"{name!r} is no record of the 2020 or 2021 challenge; theirs begin with {', '.join(PARTS)}")
    return "ningbo" if found[1] == "JS" and int(found[2]) > CHAPMAN_RECORDS else PARTS[found[1]]


def codes(record: Record) -> tuple[str, ...]:
    """The codes of the diagnoses in a header of the challenges: "Dx: 426783006,…". Raises DataError where it has none."""
    stated = next((comment.partition(":")[2] for comment in record.comments if comment.strip().startswith("Dx:")), None)
    if stated is None:
        raise DataError(f"the header of {record.name} has no line Dx, in which a record of the challenges states its diagnoses")
    return tuple(code.strip() for code in stated.split(",") if code.strip())


def rows(table: Path) -> list[dict[str, str]]:
    """Lines of a table by its column names. Raises DataError where it is not there."""
    if not table.is_file():
        raise DataError(f"no {table.name} in {table.parent}, which has the labels of that set")
    with table.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def _spans(record: Record) -> list[tuple[str, float, float]]:
    """Label, start and stop in s of each rhythm marked in a record of mitdb."""
    marks = record.annotation("atr")
    changes = [(note.rstrip("\0"), sample / record.fs_hz) for note, sample in zip(marks.notes, marks.samples.tolist(), strict=True) if note.startswith("(")]
    return [(label, start, stop) for (label, start), (_, stop) in pairwise([*changes, ("", record.duration_s)])]


def _rate_bpm(peaks_s: NDArray[np.float64]) -> float:
    return float(60 / np.median(np.diff(peaks_s))) if peaks_s.size >= LEAST_BEATS else float("nan")
