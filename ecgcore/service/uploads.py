"""From the files of a form to a Record."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header

from ecgcore import readers
from ecgcore.errors import InputError, MissingFactError
from ecgcore.record import Record
from ecgcore.service.asked import MAX_FS_HZ, MIN_FS_HZ, Options, said_of
from ecgcore.service.refused import Refused
from ecgcore.service.signals import MOST_SAMPLES

MOST_FILES: Final = 64
FILES: Final = ("file", "files")  # names of the fields that hold files
MULTIPART: Final = "multipart/form-data"
_FACTS: Final = ("fs_hz", "units", "lead_names")
_OPTIONS: Final = tuple(Options.model_fields)
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


@dataclass
class Form:
    """Files and fields of a form, by name."""

    files: dict[str, bytes] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)

    def add_file(self, part: File) -> None:
        """Take one file. Raises Refused, 422."""
        name = str(PurePosixPath((part.file_name or b"").decode("utf-8", "replace").replace("\\", "/")).name)[:200] or "recording"
        if _text(part.field_name) not in FILES:
            raise Refused(422, f"a file came in the field {_text(part.field_name)[:40]!r}; files go in fields called 'file'")
        if name in self.files:
            raise Refused(422, f"two files are called {name!r}; every file has a name of its own")
        if len(self.files) >= MOST_FILES:
            raise Refused(422, f"there are more than {MOST_FILES} files; send the files of one recording, or a zip of them")
        self.files[name] = part.file_object.getvalue()  # type: ignore[union-attr]  # it is kept in memory, as the parser is told

    def add_field(self, part: Field) -> None:
        """Take one field. Raises Refused, 422."""
        name = _text(part.field_name)
        if name in FILES:
            raise Refused(422, f"the field {name!r} came without a file name; send it as a file")
        if name not in (*_FACTS, *_OPTIONS):
            raise Refused(422, f"there is no field {name[:40]!r}; there are {', '.join(('file', *_OPTIONS, *_FACTS))}")
        if name in self.fields:
            raise Refused(422, f"the field {name!r} stands twice; it stands once")
        self.fields[name] = _text(part.value or b"").strip()


def parse(body: bytearray, content_type: str) -> Form:
    """The files and fields in the body of a form. Raises Refused, 422."""
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Refused(422, f"the Content-Type {content_type[:80]!r} names no boundary; a form's names the one that stands between its parts")
    form = Form()
    sizes = {"MAX_MEMORY_FILE_SIZE": len(body) + 1, "UPLOAD_ERROR_ON_BAD_CTE": True, "MAX_HEADER_COUNT": 16, "MAX_HEADER_SIZE": 8192}
    try:
        parser = FormParser(MULTIPART, form.add_field, form.add_file, boundary=boundary, config=sizes)
        parser.write(bytes(body))
        parser.finalize()
        parser.close()
    except (FormParserError, ValueError) as error:
        raise Refused(422, f"the body is no form of {MULTIPART}: {' '.join(str(error).split())[:200]}") from error
    if not form.files or not any(form.files.values()):
        raise Refused(422, "no file came, or an empty one; send the files of a recording in fields called 'file'")
    return form


def options_of(form: Form) -> Options:
    """What is asked of the recording in a form. Raises Refused, 422."""
    stated: dict[str, Any] = {name: value for name, value in form.fields.items() if name in _OPTIONS and value}
    if "use" in stated:
        stated["use"] = [name.strip() for name in stated["use"].split(",")]
    stated |= {name: _number(stated[name]) for name in ("start_s", "stop_s") if name in stated}
    stated |= {"checks": _BOOLEANS.get(stated["checks"].lower(), stated["checks"])} if "checks" in stated else {}
    try:
        return Options.model_validate(stated)
    except ValidationError as error:
        raise Refused(422, said_of(error).partition("; wanted is")[0]) from error


def record_of(form: Form) -> Record:
    """The recording in the files of a form. Raises InputError, Refused."""
    fs_hz = form.fields.get("fs_hz")
    names = [name.strip() for name in form.fields.get("lead_names", "").split(",") if name.strip()]
    try:
        return readers.read(form.files, fs_hz=_rate(fs_hz) if fs_hz else None, units=form.fields.get("units") or None, leads=names or None, most_samples=MOST_SAMPLES)
    except MissingFactError as error:
        raise InputError(f"{error}, in the field {' and '.join('lead_names' if fact == 'leads' else fact for fact in error.facts)}") from error


def _rate(stated: str) -> float:
    value = _number(stated)
    if not (isinstance(value, float) and MIN_FS_HZ <= value <= MAX_FS_HZ):
        raise InputError(f"fs_hz must be a number from {MIN_FS_HZ:g} to {MAX_FS_HZ:g}, not {stated[:40]!r}")
    return value


def _number(stated: str) -> float | str:
    """The number in a field; the text itself where it is none, to be told as it stands."""
    try:
        return float(stated)
    except ValueError:
        return stated


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")
