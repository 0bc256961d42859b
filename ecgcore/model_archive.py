"""A model's folder as one zip, and back: which files it may hold, how large, and each with the sha256 that the zip's manifest states.

Nothing is opened here but zip and JSON. What holds pickled objects is refused by its content, whatever it is called.
"""

import hashlib
import io
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import BaseModel, ValidationError

from ecgcore.errors import FormatError, InputError, ModelError, UnsafeFileError
from ecgcore.inference.cards import Part, digest

SUFFIX: Final = ".leadwise.zip"
FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MAX_BYTES: Final = 1 << 30  # of all files; protobuf, and so ONNX, ends at 2 GiB
MAX_JSON_BYTES: Final = 16 << 20
MAX_FILES: Final = 64
MAX_RATIO: Final = 200  # weights hardly shrink; a zip of more was made to grow
FREE_BYTES: Final = 64 << 20  # unpacked whatever the ratio
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_FILE: Final = re.compile(r"model\.onnx|control\.onnx|model\.safetensors|card\.json|(table|measures)-[A-Za-z0-9_.-]{1,80}\.json")
_FILES: Final = "model.onnx, control.onnx, model.safetensors, card.json, table-*.json and measures-*.json"
_PICKLES: Final = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt")
_HEAD_BYTES: Final = 64
_PIECE: Final = 1 << 20
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)  # that a zip can state: the same model gives the same bytes
# What zipfile and its decompressors raise on broken or encrypted archives.
_BROKEN: Final = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, struct.error, RuntimeError, EOFError, OSError, ValueError, OverflowError)


class Manifest(Part):
    """What an archive says of itself: the format of archives, whose files these are, and the sha256 of each."""

    format: int
    name: str
    version: str
    files: dict[str, str]


class _Numbered(BaseModel):
    """What can be read of a manifest of any format."""

    format: int


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of each file of a model's folder, by name."""
    return {path.name: digest(path) for path in sorted(folder.iterdir())}


def pack(folder: Path, out: Path) -> None:
    """Write a model's folder <name>/<version>/ as one archive; the same files give the same bytes. Raises ModelError for a folder that holds what no model does."""
    check_files(folder)
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    manifest = Manifest(format=FORMAT, name=folder.parent.name, version=folder.name, files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    said = json.dumps(manifest.model_dump(), indent=1, sort_keys=True) + "\n"
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in {MANIFEST: said.encode(), **files}.items():
            member = zipfile.ZipInfo(name, _EARLIEST)
            member.create_system, member.external_attr = 3, 0o644 << 16  # as on Unix, wherever it is written
            archive.writestr(member, data)


def unpack(archive: Path | bytes, into: Path) -> Path:
    """Unpack an archive into <into>/<name>/<version>/, as its manifest names it; that folder.

    Raises FormatError for what is no such archive, UnsafeFileError for one that reaches outside or unpacks to too much, ModelError for one that
    holds what no model does, or whose files are not those of its manifest.
    """
    called = archive.name if isinstance(archive, Path) else "the file"
    with _opened(archive, called) as (opened, packed_bytes):
        members = opened.infolist()
        _check_members(called, members, packed_bytes)
        manifest = _manifest(called, b"".join(_pieces(called, opened, MANIFEST)))
        _check_listed(called, manifest, [member.filename for member in members if member.filename != MANIFEST])
        folder = into / manifest.name / manifest.version
        folder.mkdir(parents=True)
        for name, expected in manifest.files.items():
            found = hashlib.sha256()
            with (folder / name).open("wb") as file:
                for piece in _pieces(called, opened, name):
                    found.update(piece)
                    file.write(piece)
            if found.hexdigest() != expected:
                raise ModelError(f"{name} in {called} has sha256 {found.hexdigest()[:12]}…, its manifest says {expected[:12]}…; have it exported and sent again")
    return folder


def check_files(folder: Path) -> None:
    """Refuse a model's folder that holds other files than a model's, too much of them, or pickled objects. Raises ModelError."""
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder of a model, <name>/<version>/ with its card and weights")
    paths = sorted(folder.iterdir())
    for path in paths:
        if not path.is_file():
            raise ModelError(f"{path.name} in {folder.parent.name}/{folder.name} is no file; a model is {_FILES}")
        with path.open("rb") as file:
            _check_file(f"{folder.parent.name}/{folder.name}", path.name, file.read(_HEAD_BYTES), path.stat().st_size)
    if sum(path.stat().st_size for path in paths) > MAX_BYTES:
        raise ModelError(f"{folder.parent.name}/{folder.name} holds more than {MAX_BYTES:,} bytes")


@contextmanager
def _opened(archive: Path | bytes, called: str) -> Iterator[tuple[zipfile.ZipFile, int]]:
    """The archive as a zip, and its size in bytes."""
    try:
        file = archive.open("rb") if isinstance(archive, Path) else io.BytesIO(archive)
    except OSError as error:
        raise InputError(f"{archive!s} cannot be read: {error.strerror or error}") from error
    with file:
        with _as_format_errors(called):
            head, packed_bytes = file.read(_HEAD_BYTES * _HEAD_BYTES), file.seek(0, io.SEEK_END)
        if _pickled(head) or _pickled(_inflated(head)):
            raise ModelError(_refusal(called, called))
        if not head.startswith(b"PK\x03\x04"):
            what = " but an ONNX network by itself; a model comes with its card" if called.endswith(".onnx") else ""
            raise FormatError(f"{called} is no archive of a model{what}; wanted is a zip that `models --export` writes")
        with _as_format_errors(called):
            opened = zipfile.ZipFile(file)
        with opened:
            yield opened, packed_bytes


@contextmanager
def _as_format_errors(called: str) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise FormatError(f"{called} is no zip that can be unpacked: {' '.join(str(error).split())[:200]}") from error


def _pieces(called: str, archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """One member, a piece at a time; no more than it declares."""
    with _as_format_errors(called), archive.open(name) as member:
        first = True
        while piece := member.read(_PIECE):
            if first and name != MANIFEST:
                _check_file(called, name, piece[:_HEAD_BYTES], archive.getinfo(name).file_size)
            first = False
            yield piece


def _check_members(called: str, members: Sequence[zipfile.ZipInfo], packed_bytes: int) -> None:
    """Names and declared sizes, before anything is unpacked."""
    for member in members:
        if PurePosixPath(member.filename).suffix.lower() in _PICKLES:
            raise ModelError(_refusal(called, member.filename))
    names = [member.filename for member in members]
    if len(names) > MAX_FILES:
        raise UnsafeFileError(f"{called} holds {len(names):,} files; at most {MAX_FILES} are those of a model")
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name:
            raise UnsafeFileError(f"{called} holds {name[:80]!r}, which reaches outside its folder; the files of a model have plain names")
        if name != MANIFEST and not _FILE.fullmatch(name):
            raise ModelError(f"{called} holds {name[:80]!r}, which is no file of a model; those are {_FILES}, in no folder, and {MANIFEST}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FormatError(f"{called} holds {twice[0]} twice; each file of a model is there once")
    if MANIFEST not in names:
        raise FormatError(f"{called} holds no {MANIFEST}; wanted is a zip that `models --export` writes")
    total = sum(member.file_size for member in members)
    if total > min(MAX_BYTES, max(FREE_BYTES, MAX_RATIO * packed_bytes)):
        raise UnsafeFileError(f"{called} unpacks from {packed_bytes:,} to {total:,} bytes; at most {MAX_BYTES:,}, and {MAX_RATIO} times its size, are unpacked")
    if large := [member.filename for member in members if member.filename.endswith(".json") and member.file_size > MAX_JSON_BYTES]:
        raise UnsafeFileError(f"{large[0]} in {called} unpacks to more than {MAX_JSON_BYTES:,} bytes, too much for text")


def _manifest(called: str, said: bytes) -> Manifest:
    try:
        if (number := _Numbered.model_validate_json(said).format) != FORMAT:
            raise ModelError(f"{called} is an archive of format {number}; this Leadwise reads format {FORMAT}: export it with the same version of Leadwise")
        manifest = Manifest.model_validate_json(said)
    except ValidationError as error:
        first = error.errors()[0]
        raise FormatError(f"{MANIFEST} in {called} does not fit: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    check_name(manifest.name, manifest.version, f"{MANIFEST} in {called}")
    return manifest


def check_name(name: str, version: str, said_by: str) -> None:
    """Refuse what cannot be a model's name and version, which are folders and stand in addresses. Raises ModelError."""
    if not NAME.fullmatch(name) or not VERSION.fullmatch(version):
        raise ModelError(f"{said_by} names the model {name[:80]!r}, version {version[:80]!r}; letters, digits, - and _ are possible, in a version . and + too, at most 63")


def _check_listed(called: str, manifest: Manifest, names: Sequence[str]) -> None:
    listed: Mapping[str, str] = manifest.files
    if missing := sorted(set(listed) - set(names)):
        raise ModelError(f"{called} lacks {missing[0][:80]!r}, which its manifest lists; have it exported and sent again")
    if extra := sorted(set(names) - set(listed)):
        raise ModelError(f"{called} holds {extra[0]}, of which its manifest says nothing; have it exported and sent again")


def _check_file(where: str, name: str, head: bytes, size: int) -> None:
    """Name, size and first bytes of one file of a model."""
    if _pickled(head) or PurePosixPath(name).suffix.lower() in _PICKLES:
        raise ModelError(_refusal(where, name))
    if not _FILE.fullmatch(name):
        raise ModelError(f"{where} holds {name[:80]!r}, which is no file of a model; those are {_FILES}")
    if size > (MAX_JSON_BYTES if name.endswith(".json") else MAX_BYTES):
        raise ModelError(f"{name} in {where} holds {size:,} bytes, more than such a file of a model may")


def _pickled(head: bytes) -> bool:
    """Whether bytes begin as a pickle of protocol 2 to 5 does; safetensors may begin alike, but their ninth byte opens a header in JSON."""
    return head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5") and head[8:9] != b"{"


def _inflated(head: bytes) -> bytes:
    """The first bytes of what was compressed by zlib or gzip, as joblib does; empty for anything else."""
    try:
        return zlib.decompressobj(wbits=47).decompress(head, _HEAD_BYTES)
    except zlib.error:
        return b""


def _refusal(where: str, name: str) -> str:
    which = "" if name == where else f" ({PurePosixPath(name).name[:80]})"
    return f"{where} holds pickled Python objects{which}, which run code when they are opened; export the model as ONNX and safetensors with its card"
