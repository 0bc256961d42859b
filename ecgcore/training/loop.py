"""One training loop for all models: Lightning, on CPU or GPU, in one process or several, with checkpoints and resumption."""

import copy
import gc
import logging
import os
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader

from ecgcore import settings
from ecgcore.errors import InputError
from ecgcore.progress import watch
from ecgcore.training import processes
from ecgcore.training.learner import Learner, TooLargeError

DEVICES: Final = ("auto", "cpu", "cuda")
LAST: Final = "last.ckpt"
POINTS: Final = 20  # of the loss, told an epoch
PARTS: Final = {2: "two halves", 4: "four quarters"}
_log: Final = logging.getLogger(__name__)


def fit(module: Learner, loader: DataLoader[Any], run: Path, epochs: int, device: str, minutes: float | None, resume: bool) -> dict[str, Any]:
    """Train until the epochs are spent, or with the epoch in which the minutes are; the state dict at the end.

    `run` keeps last.ckpt and log/version_N/metrics.csv. With `resume` training goes on from last.ckpt where there is one, and ends as an
    unbroken run would have; the minutes of all epochs done count. Whoever follows the training is told. Where the GPU's memory runs out,
    training goes on from the last checkpoint with batches in pieces.

    Raises InputError for a device that is not there, and where memory runs out with one item at a time.
    """
    chosen = accelerator(device)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    if not resume:
        processes.remove(run)
    if processes.first():
        run.mkdir(parents=True, exist_ok=True)
        watch().begun(part(run), epochs, len(loader))
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # determinism does not need it, and it costs a fifth of the time
    untouched, chance = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    while (too_large := _attempt(module, loader, run, epochs, chosen, minutes)) is not None:
        _halve(module, too_large)
        gc.collect()
        if chosen == "cuda":
            torch.cuda.empty_cache()
        module.load_state_dict(untouched)
        torch.set_rng_state(chance)
    processes.wait()
    kept = torch.load(run / LAST, weights_only=True, map_location="cpu")
    if processes.first():
        if minutes and (done := kept["epoch"] + 1) < epochs:
            watch().said(f"the time limit of {minutes:g} min is reached: ends after epoch {done} of {epochs}")
        watch().step(epochs - 1, len(loader) - 1)
    state: dict[str, Any] = kept["state_dict"]
    return state


def over(run: Path) -> None:
    """Tell whoever follows the training that a part is not trained again, because its result is there."""
    if processes.first():
        watch().begun(part(run), 1, 1)
        watch().step(0, 0)


def part(run: Path) -> str:
    """What the folder of a training is called within its recipe's run."""
    inside = run.relative_to(settings.runs()).parts[1:] if run.is_relative_to(settings.runs()) else ()
    return "/".join(inside) or ("training" if run.is_relative_to(settings.runs()) else run.name)


def accelerator(device: str) -> str:
    """What "auto", "cpu" or "cuda" comes to on this machine. Raises InputError for a device that is not there."""
    if device not in DEVICES:
        raise InputError(f"no device {device!r}; there are: {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda' was asked for, but torch sees no GPU here; use --device cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


class Beside(TorchCheckpointIO):
    """A checkpoint is written beside the last one and takes its place when it is whole, so that a run killed at any moment can be resumed.

    Lightning's own way writes into the folder for temporary files, and where that is another disk copies from there onto the last checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:  # noqa: ARG002 - Lightning's
        """Write, and take the place."""
        partial = Path(f"{path}.partial")
        with partial.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


class Follow(Callback):
    """Tells whoever follows the training each step, and the mean loss of the epoch so far."""

    def on_train_epoch_start(self, *_: Any) -> None:
        """Nothing is summed up yet."""
        self.total, self.count = torch.zeros(()), 0

    def on_train_batch_end(self, trainer: Trainer, _module: Any, outputs: Any, _batch: Any, number: int) -> None:
        """Tell the step; now and then the loss, since to read it makes a GPU wait."""
        loss: Tensor = outputs["loss"]
        self.total, self.count = self.total.to(loss.device) + loss, self.count + 1
        watch().step(trainer.current_epoch, number)
        steps = int(trainer.num_training_batches)
        if number + 1 < steps and (number + 1) % max(1, round(steps / POINTS)) == 0:
            watch().point("loss", trainer.current_epoch + (number + 1) / steps, float(self.total) / self.count)

    def on_train_epoch_end(self, trainer: Trainer, *_: Any) -> None:
        """Tell the mean of the epoch."""
        watch().point("loss", trainer.current_epoch + 1, float(self.total) / self.count)


def _attempt(module: Learner, loader: DataLoader[Any], run: Path, epochs: int, chosen: str, minutes: float | None) -> TooLargeError | None:
    """Go on from the last checkpoint, where there is one, to the end; what did not fit into memory."""
    processes.wait()
    trainer = _trainer(run, epochs, chosen, minutes)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")  # data are made in this process on purpose
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")  # it holds what is resumed
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)  # Lightning's own use of torch
        warnings.filterwarnings("ignore", message=".*ended before the epoch ended.*")  # it has not: epochs differ in their number of batches
        warnings.filterwarnings("ignore", message=".*sync_dist=True.*")  # what is logged is of the whole batch already
        try:
            trainer.fit(module, loader, ckpt_path=run / LAST if (run / LAST).is_file() else None, weights_only=True)
        except TooLargeError as error:
            return error.with_traceback(None)  # its frames hold tensors
        except torch.OutOfMemoryError as error:
            raise InputError(f"out of GPU memory outside the steps of training: {' '.join(str(error).split())[:200]}; --device cpu") from error
    return None


def _trainer(run: Path, epochs: int, chosen: str, minutes: float | None) -> Trainer:
    """A trainer of one process; it knows nothing of the others, who meet in `Learner.training_step`."""
    saving = ModelCheckpoint(run, LAST.removesuffix(".ckpt"), save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False)
    timed = [Timer(timedelta(minutes=minutes), interval="epoch")] if minutes else []
    callbacks: list[Callback] = [Follow(), *timed, saving]
    first = processes.first()
    return Trainer(
        accelerator=chosen,
        devices=[processes.on_this_machine()] if chosen == "cuda" else 1,
        precision="bf16-mixed" if chosen == "cuda" and torch.cuda.is_bf16_supported() else "32-true",
        max_epochs=epochs,
        callbacks=callbacks if first else [],
        logger=CSVLogger(run, name="log") if first else False,
        plugins=[Beside()],
        enable_checkpointing=first,
        deterministic=chosen == "cpu",
        enable_model_summary=False,
        enable_progress_bar=first and sys.stderr.isatty(),
        limit_val_batches=0,  # modules score themselves at the end of an epoch: Lightning resumes cleanly only without its own validation
        log_every_n_steps=1,
    )


def _halve(module: Learner, too_large: TooLargeError) -> None:
    """Twice as many pieces, and a word about it. Raises InputError for pieces that cannot be cut again."""
    if too_large.smallest:
        raise InputError(f"out of GPU memory with {too_large.piece} of a batch of {too_large.whole} at a time, the smallest piece; --device cpu, or a GPU with more memory")
    module.n_pieces *= 2
    if processes.first():
        n = module.n_pieces
        whole, piece = (-(-too_large.whole // (processes.world() * count)) for count in (1, n))
        text = f"out of GPU memory with batches of {whole}; goes on with {PARTS.get(n, f'{n} pieces')} of {piece}"
        _log.warning(text)
        watch().said(text)
