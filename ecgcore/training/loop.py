"""One training loop for all models: Lightning, on CPU or GPU, with checkpoints, early stopping and resumption."""

import logging
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from ecgcore.errors import InputError

DEVICES: Final = ("auto", "cpu", "cuda")
LAST, BEST = "last.ckpt", "best.ckpt"


class Limits(Protocol):
    """What the loop needs of a recipe."""

    @property
    def epochs(self) -> int: ...  # noqa: D102 - named by itself
    @property
    def patience(self) -> int: ...  # noqa: D102 - named by itself


def fit(module: LightningModule, loader: DataLoader[Any], run: Path, limits: Limits, device: str, minutes: float | None, resume: bool) -> dict[str, Any]:
    """Train until the "score" that the module logs at the end of each epoch no longer rises, the epochs or the minutes are spent; the best state dict.

    `run` keeps last.ckpt, best.ckpt and log/version_N/metrics.csv; with `resume` training goes on from last.ckpt there.
    Raises InputError for a device that is not there, or nothing to resume.
    """
    accelerator = _accelerator(device)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    if resume and not (run / LAST).is_file():
        raise InputError(f"nothing to resume in {run}: no {LAST}; leave out --resume to start anew")
    if not resume:
        for name in (LAST, BEST):
            (run / name).unlink(missing_ok=True)
    checkpoint = ModelCheckpoint(run, BEST.removesuffix(".ckpt"), monitor="score", mode="max", save_last=True, save_on_train_epoch_end=True, enable_version_counter=False)
    trainer = Trainer(
        accelerator=accelerator,
        devices=1,
        precision="bf16-mixed" if accelerator == "cuda" and torch.cuda.is_bf16_supported() else "32-true",
        max_epochs=limits.epochs,
        max_time=timedelta(minutes=minutes) if minutes else None,
        callbacks=[checkpoint, EarlyStopping("score", mode="max", patience=limits.patience, check_on_train_epoch_end=True)],
        logger=CSVLogger(run, name="log"),
        deterministic=accelerator == "cpu",
        enable_model_summary=False,
        limit_val_batches=0,  # modules score themselves at the end of an epoch: Lightning resumes cleanly only without its own validation
        log_every_n_steps=1,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")  # data are made in this process on purpose
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")  # what must not stay was taken out above
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)  # Lightning's own use of torch
        trainer.fit(module, loader, ckpt_path=run / LAST if resume else None, weights_only=True)
    if not (run / BEST).is_file():
        raise InputError(f"no epoch ended within {minutes} minutes; allow more with --minutes, or go on with --resume")
    state: dict[str, Any] = torch.load(run / BEST, weights_only=True, map_location="cpu")["state_dict"]
    return state


def _accelerator(device: str) -> str:
    if device not in DEVICES:
        raise InputError(f"no device {device!r}; there are: {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda' was asked for, but torch sees no GPU here; use --device cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
