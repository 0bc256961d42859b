"""One training loop for all models: Lightning, on CPU or GPU, with checkpoints and resumption."""

import logging
import shutil
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from ecgcore.errors import InputError

DEVICES: Final = ("auto", "cpu", "cuda")
LAST: Final = "last.ckpt"


def fit(module: LightningModule, loader: DataLoader[Any], run: Path, epochs: int, device: str, minutes: float | None, resume: bool) -> dict[str, Any]:
    """Train until the epochs are spent, or with the epoch in which the minutes are; the state dict at the end.

    `run` keeps last.ckpt and log/version_N/metrics.csv. With `resume` training goes on from last.ckpt where there is one,
    and ends as an unbroken run would have. Raises InputError for a device that is not there.
    """
    chosen = accelerator(device)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    if not resume:
        shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True, exist_ok=True)
    callbacks: list[Callback] = [ModelCheckpoint(run, LAST.removesuffix(".ckpt"), save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False)]
    if minutes:
        callbacks.append(Timer(timedelta(minutes=minutes), interval="epoch"))
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # determinism does not need it, and it costs a fifth of the time
    trainer = Trainer(
        accelerator=chosen,
        devices=1,
        precision="bf16-mixed" if chosen == "cuda" and torch.cuda.is_bf16_supported() else "32-true",
        max_epochs=epochs,
        callbacks=callbacks,
        logger=CSVLogger(run, name="log"),
        deterministic=chosen == "cpu",
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        limit_val_batches=0,  # modules score themselves at the end of an epoch: Lightning resumes cleanly only without its own validation
        log_every_n_steps=1,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")  # data are made in this process on purpose
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")  # it holds what is resumed
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)  # Lightning's own use of torch
        trainer.fit(module, loader, ckpt_path=run / LAST if (run / LAST).is_file() else None, weights_only=True)
    state: dict[str, Any] = torch.load(run / LAST, weights_only=True, map_location="cpu")["state_dict"]
    return state


def accelerator(device: str) -> str:
    """What "auto", "cpu" or "cuda" comes to on this machine. Raises InputError for a device that is not there."""
    if device not in DEVICES:
        raise InputError(f"no device {device!r}; there are: {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda' was asked for, but torch sees no GPU here; use --device cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
