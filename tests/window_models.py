"""A tiny model for windows of one beat, with a valid card: it answers by rule, so that a test knows what it should say."""

from pathlib import Path

import numpy as np

from ecgcore.inference import cards
from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData

STEPS = 10
SPECS = {
    "neural_flow": {"fs_hz": 360.0, "samples": 300, "before_samples": 100, "windowing": "centred"},
    "hadln": {"fs_hz": 125.0, "samples": 187, "before_samples": 0, "windowing": "kachuee"},
}
CLASSES = {"neural_flow": ("N", "S", "V"), "hadln": ("N", "S", "V", "F", "Q")}
USUAL_HEIGHT = {"neural_flow": 0.59, "hadln": 0.24}  # of a window between those of the demo record's N and V beats
CHECKS = {"attention deletion, highlighted": 0.4, "attention deletion, random": 0.1, "attention randomisation": 0.05}


def write_model(root: Path, name: str, checks: dict[str, float | None] = CHECKS, **changes: object) -> Path:
    """Write <root>/<name>/1 after the contract of models for "beat windows".

    V is the more probable, the higher the window is on the average, S in its first third; attention is the sum of heights in each step.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    spec, classes = SPECS[name], CLASSES[name]
    samples = int(spec["samples"])
    towards = np.zeros((samples, len(classes)), np.float32)
    towards[:, CLASSES[name].index("V")] = 60 / samples
    towards[: samples // 3, CLASSES[name].index("S")] = 30 / samples
    pooling = np.repeat(np.eye(STEPS, dtype=np.float32), -(-samples // STEPS), axis=0)[:samples]
    bias = np.array([-60 * USUAL_HEIGHT[name] if one == "V" else -30 * USUAL_HEIGHT[name] / 3 if one == "S" else -5.0 if one in "FQ" else 0.0 for one in classes], np.float32)
    nodes = [
        helper.make_node("Abs", ["beats"], ["height"]),
        helper.make_node("MatMul", ["height", "towards"], ["sums"]),
        helper.make_node("Add", ["sums", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        helper.make_node("MatMul", ["height", "pooling"], ["attention"]),
    ]
    constants = [numpy_helper.from_array(value, label) for label, value in {"towards": towards, "bias": bias, "pooling": pooling}.items()]
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info("beats", TensorProto.FLOAT, ["batch", samples])],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, ["batch", n]) for out, n in (("probabilities", len(classes)), ("attention", STEPS))],
        constants,
    )  # fmt: skip
    folder = root / name / "1"
    folder.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(folder / cards.WEIGHTS))
    cards.write_card(card_of(name, folder, checks).model_copy(update=changes), folder)
    return folder


def card_of(name: str, folder: Path, checks: dict[str, float | None] = CHECKS) -> Card:
    """The card of a model written into a folder."""
    made = [
        Figure(name=label, value=value, spread=None, n=1, protocol="held-out patients of DS1", split="by patient", command=f"python -m ecgcore train {name}")
        for label, value in checks.items()
    ]
    return Card(
        name=name, version="1", task="beat windows",
        input=InputSpec(leads=("MLII", "II"), units="mV", scaling="by window", band_hz=(0.5, 40.0), **SPECS[name]),
        classes=CLASSES[name], thresholds={},
        training=TrainingData(trained={"mitdb": ("101", "106")}, held_out={}, left_out={}, protocol="by patient", augmentation="none", seed=1),
        figures=tuple(made), sha256=cards.digest(folder / cards.WEIGHTS), git_commit="none", device="cpu", minutes=0.1,
        limits=("made for a test",), intended_use="tests",
    )  # fmt: skip
