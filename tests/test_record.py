"""The Record: millivolts from ADC units, missing samples, derived leads, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from ecgcore.errors import FormatError, InputError, LeadError
from ecgcore.record import Annotation, Record, Source, missing_code

SOURCE = Source("synthetic", "x.hea", "0" * 64)


def record(adc=None, leads=("I", "II"), fs_hz=250.0, gain=(200.0, 100.0), baseline=(0.0, 50.0)):
    adc = np.array([[0, 200, 400], [50, 150, 250]], np.int16) if adc is None else adc
    return Record("x", adc, np.array(gain), np.array(baseline), fs_hz, leads, SOURCE)


def test_millivolts():
    assert record().mv().tolist() == [[0, 1, 2], [0, 1, 2]]
    assert record().mv().dtype == np.float32
    assert record().mv(["II"], 1, 2).tolist() == [[1]]


def test_missing_is_nan_and_never_zero():
    adc = np.array([[0, missing_code(np.dtype(np.int16)), 400], [50, 150, 250]], np.int16)
    mv = record(adc).mv(["I", "III"])
    assert np.isnan(mv[:, 1]).all()
    assert np.isfinite(mv[:, [0, 2]]).all()


def test_derived_leads():
    assert record().available_leads == ("I", "II", "III", "aVR", "aVL", "aVF")
    assert record().mv(["aVR"]).tolist() == [[0, -1, -2]]


def test_a_range_outside_is_refused():
    with pytest.raises(InputError, match="samples 0 to 4 are not within the record's 0 to 3"):
        record().mv(stop=4)
    with pytest.raises(LeadError, match="no lead 'V1'"):
        record().mv(["V1"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fs_hz": 0.0}, "sampling rate 0.0 Hz"),
        ({"fs_hz": float("nan")}, "sampling rate nan Hz"),
        ({"leads": ("I", "I")}, "lead names repeat: I, I"),
        ({"leads": ("I",)}, "2 signals but 1 lead names"),
        ({"gain": np.array([0.0, 1.0])}, "no gain zero"),
        ({"adc": np.zeros((2, 0), np.int16)}, "at least one lead and one sample"),
        ({"adc": np.zeros((2, 3), np.float32)}, "int16 or int32"),
    ],
)
def test_what_a_record_refuses(change, said):
    with pytest.raises(FormatError, match=said):
        replace(record(), **change)


def test_annotations_by_name():
    truth = Annotation.of("atr", np.array([1, 2]), "NV")
    with_truth = replace(record(), annotations=(truth,))
    assert with_truth.annotation("atr") is truth
    with pytest.raises(InputError, match="there are: atr"):
        with_truth.annotation("qrs")
    with pytest.raises(FormatError, match="differ in length"):
        replace(truth, symbols=("N",))


def test_a_memory_map_stays_on_disk(tmp_path):
    np.save(tmp_path / "adc.npy", np.zeros((1, 1000), np.int16))
    mapped = record(np.load(tmp_path / "adc.npy", mmap_mode="r"), ("I",), gain=(1.0,), baseline=(0.0,))
    assert isinstance(mapped.adc, np.memmap)
    assert mapped.mv(start=10, stop=20).shape == (1, 10)
