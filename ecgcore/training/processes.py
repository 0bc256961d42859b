"""Training on several GPUs or machines: one process for each, as torchrun starts them.

Every process reads the same data and walks the same batches, and takes its piece of each. The first alone writes, removes, logs and
tells; the others wait for it and read the run's folder, which must lie in a file system that all of them see.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

import torch
from torch import Tensor, distributed, nn

from ecgcore.errors import ClusterError

WAIT: Final = timedelta(hours=2)  # the others wait for as long as the first is asked about patients or writes
T = TypeVar("T")


def first() -> bool:
    """Whether this process is the one that writes; one alone is."""
    return os.environ.get("RANK", "0") == "0"


def world() -> int:
    """How many processes share each batch."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def on_this_machine() -> int:
    """Which of this machine's processes this is, from 0; it works on the GPU of that number."""
    return int(os.environ.get("LOCAL_RANK", "0")) if distributed.is_initialized() else 0


@contextmanager
def together(accelerator: str) -> Iterator[None]:
    """Join the processes that torchrun started, on "cuda" or "cpu"; nothing for one alone. Raises ClusterError where they cannot be joined."""
    count, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    if count == 1 or distributed.is_initialized():
        yield
        return
    if accelerator == "cuda" and local >= torch.cuda.device_count():
        raise ClusterError(f"process {local} of this machine has no GPU: torch sees {torch.cuda.device_count()}; --nproc-per-node must not be more")
    device = torch.device("cuda", local) if accelerator == "cuda" else None
    if device:
        torch.cuda.set_device(device)
    try:
        distributed.init_process_group("nccl" if device else "gloo", timeout=WAIT, device_id=device)
    except (ValueError, RuntimeError) as error:
        raise ClusterError(f"{count} processes should train together, and do not find each other: {' '.join(str(error).split())[:200]}") from error
    try:
        yield
    finally:
        distributed.destroy_process_group()


def wait() -> None:
    """Until all processes have come so far."""
    if world() > 1:
        distributed.barrier()


def of_first(value: T) -> T:
    """What the first process has for it, in each."""
    if world() == 1:
        return value
    told = [value]
    distributed.broadcast_object_list(told)
    return told[0]


def write_text(path: Path, text: str) -> None:
    """The first process writes, beside what is there; it takes its place when it is whole, so that a run killed at any moment can be resumed."""
    if first():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(text)
        partial.replace(path)


def remove(folder: Path) -> None:
    """The first process removes a folder, once none reads in it any more."""
    wait()
    if first():
        shutil.rmtree(folder, ignore_errors=True)
    wait()


def level(module: nn.Module) -> None:
    """Give the weights and buffers of the first process to all; batch norm has counted other records in each."""
    if world() > 1:
        for value in module.state_dict().values():
            distributed.broadcast(value, 0)


def summed(parameters: Iterable[nn.Parameter], loss: Tensor, ran_out: bool) -> tuple[Tensor, bool]:
    """Gradients added up over all processes, in place; their losses added up, and whether any ran out of memory.

    A parameter without a gradient in any process keeps none.
    """
    if world() == 1:
        return loss, ran_out
    learned = list(parameters)
    given = torch.tensor([ran_out, *(one.grad is not None for one in learned)], dtype=loss.dtype, device=loss.device)
    gradients = [torch.zeros_like(one).flatten() if one.grad is None else one.grad.flatten() for one in learned]
    together = torch.cat([loss.reshape(1), given, *gradients])
    distributed.all_reduce(together)
    total, known, values = together[0], together[1 : 2 + len(learned)].tolist(), together[2 + len(learned) :]
    for one, has, gradient in zip(learned, known[1:], torch.split(values, [one.numel() for one in learned]), strict=True):
        one.grad = gradient.view_as(one) if has else None
    return total, known[0] > 0
