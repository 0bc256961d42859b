"""A folder of recordings becomes a table: what counts as one, rows and their errors, a real cluster, and what survives a run that is killed."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from pyarrow import parquet

from ecgcore import analyze_folder, writers
from ecgcore.archive import rows, workers
from ecgcore.archive.parts import Parts
from ecgcore.archive.rows import COLUMNS, FILE, WORK, Asked, row_of
from ecgcore.cli import main
from ecgcore.demo import make_demo
from ecgcore.errors import ClusterError, InputError, ModelError
from ecgcore.readers import read, recordings
from ecgcore.readers.folder import Found
from ecgcore.readers.sources import Facts
from ecgcore.rhythm_findings import RHYTHMS
from ecgcore.settings import ROOT

# A worker that loads this dies of the recordings called "killer", as of one that exhausts its memory.
PRELOAD = """
import os, signal
from ecgcore.archive import workers
from ecgcore.archive.rows import row_of

def killed(root, found, asked):
    if "killer" in found.path:
        os.kill(os.getpid(), signal.SIGKILL)
    if "odd" in found.path:
        raise ZeroDivisionError("division by zero")
    return row_of(root, found, asked)

workers.row_of = killed
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A folder with a 12-lead recording of 10 s: header, samples and annotations."""
    folder = tmp_path_factory.mktemp("one")
    writers.write(make_demo("demo-12-lead"), folder / "demo-12-lead.hea")
    return folder


@pytest.fixture
def folder(one, tmp_path):
    """Makes a folder with so many copies of the recording."""

    def make(n, name="in"):
        for number in range(n):
            shutil.copytree(one, tmp_path / name / f"{number:03d}")
        return tmp_path / name

    return make


@contextmanager
def started(*words, cwd, **environment):
    """A process of our own that is gone in the end."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-m", "dask", *words], cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, **quiet)  # noqa: S603 - our own words
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A Dask scheduler on a free port of this machine and two workers, as their own commands start them; a client of it."""
    from distributed import Client

    place = tmp_path_factory.mktemp("cluster")
    (place / "preload.py").write_text(PRELOAD)
    where = ("--scheduler-file", str(place / "scheduler.json"))
    worker = ("worker", *where, "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--preload", str(place / "preload.py"))
    local = ("--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0")
    # At Dask's own setting a worker dies three more times before a recording is given up: the same, only later.
    with (
        started("scheduler", *where, *local, cwd=place, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0"),
        started(*worker, cwd=place),
        started(*worker, cwd=place),
        Client(scheduler_file=str(place / "scheduler.json"), timeout=30, set_as_default=False) as client,
    ):
        client.wait_for_workers(2, timeout=30)
        yield client


def address(client):
    return client.scheduler.address


def table(path):
    return {row["path"]: row for row in parquet.read_table(path).to_pylist()}


def test_a_record_is_found_once_and_what_is_none_is_counted(folder, tmp_path):
    place = folder(2)
    for other in ("000/demo-12-lead.csv", "x.edf"):
        writers.write(make_demo("demo-12-lead"), place / other)
    (place / "README.md").write_text("nothing here")
    (place / "stray.dat").write_bytes(b"\0\1" * 50)
    (place / "broken.hea").write_text("broken 2 500 5000\nbroken.dat 16\n")
    (place / "measures.csv").write_text("height,weight\n1.7,60\n1.8,70\n")
    (place / ".hidden").mkdir()
    shutil.copy(place / "x.edf", place / ".hidden")
    found = recordings(place, without=(place / "001",))
    assert [one.path for one in found.recordings] == ["000/demo-12-lead.csv", "000/demo-12-lead.hea", "broken.hea", "measures.csv", "x.edf"]
    assert found.skipped == ("README.md", "stray.dat")
    assert sum(path.stat().st_size for path in (place / "000").glob("demo-12-lead.[!c]*")) == found.recordings[1].n_bytes


def test_segments_belong_to_their_record(tmp_path):
    for name in ("a", "b"):
        writers.write(make_demo("demo-12-lead"), tmp_path / f"{name}.hea")
    (tmp_path / "whole.hea").write_text("whole/2 12 500 10000\na 5000\nb 5000\n")
    assert read(tmp_path / "whole.hea").duration_s == 20
    assert [one.path for one in recordings(tmp_path).recordings] == ["whole.hea"]


def test_a_stamp_changes_with_any_file_of_the_record(folder):
    place = folder(1)
    before = recordings(place).recordings[0].stamp
    assert recordings(place).recordings[0].stamp == before
    os.utime(place / "000" / "demo-12-lead.dat", ns=(0, 0))
    assert recordings(place).recordings[0].stamp != before


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="no folder at"):
        recordings(tmp_path / "nowhere")


def test_a_row_says_all_that_was_found(one):
    row = row_of(one, recordings(one).recordings[0], Asked(None))
    assert list(row) == list(COLUMNS)
    assert (row["format"], row["fs_hz"], row["duration_s"], len(row["leads"]), row["beats"], row["beats_N"]) == ("WFDB", 500, 10, 12, 11, 11)
    assert row["sha256"] == read(one / "demo-12-lead").source.sha256
    assert row["heart_rate_bpm"] == pytest.approx(72, abs=2)
    assert row["burden_N"] == row["usable"] == 1
    assert row["beat_model"].startswith("beats@")
    assert row["rhythm_model"].startswith("universal@")
    assert sum(row[f"p_{name}"] for name in RHYTHMS) == pytest.approx(1, abs=1e-3)
    assert row["rhythm_probability"] == max(row[f"p_{name}"] for name in RHYTHMS)
    assert (row["rhythm"] is None) == bool(row["doubt"])
    assert (row["error"], row["fault"], row["afib_share"]) == (None, None, None)


def test_a_long_recording_has_a_share_of_fibrillation_and_no_one_rhythm(tmp_path):
    writers.write(make_demo("demo-artefacts"), tmp_path / "long.hea")
    row = row_of(tmp_path, recordings(tmp_path).recordings[0], Asked(("II",)))
    assert (row["leads"], row["rhythm"], row["p_AFIB"]) == (["II"], None, None)
    assert 0 <= row["judged_share"] <= 1
    assert row["rhythm_model"].startswith("universal@")


@pytest.mark.parametrize(
    ("name", "content", "leads", "said"),
    [
        ("a.hea", b"a 1 500 5000\na.dat 16 200 16 0 0 0 0 II\n", None, "a.dat"),
        ("a.edf", b"0       " + b" " * 300, None, "a.edf"),
        ("a.csv", b"I,II\n" + b"0.1,0.2\n" * 50, None, "sampling rate"),
        ("demo-12-lead.hea", None, ("V9",), "no lead 'V9'"),
    ],
)
def test_a_bad_file_is_a_row_with_its_error(one, tmp_path, name, content, leads, said):
    root = one if content is None else tmp_path
    if content is not None:
        (root / name).write_bytes(content)
    row = row_of(root, Found(name, 1, "s"), Asked(leads))
    assert said in row["error"]
    assert "\n" not in row["error"]
    assert (row["fault"], row["beats"], row["stamp"]) == (FILE, None, "s")
    assert pa.Table.from_pylist([row], schema=rows.schema()).num_rows == 1


def test_facts_are_for_the_tables_that_leave_them_out(one, tmp_path):
    (tmp_path / "a.csv").write_text("I,II\n" + "0.1,0.2\n" * 2500)
    facts = Facts(250.0, "mV", None)
    assert row_of(tmp_path, Found("a.csv", 1, "s"), Asked(None, facts=facts))["duration_s"] == 10
    assert row_of(one, recordings(one).recordings[0], Asked(None, facts=facts))["error"] is None


def test_a_name_that_is_no_text_is_spelt_out(one, tmp_path):
    odd = os.fsdecode(b"caf\xe9.edf")
    writers.write(make_demo("demo-12-lead"), tmp_path / "x.edf")
    (tmp_path / "x.edf").rename(tmp_path / odd)
    found = recordings(tmp_path).recordings[0]
    assert (found.path, row_of(tmp_path, found, Asked(("II",)))["path"]) == (odd, "caf\\udce9.edf")


def test_batches_are_bounded_by_number_and_size_and_the_longest_come_first():
    found = [Found(str(i), 100, "") for i in range(40)] + [Found("day", workers.BATCH_BYTES + 1, ""), Found("half", workers.BATCH_BYTES // 2, "")]
    made = workers.batches(found)
    assert [one.path for one in made[0]] == ["day"]
    assert made[1][0].path == "half"
    assert [len(batch) for batch in made[1:]] == [16, 16, 9]
    assert sorted(one.path for batch in made for one in batch) == sorted(one.path for one in found)


def a_row(path, stamp="s", **values):
    return {**dict.fromkeys(COLUMNS), "path": path, "stamp": stamp, **values}


def test_parts_become_the_table_and_only_fitting_rows_are_kept(tmp_path):
    parts = Parts(tmp_path / "t.parquet", "these")
    parts.add([a_row("b"), a_row("a", fault=WORK, error="killed"), a_row("gone")])
    parts.add([a_row("a"), a_row("c", "older")])
    Parts(tmp_path / "t.parquet", "others").add([a_row("d")])
    (parts.folder / "000009-damaged.parquet").write_bytes(b"PAR1")
    assert parts.done() == {"a": "s", "b": "s", "c": "older", "gone": "s"}
    with pytest.raises(InputError, match="1 rows have gone"):
        parts.finish([Found(path, 1, "s") for path in "abd"])
    made = parts.finish([Found(path, 1, "s") for path in "ab"])
    assert [(row["path"], row["error"]) for row in made.to_pylist()] == [("a", None), ("b", None)]
    assert parquet.read_table(tmp_path / "t.parquet").to_pylist() == made.to_pylist()
    assert not parts.folder.exists()
    assert parts.done() == {"a": "s", "b": "s"}
    assert parquet.read_schema(tmp_path / "t.parquet").field("fs_hz").metadata == {b"about": b"sampling rate"}
    parts.clear()
    assert parts.done() == {}


def test_a_failure_of_the_work_is_tried_again_by_the_next_run(tmp_path):
    parts = Parts(tmp_path / "t.parquet", "these")
    parts.add([a_row("a", fault=FILE, error="no recording"), a_row("b", fault=WORK, error="killed")])
    assert parts.done() == {"a": "s"}


def test_a_cluster_shares_the_work_and_every_fault_is_a_row(cluster, folder, tmp_path):
    place = folder(40)
    for name in ("killer", "odd"):
        shutil.copytree(place / "000", place / name)
    (place / "broken.hea").write_text("broken 2 500 5000\nbroken.dat 16\n")
    told = []
    made = analyze_folder(place, tmp_path / "t.parquet", ["II"], scheduler=address(cluster), progress=lambda share, what: told.append(share))
    found = table(tmp_path / "t.parquet")
    assert (made.recordings, made.made, made.errors, made.skipped) == (43, 43, 3, ())
    assert list(found) == sorted(found)
    assert "killed" in found["killer/demo-12-lead.hea"]["error"]
    assert found["odd/demo-12-lead.hea"]["error"] == "ZeroDivisionError: division by zero"
    assert (found["killer/demo-12-lead.hea"]["fault"], found["broken.hea"]["fault"]) == (WORK, FILE)
    assert all(row["beats"] == 11 for row in found.values() if row["error"] is None)
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_second_run_makes_only_what_has_changed(cluster, folder, tmp_path):
    place, out = folder(4), tmp_path / "t.parquet"
    again = {"scheduler": address(cluster)}
    assert analyze_folder(place, out, ["II"], **again).made == 4
    before = out.read_bytes()
    assert analyze_folder(place, out, ["II"], **again).made == 0
    assert out.read_bytes() == before
    os.utime(place / "002" / "demo-12-lead.dat", ns=(0, 0))
    shutil.rmtree(place / "003")
    assert analyze_folder(place, out, ["II"], **again).made == 1
    assert len(table(out)) == 3
    assert analyze_folder(place, out, ["V1"], **again).made == 3
    assert {tuple(row["leads"]) for row in table(out).values()} == {("V1",)}
    assert analyze_folder(place, out, ["V1"], restart=True, **again).made == 3


def test_a_run_can_be_stopped_and_goes_on(cluster, folder, tmp_path):
    def stop(share, what):
        if 0 < share < 1:
            raise KeyboardInterrupt

    place, out = folder(60), tmp_path / "t.parquet"
    with pytest.raises(KeyboardInterrupt):
        analyze_folder(place, out, ["II"], scheduler=address(cluster), progress=stop)
    assert not out.exists()
    made = analyze_folder(place, out, ["II"], scheduler=address(cluster))
    assert 0 < made.made < made.recordings == 60
    assert not out.with_name("t.parquet.parts").exists()


def test_processes_of_this_machine_and_a_run_that_is_killed(folder, tmp_path):
    place, out = folder(48), tmp_path / "t.parquet"
    dies = f"""
import os, signal
from ecgcore import analyze_folder
if __name__ == "__main__":
    analyze_folder({str(place)!r}, {str(out)!r}, ["II"], progress=lambda share, what: share > 0.3 and os.kill(os.getpid(), signal.SIGKILL))
"""
    (tmp_path / "dies.py").write_text(dies)
    done = subprocess.run([sys.executable, tmp_path / "dies.py"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, capture_output=True)  # noqa: S603 - our own words
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not out.exists()
    assert list(out.with_name("t.parquet.parts").iterdir())
    made = analyze_folder(place, out, ["II"], workers=1)
    assert 0 < made.made < made.recordings == 48
    assert made.errors == 0
    assert len(table(out)) == 48


def test_memory_of_workers_does_not_grow_with_the_recordings(cluster, folder, tmp_path):
    def resident(dask_worker):
        import psutil

        return psutil.Process().memory_info().rss

    analyze_folder(folder(8), tmp_path / "t.parquet", ["II"], scheduler=address(cluster))
    before = cluster.run(resident)
    analyze_folder(folder(120, "more"), tmp_path / "u.parquet", ["II"], scheduler=address(cluster))
    grown = [after - before[worker] for worker, after in cluster.run(resident).items()]
    assert len(grown) == 2
    assert max(grown) < 30e6


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"out": "t.csv"}, InputError, "must end in .parquet"),
        ({"out": "foreign.parquet"}, InputError, "no table of recordings"),
        ({"folder": "empty"}, InputError, "no recording in"),
        ({"model": "magic"}, ModelError, "no model 'magic'"),
        ({"workers": 0}, InputError, "0 workers"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, InputError, "--workers"),
        ({"scheduler": "tcp://127.0.0.1:1"}, ClusterError, "no Dask scheduler answers"),
        ({"scheduler": "magic://x"}, InputError, "no address"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(one, tmp_path, monkeypatch, options, error, said):
    monkeypatch.setattr(workers, "CONNECT_S", 0.2)
    (tmp_path / "empty").mkdir()
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "foreign.parquet")
    given = {"folder": one, "out": "t.parquet", **options}
    with pytest.raises(error, match=said):
        analyze_folder(**{**given, "folder": tmp_path / given["folder"], "out": tmp_path / given["out"]})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "foreign.parquet"]


def test_a_worker_that_cannot_take_part_is_named(cluster, one, tmp_path):
    with pytest.raises(ClusterError, match="wanted is other"):
        workers.check(cluster, one, Asked(None), "other")
    with pytest.raises(ClusterError, match="cannot take part: no model 'magic'"):
        workers.check(cluster, one, Asked(None, "magic"), "other")


def test_a_cluster_without_workers_is_given_up(monkeypatch):
    monkeypatch.setattr(workers, "WITHOUT_WORKERS_S", -1)
    with pytest.raises(ClusterError, match="no worker has been there"):
        workers.Sharing(SimpleNamespace(nthreads=dict), Path(), Asked(None))._look_for_workers()


def test_threads_of_a_worker_are_held_to_one(cluster, one):
    def threads(dask_worker):
        return os.environ.get("LEADWISE_THREADS"), os.environ.get("OMP_NUM_THREADS")

    cluster.run(workers._rows, one, (), Asked(None))
    assert set(cluster.run(threads).values()) == {("1", "1")}


def test_the_command_line(cluster, folder, tmp_path, capsys):
    place, out = folder(3), tmp_path / "t.parquet"
    (place / "notes.md").write_text("nothing")
    assert main(["analyze", str(place), "--out", str(out), "--scheduler", address(cluster), "--leads", "II,V1"]) == 0
    said = capsys.readouterr()
    assert "3 recordings, 3 of them analysed now" in said.out
    assert "skipped 1 files that are no recording: notes.md" in said.out
    assert said.err == ""
    assert {tuple(row["leads"]) for row in table(out).values()} == {("II", "V1")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("{one}",), "--out TABLE.parquet"),
        (("{one}/demo-12-lead.hea", "--out", "t.parquet"), "is for a folder"),
        (("{one}", "--out", "t.parquet", "--json"), "are for one recording"),
        (("{one}/demo-12-lead", "--workers", "2"), "are for a folder"),
    ],
)
def test_the_command_line_says_what_would_be_right(one, capsys, arguments, said):
    assert main(["analyze", *(argument.format(one=one) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.data
def test_real_recordings(data_set):
    root = data_set("ptbxl")
    found = recordings(root)
    assert len(found.recordings) >= 500
    made = [row_of(root, one, Asked(None)) for one in found.recordings[:5]]
    assert all(row["error"] is None and row["beats"] >= 5 and row["rhythm_model"] for row in made)
