"""The rows made so far: parts beside the table, each written whole, that become the table in the end."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from ecgcore.archive.rows import WORK, Row, schema
from ecgcore.errors import InputError
from ecgcore.readers.folder import Found
from ecgcore.writers.files import whole

if TYPE_CHECKING:
    import pyarrow

SETTINGS: Final = b"leadwise"  # key in a table's metadata


@dataclass(frozen=True)
class Parts:
    """The table at `table` in the making.

    settings  what its rows hang on besides the recordings: folder, leads, models; rows made with others are not taken
    """

    table: Path
    settings: str

    @property
    def folder(self) -> Path:
        """Where the parts lie."""
        return self.table.with_name(f"{self.table.name}.parts")

    def check(self) -> None:
        """Raise InputError where `table` is not to be written: a folder, another ending, or a file that is no table of recordings."""
        if self.table.suffix != ".parquet":
            raise InputError(f"the table {self.table.name!r} must end in .parquet")
        if self.table.is_dir() or (self.table.exists() and self._settings_of(self.table) is None):
            raise InputError(f"{self.table} is there and is no table of recordings made by Leadwise; name another file")

    def clear(self) -> None:
        """Forget all rows."""
        self.table.unlink(missing_ok=True)
        self._clear_parts()

    def done(self) -> dict[str, str]:
        """Path → stamp of the recordings that need no new row: those analysed, and those that cannot be."""
        return {path: stamp for table in self._tables() for path, stamp, fault in _keys(table) if fault != WORK}

    def add(self, rows: Sequence[Row]) -> None:
        """Keep some rows: from here on they survive whatever happens. Raises InputError where they cannot be written."""
        import pyarrow

        self._write(pyarrow.Table.from_pylist(list(rows), schema=schema()), self.folder / f"{self._next_number():06d}-{uuid4().hex[:8]}.parquet")

    def finish(self, recordings: Sequence[Found]) -> "pyarrow.Table":
        """The table of these recordings, written in place of its parts, by path. Raises InputError where rows are missing."""
        import pyarrow

        wanted = {found.shown: found.stamp for found in recordings}
        chosen, taken = [], set[str]()
        for table in self._tables():
            keys = _keys(table)
            rows = [i for i, (path, stamp, _) in enumerate(keys) if path not in taken and wanted.get(path) == stamp]
            taken.update(keys[i][0] for i in rows)
            chosen.append(table.take(rows))
        if missing := len(wanted) - len(taken):
            raise InputError(f"{missing} rows have gone from {self.folder}; was another run writing the same table? Run again")
        whole_table = pyarrow.concat_tables(chosen).sort_by("path")
        if self.folder.exists() or not self.table.exists() or whole_table.num_rows != self._rows_of_table():
            self._write(whole_table, self.table)
        self._clear_parts()
        return whole_table

    def _tables(self) -> "Iterator[pyarrow.Table]":
        """What was made with these settings, the newest first; a part that is damaged counts as not made."""
        import pyarrow
        from pyarrow import parquet

        for path in (*sorted(self.folder.glob("[0-9]*.parquet"), reverse=True), self.table):
            if path.is_file() and self._settings_of(path) == self.settings:
                try:
                    yield parquet.read_table(path, schema=schema())
                except pyarrow.ArrowInvalid:
                    continue

    def _settings_of(self, path: Path) -> str | None:
        """With which settings a table was made; None where it is none of ours."""
        import pyarrow
        from pyarrow import parquet

        try:
            found = (parquet.read_schema(path).metadata or {}).get(SETTINGS)
        except pyarrow.ArrowInvalid:
            return None
        return found.decode() if found is not None else None

    def _rows_of_table(self) -> int:
        from pyarrow import parquet

        return int(parquet.read_metadata(self.table).num_rows) if self._settings_of(self.table) == self.settings else -1

    def _next_number(self) -> int:
        return 1 + max((int(path.name[:6]) for path in self.folder.glob("[0-9]*.parquet")), default=0)

    def _write(self, table: "pyarrow.Table", path: Path) -> None:
        from pyarrow import parquet

        with whole([path]) as (temporary,):
            parquet.write_table(table.replace_schema_metadata({SETTINGS: self.settings.encode()}), temporary, compression="zstd")

    def _clear_parts(self) -> None:
        if self.folder.is_dir():
            shutil.rmtree(self.folder)


def _keys(table: "pyarrow.Table") -> list[tuple[str, str, str | None]]:
    """Path, stamp and fault of each row."""
    return list(zip(*(table.column(name).to_pylist() for name in ("path", "stamp", "fault")), strict=True))
