"""IDX files, the format of MNIST and its family, gzipped or not.

Two zero bytes, a type code, the rank, one big-endian 32-bit size a dimension, then the data, big-endian.
"""

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from manual_vs_auto.data.source import DEFLATE_LIMIT, KEPT_UNCHECKED, Array, DataError, count, fill

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_HIGHEST_RANK = 4
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class IdxSource:
    """One IDX file, opened once for its header. See `Source`."""

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    gzipped: bool

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def _start(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def _declared(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def verify(self) -> None:
        if self.gzipped and self._declared > KEPT_UNCHECKED:
            with _opened(self.path, self.gzipped) as stream:
                stream.read(self._start)
                count(stream, self.where, self._declared)

    def read(self) -> Array:
        with _opened(self.path, self.gzipped) as stream:
            stream.read(self._start)
            return fill(stream, self.where, self.dtype, self.shape)


def open_idx(path: Path) -> IdxSource:
    """Read and check an IDX file's header.

    Raises: DataError if it can't be read, is no IDX file, or declares another size than it has.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise DataError(path, "no regular file", "an IDX file")
        with path.open("rb") as file:
            gzipped = file.read(2) == _GZIP
        with _opened(path, gzipped) as stream:
            dtype, shape = _header(path, stream)
    except OSError as error:
        raise DataError(path, error.strerror or str(error), "an IDX file that can be read") from None
    source = IdxSource(path, dtype, shape, gzipped)
    _check_size(source, size)
    return source


def _header(path: Path, stream: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise DataError(path, f"{len(magic)} bytes", "an IDX header of at least 8")
    if magic[:2] != b"\0\0":
        raise DataError(path, f"a file that begins with {magic!r}", "an IDX file, which begins with two zero bytes")
    if magic[2] not in _TYPES:
        known = ", ".join(f"0x{code:02x}" for code in _TYPES)
        raise DataError(path, f"IDX type code 0x{magic[2]:02x}", f"one of {known}")
    rank = magic[3]
    if not 1 <= rank <= _HIGHEST_RANK:
        raise DataError(path, f"{rank} dimensions", f"1 to {_HIGHEST_RANK}")
    sizes = stream.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise DataError(path, f"a header of {4 + len(sizes)} bytes", f"{4 + 4 * rank} for {rank} dimensions")
    return np.dtype(_TYPES[magic[2]]), struct.unpack(f">{rank}I", sizes)


def _check_size(source: IdxSource, size: int) -> None:
    declared = source._start + source._declared
    shape = "x".join(map(str, source.shape))
    if source.gzipped and declared > size * DEFLATE_LIMIT:
        found = f"a header that declares {declared:,} bytes ({shape})"
        raise DataError(
            source.path, found, f"at most the {size * DEFLATE_LIMIT:,} that {size:,} gzipped bytes can hold"
        )
    if not source.gzipped and declared != size:
        raise DataError(source.path, f"{size:,} bytes", f"the {declared:,} that the header declares ({shape})")


@contextmanager
def _opened(path: Path, gzipped: bool) -> Iterator[BinaryIO]:
    if not gzipped:
        with path.open("rb") as file:
            yield file
        return
    try:
        with gzip.open(path) as stream:
            yield cast(BinaryIO, stream)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(path, f"a broken gzip file ({error})", "a whole one") from None
