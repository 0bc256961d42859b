"""A tiny model that reconstructs, with a valid card: it answers by rule, so that a test knows what it should say."""

from pathlib import Path

from ecgcore.inference import cards
from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData
from ecgcore.inference.wonhee import INPUTS, OUTPUTS, TASK
from ecgcore.signals import fills

SAMPLES = 640
HALF_BAND = 0.5  # of the window's scale


def write_model(root: Path, **changes: object) -> Path:
    """Write <root>/wonhee/1: what is missing is as the mean beat has it, in a band of half the window's scale on either side."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    mean_beat, half_band = fills.CANDIDATES.index("mean beat"), np.array(HALF_BAND, np.float32)
    nodes = [
        helper.make_node("Gather", ["candidates", "chosen"], ["signal"], axis=1),
        helper.make_node("Sub", ["signal", "half_band"], ["low"]),
        helper.make_node("Add", ["signal", "half_band"], ["high"]),
        helper.make_node("ReduceMean", ["observed"], ["share"], axes=[1], keepdims=1),
        helper.make_node("Concat", ["share", "share"], ["probabilities"], axis=1),
        helper.make_node("Identity", ["windows"], ["unread"]),
    ]
    constants = [numpy_helper.from_array(np.array(mean_beat, np.int64), "chosen"), numpy_helper.from_array(half_band, "half_band")]
    shapes = {**{name: ["batch", SAMPLES] for name in (*INPUTS, *OUTPUTS)}, "candidates": ["batch", len(fills.CANDIDATES), SAMPLES], "probabilities": ["batch", 2]}
    given, made = ([helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in names] for names in (INPUTS, OUTPUTS))
    folder = root / "wonhee" / "1"
    folder.mkdir(parents=True)
    model = helper.make_model(helper.make_graph(nodes, "wonhee", given, made, constants), opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / cards.WEIGHTS))
    cards.write_card(card_of(folder).model_copy(update=changes), folder)
    return folder


def card_of(folder: Path) -> Card:
    """The card of a model written into a folder."""
    measured = [
        ("Bursts of 50–500 ms: MSE", 0.004, "by patient"),
        ("Blackout of 1–2 s: MSE", 0.012, "by patient"),
        ("Blackout of 1–2 s: R-peak F1", 91.5, "by patient"),
        ("Blackout of 1–2 s: MSE, PTB-XL", 0.009, "by patient"),
        ("Forecast of 2 s: MSE", 0.031, "by patient"),
        ("DS2", 90.3, "by patient, blackout of 1–2 s"),
        ("DS2", 89.1, "by patient, forecast of 2 s"),
    ]
    figures = [Figure(name=name, value=value, spread=None, n=1, protocol="held-out patients", split=split, command="none") for name, value, split in measured]
    return Card(
        name="wonhee", version="1", task=TASK,
        input=InputSpec(
            leads="any", fs_hz=fills.FS_HZ, samples=SAMPLES, before_samples=0, units="mV", scaling="by window", band_hz=(0.5, 40.0),
            features=fills.CANDIDATES, windowing="segments",
        ),
        classes=("N", "V"), thresholds={"longest_gap_s": 3.0, "longest_forecast_s": 2.0, "least_observed_s": 1.0},
        training=TrainingData(trained={"mitdb": ("101", "106")}, held_out={}, left_out={}, protocol="by patient", augmentation="none", seed=1),
        figures=tuple(figures), sha256=cards.digest(folder / cards.WEIGHTS), git_commit="none", device="cpu", minutes=0.1,
        limits=("made for a test",), intended_use="tests",
    )  # fmt: skip
