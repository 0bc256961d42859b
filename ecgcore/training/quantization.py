"""Copies of a beat model in 8-bit integers: smaller and faster. What one costs is measured as of any model, with `evaluate`."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import ModelError
from ecgcore.inference.beats import TASK
from ecgcore.inference.cards import WEIGHTS, Card, digest, find, read_card, verified_weights, write_card
from ecgcore.signals.windows import beside_dominant
from ecgcore.training.beats_data import prepare_all
from ecgcore.training.export import git_commit

SUFFIX: Final = "-int8"
EVERY: Final = 3  # of the records learned from
BEATS: Final = 512  # of a record


def quantize(model: str, folder: Path) -> Card:
    """Write a copy of a beat model (name or name@version) into a folder, its ranges calibrated on records it learned from; the card.

    Weights are of 8 bits by channel, activations of 8 bits by tensor; the recurrent part stays in float32, for which
    onnxruntime has nothing else. Raises ModelError for a model of another kind.
    """
    import onnx
    import onnxruntime
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    source = find(model)
    card = read_card(source)
    if card.task != TASK:
        raise ModelError(f"{card.id} is a model for {card.task!r}; only one for {TASK!r} can be quantized")
    onnxruntime.set_default_logger_severity(3)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".") as name:
        draft = Path(name) / folder.name
        draft.mkdir()
        whole = onnx.load(str(verified_weights(source, card)))
        del whole.graph.value_info[:]  # lengths of the example it was exported with
        onnx.save(whole, str(Path(name) / WEIGHTS))
        quantize_static(
            str(Path(name) / WEIGHTS), str(draft / WEIGHTS), _Examples(card), quant_format=QuantFormat.QDQ, per_channel=True,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"], activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
        copy = card.model_copy(
            update={
                "name": card.name + SUFFIX, "version": folder.name, "sha256": digest(draft / WEIGHTS), "git_commit": git_commit(), "device": "cpu", "minutes": 0.0, "figures": (),
                "limits": (f"A copy of {card.id} in 8-bit integers: its thresholds, calibration and limits are those of {card.id}.", *card.limits),
                "certain_from": None, "reliability": (), "uncertain": (),  # measured of the original
            }
        )  # fmt: skip
        write_card(copy, draft)
        draft.rename(folder)
    return copy


class _Examples:
    """Inputs one after the other, as onnxruntime asks for them."""

    def __init__(self, card: Card) -> None:
        self.left = _inputs(card)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next, None after the last."""
        return next(self.left, None)


def _inputs(card: Card) -> Iterator[dict[str, Any]]:
    """The first beats of some of the records learned from, in their first lead, as the network is fed them."""
    for one in prepare_all({name: records[::EVERY] for name, records in card.training.trained.items()}, card.input):
        beats = beside_dominant(one.leads[0], one.at[:BEATS], one.usual[0], one.before_samples)
        yield {"beats": beats[None], "rr": one.rr[None, :BEATS]}
