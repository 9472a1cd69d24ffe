"""NumPy's .npz archives: `x_train`, `y_train`, `x_test` and `y_test`, one .npy file each."""

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from manual_vs_auto.data.source import DEFLATE_LIMIT, DataError, Stream

_NAMES = ("x_train", "y_train", "x_test", "y_test")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Matched and not evaluated, and no number in it is long enough to hurt.
_HEADER = re.compile(
    rb"\{\s*'descr':\s*'(?P<dtype>[<>|=]?(?:[ui][1248]|f[248]))',\s*'fortran_order':\s*(?P<fortran>True|False),"
    rb"\s*'shape':\s*\((?P<shape>[0-9L, ]{0,150})\),?\s*\}\s*"
)
_SIZE = re.compile(rb"\d{1,15}L?")  # L: as Python 2 wrote it
_HIGHEST_RANK = 8
_LONGEST_HEADER = 10_000
_LONGEST_DIRECTORY = 1 << 20  # of the archive, in bytes: thousands of names
_BROKEN = (
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class NpzSource:
    """One array of an open archive, read as far as its header. See `Source`."""

    archive: zipfile.ZipFile
    where: str
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool
    start: int

    @contextmanager
    def data(self) -> Iterator[Stream]:
        with _opened(self.archive, self.name, self.where) as stream:
            stream.read(self.start)
            yield cast(Stream, stream)


@contextmanager
def open_npz(path: Path) -> Iterator[tuple[NpzSource, ...]]:
    """An archive with the headers of x_train, y_train, x_test and y_test read and checked, in that order.

    Raises: DataError if it can't be read, is no such archive, or an array declares another size than it has.
    """
    try:
        _check_directory(path)
        archive = zipfile.ZipFile(path)
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(path, f"no zip archive ({error})", "an .npz archive that can be read") from None
    with archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        missing = [name for name in _NAMES if f"{name}.npy" not in entries]
        if missing:
            held = ", ".join(sorted(entries)[:8]) or "nothing"
            raise DataError(path, f"an archive of {held}", f"also {', '.join(missing)}")
        yield tuple(_open_array(archive, f"{path}[{name}]", entries[f"{name}.npy"]) for name in _NAMES)


def _check_directory(path: Path) -> None:
    """Refuse a directory that would take zipfile long: it reads as much as the archive's last record says."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16) - 22))
        tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if 0 <= at <= len(tail) - 16:
        (length,) = struct.unpack_from("<I", tail, at + 12)
        if length > _LONGEST_DIRECTORY:
            raise DataError(path, f"a directory of {length:,} bytes", f"at most {_LONGEST_DIRECTORY:,}")


def _open_array(archive: zipfile.ZipFile, where: str, entry: zipfile.ZipInfo) -> NpzSource:
    packed, unpacked = entry.compress_size, entry.file_size
    if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
        raise DataError(where, "an array that is encrypted or oddly compressed", "one stored or deflated")
    if entry.compress_type == zipfile.ZIP_STORED and packed != unpacked:
        raise DataError(where, f"{packed:,} bytes stored for {unpacked:,}", "as many")
    if unpacked > max(packed, 1) * DEFLATE_LIMIT:
        raise DataError(where, f"{unpacked:,} bytes in {packed:,}", f"at most {DEFLATE_LIMIT} times as many")
    with _opened(archive, entry.filename, where) as stream:
        dtype, shape, fortran_order, start = _header(where, stream)
    declared = start + math.prod(shape) * dtype.itemsize
    if declared != unpacked:
        raise DataError(where, f"{unpacked:,} bytes", f"the {declared:,} that the header declares {shape}")
    return NpzSource(archive, where, entry.filename, dtype, shape, fortran_order, start)


def _header(where: str, stream: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
    """The dtype, the shape, whether the first axis runs fastest, and how long the header is."""
    magic = stream.read(8)
    if magic[:6] != b"\x93NUMPY" or len(magic) < 8:
        raise DataError(where, f"an array that begins with {magic!r}", r"b'\x93NUMPY'")
    if magic[6:] not in (b"\1\0", b"\2\0"):
        raise DataError(where, f".npy version {magic[6]}.{magic[7]}", "1.0 or 2.0")
    width = 2 if magic[6] == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > _LONGEST_HEADER:
        raise DataError(where, f"a header of {length:,} bytes", f"at most {_LONGEST_HEADER:,}")
    header = stream.read(length)
    match = _HEADER.fullmatch(header)
    sizes = match["shape"].replace(b" ", b"").removesuffix(b",").split(b",") if match else []
    shape = tuple(int(size.removesuffix(b"L")) for size in sizes if _SIZE.fullmatch(size))
    if not match or len(shape) < len(sizes) or len(shape) > _HIGHEST_RANK:
        found = f"the header {header[:100].decode('latin-1').strip()}"
        raise DataError(where, found, "an array of whole or floating numbers of 1 to 8 dimensions")
    start = 8 + width + length
    return np.dtype(match["dtype"].decode()), shape, match["fortran"] == b"True", start


@contextmanager
def _opened(archive: zipfile.ZipFile, name: str, where: str) -> Iterator[IO[bytes]]:
    try:
        with archive.open(name) as stream:
            yield stream
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(where, f"a broken archive ({error})", "a whole one") from None
