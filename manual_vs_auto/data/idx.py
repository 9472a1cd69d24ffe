"""IDX files, the format of MNIST and its family, gzipped or not.

Two zero bytes, a type code, the rank, one big-endian 32-bit size a dimension, then the data, big-endian.

zlib unpacks and checks a gzip file's members; only that one follows another is written here, and not left to
gzip.GzipFile, which reads a member's name a byte at a time: 2.0 s for one of 16 MiB. MNIST's images took it 1.3 times
as long on Python 3.11 and as long as zlib on 3.13 (the fastest of 25).
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from manual_vs_auto.data.source import DEFLATE_LIMIT, DataError, Stream, size

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
    fortran_order: bool = False

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def start(self) -> int:
        """How many bytes the header takes."""
        return 4 + 4 * len(self.shape)

    @contextmanager
    def data(self) -> Iterator[Stream]:
        with _opened(self.path, self.gzipped) as stream:
            _take(stream, self.start)
            yield stream


def open_idx(path: Path) -> IdxSource:
    """Read and check an IDX file's header.

    Raises: DataError if it can't be read, is no IDX file, or declares another size than it has.
    """
    try:
        if not path.is_file():
            raise DataError(path, "no regular file", "an IDX file")
        on_disk = path.stat().st_size
        with path.open("rb") as file:
            gzipped = file.read(2) == _GZIP
    except OSError as error:
        raise DataError(path, error.strerror or str(error), "an IDX file that can be read") from None
    with _opened(path, gzipped) as stream:
        dtype, shape = _header(path, stream)
    source = IdxSource(path, dtype, shape, gzipped)
    _check_size(source, on_disk)
    return source


def header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The bytes before the data of an array.

    Example: >>> header(np.dtype(np.uint8), (6,)).hex(" ")
             '00 00 08 01 00 00 00 06'
    """
    code = next(code for code, known in _TYPES.items() if dtype.newbyteorder(">") == known)
    return bytes((0, 0, code, len(shape))) + struct.pack(f">{len(shape)}I", *shape)


def _header(path: Path, stream: Stream) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = _take(stream, 4)
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
    sizes = _take(stream, 4 * rank)
    if len(sizes) < 4 * rank:
        raise DataError(path, f"a header of {4 + len(sizes)} bytes", f"{4 + 4 * rank} for {rank} dimensions")
    return np.dtype(_TYPES[magic[2]]), struct.unpack(f">{rank}I", sizes)


def _check_size(source: IdxSource, on_disk: int) -> None:
    declared, limit = source.start + size(source), on_disk * DEFLATE_LIMIT
    shape = "x".join(map(str, source.shape))
    if source.gzipped and declared > limit:
        found = f"a header that declares {declared:,} bytes ({shape})"
        raise DataError(source.where, found, f"at most the {limit:,} that {on_disk:,} gzipped bytes can hold")
    if not source.gzipped and declared != on_disk:
        raise DataError(source.where, f"{on_disk:,} bytes", f"the {declared:,} that the header declares ({shape})")


def _take(stream: Stream, count: int) -> bytes:
    """The next bytes, fewer at the end."""
    taken = bytearray(count)
    filled = 0
    while filled < count and (more := stream.readinto(memoryview(taken)[filled:])):
        filled += more
    return bytes(taken[:filled])


@contextmanager
def _opened(path: Path, gzipped: bool) -> Iterator[Stream]:
    try:
        with path.open("rb") as file:
            yield _Gunzipped(file) if gzipped else file
    except (EOFError, zlib.error) as error:
        raise DataError(path, f"a broken gzip file ({error})", "a whole one") from None
    except OSError as error:
        raise DataError(path, error.strerror or str(error), "an IDX file that can be read") from None


class _Gunzipped:
    """A gzip file of one or more members, unpacked as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._packed = b""
        self._member = zlib.decompressobj(wbits=31)

    def readinto(self, view: memoryview, /) -> int:
        """Fill some of the view, and return how much; 0 at the end. Raises EOFError and zlib.error."""
        while True:
            if not self._packed:
                more = self._file.read(1 << 16)
                if not more and self._member.eof:
                    return 0
                if not more:
                    raise EOFError("it ends in the middle")
                self._packed = more
            if self._member.eof:
                self._packed = self._packed.lstrip(b"\0")  # padding, which gzip allows
                if self._packed:
                    self._member = zlib.decompressobj(wbits=31)
                continue
            unpacked = self._member.decompress(self._packed, len(view))
            self._packed = self._member.unconsumed_tail or self._member.unused_data
            if unpacked:
                view[: len(unpacked)] = unpacked
                return len(unpacked)
