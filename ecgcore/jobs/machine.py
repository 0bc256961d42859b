"""The machine that a worker runs on: its name, its GPU or none, and which processes of it are alive."""

import importlib.util
import json
import platform
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ecgcore.store.workers import Worker

CPU: Final = "CPU"
_ASKED: Final = """
import json, torch
found = torch.cuda.get_device_properties(0) if torch.cuda.is_available() else None
print(json.dumps(found and [found.name, found.total_memory >> 20]))
"""
_ANSWER_S: Final = 120.0  # the first touch of a GPU may take its time
_CLOCKS_S: Final = 5.0  # between what the system and the database say of one moment


@dataclass(frozen=True)
class Device:
    """What trainings run on: the GPU's name, or "CPU"; `memory_mb` is the GPU's, else the machine's."""

    name: str
    memory_mb: int


def host() -> str:
    """The name of this machine."""
    return platform.node() or "localhost"


def device() -> Device:
    """What trainings run on here.

    torch is asked in a process of its own: it takes hundreds of megabytes, and what touches a GPU keeps some of it. Where torch was built for no GPU it is not asked.
    """
    if _built_for_gpu():
        try:
            said = subprocess.run([sys.executable, "-c", _ASKED], capture_output=True, text=True, check=True, timeout=_ANSWER_S, stdin=subprocess.DEVNULL).stdout  # noqa: S603  # our own words
            found = json.loads(said)
        except (subprocess.SubprocessError, ValueError):  # a driver that does not fit ends the process: there is no GPU to train on
            found = None
        if found:
            return Device(str(found[0]), int(found[1]))
    import psutil

    return Device(CPU, psutil.virtual_memory().total >> 20)


def is_dead(worker: Worker) -> bool:
    """Whether a worker of this machine is no more: its process is gone, or its number now another's. False for those of other machines."""
    import psutil

    if worker.host != host():
        return False
    try:
        process = psutil.Process(worker.pid)
        return bool(process.status() == psutil.STATUS_ZOMBIE or process.create_time() > worker.started.timestamp() + _CLOCKS_S)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _built_for_gpu() -> bool:
    """By the file in which torch says what it was built for, without importing it."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    built = runpy.run_path(str(Path(found.origin).with_name("version.py")))
    return bool(built.get("cuda") or built.get("hip"))
