"""The beats behind a confusion matrix: every beat in one cell, the matrix the sum of its cells, kept and read back equal."""

import numpy as np
import pytest

from ecgcore import settings, writers
from ecgcore.demo import record_of, synthesise
from ecgcore.errors import FormatError, InputError
from ecgcore.evaluation import cells
from ecgcore.evaluation.beats import evaluate_reference
from ecgcore.evaluation.cells import Cells
from tests.window_models import write_model


def rhythm(seed):
    return [(0.6 + 0.8 * i - (0.25 if i % 5 == 4 else 0), "NNNNVNNNNFNNNNA"[(i + 5 * seed) % 15]) for i in range(75)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two records with beats N, V, A and F."""
    made = tmp_path_factory.mktemp("data") / "mitdb"
    for seed, name in enumerate(("one", "two")):
        mv = synthesise([(at, code.replace("F", "V")) for at, code in rhythm(seed)], 61, ("V1", "II"), 250, seed=seed)
        writers.write(record_of(name, mv, rhythm(seed), ("V1", "MLII"), 250), made / f"{name}.hea")
    return made


@pytest.fixture
def found(folder, tmp_path, monkeypatch):
    write_model(tmp_path, "neural_flow")
    write_model(tmp_path, "hadln")
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path)
    return cells.classify_set("neural_flow", folder, ("one", "two"))


def test_every_beat_is_in_one_cell(found):
    places = [found.behind(reference, called) for reference in found.classes for called in found.classes]
    assert sorted(np.concatenate(places).tolist()) == list(range(found.samples.size))
    assert [len(part) for part in places] == found.confusion.matrix.ravel().tolist()
    for reference, called in (("N", "N"), ("V", "V"), ("N", "V")):
        there = found.behind(reference, called)
        assert set(found.reference[there]) <= {reference}
        assert set(found.called[there]) <= {called}
        assert np.all(np.diff(found.probability[there]) <= 0)


def test_beats_of_classes_that_the_model_lacks_are_left_out(found, folder):
    fusions = sum(code == "F" for seed in (0, 1) for _, code in rhythm(seed))
    assert found.left_out == fusions > 0
    assert found.samples.size == 150 - fusions
    five = cells.classify_set("hadln", folder, ("one", "two"))
    assert (five.left_out, five.samples.size) == (0, 150)


def test_it_is_the_evaluation_on_reference_beats(found, folder):
    evaluated = evaluate_reference("neural_flow", folder, ("one", "two"), "MLII").as_dict()
    assert evaluated["matrix"] == found.confusion.matrix.tolist()
    assert evaluated["protocol"].endswith("left out")
    assert not evaluate_reference("hadln", folder, ("one",), "MLII").as_dict()["protocol"].endswith("left out")


def test_a_beat_has_its_record_and_time(found):
    place = int(found.behind("V", "V")[0]) if found.behind("V", "V").size else 0
    assert found.seconds(place) == found.samples[place] / 250
    assert found.records[int(found.record[place])] in ("one", "two")
    assert (found.model, found.rates_hz) == ("neural_flow@1", (250.0, 250.0))


def test_differences_are_named_by_cell(found):
    matrix = found.confusion.matrix[::-1, ::-1].tolist()
    assert cells.differences(found.confusion, found.classes[::-1], matrix) == []
    matrix[0][1] += 3
    ((reference, called, here, there),) = cells.differences(found.confusion, found.classes[::-1], matrix)
    assert (reference, called, there - here) == ("V", "S", 3)
    with pytest.raises(InputError, match="does not compare"):
        cells.differences(found.confusion, ("N", "V"), [[1, 0], [0, 1]])


def test_an_unknown_class_is_refused(found):
    with pytest.raises(InputError, match="class X is none of N, S, V"):
        found.behind("X", "N")


def test_what_was_kept_reads_back_equal(found, tmp_path):
    path = tmp_path / "kept" / "cells.npz"
    cells.write(found, path)
    again = cells.read(path)
    assert isinstance(again, Cells)
    for name in ("model", "sha256", "classes", "records", "rates_hz", "left_out"):
        assert getattr(again, name) == getattr(found, name)
    for name in ("record", "samples", "reference", "called", "probability"):
        assert np.array_equal(getattr(again, name), getattr(found, name))


def test_another_file_is_refused(tmp_path):
    (tmp_path / "other.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(FormatError, match=r"other.npz does not hold"):
        cells.read(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError):
        cells.read(tmp_path / "none.npz")
