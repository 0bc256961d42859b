"""Demo recordings, made when asked for."""

from pathlib import Path
from tempfile import TemporaryDirectory

from ecgcore import demo
from ecgcore.store import Store, StoredRecord


def names() -> list[str]:
    """Names of the demo recordings."""
    return list(demo.DEMOS)


def label(name: str) -> str:
    """What a demo recording shows."""
    return f"{name}: {demo.DEMOS[name]}"


def stored(store: Store, name: str, owner: str) -> StoredRecord:
    """The demo recording as a stored record, its files as WFDB; added the first time. Raises InputError for an unknown name."""
    from ecgcore import writers

    with TemporaryDirectory() as folder:
        writers.write(demo.make_demo(name), Path(folder) / f"{name}.hea")
        return store.add({path.name: path.read_bytes() for path in Path(folder).iterdir()}, owner=owner)
