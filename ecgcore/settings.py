"""Where things live: read from the environment at each call, so that tests can move them."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHIPPED_WEIGHTS = ROOT / "weights"


def home() -> Path:
    """The folder of the app's database and files: `LEADWISE_HOME`, else ~/.local/share/leadwise."""
    stated = os.environ.get("LEADWISE_HOME")
    return Path(stated) if stated else Path.home() / ".local" / "share" / "leadwise"


def database_url() -> str:
    """SQLAlchemy URL: `LEADWISE_DATABASE_URL`, else a SQLite file in `home()`."""
    return os.environ.get("LEADWISE_DATABASE_URL") or f"sqlite:///{home() / 'leadwise.db'}"


def data_cache() -> Path:
    """The folder into which `data get` puts what it fetches."""
    stated = os.environ.get("LEADWISE_DATA")
    if stated:
        return Path(stated)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "leadwise"


def threads() -> int:
    """Threads that a model may use: `LEADWISE_THREADS`, else 0 for one a core."""
    stated = os.environ.get("LEADWISE_THREADS", "")
    return int(stated) if stated.isdecimal() else 0


def data_folders() -> tuple[Path, ...]:
    """Folders searched for data sets, first match wins: `LEADWISE_DATA`, else .data and the cache."""
    if os.environ.get("LEADWISE_DATA"):
        return (data_cache(),)
    return (Path(".data"), data_cache())


def trained_weights() -> Path:
    """The folder of the models trained on this machine, <name>/<version>/."""
    return home() / "models"


def queue_url() -> str | None:
    """Where jobs wait for a worker: `LEADWISE_QUEUE_URL`, such as redis://host:6379/0; None for a SQLite file in `home()`."""
    return os.environ.get("LEADWISE_QUEUE_URL") or None


def runs() -> Path:
    """The folder of what trainings keep to go on from, one folder a run."""
    return home() / "runs"
