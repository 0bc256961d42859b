import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ecgcore.errors import FormatError
from ecgcore.readers import read

DataSet = Callable[[str], Path]
TWELVE_LEAD, CT = "1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.840.10008.5.1.4.1.1.2"


def code(value: str, meaning: str = "", scheme: str = "UCUM") -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning or value
    return Sequence([item])


def channel(name: str, units: str = "uV", sensitivity: str = "5", correction: str = "0.5", baseline: str = "0") -> Dataset:
    item = Dataset()
    item.ChannelSourceSequence = code("x", name, "99")
    item.ChannelSensitivity, item.ChannelSensitivityCorrectionFactor, item.ChannelBaseline = sensitivity, correction, baseline
    item.ChannelSensitivityUnitsSequence = code(units)
    return item


def group(samples: NDArray[Any], channels: list[Dataset], **fields: Any) -> Dataset:
    item = Dataset()
    item.WaveformOriginality, item.SamplingFrequency = "ORIGINAL", "500"
    item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = samples.shape
    item.WaveformBitsAllocated = 8 * samples.dtype.itemsize
    item.WaveformSampleInterpretation = {"i1": "SB", "u1": "UB", "i2": "SS", "u2": "US"}[samples.dtype.str[1:]]
    item.ChannelDefinitionSequence = Sequence(channels)
    item.WaveformData = samples.T.tobytes()
    for name, value in fields.items():
        setattr(item, name, value)
    return item


def file(groups: list[Dataset], sop_class: str = TWELVE_LEAD, **fields: Any) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, "1.2.3"
    dataset.AcquisitionDateTime, dataset.PatientAge, dataset.PatientSex, dataset.PatientName = "20200102030405.5", "006M", "F", "Doe^Jane"
    if groups:
        dataset.WaveformSequence = Sequence(groups)
    for name, value in fields.items():
        setattr(dataset, name, value)
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


@pytest.fixture
def rhythm(wave: NDArray[np.int16]) -> Dataset:
    return group(wave, [channel("Lead I (Einthoven)"), channel("Lead II", "mV", baseline="10")], MultiplexGroupLabel="RHYTHM")


def test_sensitivity_correction_baseline_and_units(rhythm: Dataset, wave: NDArray[np.int16]) -> None:
    record = read(file([rhythm]), name="x.dcm")
    assert (record.name, record.leads, record.fs_hz, record.source.format) == ("x", ("I", "II"), 500.0, "DICOM")
    np.testing.assert_allclose(record.mv()[0], wave[0] * 2.5 / 1000, rtol=1e-6)
    np.testing.assert_allclose(record.mv()[1], wave[1] * 2.5 + 10, rtol=1e-6)
    assert record.start == datetime(2020, 1, 2, 3, 4, 5, 500000)
    assert (record.patient.sex, record.patient.name, record.patient.age_years) == ("F", "Doe Jane", 0.5)


def test_the_rhythm_is_taken_and_not_the_median_beat(rhythm: Dataset, wave: NDArray[np.int16]) -> None:
    median = group(wave[:, :600], [channel("Lead I"), channel("Lead II")], WaveformOriginality="DERIVED", MultiplexGroupLabel="MEDIAN BEAT")
    for order in ([rhythm, median], [median, rhythm]):
        record = read(file(order))
        assert record.n_samples == 3600
        assert any("MEDIAN BEAT" in note for note in record.notes)


def test_padding_is_missing(wave: NDArray[np.int16]) -> None:
    padded = wave.copy()
    padded[0, 10:20] = 1234
    record = read(file([group(padded, [channel("I"), channel("II")], WaveformPaddingValue=np.int16(1234).tobytes())]))
    assert np.isnan(record.mv()[0, 10:20]).all()
    assert np.isfinite(record.mv()[1]).all()


def test_original_groups_at_other_times_share_one_clock(wave: NDArray[np.int16]) -> None:
    rhythm = group(wave[:1], [channel("Lead II")], MultiplexGroupLabel="LONG")
    early = group(wave[:, :900], [channel("Lead I"), channel("Lead II")], MultiplexGroupTimeOffset="0")
    late = group(wave[:1, :900], [channel("Lead V1")], MultiplexGroupTimeOffset="1800")
    record = read(file([early, late, rhythm]))
    assert sorted(record.leads) == ["I", "II", "V1"]
    assert record.n_samples == 3600
    v1 = record.mv(["V1"])[0]
    assert np.isnan(v1[:900]).all()
    np.testing.assert_allclose(v1[900:1800], wave[0, :900] * 0.0025, rtol=1e-6)
    assert np.isnan(v1[1800:]).all()
    assert any("already in LONG: II" in note for note in record.notes)


@pytest.mark.parametrize("dtype", ["i1", "u1", "u2"])
def test_other_sample_types(wave: NDArray[np.int16], dtype: str) -> None:
    samples = (wave.astype(np.int32) // 8 + (128 if dtype == "u1" else 40000 if dtype == "u2" else 0)).astype(dtype)
    np.testing.assert_allclose(read(file([group(samples, [channel("I"), channel("II")])])).mv()[0], samples[0] * 0.0025, rtol=1e-5)


def test_another_sop_class_is_read_and_told(rhythm: Dataset) -> None:
    assert any("CT Image Storage" in note for note in read(file([rhythm], CT)).notes)


def test_leads_by_code_and_pressures_left_out(wave: NDArray[np.int16]) -> None:
    coded, pressure = channel(""), channel("ART", "mmHg")
    coded.ChannelSourceSequence = code("5.6.3-9-63", "?", "SCPECG")
    record = read(file([group(wave, [coded, pressure])]))
    assert record.leads == ("aVL",)
    assert any("ART (mmHg)" in note for note in record.notes)


def test_without_preamble(rhythm: Dataset) -> None:
    explicit = file([rhythm])[132:]
    assert read(explicit).leads == ("I", "II")
    dataset = pydicom.dcmread(io.BytesIO(file([rhythm])))
    out = io.BytesIO()
    dataset.preamble = None
    del dataset.file_meta
    dataset.save_as(out, implicit_vr=True, little_endian=True)
    assert out.getvalue()[:4] == b"\x08\x00\x16\x00"
    assert ImplicitVRLittleEndian.is_implicit_VR
    assert read(out.getvalue()).leads == ("I", "II")


def test_annotations_are_left_out_with_a_note(rhythm: Dataset) -> None:
    note = Dataset()
    note.UnformattedTextValue = "sinus rhythm"
    assert any("1 DICOM annotations" in n for n in read(file([rhythm], WaveformAnnotationSequence=Sequence([note]))).notes)


def test_dicom_without_a_waveform() -> None:
    with pytest.raises(FormatError, match=r"DICOM without a waveform \(CT Image Storage\)"):
        read(file([], CT))


@pytest.mark.parametrize(
    ("fields", "quoted"),
    [
        ({"WaveformSampleInterpretation": "MB", "WaveformBitsAllocated": 8}, "µ-law"),
        ({"WaveformSampleInterpretation": "AB", "WaveformBitsAllocated": 8}, "A-law"),
        ({"WaveformBitsAllocated": 64}, "64 bits of 'SS' are not read"),
        ({"NumberOfWaveformSamples": 4_000_000_000}, "holds 14400 bytes, but promises 2 channels of 4000000000 samples"),
        ({"SamplingFrequency": "0"}, "sampling rate 0 Hz"),
        ({"NumberOfWaveformChannels": 1}, "has 1 channels but describes 2"),
    ],
)
def test_broken_groups(rhythm: Dataset, fields: dict[str, Any], quoted: str) -> None:
    for name, value in fields.items():
        setattr(rhythm, name, value)
    with pytest.raises(FormatError, match=quoted):
        read(file([rhythm]))


def test_deflated_dicom_is_refused_unopened(rhythm: Dataset) -> None:
    with pytest.raises(FormatError, match="deflated"):
        read(file([rhythm]).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99", 1))


@pytest.mark.data
@pytest.mark.parametrize(("name", "scale", "n_samples"), [("dcm_pydicom.dcm", 1e-3, 10000), ("dcm_arturrod.dcm", 1.0, 2400)])
def test_real_files_equal_pydicom(data_set: DataSet, name: str, scale: float, n_samples: int) -> None:
    path = data_set("formats") / name
    record = read(path)
    assert record.leads == ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    assert record.n_samples == n_samples
    np.testing.assert_allclose(record.mv(), pydicom.dcmread(path).waveform_array(0).T * scale, atol=1e-5)
