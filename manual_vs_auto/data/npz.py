"""NumPy's .npz archives: four arrays in one, or one in each of four.

zipfile and NumPy's own readers do the reading, each behind a guard. zipfile reads as long a directory as the archive's
last records say (200,000 entries took 2 s), and warns of an empty name. NumPy reads as long a header as is declared
before it looks at its own limit (80 MB took 160 and 1.6 s), warns of some, and evaluates each as Python: 9,000 minus
signs are a MemoryError. Warnings can't be caught here: that would change the filters of every thread, and the command
imports JAX in another. So both are handed only what is short and plain.
"""

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.lib import format as npy

from manual_vs_auto.data.source import DEFLATE_LIMIT, DataError, Stream

# Training images and labels, test images and labels: Keras's names, and MedMNIST's.
_FAMILIES = (("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels"))
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_EMPTY_PATH = struct.pack("<HHB", 0x7075, 5, 1)  # an entry's Unicode path, of which nothing follows
_NAMES_AT = 26  # where an entry's own header says how long its names are
_HIGHEST_RANK = 8
_LONGEST_HEADER = 10_000
_LONGEST_DIRECTORY = 1 << 20  # of the archive, in bytes: thousands of names
# Where each version's header begins, and what reads it.
_READERS: dict[tuple[int, int], tuple[int, Callable[..., Any]]] = {
    (1, 0): (10, npy.read_array_header_1_0),
    (2, 0): (12, npy.read_array_header_2_0),
}
# What evaluates without a warning, and to nothing long.
_PLAIN = re.compile(
    rb"\{\s*'descr':\s*'[<>|=]?[?biufcmMSUVO]\d{0,6}(?:\[\w{1,9}\])?',\s*'fortran_order':\s*(?:True|False),"
    rb"\s*'shape':\s*\(\s*(?:(?:0|[1-9]\d{0,14})\s*,\s*)*(?:[1-9]\d{0,14}\s*)?\),?\s*\}\s*"
)
_LONG = re.compile(rb"(?<=\d)L(?=[ ,)])")  # how Python 2 ended a whole number
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
    """One array of an archive, read as far as its header. See `Source`."""

    path: Path
    key: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool
    start: int

    @property
    def where(self) -> str:
        return f"{self.path}[{self.key}]"

    @contextmanager
    def data(self) -> Iterator[Stream]:
        with _archive(self.path) as archive, _member(archive, self.path, self.key) as stream:
            stream.read(self.start)
            yield cast(Stream, stream)


def open_npz(path: Path, keys: Sequence[str] | None = None) -> tuple[tuple[NpzSource, ...], str]:
    """The headers of an archive's training images and labels, test images and labels; and which keys are left, or "".

    Args:   keys: of the four, where they are not named as Keras or MedMNIST name them.
    Raises: DataError if it can't be read, is no such archive, or an array declares another size than it has.
    """
    with _archive(path) as archive:
        held = _keys(archive)
        chosen = keys or max(_FAMILIES, key=lambda family: len(held & set(family)))
        if missing := [key for key in chosen if key not in held]:
            known = ", or ".join(", ".join(family) for family in _FAMILIES)
            also = f"also {', '.join(missing)}" if keys or len(missing) < len(chosen) else ""
            raise DataError(path, _held(held), also or f"{known}, or other keys, named by --npz-keys")
        return tuple(_open_array(archive, path, key) for key in chosen), _listed(held - set(chosen))


def open_only(path: Path) -> NpzSource:
    """The header of the only array in an archive. Raises what `open_npz` raises."""
    with _archive(path) as archive:
        held = _keys(archive)
        if len(held) != 1:
            raise DataError(path, _held(held), "one array alone")
        return _open_array(archive, path, *held)


def keys_in(path: Path) -> tuple[str, ...]:
    """The names of an archive's arrays. Raises what `open_npz` raises."""
    with _archive(path) as archive:
        return tuple(sorted(_keys(archive)))


def open_key(path: Path, key: str) -> tuple[NpzSource, int | None]:
    """The header of one array, and where its data begin in the file, or None where they are deflated.

    Raises: what `open_npz` raises.
    """
    with _archive(path) as archive:
        source, entry = _open_array(archive, path, key), archive.getinfo(f"{key}.npy")
        if entry.compress_type != zipfile.ZIP_STORED:
            return source, None
    with path.open("rb") as file:
        file.seek(entry.header_offset + _NAMES_AT)
        lengths = struct.unpack("<HH", file.read(4))  # of its name and of what else stands before the data
    return source, entry.header_offset + _NAMES_AT + 4 + sum(lengths) + source.start


def _keys(archive: zipfile.ZipFile) -> set[str]:
    ours = re.compile(r"(?:.*/)?(?!\._)[^/]+\.npy", re.DOTALL)  # macOS puts files of its own beside: ._x_train.npy
    return {name.removesuffix(".npy") for name in archive.namelist() if ours.fullmatch(name)}


def _held(keys: set[str]) -> str:
    return f"an archive of {_listed(keys) or 'no array'}"


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(keys)[:12]) + (", ..." if len(keys) > 12 else "")


def _open_array(archive: zipfile.ZipFile, path: Path, key: str) -> NpzSource:
    where, entry = f"{path}[{key}]", archive.getinfo(f"{key}.npy")
    packed, unpacked = entry.compress_size, entry.file_size
    if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
        raise DataError(where, "an array that is encrypted or oddly compressed", "one stored or deflated")
    if entry.compress_type == zipfile.ZIP_STORED and packed != unpacked:
        raise DataError(where, f"{packed:,} bytes stored for {unpacked:,}", "as many")
    if unpacked > max(packed, 1) * DEFLATE_LIMIT:
        raise DataError(where, f"{unpacked:,} bytes in {packed:,}", f"at most {DEFLATE_LIMIT} times as many")
    with _member(archive, path, key) as stream:
        dtype, shape, fortran_order, start = _header(where, stream)
    if dtype.hasobject:
        raise DataError(where, "objects, which only unpickling reads", "numbers, or text: save array.astype(str)")
    declared = start + math.prod(shape) * dtype.itemsize
    if declared != unpacked:
        raise DataError(where, f"{unpacked:,} bytes", f"the {declared:,} that the header declares {shape}")
    return NpzSource(path, key, dtype, shape, fortran_order, start)


def _header(where: str, stream: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
    """The dtype, the shape, whether the first axis runs fastest, and how long the header is."""
    head = stream.read(_LONGEST_HEADER)
    if head[:6] != npy.MAGIC_PREFIX or len(head) < npy.MAGIC_LEN:
        raise DataError(where, f"an array that begins with {head[:8]!r}", repr(npy.MAGIC_PREFIX))
    version = npy.read_magic(io.BytesIO(head))
    if version not in _READERS:
        raise DataError(where, f".npy version {version[0]}.{version[1]}", "1.0 or 2.0")
    begin, reader = _READERS[version]
    start = begin + int.from_bytes(head[npy.MAGIC_LEN : begin], "little")
    if start > _LONGEST_HEADER:
        raise DataError(where, f"a header of {start:,} bytes", f"at most {_LONGEST_HEADER:,}")
    text = _LONG.sub(b" ", head[begin:start])
    try:
        if not _PLAIN.fullmatch(text):
            raise ValueError("not as NumPy writes it")
        shape, fortran_order, dtype = reader(
            io.BytesIO(head[npy.MAGIC_LEN : begin] + text), max_header_size=_LONGEST_HEADER
        )
        if len(shape) > _HIGHEST_RANK:
            raise ValueError("of too many dimensions")
    except ValueError:
        found = f"the header {head[begin : begin + 100].decode('latin-1').strip()}"
        raise DataError(where, found, "an array of numbers or text, of 1 to 8 dimensions") from None
    return dtype, shape, fortran_order, start


class _Guarded(io.BufferedReader):
    """A file that can't make zipfile read long, nor warn."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LONGEST_DIRECTORY:  # nothing else is read in pieces of that length
            raise zipfile.BadZipFile(f"a directory of {size:,} bytes, more than {_LONGEST_DIRECTORY:,}")
        content = super().read(size)
        if content.startswith(b"PK\1\2") and _EMPTY_PATH in content:
            raise zipfile.BadZipFile("an entry whose Unicode path is empty")
        return content


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    with _told(path, "no zip archive", "an .npz archive that can be read"):
        if not path.is_file():
            raise DataError(path, "no regular file", "an .npz archive")
        file = _Guarded(io.FileIO(path))
        try:
            archive = zipfile.ZipFile(file)
        except BaseException:
            file.close()
            raise
    with file, archive:
        yield archive


@contextmanager
def _member(archive: zipfile.ZipFile, path: Path, key: str) -> Iterator[IO[bytes]]:
    with _told(f"{path}[{key}]", "a broken archive", "a whole one"), archive.open(f"{key}.npy") as stream:
        yield stream


@contextmanager
def _told(where: Path | str, found: str, expected: str) -> Iterator[None]:
    """Whatever is broken within, as a DataError."""
    try:
        yield
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(where, f"{found} ({error})", expected) from None
