"""Parquet → Table: columns of numbers, with rate and units from the metadata or the column names."""

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import FormatError
from ecgcore.readers.extent import check_samples
from ecgcore.readers.sources import Blob
from ecgcore.readers.table import Clock, Column, Table
from ecgcore.readers.table_clock import SECONDS, of_times
from ecgcore.readers.table_text import TIME_NAMES, core, say, split_unit, statement_key

SIGNATURE: Final = b"PAR1"
FREE_CELLS: Final = 1 << 27
MAX_CELLS_PER_BYTE: Final = 200


def parse(blob: Blob) -> Table:
    """The table in a Parquet file. Raises FormatError."""
    import pyarrow as pa
    from pyarrow import parquet

    source = io.BytesIO(blob.content) if isinstance(blob.content, bytes) else str(blob.content)
    try:
        file = parquet.ParquetFile(source)
        schema = file.schema_arrow
        n_rows, n_columns = file.metadata.num_rows, len(schema)
        check_samples(n_rows * n_columns, blob.name)
        if n_rows * n_columns > max(FREE_CELLS, MAX_CELLS_PER_BYTE * blob.size):
            raise FormatError(f"{blob.name} promises {n_rows} rows of {n_columns} columns in {blob.size} bytes, more than is taken for a recording")
        said = _metadata(schema.metadata or {})
        notes: list[str] = []
        clock: Clock | None = None
        columns = []
        for field in schema:
            name, unit = split_unit(field.name)
            unit = unit or _metadata(field.metadata or {}).get("units")
            is_time = core(name) in TIME_NAMES or pa.types.is_timestamp(field.type) or pa.types.is_duration(field.type)
            values = _values(file, field)
            if values is None:
                notes.append(f"column {field.name} holds no numbers ({field.type}) and was left out")
            elif not is_time:
                columns.append(Column(name, unit, values))
            elif clock is None and (unit_s := _unit_s(field.type, unit or core(name))):
                clock = of_times(values.astype(np.float64), unit_s, said.get("fs_hz"), 1)
            else:
                notes.append(f"column {field.name} states no unit of time and was not used")
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError) as error:
        raise FormatError(f"{blob.name} is broken Parquet: {' '.join(str(error).split())[:200]}") from error
    return Table("Parquet", tuple(columns), clock, said.get("fs_hz"), said.get("units"), said.get("start"), tuple(notes))


def _metadata(pairs: dict[bytes, bytes]) -> dict[str, Any]:
    """Rate, units and start among key-value metadata."""
    said: dict[str, Any] = {}
    for key, value in pairs.items():
        if (known := statement_key(key.decode("utf-8", "replace"))) is not None:
            say(said, known, value.decode("utf-8", "replace"))
    return said


def _values(file: Any, field: Any) -> NDArray[Any] | None:
    """One column, NaN where it is null; None for what is no number."""
    import pyarrow as pa

    column = file.read(columns=[field.name]).column(0)
    if pa.types.is_timestamp(field.type) or pa.types.is_duration(field.type):
        counts = column.cast(pa.int64())
        first = counts[0].as_py() or 0 if len(counts) else 0
        return np.asarray(counts.to_numpy(zero_copy_only=False) - first, np.float64)
    if not (pa.types.is_integer(field.type) or pa.types.is_floating(field.type)):
        return None
    return np.asarray(column.to_numpy())


def _unit_s(kind: Any, unit: str) -> float | None:
    import pyarrow as pa

    stated = kind.unit if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) else unit
    return SECONDS.get(stated.casefold())
