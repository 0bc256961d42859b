import io
import time
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from ecgcore.errors import FormatError, InputError, MissingFactError
from ecgcore.readers import read
from ecgcore.readers.table import quantise

N = 2000
SINE = np.round(np.sin(np.arange(N) / 50), 3)
STATED = "# fs_hz: 360\n# units: mV\n"


def rows(times: str = "", decimal: str = ".", delimiter: str = ",", keep: slice = slice(None)) -> str:
    """A time column in the format given, then the sine; at 360 Hz."""
    lines = [(f"{format(i / 360, times)}{delimiter}" if times else "") + f"{SINE[i]:.3f}" for i in range(N)]
    return "\n".join(line.replace(".", decimal) for line in lines[keep]) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        STATED + "II\n" + rows(),
        "# sampling rate: 360 Hz\n# unit: mV\nII\n" + rows(),
        "# fs: 0.36 kHz, units: mV\nII\n" + rows(),
        "time_s,II [mV]\n" + rows(".6f"),
        "Time (s),Lead II (mV)\n" + rows(".3f"),
        "time [s];II [mV]\n" + rows(".6f", ",", ";"),
        "time_s\tii_mv\n" + rows(".6f", ".", "\t"),
        "time_s II_mV\n" + rows(".6f", ".", " "),
        "'Elapsed time','II'\n'seconds','mV'\n" + rows(".3f"),
        "\ufefftime_s,II [mV]\r\n" + rows(".6f").replace("\n", "\r\n"),
        '"time_s","II [mV]"\n' + rows(".6f"),
    ],
)
def test_what_is_stated_is_not_asked(text: str) -> None:
    record = read(text.encode(), name="x.csv")
    assert (record.leads, record.fs_hz, record.n_samples) == (("II",), 360.0, N)
    assert record.adc.dtype == np.int16
    assert record.gain.tolist() == [1000.0]
    np.testing.assert_allclose(record.mv()[0], SINE, atol=1e-6)


def test_physiobank_clock_times_and_dashes() -> None:
    body = "".join(f"'0:{i / 360:06.3f}',{SINE[i]:.3f},-\n" for i in range(N))
    record = read(("'Elapsed time','MLII','V1'\n'hh:mm:ss.mmm','mV','mV'\n" + body).encode())
    assert (record.leads, record.fs_hz) == (("MLII", "V1"), 360.0)
    assert np.isnan(record.mv()[1]).all()


def test_dates_and_times() -> None:
    body = "".join(f"2020-01-01T23:59:{58 + i / 250:06.3f},{i % 7}\n" if i < 500 else f"2020-01-02T00:00:{i / 250 - 2:06.3f},{i % 7}\n" for i in range(1000))
    record = read(("timestamp,ecg_uv\n" + body).encode())
    assert (record.fs_hz, record.n_samples, record.start) == (250.0, 1000, datetime(2020, 1, 1, 23, 59, 58))


def test_apple_watch() -> None:
    person = 'Name,"Jane"\nDate of Birth,1 Jan 1970\nRecorded Date,2020-03-05 10:00:00 +0100\nClassification,Sinus Rhythm\n'
    text = person + 'Device,"Watch4,2"\nSample Rate,512 hertz\n\nLead,Lead I\nUnit,µV\n\n-5.4\n3.25\n6\n'
    record = read(text.encode())
    assert (record.leads, record.fs_hz, record.start) == (("I",), 512.0, datetime(2020, 3, 5, 10))
    np.testing.assert_allclose(record.mv()[0], [-0.0054, 0.00325, 0.006], atol=1e-8)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("II,V1\n1,2\n3,4\n", ("fs_hz", "units")),
        (STATED + "1,2\n3,4\n", ("leads",)),
        ("II [mV]\n1\n2\n", ("fs_hz",)),
        ("# fs_hz: 100\nII,V1 [mV]\n1,2\n3,4\n", ("units",)),
        ("time,II [mV]\n" + rows(".3f"), ("fs_hz",)),  # a time without unit tells no rate
        ("time_s,II [mV]\n0.000,1\n0.003,2\n0.006,1\n", ("fs_hz",)),  # too few to tell 333 Hz from 360
        ("1\n2\n3\n", ("fs_hz", "units", "leads")),
    ],
)
def test_what_is_left_out_is_asked_and_then_used(text: str, facts: tuple[str, ...]) -> None:
    with pytest.raises(MissingFactError) as error:
        read(text.encode())
    assert error.value.facts == facts
    answers = {"fs_hz": 360.0, "units": "uV", "leads": ["II", "V1"][: 2 if "1,2" in text else 1]}
    record = read(text.encode(), **{fact: answers[fact] for fact in facts})  # type: ignore[arg-type]
    assert record.fs_hz == (100.0 if "fs_hz: 100" in text else 360.0)
    assert record.leads[0] == "II"


@pytest.mark.parametrize(
    ("text", "facts", "quoted"),
    [
        (STATED + "II\n1\n", {"fs_hz": 500}, "disagree: 360 and 500 Hz"),
        (STATED + "II\n1\n", {"units": "uV"}, "states the unit mV, but uV was given"),
        (STATED + "II\n1\n", {"leads": ["V1"]}, "states lead names II, but V1 were given"),
        (STATED + "1,2\n", {"leads": ["V1"]}, "has 2 columns of samples, but 1 lead names"),
        ("# fs_hz: 250\ntime_s,II [mV]\n" + rows(".6f"), {}, "not on a regular clock of 250 Hz"),
        ("II\n1\n", {"units": "mmHg", "fs_hz": 100}, "'mmHg' are no voltage; choose one of nV, uV, mV, V"),
        ("II\n1\n", {"units": "mV", "fs_hz": 0}, "sampling rate 0 Hz"),
    ],
)
def test_facts_that_disagree(text: str, facts: dict[str, object], quoted: str) -> None:
    with pytest.raises(InputError, match=quoted):
        read(text.encode(), **facts)  # type: ignore[arg-type]


def test_nan_and_empty_cells_are_missing() -> None:
    record = read((STATED + "II,V1\n0.1,0.2\nNaN,\n,nan\nnull,0.5\n").encode())
    np.testing.assert_allclose(record.mv(), [[0.1, np.nan, np.nan, np.nan], [0.2, np.nan, np.nan, 0.5]], atol=1e-7)


@pytest.mark.parametrize(
    ("line", "quoted"),
    [
        ("0.3,abc", "line 5, column V1: 'abc' is no number"),
        ("inf,0.1", "line 5, column II: 'inf'"),
        ("1;5,2", "'1;5'"),
        ("0.1,0.2,0.3", "line 5: 3 cells where 2 should be"),
        ("1e500,1", "'1e500'|too large"),
    ],
)
def test_a_cell_that_is_no_number_is_named(line: str, quoted: str) -> None:
    with pytest.raises(FormatError, match=quoted):
        read((STATED + "II,V1\n0.1,0.2\n" + line + "\n0.1,0.2\n0.1,0.2\n").encode())


def test_rows_of_missing_cells_before_the_first_number_are_kept() -> None:
    record = read((STATED + "II,V1\nnan,nan\n,\n0.1,0.2\n").encode())
    assert record.leads == ("II", "V1")
    assert record.n_samples == 3
    assert np.isnan(record.mv()[:, :2]).all()


def test_a_first_row_among_odd_rows_is_not_taken_for_a_header() -> None:
    odd = "".join(f"0.1,x{i}\n" for i in range(30))
    with pytest.raises(FormatError, match="line 5, column V1: 'x0' is no number"):
        read((STATED + "II,V1\n0.1,0.2\n" + odd + "0.1,0.2\n0.1,0.3\n").encode())


def test_a_table_cut_short_is_told() -> None:
    record = read((STATED + "II,V1\n0.1,0.2\n0.3,0.4\n0.5").encode())
    assert record.n_samples == 3
    assert record.notes == ("the last line has 1 of 2 cells; the file may be cut short",)


def test_gaps_on_one_clock_are_missing() -> None:
    lines = rows(".6f").splitlines()
    record = read("\n".join(["time_s,II [mV]", *lines[:700], *lines[900:]]).encode())
    assert record.n_samples == N
    assert np.isnan(record.mv()[0, 700:900]).all()
    np.testing.assert_allclose(record.mv()[0, 900:], SINE[900:], atol=1e-6)
    assert any("200 samples in gaps" in note for note in record.notes)


def test_sample_numbers_are_a_clock_without_rate() -> None:
    record = read(b"sample,II [uV]\n0,5\n1,6\n5,7\n", fs_hz=100)
    assert record.n_samples == 6
    assert np.isnan(record.mv()[0, 2:5]).all()


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("time_s,II [mV]\n" + "".join(f"{i / 360 + (0.0011 if i % 9 == 4 else 0):.6f},1\n" for i in range(N)), "line 6: time 0.0122"),
        ("time_s,II [mV]\n0.0,1\n0.5,1\n0.25,1\n", "line 4: the time goes back from 0.5 to 0.25"),
        ("time_s,II [mV]\n0.0,1\n,1\n0.25,1\n", "line 3: the time is missing"),
        ("sample,II [mV]\n0,1\n2,1\n1,1\n", "line 4: sample numbers must be whole and go up"),
        ("time_s,II [mV]\n" + "".join(f"{i / 100:.2f},1\n" for i in range(900)) + "1e15,1\n", "span more than a recording can"),
    ],
)
def test_irregular_clocks_are_refused(text: str, quoted: str) -> None:
    with pytest.raises(FormatError, match=quoted):
        read(text.encode())


@pytest.mark.parametrize("text", ["a b c\nhello world\n", "ID,Sex,Age\n1,F,x y\n2,M,z\n", "   \n\n", '{"a": [1, 2]}'])
def test_text_that_is_no_table(text: str) -> None:
    with pytest.raises(FormatError):
        read(text.encode())


def test_repeated_leads_columns_without_voltage_and_few_rows() -> None:
    record = read(b"# fs_hz: 500\nII [mV],II [mV],HR [bpm]\n1.0,2.0,60\n")
    assert record.leads == ("II", "II-2")
    assert record.n_samples == 1
    assert any("HR (bpm)" in note for note in record.notes)


@pytest.mark.parametrize(
    ("values", "steps"),
    [([1, 2, -32767], 1.0), ([0.5, 1.25], 100.0), ([0.000001, 1], 1e6), ([1 / 3, 2 / 3], 1e6), ([123456.789, 1 / 3], 1e4), ([np.nan, 0.1], 10.0), ([np.nan], 1.0)],
)
def test_quantised_as_fine_as_the_values_need(values: list[float], steps: float) -> None:
    integers, found = quantise(np.array(values, np.float64))
    assert found == steps
    present = ~np.isnan(values)
    np.testing.assert_allclose(integers[present] / found, np.array(values)[present], atol=0.51 / found)
    assert (integers[~present] == -(1 << 31)).all()


def test_values_no_voltage_has_are_refused_not_clipped() -> None:
    with pytest.raises(FormatError, match="1e\\+30 is too large"):
        read(b"# fs_hz: 500\nII [mV]\n1e30\n0.1\n")


def written(table: pa.Table) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()


def test_parquet_states_rate_and_units() -> None:
    by_time = pa.table({"time_s": np.arange(N) / 360, "II [mV]": SINE, "label": ["x"] * N})
    by_metadata = pa.table({"II": SINE.astype(np.float32)}).replace_schema_metadata({"fs_hz": "360", "units": "mV"})
    for table in (by_time, by_metadata):
        record = read(written(table), name="x.parquet")
        assert (record.leads, record.fs_hz, record.source.format) == (("II",), 360.0, "Parquet")
        np.testing.assert_allclose(record.mv()[0], SINE, atol=1e-6)


def test_parquet_integers_nulls_and_questions() -> None:
    table = pa.table({"II": pa.array([1, None, 3], pa.int16())})
    with pytest.raises(MissingFactError) as error:
        read(written(table))
    assert error.value.facts == ("fs_hz", "units")
    np.testing.assert_allclose(read(written(table), fs_hz=100, units="uV").mv()[0], [0.001, np.nan, 0.003], atol=1e-8)


def test_a_parquet_bomb_is_refused_at_once() -> None:
    data = written(pa.table({f"c{i}": pa.array(np.zeros(3_000_000, np.int8)) for i in range(50)}))
    assert len(data) < 1_000_000
    began = time.perf_counter()
    with pytest.raises(FormatError, match="promises 3000000 rows of 50 columns"):
        read(data)
    assert time.perf_counter() - began < 1
