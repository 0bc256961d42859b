"""Delimited text → Table: delimiter, decimal sign, preamble, header and units row are found, never assumed.

Understood without asking: our own CSV, PhysioBank's (`rdsamp -c`, ATM), Apple Watch's, and tables whose columns are
called like "time [ms]", "II [mV]", "MLII (uV)", with statements such as "# fs_hz: 360" above them.
"""

import codecs
import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import FormatError
from ecgcore.readers.channels import mv_per_unit
from ecgcore.readers.sources import HEAD_BYTES, Blob
from ecgcore.readers.table import Clock, Column, Table
from ecgcore.readers.table_clock import SECONDS, of_counts, of_times

MISSING_CELLS: Final = ("", "nan", "NaN", "NAN", "NA", "N/A", "null", "NULL", "None", "-", '""')
_PIECE_ROWS: Final = 1 << 20
_DELIMITERS: Final = ("\t", ";", ",", "|", " ")
_CLOCK_CELL = re.compile(
    r"\[?(?:(?P<date>\d{4}-\d\d-\d\d)[T ])?(?P<clock>\d{1,3}(?::\d\d){0,1}:\d\d(?:[.,]\d{1,9})?)(?:Z|[+-]\d\d:?\d\d)?(?: (?P<day>\d\d)/(?P<month>\d\d)/(?P<year>\d{4}))?\]?"
)
_NUMBER = re.compile(r"[-+]?(?:\d+([.,]?)\d*|([.,])\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_STATEMENT = re.compile(r"\s*(?:#|%|//)?\s*['\"]?([A-Za-z][A-Za-z _]*?(?:[\[(]?hz[\])]?)?)['\"]?\s*[:=,;\t]\s*(.+)", re.IGNORECASE)
_KEYS: Final = {
    **dict.fromkeys(("fs", "fshz", "samplingrate", "samplingratehz", "samplingfrequency", "samplingfrequencyhz", "samplerate", "sampleratehz"), "fs_hz"),
    **dict.fromkeys(("unit", "units"), "units"),
    **dict.fromkeys(("lead", "leads"), "leads"),
    **dict.fromkeys(("start", "starttime", "recordeddate"), "start"),
}
_WITH_UNIT = re.compile(r"(.*?)[\s_]*[\[(]\s*([^\])]{1,8}?)\s*[\])]|(.+?)[\s_](nV|uV|µV|μV|mV|ms|us|s|sec|seconds)", re.IGNORECASE)
TIME_NAMES: Final = frozenset({"time", "elapsedtime", "timestamp", "datetime", "t", *(name for name in SECONDS if len(name) > 2)})
_COUNT_NAMES: Final = frozenset({"sample", "samples", "sampleno", "samplenumber", "index", "idx", "n", ""})


@dataclass(frozen=True)
class Layout:
    """How a text is laid out: the line of the first data row (from 0), what stands above it, and how cells part."""

    delimiter: str
    decimal: str
    n_columns: int
    first_line: int
    preamble: tuple[str, ...]
    first_row: tuple[str, ...]
    encoding: str


def layout_of(head: bytes) -> Layout | None:
    """The layout of a table that begins with these bytes, None for what is no table."""
    encoding = _encoding(head)
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    if not text.replace("\t", "").replace("\r", "").replace("\n", "").isprintable():
        return None
    lines = re.split(r"\r\n|\n|\r", text)
    if len(head) >= HEAD_BYTES:
        lines = lines[:-1]
    found = [layout for delimiter in _DELIMITERS if (layout := _layout(lines, delimiter, encoding)) is not None]
    return max(found, key=_fit, default=None)


def parse(blob: Blob) -> Table:
    """The table in a text file. Raises FormatError quoting line, column and value of a cell that is no number."""
    layout = layout_of(blob.head())
    if layout is None:
        raise FormatError(f"{blob.name} is no table of numbers")
    said, body = _statements(layout)
    names, units = (None, list[str | None]([None])) if layout.n_columns == 1 and "leads" in said else _header(layout, body, blob.name)
    is_clock = [(names is not None and core(names[i]) in TIME_NAMES) or _CLOCK_CELL.fullmatch(_bare(cell)) is not None for i, cell in enumerate(layout.first_row)]
    cells = _cells(blob, layout, names, [i for i, cell in enumerate(layout.first_row) if _CLOCK_CELL.fullmatch(_bare(cell))])
    notes = _cut_short(blob, layout)
    clock, used = _clock(cells, names, units, is_clock, said.get("fs_hz"), layout.first_line + 1, notes)
    listed = said.get("leads")
    columns = [Column(names[i] if names else None, units[i], cells[i]) for i in range(layout.n_columns) if i not in used]
    if names is None:
        # A delimiter that ends each line makes a last column of nothing.
        columns = [c for i, c in enumerate(columns) if i < len(columns) - 1 or not np.isnan(c.values).all() or len(columns) == 1]
        if listed and len(listed) == len(columns):
            columns = [Column(name, column.units, column.values) for name, column in zip(listed, columns, strict=True)]
    else:
        columns = [c for c in columns if c.name or not np.isnan(c.values).all()]
    return Table(
        "TSV" if layout.delimiter == "\t" and layout.n_columns > 1 else "CSV",
        tuple(columns),
        clock,
        said.get("fs_hz"),
        said.get("units"),
        said.get("start") or _start(layout.first_row),
        tuple(notes),
    )


def split_unit(name: str) -> tuple[str, str | None]:
    """A column name and the unit written in it, if one is.

    >>> split_unit("II [mV]"), split_unit("time_s"), split_unit("Lead I (Einthoven)")
    (('II', 'mV'), ('time', 's'), ('Lead I (Einthoven)', None))
    """
    found = _WITH_UNIT.fullmatch(name.strip())
    if found is None:
        return name.strip(), None
    core, unit = (found[1], found[2]) if found[2] is not None else (found[3], found[4])
    known = mv_per_unit(unit) is not None or unit.casefold() in SECONDS or (found[2] is not None and unit.casefold() in ("mmhg", "bpm", "%", "nu", "adc", "g"))
    return (core.strip(), unit) if known else (name.strip(), None)


def _encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        # A character may be cut at the end of the head.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _fit(layout: Layout) -> tuple[bool, int]:
    """Whether the header above the data, if there is one, has as many cells as the data; then how many cells."""
    above = [line for line in layout.preamble if not _is_comment(line)]
    return not above or len(_split(above[-1], layout.delimiter)) == layout.n_columns, layout.n_columns


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(("#", "%", "//"))


def _layout(lines: list[str], delimiter: str, encoding: str) -> Layout | None:
    """The layout if the text is a table with this delimiter: a first row with a number, and mostly such rows after it."""
    earlier: dict[int, int] = {}
    for number, line in enumerate(lines):
        row = _split(line, delimiter)
        if not line.strip() or not _has_number(row) or _decimal(row, delimiter) is None:
            continue
        following = [_split(other, delimiter) for other in lines[number + 1 : number + 21] if other.strip()]
        alike = sum(len(other) == len(row) and _decimal(other, delimiter) is not None for other in following)
        # A row of numbers further up belongs to the table, however odd the rows after it.
        first = _first_row(lines, earlier.setdefault(len(row), number), delimiter, len(row))
        if alike * 2 >= len(following):
            decimal = "," if any(_decimal(other, delimiter) == "," for other in (row, *following)) else "."
            preamble = tuple(other for other in lines[:first] if other.strip())
            return Layout(delimiter, decimal, len(row), first, preamble, tuple(_split(lines[number], delimiter)), encoding)
    return None


def _first_row(lines: list[str], first: int, delimiter: str, n_columns: int) -> int:
    """The first row of a table whose first row with a number is known: rows of missing cells may stand before it."""
    while first > 0 and len(row := _split(lines[first - 1], delimiter)) == n_columns and all(_bare(cell) in MISSING_CELLS for cell in row):
        if not any(cell for cell in row) and not any(len(_split(line, delimiter)) == n_columns for line in lines[: first - 1] if line.strip()):
            break
        first -= 1
    return first


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    return [cell.strip() for cell in line.split(delimiter)]


def _bare(cell: str) -> str:
    return cell.strip().strip("'\"").strip()


def _decimal(row: list[str], delimiter: str) -> str | None:
    """The decimal sign of a row of numbers, times and missing cells, None for any other row."""
    signs = {"."} if delimiter == "," else {".", ","}
    found = set()
    for cell in row:
        if _bare(cell) in MISSING_CELLS or _CLOCK_CELL.fullmatch(_bare(cell)):
            continue
        number = _NUMBER.fullmatch(cell)
        sign = number and (number[1] or number[2])
        if number is None or (sign and sign not in signs):
            return None
        found |= {sign} if sign else set()
    if len(found) > 1:
        return None
    return found.pop() if found else "."


def _has_number(row: list[str]) -> bool:
    return any(_NUMBER.fullmatch(cell) for cell in row)


def _statements(layout: Layout) -> tuple[dict[str, Any], list[str]]:
    """What the lines above the table state, and those lines that are its header."""
    said: dict[str, Any] = {}
    body = []
    for line in layout.preamble:
        found = _STATEMENT.fullmatch(line.rstrip(",;\t "))
        key = statement_key(found[1]) if found else None
        if _is_comment(line) and key != "leads":
            for part in re.split(r"[,;]", line.lstrip("#%/ ")):
                if (inner := _STATEMENT.fullmatch(part)) and (inner_key := statement_key(inner[1])):
                    say(said, inner_key, _bare(inner[2]))
        elif found and key and (_is_comment(line) or layout.n_columns == 1 or layout.n_columns != len(_split(line, layout.delimiter)) or line is not layout.preamble[-1]):
            say(said, key, _bare(found[2]))
        elif not _is_comment(line):
            body.append(line)
    return said, body


def statement_key(text: str) -> str | None:
    """Which fact a key such as "Sampling rate (Hz)" states: "fs_hz", "units", "leads" or "start"; None for others."""
    return _KEYS.get(core(text))


def say(said: dict[str, Any], key: str, value: str) -> None:
    """Put a stated fact, as text, into `said`. Raises FormatError for a rate that is no number."""
    if key == "fs_hz":
        found = re.match(r"(\d+(?:[.,]\d+)?)\s*(k?)(?:hz|hertz|sps)?\b", value, re.IGNORECASE)
        if found is None:
            raise FormatError(f"sampling rate {value!r} is no number")
        said[key] = float(found[1].replace(",", ".")) * (1000 if found[2] else 1)
    elif key == "leads":
        said[key] = tuple(_bare(name) for name in re.split(r"[,;]", value))
    elif key == "start":
        with suppress(ValueError):
            said[key] = datetime.fromisoformat(value.replace(" +", "+").replace(" -", "-")).replace(tzinfo=None)
    else:
        said[key] = value


def _header(layout: Layout, body: list[str], file_name: str) -> tuple[tuple[str, ...] | None, list[str | None]]:
    """Column names (None if there is no header row) and units, from the names or from a row of units below them."""
    rows = [[_bare(cell) for cell in _split(line, layout.delimiter)] for line in body]
    n = layout.n_columns
    rows = [row + [""] * (n - len(row)) if n - len(row) == 1 and layout.first_row[-1] == "" else row for row in rows]
    if not rows or (len(rows[-1]) != n and len(rows[-1]) == 1 and n > 1):
        return None, [None] * n
    if len(rows[-1]) != n:
        raise FormatError(f"{file_name}: line {layout.first_line + 1} has {n} cells, but the header above it names {len(rows[-1])} columns")
    unit_row = rows[-1] if len(rows) > 1 and len(rows[-2]) == n and _is_unit_row(rows[-1]) else None
    parts = [split_unit(name) for name in (rows[-2] if unit_row else rows[-1])]
    return tuple(name for name, _ in parts), [unit or (unit_row[i] or None if unit_row else None) for i, (_, unit) in enumerate(parts)]


def _is_unit_row(row: list[str]) -> bool:
    return all(cell == "" or mv_per_unit(cell.strip("()[]")) is not None or cell.casefold() in SECONDS or "mm:ss" in cell or "/" in cell for cell in row)


def core(name: str) -> str:
    """The letters of a name in lower case."""
    return re.sub(r"[^a-z]", "", name.casefold())


@contextmanager
def _opened(blob: Blob) -> Iterator[IO[bytes]]:
    if isinstance(blob.content, bytes):
        yield io.BytesIO(blob.content)
    else:
        with blob.content.open("rb") as file:
            yield file


def _cells(blob: Blob, layout: Layout, names: tuple[str, ...] | None, text_columns: list[int]) -> list[NDArray[Any]]:
    """Every column, (n_rows,) float64, or text for a column of clock times."""
    import pandas as pd

    options: dict[str, Any] = {"sep": r"\s+" if layout.delimiter == " " else layout.delimiter, "decimal": layout.decimal, "encoding": layout.encoding}
    parts: list[list[NDArray[Any]]] = [[] for _ in range(layout.n_columns)]
    types = {i: str if i in text_columns else np.float64 for i in range(layout.n_columns)}
    try:
        with _opened(blob) as file:
            reader = pd.read_csv(
                file,
                header=None,
                skiprows=layout.first_line,
                dtype=types,
                na_values=list(MISSING_CELLS),
                keep_default_na=False,
                skipinitialspace=True,
                encoding_errors="replace",
                chunksize=_PIECE_ROWS,
                **options,
            )
            for frame in reader:
                for i, part in enumerate(parts):
                    part.append(frame[i].to_numpy())
    except (ValueError, KeyError, OverflowError) as error:
        _name_wrong_cell(blob, layout, names, text_columns)
        raise FormatError(f"{blob.name} is no table that can be read: {' '.join(str(error).split())[:200]}") from error
    columns = []
    for part in parts:
        columns.append(np.concatenate(part))
        part.clear()
    if any(np.isinf(column).any() for i, column in enumerate(columns) if i not in text_columns):
        _name_wrong_cell(blob, layout, names, text_columns)
    return columns


def _cut_short(blob: Blob, layout: Layout) -> list[str]:
    """A note when the last line has too few cells, as in a file cut short."""
    tail = blob.array()[-HEAD_BYTES:].tobytes().decode(layout.encoding if layout.encoding != "utf-16" else "latin-1", "replace").replace("\0", "")
    cells = _split(tail.rstrip().splitlines()[-1], layout.delimiter)
    return [f"the last line has {len(cells)} of {layout.n_columns} cells; the file may be cut short"] if len(cells) < layout.n_columns else []


def _name_wrong_cell(blob: Blob, layout: Layout, names: tuple[str, ...] | None, text_columns: list[int]) -> None:
    """Raise FormatError for the first line that has too many cells or a cell that is no number."""
    with _opened(blob) as raw, io.TextIOWrapper(raw, layout.encoding, "replace") as file:
        for number, line in enumerate(file, 1):
            cells = _split(line.rstrip("\r\n"), layout.delimiter)
            if number <= layout.first_line or not line.strip():
                continue
            if len(cells) > layout.n_columns:
                raise FormatError(f"{blob.name}, line {number}: {len(cells)} cells where {layout.n_columns} should be")
            for i, cell in enumerate(cells):
                if i not in text_columns and _bare(cell) not in MISSING_CELLS and not _is_finite(cell, layout.decimal):
                    raise FormatError(f"{blob.name}, line {number}, column {names[i] if names and names[i] else i + 1}: {_bare(cell)[:40]!r} is no number")


def _is_finite(cell: str, decimal: str) -> bool:
    return _decimal([cell], "," if decimal == "." else ";") is not None and _NUMBER.fullmatch(cell) is not None and math.isfinite(float(cell.replace(",", ".")))


def _clock(
    cells: list[NDArray[Any]], names: tuple[str, ...] | None, units: list[str | None], is_clock: list[bool], stated_hz: float | None, first_line: int, notes: list[str]
) -> tuple[Clock | None, set[int]]:
    """The clock of the time column or of the sample numbers, and which columns are no signals."""
    used = {i for i, found in enumerate(is_clock) if found}
    counts = [i for i in range(len(cells)) if names and i not in used and core(names[i]) in _COUNT_NAMES and (names[i] or _counts_up(cells[i]))]
    clock = None
    for i in sorted(used):
        unit = (units[i] or core(names[i]) if names else "").casefold()
        if cells[i].dtype.kind == "O":
            times, unit_s = _seconds(cells[i], first_line), 1.0
        elif unit in SECONDS:
            times, unit_s = cells[i], SECONDS[unit]
        else:
            notes.append(f"column {names[i] if names else i + 1} states no unit of time and was not used")
            continue
        clock = clock or of_times(times, unit_s, stated_hz, first_line)
    for i in counts:
        clock = clock or of_counts(cells[i], first_line)
    return clock, used | set(counts)


def _counts_up(values: NDArray[Any]) -> bool:
    return bool(values.dtype.kind == "f" and (np.diff(values) == 1).all() and values[0] in (0, 1))


def _seconds(cells: NDArray[Any], first_line: int) -> NDArray[np.float64]:
    """Clock times and dates as seconds from the first date's midnight."""
    out = np.empty(len(cells), np.float64)
    days: dict[str | None, float] = {None: 0.0}
    first_day = None
    for row, cell in enumerate(cells):
        found = _CLOCK_CELL.fullmatch(_bare(cell)) if isinstance(cell, str) else None
        if found is None:
            raise FormatError(f"line {first_line + row}: {str(cell)[:40]!r} is no time; it should read hh:mm:ss.mmm")
        date = found["date"] or (found["year"] and f"{found['year']}-{found['month']}-{found['day']}")
        if date not in days:
            day = _date(date, first_line + row)
            first_day = first_day or day
            days[date] = (day - first_day).total_seconds()
        clock = reversed(found["clock"].replace(",", ".").split(":"))
        out[row] = days[date] + sum(float(part) * 60**power for power, part in enumerate(clock))
    return out


def _date(text: str, line: int) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise FormatError(f"line {line}: {text!r} is no date; it should read YYYY-MM-DD") from error


def _start(first_row: tuple[str, ...]) -> datetime | None:
    """The moment of the first row, where a cell states one with its date."""
    for cell in first_row:
        found = _CLOCK_CELL.fullmatch(_bare(cell))
        if found and found["date"]:
            with suppress(ValueError):
                return datetime.fromisoformat(f"{found['date']}T{found['clock'].replace(',', '.')}")
    return None
