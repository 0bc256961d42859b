"""A recording is known again by its samples, whatever became of its name, format, leads and length."""

from dataclasses import replace

import numpy as np
import pytest

from ecgcore import demo, fingerprints, readers, writers
from ecgcore.errors import DataError
from ecgcore.fingerprints import EVERY_S, WINDOW, Fingerprints, signal_sha256
from ecgcore.record import Record, missing_code

FS_HZ = 128.0


def recording(seed: int, duration_s: float = 60.0) -> Record:
    """Two leads at 200 steps per mV, as those of the MIT-BIH sets."""
    rng = np.random.default_rng(seed)
    beats = [(float(at_s), "N") for at_s in np.cumsum(rng.uniform(0.6, 1.1, 200)) if at_s < duration_s - 1]
    mv = demo.synthesise(beats, duration_s, ("II", "V1"), FS_HZ, noise_mv=0.03, seed=seed)
    record = demo.record_of(f"one {seed}", mv, beats, ("II", "V1"), FS_HZ)
    adc = np.rint(mv * 200).astype(np.int16) + np.int16(1024)
    return replace(record, adc=adc, gain=np.full(2, 200.0), baseline=np.full(2, 1024.0))


def part(record: Record, start_s: float, duration_s: float, leads: tuple[str, ...] = ("II", "V1")) -> Record:
    rows = [record.leads.index(lead) for lead in leads]
    first = round(start_s * record.fs_hz)
    adc = record.adc[rows, first : first + round(duration_s * record.fs_hz)].copy()
    return replace(record, name="x", adc=adc, gain=record.gain[rows], baseline=record.baseline[rows], leads=leads)


def through(record: Record, extension: str, folder) -> Record:
    """A record written and read again."""
    out = folder / f"other{extension}"
    writers.write(record, out, ())
    return readers.read(out)


def scaled(record: Record, by: float) -> Record:
    return replace(record, gain=record.gain / by)


@pytest.fixture(scope="module")
def originals() -> dict[str, Record]:
    return {f"p{seed}": recording(seed) for seed in range(3)}


@pytest.fixture(scope="module")
def known(originals) -> Fingerprints:
    return Fingerprints.of(originals)


ALTERED = {
    "itself": lambda record, _: record,
    "30 s": lambda record, _: part(record, 17.3, 30),
    "30 s of one lead": lambda record, _: part(record, 11.1, 30, ("V1",)),
    "leads in another order, renamed": lambda record, _: replace(part(record, 0, 60, ("V1", "II")), leads=("A", "B")),
    "EDF": lambda record, folder: through(record, ".edf", folder),
    "CSV": lambda record, folder: through(record, ".csv", folder),
    "WFDB": lambda record, folder: through(record, ".hea", folder),
    "30 s of one lead as CSV": lambda record, folder: through(part(record, 29, 30, ("II",)), ".csv", folder),
    "another baseline, in 1 µV": lambda record, _: replace(record, adc=record.adc.astype(np.int32) * 5, gain=np.full(2, 1000.0), baseline=np.array([77.3, -5.0])),
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
def test_a_copy_or_part_is_known_again(originals, known, alter, tmp_path):
    assert known.whose(alter(originals["p1"], tmp_path)) == "p1"


def test_another_recording_is_not(originals, known):
    assert known.whose(recording(9)) == ""
    assert known.hits(recording(9)).tolist() == [0, 0, 0]
    hits = known.hits(originals["p2"])
    assert (hits.tolist()[:2], hits[2]) == ([0, 0], known.counts[2])
    assert Fingerprints.of({}).whose(originals["p1"]) == ""


def test_one_fingerprint_is_not_enough(originals, known):
    once = part(originals["p0"], 0, EVERY_S, ("II",))
    assert (known.hits(once).tolist(), known.whose(once)) == ([1, 0, 0], "")
    assert known.whose(part(originals["p0"], 0, 3 * EVERY_S, ("II",))) == "p0"


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda record: scaled(record, 1.1), id="scaled"),
        pytest.param(lambda record: scaled(record, -1), id="upside down"),
        pytest.param(lambda record: replace(record, adc=record.adc[:, ::2].copy(), fs_hz=FS_HZ / 2), id="every other sample"),
    ],
)
def test_what_is_said_not_to_be_known_again(originals, known, alter):
    assert known.whose(alter(originals["p1"])) == ""


def test_missing_samples_and_nothing_at_all(originals, known):
    original = originals["p1"]
    holes = original.adc.copy()
    holes[:, 1000:1500] = missing_code(holes.dtype)
    gapped = replace(original, adc=holes)
    assert 4 <= known.hits(gapped)[1] < known.counts[1]
    assert Fingerprints.of({"gapped": gapped}).hits(original)[0] == Fingerprints.of({"gapped": gapped}).counts[0]  # nothing was kept of the gap's ends
    for adc in (np.full_like(original.adc, missing_code(holes.dtype)), np.zeros_like(original.adc), original.adc[:, :1], original.adc[:, :WINDOW]):
        nothing = replace(original, adc=adc)
        assert Fingerprints.of({"nothing": nothing}).counts.tolist() == [0]
        assert known.whose(nothing) == ""
        assert len(signal_sha256(nothing)) == 64
    assert known.whose(replace(original, gain=np.full(2, 1e-300))) == ""  # infinite in mV


def test_pieces_change_nothing(originals, known, monkeypatch):
    before = known.hits(originals["p1"]).tolist(), signal_sha256(originals["p1"])
    monkeypatch.setattr(fingerprints, "_PIECE", 1000)
    assert (known.hits(originals["p1"]).tolist(), signal_sha256(originals["p1"])) == before
    np.testing.assert_array_equal(Fingerprints.of(originals).hashes, known.hashes)


def test_every_window_has_a_hash_of_its_own_content(originals):
    steps = np.diff(originals["p0"].adc[0].astype(np.int64))[:500]
    hashes = fingerprints._rolling(steps)
    assert (len(hashes), len(set(hashes.tolist()))) == (500 - WINDOW + 1, 500 - WINDOW + 1)
    assert hashes[123] == fingerprints._rolling(steps[123 : 123 + WINDOW])[0]
    other = steps.copy()
    other[200] += 1
    differ = np.flatnonzero(fingerprints._rolling(other) != hashes)
    assert (differ[0], differ[-1], len(differ)) == (200 - WINDOW + 1, 200, WINDOW)


def test_what_is_saved_is_read_back_and_holds_no_signal(known, tmp_path):
    known.save(tmp_path / "known.npz")
    back = Fingerprints.load(tmp_path / "known.npz")
    assert back.names == known.names
    np.testing.assert_array_equal(back.counts, known.counts)
    np.testing.assert_array_equal(back.hashes, known.hashes)
    with np.load(tmp_path / "known.npz") as file:
        assert {name: file[name].size for name in file} == {"names": 3, "counts": 3, "hashes": 3 * 2 * 10}


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(None, id="no file"),
        pytest.param(b"PK nothing", id="no archive"),
        pytest.param({"names": np.array(["a"])}, id="no hashes"),
        pytest.param({"names": np.array(["a"]), "counts": np.array([2]), "hashes": np.zeros(3, np.uint64)}, id="counts that do not fit"),
        pytest.param({"names": np.array(["a"]), "counts": np.array([3]), "hashes": np.zeros(3)}, id="hashes that are floats"),
        pytest.param({"names": np.array(["a"], object), "counts": np.array([0]), "hashes": np.zeros(0, np.uint64)}, id="a pickle"),
    ],
)
def test_a_file_that_is_none_is_refused(held, tmp_path):
    path = tmp_path / "known.npz"
    if isinstance(held, bytes):
        path.write_bytes(held)
    elif held is not None:
        np.savez(path, **held)
    with pytest.raises(DataError, match=r"known\.npz"):
        Fingerprints.load(path)


SAME = [name for name in ALTERED if not name.startswith("30 s")]


@pytest.mark.parametrize("name", SAME)
def test_one_signal_has_one_hash(originals, name, tmp_path):
    assert signal_sha256(ALTERED[name](originals["p1"], tmp_path)) == signal_sha256(originals["p1"])


def test_another_signal_has_another(originals):
    original = originals["p1"]
    moved = original.adc.copy()
    moved[1, 300] += 1
    others = [
        originals["p2"],
        part(original, 0, 60, ("II",)),
        part(original, 0, 59),
        replace(original, fs_hz=250.0),
        replace(original, adc=moved),
        scaled(original, 2),
    ]
    assert len({signal_sha256(record) for record in (original, *others)}) == 1 + len(others)
