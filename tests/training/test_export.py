"""From torch to ONNX: any length along the free axes, as often as one likes, or an error that says what is wrong."""

import pytest
import torch
from torch import nn

from ecgcore.errors import ModelError
from ecgcore.inference import cards
from ecgcore.models.beats import BeatNet, CalibratedBeatNet
from ecgcore.training.export import export

CARD = cards.read_card(cards.find("beats"))
FREE = {0: "batch", 1: "time"}


def test_a_second_export_in_one_process_leaves_time_as_free_as_the_first(tmp_path):
    import onnxruntime

    for name in ("1", "2"):
        net = CalibratedBeatNet(BeatNet(2, 5, channels=(4, 4, 4), hidden=4)).eval()
        example = (torch.randn(2, 4, 2, 32), torch.randn(2, 4, 2))
        export(net, example, ("beats", "rr"), ("probabilities",), (FREE, FREE), CARD, tmp_path / name)
        session = onnxruntime.InferenceSession(str(tmp_path / name / cards.WEIGHTS), providers=["CPUExecutionProvider"])
        assert [put.shape for put in session.get_inputs()] == [["batch", "time", 2, 32], ["batch", "time", 2]]


class Counted(nn.Module):
    """Goes through its steps one by one, so that their number is part of the graph."""

    def forward(self, x):
        return torch.stack([x[:, step] * step for step in range(x.shape[1])], dim=1)


def test_a_length_that_is_baked_in_is_said_and_nothing_is_written(tmp_path):
    with pytest.raises(ModelError, match=r"does not take x \(5, 9, 3\); a length of the example it was exported with may be baked in"):
        export(Counted(), (torch.randn(2, 4, 3),), ("x",), ("y",), (FREE,), CARD, tmp_path / "1")
    assert not list(tmp_path.iterdir())
