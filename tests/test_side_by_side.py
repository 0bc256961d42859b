"""Models on the same beats: a class that one of them does not have is no disagreement."""

import numpy as np
import pytest

from ecgcore import settings
from ecgcore.demo import make_demo
from ecgcore.findings import AAMI_CLASSES, Beats
from ecgcore.side_by_side import Pair, SideBySide, compare
from tests.window_models import write_model


def called(model, labels, classes=AAMI_CLASSES):
    n = len(labels)
    return Beats(np.arange(n), tuple(labels), tuple(labels), np.zeros((n, len(classes)), np.float32), model, ("II",), "given", classes)


def test_a_class_that_one_model_lacks_is_no_disagreement():
    found = SideBySide(np.arange(6), (called("five@1", "NSVFQN"), called("three@1", "NVVNVN", ("N", "S", "V"))))
    assert found.disagreements().tolist() == [1]
    assert found.pairs() == (Pair("five@1", "three@1", 4, 3),)
    assert found.not_comparable() == 2


def test_any_two_models_may_disagree():
    found = SideBySide(np.arange(4), (called("a@1", "NFVN"), called("b@1", "NNVN", ("N", "S", "V")), called("c@1", "NNVS")))
    assert found.disagreements().tolist() == [1, 3]
    assert [(pair.one, pair.other, pair.compared, pair.same) for pair in found.pairs()] == [("a@1", "b@1", 3, 3), ("a@1", "c@1", 4, 2), ("b@1", "c@1", 4, 3)]
    assert found.not_comparable() == 0


@pytest.mark.parametrize("labels", ["", "NVS"])
def test_one_model_agrees_with_itself(labels):
    found = SideBySide(np.arange(len(labels)), (called("a@1", labels), called("a@1", labels)))
    assert found.disagreements().size == 0
    assert found.pairs()[0].compared == found.pairs()[0].same == len(labels)


def test_models_classify_the_beats_given(tmp_path, monkeypatch):
    write_model(tmp_path, "neural_flow")
    write_model(tmp_path, "hadln")
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path)
    record, told = make_demo("demo-ectopy"), []
    samples = record.annotation("atr").samples[10:40]
    found = compare(record, samples, None, ["neural_flow", "hadln"], lambda share, what: told.append((share, what)))
    assert found.models == ("neural_flow@1", "hadln@1")
    assert all(np.array_equal(beats.samples, samples) for beats in found.by_model)
    assert [what for _, what in told] == ["classifying beats by neural_flow", "classifying beats by hadln", "done"]
    assert len(found.cautions) == 1
