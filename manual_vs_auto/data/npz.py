"""NumPy's .npz archives: `x_train`, `y_train`, `x_test` and `y_test`, one .npy file each."""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np

from manual_vs_auto.data.source import DEFLATE_LIMIT, KEPT_UNCHECKED, Array, DataError, count, fill

_NAMES = ("x_train", "y_train", "x_test", "y_test")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class NpzSource:
    """One array of an archive, opened once for its header. See `Source`."""

    path: Path
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool
    start: int

    @property
    def where(self) -> str:
        return f"{self.path}[{self.name}]"

    def verify(self) -> None:
        declared = math.prod(self.shape) * self.dtype.itemsize
        if declared > KEPT_UNCHECKED:
            with _opened(self.path, self.name) as stream:
                stream.read(self.start)
                count(stream, self.where, declared)

    def read(self) -> Array:
        with _opened(self.path, self.name) as stream:
            stream.read(self.start)
            if not self.fortran_order:
                return fill(stream, self.where, self.dtype, self.shape)
            return np.asarray(fill(stream, self.where, self.dtype, self.shape[::-1]).T)


def open_npz(path: Path) -> tuple[NpzSource, ...]:
    """Read and check the headers of x_train, y_train, x_test, y_test, in that order.

    Raises: DataError if it can't be read, is no such archive, or an array declares another size than it has.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
    except OSError as error:
        raise DataError(path, error.strerror or str(error), "an .npz archive that can be read") from None
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(path, f"no zip archive ({error})", "an .npz archive") from None
    missing = [name for name in _NAMES if f"{name}.npy" not in entries]
    if missing:
        held = ", ".join(sorted(entries)[:8]) or "nothing"
        raise DataError(path, f"an archive of {held}", f"also {', '.join(missing)}")
    return tuple(_open_array(path, name, entries[f"{name}.npy"]) for name in _NAMES)


def _open_array(path: Path, name: str, entry: zipfile.ZipInfo) -> NpzSource:
    where = f"{path}[{name}]"
    if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
        raise DataError(where, "an array that is encrypted or oddly compressed", "one stored or deflated")
    if entry.file_size > max(entry.compress_size, 1) * DEFLATE_LIMIT:
        raise DataError(
            where, f"{entry.file_size:,} bytes in {entry.compress_size:,}", f"at most {DEFLATE_LIMIT} times as many"
        )
    with _opened(path, name) as stream:
        dtype, shape, fortran_order = _header(where, stream)
        start = stream.tell()
    if dtype.hasobject or dtype.kind not in "uif" or dtype.itemsize > 8:
        raise DataError(where, f"dtype {dtype}", "whole or floating numbers")
    if any(size < 0 for size in shape) or len(shape) > 8:
        raise DataError(where, f"shape {shape}", "at most 8 dimensions, none negative")
    declared = start + math.prod(shape) * dtype.itemsize
    if declared != entry.file_size:
        raise DataError(where, f"{entry.file_size:,} bytes", f"the {declared:,} that the header declares {shape}")
    return NpzSource(path, name, dtype, shape, fortran_order, start)


def _header(where: str, stream: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise DataError(where, f".npy version {version}", "1.0 or 2.0")
        shape, fortran_order, dtype = _HEADERS[version](stream)
    except DataError:
        raise
    except Exception as error:  # NumPy's header parser raises whatever the literal in it provokes
        raise DataError(where, f"no .npy header ({' '.join(str(error).split())[:80]})", "a NumPy array") from None
    return dtype, shape, fortran_order


@contextmanager
def _opened(path: Path, name: str) -> Iterator[BinaryIO]:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stream:
            yield cast(BinaryIO, stream)
    except (EOFError, OSError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}[{name}]", f"a broken archive ({error})", "a whole one") from None
