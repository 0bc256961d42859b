from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import edfio
import numpy as np
import pytest

from ecgcore.errors import InputError
from ecgcore.readers import read
from ecgcore.record import Annotation, Patient, Record
from ecgcore.writers import write

MakeRecord = Callable[..., Record]


def steps(one: Record, other: Record) -> float:
    """Largest difference in steps of the first record; both miss the same samples."""
    np.testing.assert_array_equal(np.isnan(one.mv()), np.isnan(other.mv()))
    return float(np.nanmax(np.abs(one.mv() - other.mv()) * np.abs(one.gain[:, None])))


def test_a_round_trip_keeps_samples_gaps_start_and_patient(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record(start=datetime(2020, 1, 2, 3, 4, 5, 250000), patient=Patient("P 1", "Jane Doe", "F", 51.0))
    assert write(record, tmp_path / "t.edf") == (tmp_path / "t.edf",)
    found = read(tmp_path / "t.edf")
    assert steps(record, found) < 0.2
    assert (found.leads, found.fs_hz, found.n_samples, found.start) == (record.leads, record.fs_hz, record.n_samples, record.start)
    assert found.patient == Patient("P_1", "Jane Doe", "F", 51.0)
    assert found.source.format == "EDF+C"


def test_marks_become_texts(make_record: MakeRecord, tmp_path: Path) -> None:
    write(make_record(), tmp_path / "t.edf")
    marks = read(tmp_path / "t.edf").annotation("edf")
    assert marks.samples.tolist() == [0, 10, 2000, 2000, 3599]
    assert marks.notes == ("+ (AFIB", "N", "V", "~", "a note")
    write(make_record(), tmp_path / "t.edf", [Annotation.of("a", np.array([5]), "N"), Annotation.of("b", np.array([6]), "V")])
    assert read(tmp_path / "t.edf").annotation("edf").notes == ("a: N", "b: V")


def test_edfio_reads_what_was_written(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record()
    write(record, tmp_path / "t.edf")
    file = edfio.read_edf(tmp_path / "t.edf")
    assert file.labels == ("ECG MLII", "ECG V1")
    present = ~np.isnan(record.mv()[1])
    np.testing.assert_allclose(file.signals[1].data[present], record.mv()[1][present], atol=1e-4)
    assert file.annotations[-1].text == "Recording ends"


@pytest.mark.parametrize("n_samples", [1, 359, 360, 361])
@pytest.mark.parametrize("fs_hz", [360.0, 128.5, 333.333333, 1.0])
def test_any_length_and_rate_comes_back(make_record: MakeRecord, tmp_path: Path, n_samples: int, fs_hz: float) -> None:
    record = make_record(adc=np.arange(2 * n_samples, dtype=np.int16).reshape(2, n_samples), fs_hz=fs_hz, annotations=())
    write(record, tmp_path / "t.edf")
    found = read(tmp_path / "t.edf")
    assert found.n_samples == n_samples
    assert found.fs_hz == pytest.approx(fs_hz, rel=1e-5)
    assert steps(record, found) < 0.2


@pytest.mark.parametrize(("low", "high", "tolerance"), [(100_000, 150_000, 0.5), (-1_000_000, 1_000_000, 35)])
def test_wider_samples_are_shifted_or_scaled(make_record: MakeRecord, tmp_path: Path, low: int, high: int, tolerance: float) -> None:
    adc = np.linspace(low, high, 7200).reshape(2, 3600).astype(np.int32)
    adc[0, 5] = -(1 << 31)
    record = make_record(adc=adc, annotations=())
    write(record, tmp_path / "t.edf")
    assert steps(record, read(tmp_path / "t.edf")) < tolerance


def test_an_inverted_lead(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record(gain=np.array([-200.0, 100.0]))
    write(record, tmp_path / "t.edf")
    assert steps(record, read(tmp_path / "t.edf")) < 0.2


def test_long_and_foreign_lead_names(make_record: MakeRecord, tmp_path: Path) -> None:
    write(make_record(leads=("ECG1", "Brust über dem Herzen")), tmp_path / "t.edf")
    assert read(tmp_path / "t.edf").leads == ("ECG1", "Brust ?ber dem H")


def test_what_edf_cannot_hold_leaves_nothing(make_record: MakeRecord, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not fit EDF"):
        write(make_record(gain=np.array([1e-9, 1.0])), tmp_path / "t.edf")
    assert list(tmp_path.iterdir()) == []
