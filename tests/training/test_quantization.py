"""The shipped model in 8-bit integers beside the one it was made from."""

import numpy as np
import pytest

from ecgcore import data, settings
from ecgcore.analysis import classify
from ecgcore.errors import ModelError
from ecgcore.inference import cards
from ecgcore.training import quantization, quantize


@pytest.mark.data
def test_a_copy_says_nearly_the_same_and_never_overwrites_another(data_set, tmp_path, monkeypatch):
    whole = cards.read_card(cards.find("beats"))
    data_set("svdb")
    monkeypatch.setattr(quantization, "EVERY", 100)  # the first record of each data set
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path))
    copy, folder = quantize(whole.id, out=settings.trained_weights())
    assert copy.id == f"beats-int8@{folder.name}"
    assert folder.name.startswith(whole.version)
    assert (copy.figures, copy.reliability, copy.uncertain, copy.certain_from) == ((), (), (), None)
    assert whole.id in copy.limits[0]
    assert quantize(whole.id, out=settings.trained_weights())[0].version != copy.version

    one = data.load_beats(data_set("mitdb"), "101")
    large, small = (classify(one.record, one.samples, one.record.leads[:1], model=model) for model in (whole.id, copy.id))
    assert not np.array_equal(large.probabilities, small.probabilities)
    assert np.mean(np.array(large.labels) == np.array(small.labels)) > 0.995
    assert np.allclose(small.probabilities.sum(axis=1), 1, atol=1e-4)


def test_only_models_of_beats_are_copied(tmp_path):
    with pytest.raises(ModelError, match="beat windows"):
        quantize("neural_flow", out=tmp_path)
