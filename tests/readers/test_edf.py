from collections.abc import Callable
from datetime import date, datetime
from datetime import time as clock
from pathlib import Path

import edfio
import numpy as np
import pytest
from numpy.typing import NDArray

from ecgcore.errors import FormatError
from ecgcore.readers import read

FS_HZ = 360
DataSet = Callable[[str], Path]


def signal(wave: NDArray[np.int16], label: str = "ECG II", units: str = "mV", **options: object) -> edfio.EdfSignal:
    return edfio.EdfSignal.from_digital(wave, FS_HZ, label=label, physical_dimension=units, physical_range=(-20, 20), **options)


@pytest.fixture
def plain(wave: NDArray[np.int16]) -> bytes:
    return edfio.Edf([signal(wave[0]), signal(wave[1], "ECG V1", "uV")]).to_bytes()


@pytest.fixture
def discontinuous(wave: NDArray[np.int16]) -> bytes:
    """Ten records of one second; the last five start at 7.5 s."""
    file = edfio.Edf([signal(wave[0])], annotations=[edfio.EdfAnnotation(2, None, "here")], data_record_duration=1)
    data = bytearray(file.to_bytes().replace(b"EDF+C", b"EDF+D"))
    for second in range(5, 10):
        old = f"+{second}\x14\x14\x00".encode()
        assert data.count(old) == 1
        new = f"+{second + 2}.5\x14\x14\x00".encode()
        at = data.index(old)
        data[at : at + len(new)] = new  # what follows is padding
    return bytes(data)


def field(data: bytes, at: int, text: str) -> bytes:
    return data[:at] + text.encode().ljust(8)[:8] + data[at + 8 :]


def test_read_equals_edfio(plain: bytes, wave: NDArray[np.int16]) -> None:
    record = read(plain, name="x.edf")
    assert (record.name, record.leads, record.fs_hz, record.source.format) == ("x", ("II", "V1"), 360.0, "EDF")
    np.testing.assert_array_equal(record.adc, wave)
    theirs = edfio.read_edf(plain).signals
    np.testing.assert_allclose(record.mv()[0], theirs[0].data, atol=1e-4)
    np.testing.assert_allclose(record.mv()[1], theirs[1].data / 1000, atol=1e-7)


def test_edf_plus_annotations_patient_and_start(wave: NDArray[np.int16]) -> None:
    file = edfio.Edf(
        [signal(wave[0])],
        patient=edfio.Patient(code="P1", sex="F", birthdate=date(1950, 1, 1), name="Jane_Doe"),
        recording=edfio.Recording(startdate=date(2020, 1, 1)),
        starttime=clock(10, 11, 12, 250000),
        annotations=[edfio.EdfAnnotation(1.5, None, "PVC"), edfio.EdfAnnotation(3, 2, "Ünruhe")],
    )
    record = read(file.to_bytes())
    assert record.source.format == "EDF+C"
    assert record.start == datetime(2020, 1, 1, 10, 11, 12, 250000)
    assert (record.patient.id, record.patient.name, record.patient.sex) == ("P1", "Jane Doe", "F")
    assert record.patient.age_years == pytest.approx(70, abs=0.1)
    marks = record.annotation("edf")
    assert marks.samples.tolist() == [540, 1080]
    assert marks.notes == ("PVC", "Ünruhe")
    assert marks.symbols == ('"', '"')


def test_gaps_of_a_discontinuous_file_are_missing(discontinuous: bytes, wave: NDArray[np.int16]) -> None:
    record = read(discontinuous)
    assert record.source.format == "EDF+D"
    assert record.n_samples == 12.5 * FS_HZ
    np.testing.assert_array_equal(record.adc[0, :1800], wave[0, :1800])
    assert np.isnan(record.mv()[0, 1800:2700]).all()
    np.testing.assert_array_equal(record.adc[0, 2700:], wave[0, 1800:])
    assert record.annotation("edf").samples.tolist() == [2 * FS_HZ]
    assert any("1 gaps" in note for note in record.notes)


def test_data_records_that_overlap_are_refused(discontinuous: bytes) -> None:
    with pytest.raises(FormatError, match=r"starts at 1\.5 s, before the one before it ends at 5 s"):
        read(discontinuous.replace(b"+7.5\x14\x14", b"+1.5\x14\x14"))


def test_an_onset_beyond_all_measure_is_refused(discontinuous: bytes) -> None:
    with pytest.raises(FormatError, match="spans"):
        read(discontinuous.replace(b"+11.5\x14\x14\0", b"+999999\x14\x14"))


def test_bdf_24_bits(wave: NDArray[np.int16]) -> None:
    digital = wave[0].astype(np.int32) * 1000
    file = edfio.Bdf(
        [edfio.BdfSignal.from_digital(digital, FS_HZ, label="ECG", physical_dimension="uV", physical_range=(-262144, 262143))], annotations=[edfio.EdfAnnotation(1, None, "x")]
    )
    record = read(file.to_bytes())
    assert record.source.format == "BDF+C"
    np.testing.assert_array_equal(record.adc[0], digital)
    np.testing.assert_allclose(record.mv()[0], edfio.read_bdf(file.to_bytes()).signals[0].data / 1000, atol=1e-4)
    assert record.annotation("edf").notes == ("x",)


def test_a_genuine_minimum_is_not_taken_for_missing(wave: NDArray[np.int16]) -> None:
    low = wave[0].copy()
    low[5] = -32768
    record = read(edfio.Edf([signal(low)]).to_bytes())
    assert record.adc.dtype == np.int32
    assert not np.isnan(record.mv()).any()


def test_slow_ecg_leads_and_other_channels(wave: NDArray[np.int16]) -> None:
    slow = edfio.EdfSignal.from_digital(wave[0, ::2].copy(), FS_HZ / 2, label="ECG III", physical_dimension="mV", physical_range=(-20, 20))
    resp = edfio.EdfSignal.from_digital(wave[0, ::10].copy(), FS_HZ / 10, label="Resp", physical_dimension="")
    record = read(edfio.Edf([signal(wave[0]), slow, resp]).to_bytes())
    assert record.leads == ("II", "III")
    np.testing.assert_allclose(record.adc[1, 100:-100], wave[0, 100:-100], atol=6)
    assert any("Resp (no unit)" in note for note in record.notes)


@pytest.mark.parametrize(
    ("at", "text", "quoted"),
    [
        (184, "abc", "header bytes 'abc'"),
        (184, "512", "header bytes 512 should be 768"),
        (236, "x", "number of data records 'x'"),
        (236, "99999999", "holds 10 data records of 1440 bytes, but its header promises 99999999"),
        (236, "0", "holds no data records"),
        (244, "-1", "is negative"),
        (244, "nan", "'nan' is no number"),
        (244, "0", "no signals"),
        (256 + 2 * 104, "20", "physical minimum and maximum are both 20"),
        (256 + 2 * 104, "?", "physical minimum '\\?' is no number"),
        (256 + 2 * 120, "32767", "digital minimum and maximum are both 32767"),
        (256 + 2 * 216, "1e9", "samples per data record '1e9'"),
    ],
)
def test_a_wrong_header_field_is_quoted(plain: bytes, at: int, text: str, quoted: str) -> None:
    with pytest.raises(FormatError, match=quoted):
        read(field(plain, at, text))


@pytest.mark.parametrize("n_bytes", [8, 100, 256, 700, 768, 5000])
def test_truncated_files(plain: bytes, n_bytes: int) -> None:
    with pytest.raises(FormatError, match=r"breaks off|holds"):
        read(plain[:n_bytes])


def test_an_unfinished_recording_is_read_with_a_note(plain: bytes, wave: NDArray[np.int16]) -> None:
    record = read(field(plain, 236, "-1")[:-100])
    assert record.n_samples == 9 * FS_HZ
    assert any("cut short" in note for note in record.notes)


def test_annotations_alone_are_no_recording() -> None:
    with pytest.raises(FormatError, match="no signals"):
        read(edfio.Edf([], annotations=[edfio.EdfAnnotation(0, None, "x")]).to_bytes())


def test_an_unknown_start_stays_unknown(plain: bytes) -> None:
    assert read(plain).start is None
    assert any("left out" in note for note in read(field(plain.replace(b"Startdate X", b"other text "), 168, "99.99.99")).notes)


@pytest.mark.data
def test_a_polysomnogram(data_set: DataSet) -> None:
    path = data_set("formats") / "short_psg.edf"
    record = read(path)
    theirs = edfio.read_edf(path)
    assert record.leads == ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal")
    for row, lead in enumerate(record.leads):
        np.testing.assert_allclose(record.mv()[row], theirs.get_signal(lead).data / 1000, atol=1e-6)
    assert record.start == datetime(1989, 4, 24, 16, 13)


def test_a_start_beyond_the_calendar_is_left_out_with_a_note() -> None:
    wave = np.arange(3600, dtype=np.int16)
    file = edfio.Edf([signal(wave)], recording=edfio.Recording(startdate=date(2020, 12, 31)), annotations=[edfio.EdfAnnotation(0, None, "x")])
    data = file.to_bytes().replace(b"31-DEC-2020", b"31-DEC-9999")
    onset = data.index(b"+0\x14\x14")
    later = b"+86400\x14\x14"
    record = read(data[:onset] + later + data[onset + len(later) :], name="x.edf")
    assert record.start is None
    assert any("beyond the calendar" in note for note in record.notes)
