from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgcore.readers import read
from ecgcore.record import Record
from ecgcore.writers import write

MakeRecord = Callable[..., Record]


@pytest.mark.parametrize("fs_hz", [360.0, 128.0, 333.333333])
def test_our_reader_reads_it_without_asking(make_record: MakeRecord, tmp_path: Path, fs_hz: float) -> None:
    record = make_record(fs_hz=fs_hz, start=datetime(2020, 1, 2, 3, 4, 5, 250000))
    assert write(record, tmp_path / "t.csv") == (tmp_path / "t.csv",)
    found = read(tmp_path / "t.csv")
    assert (found.leads, found.fs_hz, found.start, found.n_samples) == (record.leads, record.fs_hz, record.start, record.n_samples)
    np.testing.assert_allclose(found.mv(), record.mv(), atol=1e-6)


def test_its_text(make_record: MakeRecord, tmp_path: Path) -> None:
    write(make_record(adc=np.array([[1024, 1025], [-32768, -7]], np.int16), annotations=()), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "# fs_hz: 360.0\n# units: mV\ntime_s,MLII,V1\n0,0,\n0.002778,0.005,0\n"


def test_pandas_reads_it(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record()
    write(record, tmp_path / "t.csv")
    frame = pd.read_csv(tmp_path / "t.csv", comment="#")
    assert list(frame) == ["time_s", "MLII", "V1"]
    np.testing.assert_allclose(frame["V1"], record.mv()[1], atol=1e-5)


def test_lead_names_that_would_need_quotes(make_record: MakeRecord, tmp_path: Path) -> None:
    write(make_record(leads=('a, "b"', "II")), tmp_path / "t.csv")
    assert read(tmp_path / "t.csv").leads == ("a b", "II")


def test_one_sample(make_record: MakeRecord, tmp_path: Path) -> None:
    write(make_record(adc=np.array([[1], [2]], np.int16), annotations=()), tmp_path / "t.csv")
    assert read(tmp_path / "t.csv").n_samples == 1
