"""A tiny model that tells the rhythm, with a valid card: it answers by rule, so that a test knows what it should say."""

from pathlib import Path

import numpy as np

from ecgcore.inference import cards
from ecgcore.inference.cards import Card, InputSpec, TrainingData
from ecgcore.inference.rhythm import TASK, UNKNOWN_LEAD
from ecgcore.leads import STANDARD
from ecgcore.rhythm_findings import RHYTHMS
from ecgcore.signals import segments

IMPORTANCE = {"II": 1.0, "V1": 0.5}  # how much a lead weighs beside the others
OTHERS = 0.2
STEADY = 0.09  # irregularity of the beats from which they fibrillate
SLOPE = 25.0
CERTAIN_FROM = 0.75


def write_model(root: Path, **changes: object) -> Path:
    """Write <root>/universal/1: AFIB the more, the less regular the beats are, else SR; the surer, the weightier the heaviest of the leads."""
    from onnx import TensorProto, helper

    importance = np.array([IMPORTANCE.get(lead, OTHERS) for lead in STANDARD] + [OTHERS] * (UNKNOWN_LEAD + 1 - len(STANDARD)), np.float32)
    towards = np.array([[{"AFIB": 1.0, "SR": -1.0}.get(label, 0.0) for label in RHYTHMS]], np.float32)
    bias = np.array([[0.0 if label in ("AFIB", "SR") else -4.0 for label in RHYTHMS]], np.float32)
    constants = {
        "irregularity": np.array(1 + segments.TIMING.index("irregularity"), np.int64), "importance": importance, "axis": np.array([1], np.int64),
        "steady": np.array(STEADY, np.float32), "slope": np.array(SLOPE, np.float32), "towards": towards, "bias": bias,
    }  # fmt: skip
    node = helper.make_node
    weighed = [
        node("Cast", ["present"], ["there"], to=TensorProto.FLOAT), node("Gather", ["importance", "lead_ids"], ["each"]), node("Mul", ["each", "there"], ["own"]),
        node("ReduceSum", ["own", "axis"], ["sum"]), node("Div", ["own", "sum"], ["weights"]),
    ]  # fmt: skip
    told = [
        node("Gather", ["beats", "irregularity"], ["timing"], axis=1), node("Abs", ["timing"], ["away"]), node("ReduceMean", ["away"], ["mean"], axes=[1]),
        node("Sub", ["mean", "steady"], ["over"]), node("Mul", ["over", "slope"], ["steep"]), node("ReduceMax", ["own"], ["trust"], axes=[1]),
        node("Mul", ["steep", "trust"], ["score"]),
        node("Mul", ["score", "towards"], ["pull"]), node("Add", ["pull", "bias"], ["logits"]), node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]  # fmt: skip
    by_chance = [*weighed[:3], node("Sub", ["there", "own"], ["turned"]), node("Unsqueeze", ["turned", "axis"], ["weights"])]  # the heaviest lead weighs least
    folder = root / "universal" / "1"
    folder.mkdir(parents=True)
    _save([*weighed, *told], {"probabilities": ["batch", len(RHYTHMS)], "weights": ["batch", "leads"]}, constants, folder / cards.WEIGHTS)
    _save(by_chance, {"weights": ["batch", 1, "leads"]}, {name: constants[name] for name in ("importance", "axis")}, folder / cards.CONTROL)
    cards.write_card(card_of(folder).model_copy(update=changes), folder)
    return folder


def _save(nodes: list, outputs: dict[str, list], constants: dict[str, np.ndarray], path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    inputs = [
        helper.make_tensor_value_info("signals", TensorProto.FLOAT, ["batch", "leads", "n"]),
        helper.make_tensor_value_info("beats", TensorProto.FLOAT, ["batch", segments.CHANNELS - 1, "n"]),
        helper.make_tensor_value_info("lead_ids", TensorProto.INT64, ["batch", "leads"]),
        helper.make_tensor_value_info("present", TensorProto.BOOL, ["batch", "leads"]),
    ]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
    graph = helper.make_graph(nodes, "universal", inputs, made, [numpy_helper.from_array(value, name) for name, value in constants.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


def card_of(folder: Path) -> Card:
    """The card of a model written into a folder."""
    return Card(
        name="universal", version="1", task=TASK,
        input=InputSpec(
            leads="any", fs_hz=segments.FS_HZ, samples=1280, before_samples=0, units="mV", scaling="by segment", band_hz=(0.5, 40.0), features=segments.TIMING, windowing="segments"
        ),
        classes=RHYTHMS, thresholds={}, certain_from=CERTAIN_FROM, unestablished=("AT",),
        training=TrainingData(trained={"mitdb": ("101", "106")}, held_out={}, left_out={}, protocol="by patient", augmentation="none", seed=1),
        figures=(), sha256=cards.digest(folder / cards.WEIGHTS), control_sha256=cards.digest(folder / cards.CONTROL), git_commit="none", device="cpu", minutes=0.1,
        limits=("made for a test",), intended_use="tests",
    )  # fmt: skip
