"""A PostgreSQL server of the tests' own: a cluster in a folder, reached by a socket there, gone at the end."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from ecgcore.store import database

READY = "ready to accept connections"
# Nothing here outlives the tests, so nothing need be safe on the disk.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # what clients did wrong they are told themselves
}


class Server:
    """A running server. Each database is a copy of one that has the tables already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0
        self._run("CREATE DATABASE migrated")
        engine = database.connect(self.url("migrated"))
        database.migrate(engine)
        engine.dispose()

    def url(self, name: str) -> str:
        """Where a database of this server is."""
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def new(self, template: str = "migrated") -> str:
        """The URL of a new database; "template0" is an empty one."""
        self._made += 1
        name = f"test_{self._made}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected."""
        self._run(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with psycopg.connect(host=str(self._folder), user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)


def programs() -> Path | None:
    """The folder of initdb and postgres; None where they are not installed."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@contextmanager
def running(bin_folder: Path) -> Iterator[Server]:
    """A server, from start to stop. It does not run as root: root starts it as the user postgres."""
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="lw-pg-"))  # not in pytest's folder: a socket's path has at most 107 characters
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        begin = [bin_folder / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(begin, user=user, cwd=folder, check=True, capture_output=True)  # noqa: S603  # found on this machine
        options = [f"-c{name}={value}" for name, value in {**SETTINGS, "unix_socket_directories": folder}.items()]
        serve = [bin_folder / "postgres", "-D", data, *options]
        with subprocess.Popen(serve, user=user, cwd=folder, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603  # found on this machine
            try:
                said = []
                for line in process.stderr or ():
                    said.append(line)
                    if READY in line:
                        break
                else:
                    raise AssertionError("PostgreSQL did not start: " + "".join(said))
                yield Server(folder)
            finally:
                process.send_signal(signal.SIGINT)  # ends at once, whoever is connected
    finally:
        shutil.rmtree(folder)
