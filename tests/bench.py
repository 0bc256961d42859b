"""Benchmarks on real data: python -m tests.bench [cold warm detectors beats day app strip shapes filling maps service archive busy]. Prints JSON; asserts nothing."""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from ecgcore import data, writers
from ecgcore import shapes as shape_groups
from ecgcore.analysis import analyze, classify
from ecgcore.api import evaluate
from ecgcore.demo import record_of, synthesise
from ecgcore.leads import STANDARD
from ecgcore.readers import read
from ecgcore.record import Record
from ecgcore.settings import ROOT, data_folders

DAY_S = 24 * 3600
REPEATS = 5


def cold() -> dict[str, Any]:
    """Seconds of `python -m ecgcore analyze mitdb/119 --json` as a new process."""
    command = [sys.executable, "-m", "ecgcore", "analyze", str(data.locate("mitdb") / "119"), "--json"]
    seconds = [_timed(lambda: subprocess.run(command, check=True, capture_output=True, cwd=ROOT)) for _ in range(REPEATS)]  # noqa: S603 - our own words
    return {"median_s": round(statistics.median(seconds), 2), "greatest_s": round(max(seconds), 2)}


def warm() -> dict[str, Any]:
    """Seconds of reading and analysing 30 minutes of two leads in a running process."""
    path = data.locate("mitdb") / "119"
    analyze(read(path))
    seconds = [_timed(lambda: analyze(read(path))) for _ in range(REPEATS)]
    return {"median_s": round(statistics.median(seconds), 2), "greatest_s": round(max(seconds), 2), "steps_s": analyze(read(path)).timing_s}


def detectors() -> dict[str, Any]:
    """QRS figures and speed of all detectors on the first lead of all 48 records of mitdb, and of ours on both leads."""
    folder = data.locate("mitdb")
    one = evaluate("qrs", folder, "all", leads="first", against=("neurokit2", "xqrs", "sleepecg"))
    return {"one lead": one["detectors"], "both leads": evaluate("qrs", folder, "all")["detectors"]}


def beats() -> dict[str, Any]:
    """Beats a second of the default model and of its copy in 8-bit integers, in turn, on the first lead of DS1, from the signal to labels, reference beats."""
    folder = data.locate("mitdb")
    labelled = list(data.load_all(folder, data.select_records(folder, "ds1")))
    total = sum(one.samples.size for one in labelled)
    seconds: dict[str, list[float]] = {model: [] for model in ("beats", "beats-int8")}
    for _ in range(REPEATS):
        for model, taken in seconds.items():
            taken.append(_timed(lambda model=model: [classify(one.record, one.samples, one.record.leads[:1], model=model) for one in labelled]))
    whole, copy = (statistics.median(taken) for taken in seconds.values())
    return {"beats": total, "median_beats_per_s": {"beats": round(total / whole), "beats-int8": round(total / copy)}, "int8_times_as_fast": round(whole / copy, 3)}


def day() -> dict[str, Any]:
    """Seconds and peak memory of the analysis of 24 hours of one lead (119 repeated), as a new process."""
    record = read(data.locate("mitdb") / "119")
    n = int(DAY_S * record.fs_hz)
    with tempfile.TemporaryDirectory() as name:
        adc = np.resize(record.adc[0], n)[None]
        long = Record("day", adc, record.gain[:1], record.baseline[:1], record.fs_hz, record.leads[:1], record.source)
        writers.write(long, Path(name) / "day.hea")
        command = [sys.executable, "-m", "ecgcore", "analyze", str(Path(name) / "day")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)  # noqa: S603 - our own words
        begun = time.perf_counter()
        out, _ = process.communicate()
        seconds = time.perf_counter() - begun
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"seconds": round(seconds, 1), "peak_mb": round(peak_mb), "said": out.splitlines()[1]}


def app() -> dict[str, Any]:
    """Seconds from start to the first page, and from upload of mitdb/119 to its beats on screen, in headless Chromium."""
    from tests.browser.timing import measure

    return measure(data.locate("mitdb"))


def strip() -> dict[str, Any]:
    """The strip on 24 hours of three leads at 250 Hz with 100,000 beats: first view, pan and zoom, tiles, edits, memory."""
    from tests.browser.strip_timing import measure

    return measure(data.locate("mitdb"))


def shapes() -> dict[str, Any]:
    """Purity of the groups of like shape on DS1 and svdb, reference beats: share of beats that are of their group's most frequent class."""
    names = [("mitdb", name) for name in data.DS1] + [("svdb", name) for name in data.record_ids(data.locate("svdb"))]
    pure, pure_sn, beats, groups = [], [], [], []
    for folder, name in names:
        loaded = data.load_beats(data.locate(folder), name)
        grouped = shape_groups.group(loaded.record, loaded.samples, loaded.labels)
        counts = [grouped.counts(number) for number in range(len(grouped.groups))]
        joined = [{"NS": one.get("N", 0) + one.get("S", 0), **{k: n for k, n in one.items() if k not in "NS"}} for one in counts]
        pure.append(sum(max(one.values()) for one in counts))
        pure_sn.append(sum(max(one.values()) for one in joined))
        beats.append(len(loaded.samples))
        groups.append(len(counts))
    total = sum(beats)
    return {"records": len(names), "beats": total, "purity": sum(pure) / total, "purity, S and N as one": sum(pure_sn) / total, "groups a record": statistics.mean(groups)}


def filling() -> dict[str, Any]:
    """Milliseconds of filling a gap of 2 s in each lead of mitdb/119, the first call of the process apart: it opens the model."""
    from ecgcore.restoration import fill

    record = read(data.locate("mitdb") / "119")
    starts = np.linspace(10, record.duration_s - 10, 20) * record.fs_hz
    first = _timed(lambda: fill(record, record.leads[0], 3600, 3600 + 720))
    taken = [_timed(lambda at=int(at), lead=lead: fill(record, lead, at, at + 720)) for at in starts for lead in record.leads]
    return {"first_ms": round(1000 * first), "median_ms": round(1000 * statistics.median(taken), 1), "greatest_ms": round(1000 * max(taken), 1)}


def maps() -> dict[str, Any]:
    """Seconds of mapping the ectopic beats of the first lead of 30 min, by record: the map alone, and all of it with both checks of each place; medians of 5."""
    from ecgcore import ectopy
    from ecgcore.inference import segmenter

    found = segmenter.load("segmenter")
    return {name: _mapping(ectopy, found, read(data.locate("mitdb") / name)) for name in ("100", "119", "208")}


def _mapping(ectopy: Any, found: Any, record: Any) -> dict[str, float]:
    lead, size = record.leads[0], found.card.input.samples

    def alone() -> None:
        ectopy.segmenter.strengths(found.answer, ectopy._read(record, lead, found.card).fed, size)

    places = len(ectopy.locate(record, [lead]).places)
    taken = {name: statistics.median(_timed(work) for _ in range(5)) for name, work in (("map_s", alone), ("all_s", lambda: ectopy.locate(record, [lead])))}
    return {"places": places, **{name: round(seconds, 2) for name, seconds in taken.items()}}


def service() -> dict[str, Any]:
    """Milliseconds of a whole request for the rhythm of twelve leads of 10 s, one client and sixteen, and requests a second."""
    from tests.service.timing import measure

    return measure()


def archive() -> dict[str, Any]:
    """Recordings a second of 2,000 twelve-lead ones of 10 s at 500 Hz in a folder, as a new process with one worker a core; ptbxl's 500 taken four times, else synthetic ones."""
    with tempfile.TemporaryDirectory() as name:
        folder, table = Path(name) / "in", Path(name) / "table.parquet"
        source = _twelve_leads(folder)
        command = [sys.executable, "-m", "ecgcore", "analyze", str(folder), "--out", str(table)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = _timed(lambda: subprocess.run(command, check=True, capture_output=True, cwd=ROOT))  # noqa: S603 - our own words
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        again = _timed(lambda: subprocess.run(command, check=True, capture_output=True, cwd=ROOT))  # noqa: S603 - our own words
        made = parquet.read_table(table).to_pydict()
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "recordings": len(made["path"]),
        "of": source,
        "errors": sum(error is not None for error in made["error"]),
        "seconds": round(seconds, 1),
        "records_per_s": round(len(made["path"]) / seconds, 1),
        "processor_ms_of_one": round(1000 * processor_s / len(made["path"]), 1),  # of a core, whatever else the machine does
        "median_ms_of_one": round(1000 * statistics.median(made["seconds"]), 1),
        "peak_mb_of_a_process": round(peak_mb),
        "second_run_s": round(again, 1),
    }


def busy() -> dict[str, Any]:
    """Seconds from a click to each page at rest, without a training and while the default model is trained."""
    from tests.browser.timing import while_training

    return while_training(data.locate("mitdb"))


def _twelve_leads(folder: Path) -> str:
    """Writes 2,000 recordings into a folder; says what they are."""
    found = [place / "ptbxl" for place in data_folders() if (place / "ptbxl").is_dir()]
    headers = sorted(found[0].rglob("*_hr.hea")) if found else []
    if not headers:
        made = folder.with_name("made")
        for seed in range(50):
            beats = [(0.5 + (0.6 + 0.01 * seed) * i, "V" if i == seed % 20 else "N") for i in range(14)]
            writers.write(record_of(f"r{seed:02d}", synthesise(beats, 10, STANDARD, 500, seed=seed), beats, STANDARD, 500), made / f"r{seed:02d}.hea")
        headers = sorted(made.glob("*.hea"))
    for copy in range(2000 // len(headers)):
        (folder / str(copy)).mkdir(parents=True)
        for header in headers:
            for file in (header, header.with_suffix(".dat")):
                shutil.copy(file, folder / str(copy))
    return "ptbxl" if found else "synthetic"


def _timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


ALL = (day, cold, warm, detectors, beats, app, strip, shapes, filling, maps, service, archive, busy)  # the day first: peak memory of children is kept over all of them

if __name__ == "__main__":
    wanted = sys.argv[1:]
    print(json.dumps({"cores": os.cpu_count()}))
    for bench in ALL:
        if not wanted or bench.__name__ in wanted:
            print(json.dumps({bench.__name__: bench()}, indent=1), flush=True)
