"""Files cut short and files with bytes flipped: an EcgError or a record, soon, and nothing else."""

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import edfio
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import parquet

from ecgcore.errors import EcgError
from ecgcore.readers import read
from ecgcore.record import Record

N_CASES = 60
MAX_CASE_S = 5.0
DataSet = Callable[[str], Path]
WfdbFiles = Callable[..., dict[str, bytes]]


def attempt(files: dict[str, bytes]) -> None:
    """Read; anything but a record or a one-line EcgError fails the test, as does a case that takes long."""
    began = time.perf_counter()
    try:
        outcome: Record | str = read(files)
    except EcgError as error:
        outcome = str(error)
    if isinstance(outcome, Record):
        assert outcome.adc.size < 1 << 27
    else:
        assert "\n" not in outcome
        assert len(outcome) < 600
    assert time.perf_counter() - began < MAX_CASE_S


def fuzz(files: dict[str, bytes], seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = list(files)
    for case in range(N_CASES):
        name = names[case % len(names)]
        data = bytearray(files[name])
        if case % 3 == 0:
            data = data[: rng.integers(len(data))]
        else:
            reach = len(data) if case % 3 == 1 else min(len(data), 1024)
            for _ in range(rng.integers(1, 6)):
                data[rng.integers(reach)] = rng.integers(256) if rng.random() < 0.5 else b"0123456789 -+./~"[rng.integers(16)]
        attempt({**files, name: bytes(data)})


@pytest.fixture
def marked(wfdb_files: WfdbFiles) -> dict[str, bytes]:
    return wfdb_files(t_atr=b"".join((1 << 10 | 300).to_bytes(2, "little") for _ in range(10)) + b"\x06\xfc(AFIB\x00\x00")


def test_wfdb(marked: dict[str, bytes]) -> None:
    fuzz(marked, 0)


def test_packed_wfdb(marked: dict[str, bytes]) -> None:
    fuzz({**marked, "t.hea": marked["t.hea"].replace(b" 16 200", b" 212 200")}, 1)


def test_segments(marked: dict[str, bytes]) -> None:
    fuzz({**marked, "m.hea": b"m/4 2 360 7500\nt 3600\n~ 300\nt 3600\n"}, 2)


def test_edf_and_bdf(wave: NDArray[np.int16]) -> None:
    signals = [edfio.EdfSignal(row / 200, 360, label=label, physical_dimension="mV") for row, label in zip(wave, ("ECG", "EEG"), strict=True)]
    plus = edfio.Edf(signals, annotations=[edfio.EdfAnnotation(2, 1, "x")], data_record_duration=1).to_bytes()
    for seed, data in enumerate((plus, plus.replace(b"EDF+C", b"EDF+D"))):
        fuzz({"x.edf": data}, seed)
    bdf = edfio.Bdf([edfio.BdfSignal(wave[0] / 200, 360, label="ECG", physical_dimension="mV")])
    fuzz({"x.bdf": bdf.to_bytes()}, 3)


def test_tables(wave: NDArray[np.int16]) -> None:
    lines = "".join(f"{i / 360:.6f},{a / 200},{b / 200}\n" for i, (a, b) in enumerate(wave.T[:800]))
    fuzz({"x.csv": f"# fs_hz: 360\ntime_s,II [mV],V1 [mV]\n{lines}".encode()}, 4)
    out = io.BytesIO()
    parquet.write_table(pa.table({"time_s": np.arange(3600) / 360, "II [mV]": wave[0] / 200}), out)
    fuzz({"x.parquet": out.getvalue()}, 5)


def test_zips(marked: dict[str, bytes]) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in marked.items():
            file.writestr(name, data)
    fuzz({"x.zip": out.getvalue()}, 6)


def test_noise() -> None:
    rng = np.random.default_rng(7)
    for n_bytes in (1, 3, 130, 5000):
        for head in (b"", b"0       ", b"\xffBIOSEMI", b"PAR1", b"PK\x03\x04", b"fLaC", b"\0" * 128 + b"DICM", b"t 2 360 10\nt.dat 16\n"):
            attempt({"x": head + rng.bytes(n_bytes)})


@pytest.mark.data
@pytest.mark.parametrize("name", ["dcm_arturrod.dcm", "dcm_pydicom.dcm", "short_psg.edf", "scp_scpinfo.scp"])
def test_real_files(data_set: DataSet, name: str) -> None:
    fuzz({name: (data_set("formats") / name).read_bytes()}, 8)


@pytest.mark.data
def test_real_records(data_set: DataSet) -> None:
    folder = data_set("ludb") / "data"
    fuzz({f"1.{extension}": (folder / f"1.{extension}").read_bytes() for extension in ("hea", "dat", "i", "v1")}, 9)
