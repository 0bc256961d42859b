"""Uploads of several files and zips: unpacked within limits, then sorted into recordings."""

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from ecgcore.errors import FormatError, UnsafeFileError
from ecgcore.readers import wfdb
from ecgcore.readers.extent import check_unpacked
from ecgcore.readers.sources import Blob, Format, MemoryFolder

MAX_MEMBERS: Final = 50_000
MAX_UNPACKED_BYTES: Final = 4 << 30
# Deflate reaches 1000:1 on zeros only; real recordings stay below 20:1, flat ones in text below 200:1.
MAX_RATIO: Final = 200
FREE_BYTES: Final = 64 << 20
_PIECE: Final = 1 << 20
# What zipfile and its decompressors raise on broken or encrypted archives.
_UNPACKING_ERRORS: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
)

_ZIP_SIGNATURES: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
# What lies beside recordings in PhysioNet's archives and in those made on a desktop.
_SIDE_FILE: Final = re.compile(
    r"(RECORDS|ANNOTATORS|LICENSE|README|CHANGELOG|SHA256SUMS|MD5SUMS|DICOMDIR)(-[\w-]+)?(\.\w+)?|\..*|Thumbs\.db|desktop\.ini|.*\.(html?|css|md|gif|png|jpe?g)"
)
_SIDE_FOLDER: Final = "__MACOSX"


@dataclass(frozen=True, eq=False)
class Group:
    """The files of one recording, and which of them is its header or the recording itself."""

    main: Blob
    format: Format
    files: dict[str, bytes]


def is_zip(head: bytes) -> bool:
    """Whether these bytes begin a zip archive."""
    return head.startswith(_ZIP_SIGNATURES)


def group(files: Mapping[str, bytes], format_of: Callable[[Blob], Format | None]) -> tuple[Group, ...]:
    """Uploaded files, zips unpacked, sorted into recordings in the order of their main files.

    Raises FormatError naming a file that belongs to no recording, UnsafeFileError for a zip that must not be unpacked.
    """
    blobs = [Blob(name, data) for name, data in _unpacked(files).items()]
    if not blobs:
        raise FormatError("no files were handed in")
    folders = {folder: MemoryFolder.of(blob for blob in blobs if _folder(blob) == folder) for folder in {_folder(blob) for blob in blobs}}
    headers = {blob.name: wfdb.parse(blob) for blob in blobs if wfdb.matches(blob.head())}
    segments = {_join(_folder(blob), f"{s.name}.hea") for blob in blobs if blob.name in headers for s in headers[blob.name].segments}
    owned = {
        blob.name: {_join(_folder(blob), name) for name in wfdb.companions(headers[blob.name], folders[_folder(blob)])} | {blob.name}
        for blob in blobs
        if blob.name in headers and blob.name not in segments
    }
    taken = set[str]().union(*owned.values())
    groups = []
    for blob in blobs:
        if blob.name in taken and blob.name not in owned:
            continue
        if (found := format_of(blob)) is not None and not is_side_file(blob.name):
            names = owned.get(blob.name, {blob.name})
            taken |= names
            groups.append(Group(blob, found, {other.name: other.data() for other in blobs if other.name in names}))
    for blob in blobs:
        if blob.name not in taken and not (groups and is_side_file(blob.name)):
            raise FormatError(unknown(blob, ()))
    return tuple(groups)


def unknown(blob: Blob, formats: Sequence[str]) -> str:
    """One line that says why a file is no recording."""
    head = blob.head()
    if not head.strip():
        return f"{blob.name} is empty" if not head else f"{blob.name} holds nothing but blanks"
    if head.replace(b"\0", b"").lstrip(b"\xff\xfe\xef\xbb\xbf \r\n\t").startswith(b"<"):
        return f"{blob.name} is XML or HTML, which is not read; save the recording as WFDB, DICOM, EDF or CSV"
    if blob.name.lower().endswith((".dat", ".mat", ".atr")):
        return f"{blob.name} belongs to no recording: no WFDB header (.hea) names it"
    known = f"; these formats are read: {', '.join(formats)}" if formats else ""
    return f"{blob.name} belongs to no recording: it begins with {head[:16]!r}{known}"


def _folder(blob: Blob) -> str:
    return str(PurePosixPath(blob.name).parent)


def _join(folder: str, name: str) -> str:
    return str(PurePosixPath(folder) / name)


def is_side_file(name: str) -> bool:
    """Whether a file or folder of this name commonly lies beside recordings and is none."""
    path = PurePosixPath(name)
    return _SIDE_FILE.fullmatch(path.name) is not None or _SIDE_FOLDER in path.parts


def _unpacked(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files with every zip replaced by its members."""
    out: dict[str, bytes] = {}
    for name, data in files.items():
        members = _members(name, data) if is_zip(data) else {name.replace("\\", "/"): data}
        for member, content in members.items():
            if member in out and out[member] != content:
                raise FormatError(f"two different files are called {member}; hand them in one at a time")
            out[member] = content
    return out


def _members(name: str, data: bytes) -> dict[str, bytes]:
    """The files in a zip. Sizes are checked as declared, and again while unpacking."""
    out: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            _check_declared(name, infos, len(data))
            if any(info.filename == "[Content_Types].xml" for info in infos):
                raise FormatError(f"{name} is an Office document; save the sheet as CSV")
            for info in infos:
                if is_side_file(info.filename):
                    continue
                content = _content(name, archive, info)
                if is_zip(content[:4]):
                    raise UnsafeFileError(f"{name} holds another zip, {info.filename}; unpack it first")
                out[info.filename] = content
    except _UNPACKING_ERRORS as error:
        raise FormatError(f"{name} is no zip that can be unpacked: {' '.join(str(error).split())[:200]}") from error
    if not out:
        raise FormatError(f"{name} holds no files")
    return out


def _check_declared(name: str, infos: Sequence[zipfile.ZipInfo], packed_bytes: int) -> None:
    if len(infos) > MAX_MEMBERS:
        raise UnsafeFileError(f"{name} holds {len(infos)} files; at most {MAX_MEMBERS} are unpacked")
    for info in infos:
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise UnsafeFileError(f"{name} holds {info.filename[:80]!r}, which reaches outside its folder; plain names are unpacked")
    total = sum(info.file_size for info in infos)
    check_unpacked(total, name)
    if total > MAX_UNPACKED_BYTES:
        raise UnsafeFileError(f"{name} unpacks to {total} bytes; at most {MAX_UNPACKED_BYTES} are unpacked")
    if total > max(FREE_BYTES, MAX_RATIO * packed_bytes):
        raise UnsafeFileError(f"{name} unpacks from {packed_bytes} to {total} bytes, more than {MAX_RATIO} times its size")


def _content(name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """One member, unpacked no further than it declares."""
    pieces, size = [], 0
    with archive.open(info) as member:
        while piece := member.read(_PIECE):
            size += len(piece)
            if size > info.file_size:
                raise UnsafeFileError(f"{name}: {info.filename} unpacks to more than the {info.file_size} bytes it declares")
            pieces.append(piece)
    return b"".join(pieces)
