"""Tables of samples (CSV, TSV, Parquet) → Record. What the table leaves out the user must say; nothing is guessed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from ecgcore.errors import FormatError, InputError, MissingFactError
from ecgcore.readers import table_parquet, table_text
from ecgcore.readers.channels import VOLTAGE_UNITS, check_extent, check_rate, choose, mv_per_unit, narrowed
from ecgcore.readers.sources import Blob, Facts, Folder
from ecgcore.readers.table import MAX_DECIMALS, Clock, Column, Table, quantise
from ecgcore.readers.table_text import split_unit
from ecgcore.record import Record, Source, missing_code

NAME: Final = "CSV"
_RATE_TOLERANCE: Final = 1e-3
_WHAT: Final = {"fs_hz": "the sampling rate (fs_hz)", "units": "the units", "leads": "the lead names"}


def matches(head: bytes) -> bool:
    """Whether these bytes begin a Parquet file or a text table."""
    return head.startswith(table_parquet.SIGNATURE) or table_text.layout_of(head) is not None


def read(main: Blob, folder: Folder, facts: Facts) -> Record:  # noqa: ARG001  # the signature of every reader
    """The record in a table. Raises FormatError, and MissingFactError naming the facts that the table leaves out."""
    table = table_parquet.parse(main) if main.head(4) == table_parquet.SIGNATURE else table_text.parse(main)
    if facts.units is not None and mv_per_unit(facts.units) is None:
        raise InputError(f"units {facts.units!r} are no voltage; choose one of {', '.join(VOLTAGE_UNITS)}")
    table = _named(table, facts, main.name)
    fs_hz = _rate(table, facts, main.name)
    units = _units(table, facts, main.name)
    missing = [fact for fact, known in (("fs_hz", fs_hz), ("units", units), ("leads", table.columns[0].name)) if known is None]
    if missing or fs_hz is None or units is None:
        raise MissingFactError(f"{main.name} does not state {' and '.join(_WHAT[fact] for fact in missing)}; please say", tuple(missing))
    check_rate(fs_hz, main.name)
    choice = choose([column.name or "" for column in table.columns], units, [fs_hz] * len(units))
    kept = [table.columns[i] for i in choice.kept]
    clock = table.clock or Clock(fs_hz, None)
    n_rows = len(kept[0].values)
    if n_rows == 0:
        raise FormatError(f"{main.name} has a header but no samples")
    n_samples = clock.n_samples(n_rows)
    check_extent(n_samples * len(kept), n_rows * len(kept), main.name)
    adc = np.full((len(kept), n_samples), missing_code(np.dtype(np.int32)), np.int32)
    gain = np.empty(len(kept))
    for row, (i, column) in enumerate(zip(choice.kept, kept, strict=True)):
        mv = mv_per_unit(units[i]) or 1.0
        # 1 nV is the finest step worth keeping, whatever the unit.
        values, steps = quantise(column.values, max(round(MAX_DECIMALS + np.log10(mv)), 0))
        adc[row, slice(None) if clock.positions is None else clock.positions] = values
        gain[row] = steps / mv
    notes = [*table.notes, *choice.notes]
    if n_samples > n_rows:
        notes.append(f"{n_samples - n_rows} samples in gaps of the time column are missing")
    return Record(
        name=main.stem,
        adc=narrowed(adc),
        gain=gain,
        baseline=np.zeros(len(kept)),
        fs_hz=fs_hz,
        leads=choice.leads,
        source=Source(table.kind, main.name, main.sha256()),
        start=table.start,
        notes=tuple(notes),
    )


def _named(table: Table, facts: Facts, file_name: str) -> Table:
    """The table with the lead names that the user gave, where it has none of its own."""
    if not table.columns:
        raise FormatError(f"{file_name} has no column of samples")
    if facts.leads is None:
        return table
    own = [column.name for column in table.columns]
    if len(facts.leads) != len(own):
        raise FormatError(f"{file_name} has {len(own)} columns of samples, but {len(facts.leads)} lead names were given: {', '.join(facts.leads)}")
    if own[0] is not None:
        _agree("lead names", ", ".join(name or "" for name in own), ", ".join(facts.leads), file_name)
        return table
    parts = [split_unit(name) for name in facts.leads]
    return replace(table, columns=tuple(Column(name, unit or column.units, column.values) for (name, unit), column in zip(parts, table.columns, strict=True)))


def _rate(table: Table, facts: Facts, file_name: str) -> float | None:
    """The rate that table, time column and user state; they must agree."""
    timed = table.clock.fs_hz if table.clock else None
    stated = [rate for rate in (table.fs_hz, timed, facts.fs_hz) if rate is not None]
    for rate in stated[1:]:
        if abs(rate / stated[0] - 1) > _RATE_TOLERANCE:
            raise FormatError(f"{file_name}: sampling rates disagree: {' and '.join(f'{r:g}' for r in stated)} Hz")
    return float(stated[0]) if stated else None


def _units(table: Table, facts: Facts, file_name: str) -> Sequence[str] | None:
    """The unit of each column: its own, else the table's, else the user's; None if one has none."""
    if table.units is not None and facts.units is not None and mv_per_unit(table.units) != mv_per_unit(facts.units):
        raise FormatError(f"{file_name} states the unit {table.units}, but {facts.units} was given")
    units = [column.units or table.units or facts.units for column in table.columns]
    known = [unit for unit in units if unit is not None]
    return known if len(known) == len(units) else None


def _agree(what: str, own: str, given: str, file_name: str) -> None:
    if own.casefold() != given.casefold():
        raise FormatError(f"{file_name} states {what} {own}, but {given} were given")
