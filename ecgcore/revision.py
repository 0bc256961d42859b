"""Which state of the code made something."""

import subprocess
from typing import Any

from ecgcore import settings


def git_commit() -> str:
    """The commit of the code, with "+" when the tree differs from it; "unknown" outside git."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    done: Any = subprocess.run(["git", "-C", str(settings.ROOT), *words], capture_output=True, text=True, check=True)  # noqa: S603, S607 - fixed words, git from PATH
    return str(done.stdout).strip()
