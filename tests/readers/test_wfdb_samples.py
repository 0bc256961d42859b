"""Each signal format, held equal to what the wfdb package reads."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgcore.readers import read
from ecgcore.readers.wfdb_samples import FLAC, FORMATS, decode
from ecgcore.record import missing_code
from ecgcore.writers.wfdb_samples import ENCODERS


@pytest.mark.parametrize("name", ["80", "212", "16", "24", "32", "508", "516", "524"])
@pytest.mark.parametrize("n_samples", [1, 2, 3, 1000, 1001])
@pytest.mark.parametrize("n_leads", [1, 3])
def test_read_equals_wfdb(name: str, n_samples: int, n_leads: int, tmp_path: Path) -> None:
    limit = (1 << (FORMATS[name].bits - 1)) - 1
    signal = np.random.default_rng(0).integers(-limit, limit, (n_samples, n_leads), endpoint=True).astype(np.int64)
    signal[n_samples // 2, 0] = FORMATS[name].missing
    names = [f"x{i}" for i in range(n_leads)]
    wfdb.wrsamp("t", 360, ["mV"] * n_leads, names, d_signal=signal, fmt=[name] * n_leads, adc_gain=[200] * n_leads, baseline=[0] * n_leads, write_dir=str(tmp_path))
    record = read(tmp_path / "t")
    theirs = wfdb.rdrecord(str(tmp_path / "t"), physical=False).d_signal.T
    missing = theirs == FORMATS[name].missing
    assert missing.any()
    np.testing.assert_array_equal(record.adc == missing_code(record.adc.dtype), missing)
    np.testing.assert_array_equal(record.adc[~missing], theirs[~missing])
    assert record.source.encoding == name
    assert np.isnan(record.mv()[missing]).all()


@pytest.mark.parametrize("name", ["61", "160", "310", "311"])
def test_rarer_formats_equal_wfdb(name: str, tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 256, 1200, dtype=np.uint8)
    if name == "311":
        data[3::4] &= 0x3F  # wfdb takes the two spare bits for part of the sample
    (tmp_path / "t.dat").write_bytes(data.tobytes())
    (tmp_path / "t.hea").write_text(f"t 1 360 {FORMATS[name].n_samples(1200)}\nt.dat {name} 200(0)/mV\n")
    theirs = wfdb.rdrecord(str(tmp_path / "t"), physical=False).d_signal[:, 0]
    np.testing.assert_array_equal(decode(name, data), theirs)
    present = theirs != FORMATS[name].missing
    np.testing.assert_array_equal(read(tmp_path / "t").adc[0][present], theirs[present])


@pytest.mark.parametrize("name", sorted(ENCODERS))
@pytest.mark.parametrize("n_samples", [1, 2, 5, 1000])
def test_what_is_encoded_is_decoded(name: str, n_samples: int) -> None:
    packing = FORMATS[name]
    samples = np.random.default_rng(2).integers(packing.missing, -packing.missing, n_samples).astype(packing.dtype)
    packed = ENCODERS[name](samples)
    assert len(packed) == packing.n_bytes(n_samples)
    np.testing.assert_array_equal(decode(name, packed), samples)


def test_every_format_has_room_for_its_missing_code() -> None:
    assert {name: packing.missing for name, packing in FORMATS.items() if name not in FLAC} == {
        "16": -32768, "24": -(1 << 23), "32": -(1 << 31), "61": -32768, "80": -128, "160": -32768, "212": -2048, "310": -512, "311": -512,
    }  # fmt: skip
