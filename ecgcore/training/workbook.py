"""The first sheet of an Excel workbook (.xlsx, ECMA-376) as rows of text: enough to read a table of labels."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

from ecgcore.errors import DataError

_SPACE: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_SHEET: Final = "xl/worksheets/sheet1.xml"
_STRINGS: Final = "xl/sharedStrings.xml"


def rows(path: Path) -> list[Mapping[str, str]]:
    """The rows below the first, by the names in the first; a cell that is empty is "". Raises DataError for a file that is no workbook."""
    try:
        with ZipFile(path) as archive:
            strings = [_text(item) for item in _parsed(archive, _STRINGS)] if _STRINGS in archive.namelist() else []
            sheet = [_cells(row, strings) for row in _parsed(archive, _SHEET).iter(f"{_SPACE}row")]
    except (BadZipFile, KeyError, ElementTree.ParseError, IndexError, ValueError) as error:
        raise DataError(f"{path.name} is no Excel workbook with a first sheet: {error}") from error
    if not sheet:
        return []
    names = {column: name for column, name in sheet[0].items() if name}
    return [{name: row.get(column, "") for column, name in names.items()} for row in sheet[1:] if any(row.values())]


def _parsed(archive: ZipFile, name: str) -> ElementTree.Element:
    return ElementTree.fromstring(archive.read(name))  # noqa: S314 - as above


def _cells(row: ElementTree.Element, strings: list[str]) -> dict[str, str]:
    """Text by column letters."""
    found = {}
    for cell in row.iter(f"{_SPACE}c"):
        column = re.sub(r"\d", "", cell.get("r", ""))
        value = cell.find(f"{_SPACE}v")
        if cell.get("t") == "inlineStr":
            found[column] = _text(cell)
        elif value is not None and value.text:
            found[column] = strings[int(value.text)] if cell.get("t") == "s" else value.text
    return found


def _text(element: ElementTree.Element) -> str:
    return "".join(part.text or "" for part in element.iter(f"{_SPACE}t"))
