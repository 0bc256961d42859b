import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray

from ecgcore.errors import FormatError, InputError, UnsafeFileError
from ecgcore.readers import read

MISSING = -32768
WfdbFiles = Callable[..., dict[str, bytes]]
DataSet = Callable[[str], Path]


def test_a_record_from_bytes(wfdb_files: WfdbFiles, wave: NDArray[np.int16]) -> None:
    record = read(wfdb_files())
    np.testing.assert_array_equal(record.adc, wave)
    assert record.leads == ("II", "V1")
    assert (record.name, record.fs_hz, record.source.format, record.source.encoding) == ("t", 360.0, "WFDB", "16")
    assert record.adc.dtype == np.int16
    assert record.notes == ()


def test_a_path_may_name_the_record_or_any_of_its_files(wfdb_files: WfdbFiles, tmp_path: Path) -> None:
    for name, data in wfdb_files(t_qrs=b"\x0a\x04\x00\x00").items():
        (tmp_path / name).write_bytes(data)
    records = [read(tmp_path / name) for name in ("t", "t.hea", "t.dat", "t.qrs")]
    assert {record.source.sha256 for record in records} == {read({p.name: p.read_bytes() for p in tmp_path.iterdir()}).source.sha256}
    assert records[0].annotation("qrs").samples.tolist() == [10]


def test_every_annotator_beside_the_record_is_read_and_other_files_are_not(wfdb_files: WfdbFiles) -> None:
    mark = b"\x0a\x04\x00\x00"
    record = read(wfdb_files(t_atr=mark, t_i=mark, t_avf=mark, t_qrsc=b"just some text\n", t_bad=b"\x00\xdc\x00\x00"))
    assert sorted(a.annotator for a in record.annotations) == ["atr", "avf", "i"]
    assert [note for note in record.notes if "t.bad" in note]


def test_units_names_and_uncalibrated_gain(wfdb_files: WfdbFiles) -> None:
    record = read(wfdb_files("t 2 360 {n}\nt.dat 16 0.2(5)/uV 16 0 0 0 0 avr\nt.dat 16 0 16 7 0 0 0 avr\n"))
    np.testing.assert_allclose(record.gain, [200.0, 200.0])
    assert record.baseline.tolist() == [5.0, 7.0]
    assert record.leads == ("aVR", "aVR-2")
    assert any("200 per mV" in note for note in record.notes)


def test_missing_dat_is_named(wfdb_files: WfdbFiles) -> None:
    files = wfdb_files()
    del files["t.dat"]
    with pytest.raises(FormatError, match=r"t\.dat, which is missing"):
        read(files)


def test_a_truncated_dat_is_told_with_both_numbers(wfdb_files: WfdbFiles) -> None:
    files = wfdb_files()
    files["t.dat"] = files["t.dat"][:-10]
    with pytest.raises(FormatError, match=r"holds 3597 samples of each signal, but the header of t promises 3600"):
        read(files)


@pytest.mark.parametrize("n", [10**12, 10**17])
@pytest.mark.parametrize("name", ["16", "212", "516"])
def test_a_promise_of_a_million_million_samples_is_refused_at_once(wfdb_files: WfdbFiles, n: int, name: str) -> None:
    files = wfdb_files(f"t 2 360 {n}\nt.dat {name} 200\nt.dat {name} 200\n")
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(FormatError, match=str(n) if name != "516" else "FLAC"):
        read(files)
    assert time.perf_counter() - began < 0.5
    assert tracemalloc.get_traced_memory()[1] < 2e6
    tracemalloc.stop()


def test_a_gap_of_a_million_million_samples_is_refused_at_once(wfdb_files: WfdbFiles) -> None:
    files = wfdb_files()
    files = {"t.hea": files["t.hea"], "t.dat": files["t.dat"], "m.hea": b"m/2 2 360 1000000003600\nt 3600\n~ 1000000000000\n"}
    with pytest.raises(FormatError, match="spans 2000000007200 samples but holds only 7200"):
        read(files)


@pytest.mark.parametrize("name", ["../t.dat", "/etc/passwd", "x/t.dat"])
def test_a_header_that_reaches_outside_is_refused(wfdb_files: WfdbFiles, name: str) -> None:
    with pytest.raises(UnsafeFileError):
        read(wfdb_files(f"t 1 360 10\n{name} 16 200\n"))


@pytest.mark.parametrize(
    ("header", "quoted"), [("t 2 0 {n}\nt.dat 16\nt.dat 16\n", "0 Hz"), ("t 0 360 {n}\n", "no signals"), ("t 1 360 10\nt.dat 16 1/mmHg 0 0 0 0 0 ABP\n", "no channel is a voltage")]
)
def test_records_that_cannot_be_used(wfdb_files: WfdbFiles, header: str, quoted: str) -> None:
    with pytest.raises(FormatError, match=quoted):
        read(wfdb_files(header))


def test_an_empty_dat_holds_no_samples(wfdb_files: WfdbFiles) -> None:
    with pytest.raises(FormatError, match="no samples"):
        read({**wfdb_files("t 2 360\nt.dat 16\nt.dat 16\n"), "t.dat": b""})


def test_one_sample_is_a_record(wfdb_files: WfdbFiles) -> None:
    assert read(wfdb_files("t 2 360 1\nt.dat 16\nt.dat 16\n")).n_samples == 1


def test_a_damaged_signal_file_is_told_by_its_checksum(wfdb_files: WfdbFiles, wave: NDArray[np.int16]) -> None:
    sums = [int(row.sum(dtype=np.int64)) % 65536 for row in wave]
    files = wfdb_files(f"t 2 360 {{n}}\nt.dat 16 200 0 0 0 {sums[0]} 0 II\nt.dat 16 200 0 0 0 {sums[1] - 65536} 0 V1\n")
    assert read(files).notes == ()
    files["t.dat"] = files["t.dat"][:100] + b"\x55" + files["t.dat"][101:]
    assert read(files).notes == ("checksum of II in t differs from the header's; the samples may be damaged",)


def test_samples_without_stated_length_are_all_read(wfdb_files: WfdbFiles) -> None:
    assert read(wfdb_files("t 2 360\nt.dat 16\nt.dat 16\n")).n_samples == 3600


def test_skew_and_several_signal_files(wfdb_files: WfdbFiles, wave: NDArray[np.int16], tmp_path: Path) -> None:
    files = wfdb_files(
        f"t 3 360 {wave.shape[1]}\nt.dat 16:5 200 0 0 0 0 0 I\nt.dat 16 200 0 0 0 0 0 II\nu.dat 16+6 200 0 0 0 0 0 V1\n", u_dat=b"\0" * 6 + wave[1].astype("<i2").tobytes()
    )
    record = read(files)
    np.testing.assert_array_equal(record.adc[0, :-5], wave[0, 5:])
    assert (record.adc[0, -5:] == MISSING).all()
    np.testing.assert_array_equal(record.adc[1], wave[1])
    np.testing.assert_array_equal(record.adc[2], wave[1])
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    np.testing.assert_array_equal(record.adc, wfdb.rdrecord(str(tmp_path / "t"), physical=False).d_signal.T)


def test_several_samples_a_frame(wave: NDArray[np.int16]) -> None:
    fast, slow = wave[0], wave[1, ::4]
    frames = np.concatenate([fast.reshape(-1, 4), slow.reshape(-1, 1)], axis=1).astype("<i2")
    header = b"t 2 90 900\nt.dat 16x4 200 0 0 0 0 0 II\nt.dat 16 200 0 0 0 0 0 V1\n"
    record = read({"t.hea": header, "t.dat": frames.tobytes(), "t.atr": b"\x0a\x04\x00\x00"})
    assert record.fs_hz == 360
    np.testing.assert_array_equal(record.adc[0], fast)
    np.testing.assert_allclose(record.adc[1, 100:-100], wave[1, 100:-100], atol=10)
    assert any("resampled" in note for note in record.notes)
    assert record.annotations[0].samples.tolist() == [40]  # annotations count frames


def segments(wave: NDArray[np.int16]) -> dict[str, bytes]:
    return {
        "a.hea": b"a 2 360 1000\na.dat 16 200 0 0 0 0 0 II\na.dat 16 200 0 0 0 0 0 V1\n",
        "a.dat": wave[:, :1000].T.astype("<i2").tobytes(),
        "b.hea": b"b 1 360 500\nb.dat 16 100(50) 0 0 0 0 0 V1\n",
        "b.dat": (wave[1, 1000:1500] // 2 + 50).astype("<i2").tobytes(),
    }


def test_variable_layout_puts_segments_on_one_clock(wave: NDArray[np.int16]) -> None:
    layout = b"l 2 360 0\n~ 0 200 0 0 0 0 0 II\n~ 0 200 0 0 0 0 0 V1\n"
    master = b"m/4 2 360 1800\nl 0\na 1000\n~ 300\nb 500\n"
    record = read({"m.hea": master, "l.hea": layout, **segments(wave)})
    assert record.n_samples == 1800
    np.testing.assert_array_equal(record.adc[:, :1000], wave[:, :1000])
    assert (record.adc[:, 1000:1300] == MISSING).all()
    assert (record.adc[0, 1300:] == MISSING).all()
    np.testing.assert_allclose(record.adc[1, 1300:], wave[1, 1000:1500], atol=1)
    assert any("300 samples between segments" in note for note in record.notes)
    assert any("gain and baseline" in note for note in record.notes)


def test_fixed_layout(wave: NDArray[np.int16]) -> None:
    files = {name: data for name, data in segments(wave).items() if name.startswith("a")}
    record = read({"m.hea": b"m/2 2 360 2000\na 1000\na 1000\n", **files})
    np.testing.assert_array_equal(record.adc, np.tile(wave[:, :1000], 2))


@pytest.mark.parametrize(
    ("master", "quoted"),
    [
        (b"m/1 2 360 1000\nzz 1000\n", "zz.hea is missing"),
        (b"m/1 2 360 999\na 999\n", "has 1000 samples, but m promises 999"),
        (b"m/1 2 360 900\na 1000\n", "add up to 1000 samples, but its header promises 900"),
        (b"m/1 2 250 1000\na 1000\n", "at 360 Hz but m at 250 Hz"),
        (b"m/1 3 360 1000\na 1000\n", "has 2 signals, but m promises 3"),
        (b"m/1 2 360 1000\n~ 1000\n", "no segment that holds samples"),
    ],
)
def test_segments_that_do_not_fit(wave: NDArray[np.int16], master: bytes, quoted: str, tmp_path: Path) -> None:
    for name, data in {"m.hea": master, **segments(wave)}.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatError, match=quoted):
        read(tmp_path / "m")


@pytest.mark.parametrize(
    ("comments", "sex", "age"),
    [
        ("# 51 F 1129 654 x2", "F", 51),
        ("# Age: 61\n# Sex: Female", "F", 61),
        ("#<age>: 71\n#<sex>: M", "M", 71),
        ("# Age: NaN\n# Sex: Unknown", None, None),
        ("# -1 M 1", "M", None),
        ("", None, None),
    ],
)
def test_patient_from_comments(wfdb_files: WfdbFiles, comments: str, sex: str | None, age: float | None) -> None:
    record = read(wfdb_files(f"t 1 360 10\nt.dat 16 200\n{comments}\n"))
    assert (record.patient.sex, record.patient.age_years) == (sex, age)


def test_facts_are_for_tables(wfdb_files: WfdbFiles) -> None:
    with pytest.raises(InputError, match="fs_hz cannot be given for WFDB"):
        read(wfdb_files(), fs_hz=500)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "record_path"),
    [
        ("mitdb", "100"),
        ("mitdb", "119"),
        ("svdb", "800"),
        ("svdb", "891"),
        ("ludb", "data/1"),
        ("cinc2017", "A00001"),
        ("ptbxl", "records500/00000/00449_hr"),
        ("cinc2021-samples", "HR06009"),
        ("nstdb-noise", "bw"),
    ],
)
def test_public_records_equal_wfdb(data_set: DataSet, name: str, record_path: str) -> None:
    path = data_set(name) / record_path
    record, theirs = read(path), wfdb.rdrecord(str(path), physical=False)
    np.testing.assert_array_equal(record.adc, theirs.d_signal.T)
    np.testing.assert_array_equal(record.gain, theirs.adc_gain)
    np.testing.assert_array_equal(record.baseline, theirs.baseline)
    assert record.fs_hz == theirs.fs
    for own in record.annotations:
        other = wfdb.rdann(str(path), own.annotator)
        inside = other.sample < theirs.sig_len
        np.testing.assert_array_equal(own.samples, other.sample[inside])
        assert list(own.symbols) == [symbol for symbol, keep in zip(other.symbol, inside, strict=True) if keep]


@pytest.mark.data
def test_mitdb_119_reads_within_its_time(data_set: DataSet) -> None:
    path = data_set("mitdb") / "119"
    read(path)
    began = time.perf_counter()
    record = read(path)
    assert time.perf_counter() - began < 0.4
    assert (record.patient.sex, record.patient.age_years) == ("F", 51)
    assert len(record.annotation("atr")) == 2094
    assert record.annotation("atr").symbols.count("V") == 444
    assert "(T" in record.annotation("atr").notes


@pytest.mark.data
def test_ludb_has_an_annotator_for_each_lead(data_set: DataSet) -> None:
    annotators = {a.annotator for a in read(data_set("ludb") / "data" / "1").annotations}
    assert annotators == {"i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6"}
