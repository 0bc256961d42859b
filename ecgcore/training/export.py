"""torch → ONNX and safetensors with a card, and proof that both say the same."""

import io
import logging
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from ecgcore.errors import ModelError
from ecgcore.inference.cards import CONTROL, WEIGHTS, Card, digest, write_card
from ecgcore.revision import git_commit as git_commit  # beside the weights it is written of

TOLERANCE: Final = 1e-4

FreeAxes: TypeAlias = dict[int, str | tuple[str, int]]  # by axis its name, or its name and what its length is a multiple of


def export(
    net: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    free_axes: tuple[FreeAxes, ...],
    card: Card,
    folder: Path,
    control: nn.Module | None = None,
) -> Card:
    """Write model.onnx, model.safetensors and card.json into `folder`; the card with the hash of the weights.

    `control`, the network with random weights, becomes control.onnx.
    `free_axes` names the axes of each input that may have any length, or any multiple of one. Raises ModelError where onnxruntime does
    not take another length than the example's, or differs from torch by more than 1e-4; then nothing is written.
    """
    from safetensors.torch import save_model

    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".") as name:
        draft = Path(name) / folder.name
        draft.mkdir()
        _write_onnx(net, example, inputs, outputs, free_axes, draft / WEIGHTS)
        save_model(net, str(draft / "model.safetensors"))
        if control is not None:
            _write_onnx(control, example, inputs, outputs, free_axes, draft / CONTROL)
            card = card.model_copy(update={"control_sha256": digest(draft / CONTROL)})
        for one, path in ((net, draft / WEIGHTS), (control, draft / CONTROL)):
            gap = difference(one, path, [_longer(x, axes) for x, axes in zip(example, free_axes, strict=True)], inputs) if one is not None else 0.0
            if gap > TOLERANCE:
                raise ModelError(f"onnxruntime and torch differ by {gap:.1e} for {path.name} of {card.id}, above {TOLERANCE:g}")
        card = card.model_copy(update={"sha256": digest(draft / WEIGHTS)})
        write_card(card, draft)
        draft.rename(folder)
    return card


def _write_onnx(net: nn.Module, example: tuple[Tensor, ...], inputs: Sequence[str], outputs: Sequence[str], free_axes: tuple[FreeAxes, ...], path: Path) -> None:
    _forget_recurrent_kernels()
    shapes = tuple({axis: torch.export.Dim(free) if isinstance(free, str) else free[1] * torch.export.Dim(free[0]) for axis, free in axes.items()} for axes in free_axes)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(net, example, input_names=list(inputs), output_names=list(outputs), dynamic_shapes=shapes, dynamo=True, external_data=False)
    if program is None:
        raise ModelError(f"torch gave no ONNX program for {path.name}")
    program.save(str(path), external_data=False)
    _without_traces(path)


def _forget_recurrent_kernels() -> None:
    """Have torch look up anew how GRU and LSTM are traced.

    While it exports, torch 2.13 puts a loop of any length in their place in its table of kernels, but not in its cache
    of kernels found before: a second export in one process would unroll them and bake the number of steps into the graph.
    """
    for operator in (torch.ops.aten.gru.input, torch.ops.aten.lstm.input):
        operator._dispatch_cache.clear()


def _without_traces(path: Path) -> None:
    """Take off what the exporter notes at each node of the source it came from: it doubles the file, and names the folders of this machine."""
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, str(path))


def difference(net: nn.Module, weights: Path, example: Sequence[Tensor], inputs: Sequence[str]) -> float:
    """Greatest absolute difference of torch and onnxruntime on one example, over all outputs. Raises ModelError where onnxruntime refuses the example."""
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

    session = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    try:
        theirs = session.run(None, {name: x.numpy() for name, x in zip(inputs, example, strict=True)})
    except (Fail, InvalidArgument, RuntimeException) as error:
        sizes = ", ".join(f"{name} {tuple(x.shape)}" for name, x in zip(inputs, example, strict=True))
        raise ModelError(f"{weights.name} does not take {sizes}; a length of the example it was exported with may be baked in: {' '.join(str(error).split())}") from error
    with torch.no_grad():
        answer = net(*example)
    ours = (answer,) if isinstance(answer, Tensor) else answer
    return max(float(np.abs(one.numpy() - other).max()) for one, other in zip(ours, theirs, strict=True))


def _longer(x: Tensor, axes: FreeAxes) -> Tensor:
    """Random values of another length along the free axes, so that a baked-in size shows; numbers of things and yes or no are drawn from the example's own."""
    more = {axis: 1 if isinstance(free, str) else free[1] for axis, free in axes.items()}
    sizes = [2 * size + more[axis] if axis in more else size for axis, size in enumerate(x.shape)]
    return torch.randn(sizes) if x.is_floating_point() else x.flatten()[torch.randint(x.numel(), sizes)]
