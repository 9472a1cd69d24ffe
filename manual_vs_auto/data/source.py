"""What every array on disk looks like before it is read, whatever its format."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

# Deflate can't shrink anything by more than this, so a header that declares more is lying.
DEFLATE_LIMIT = 1032
PIECE = 1 << 20  # bytes at a time: whole numbers of any dtype, and whole rows of a few
_LONGEST = 240  # characters of a finding


class DataError(ValueError):
    """A file that is refused, in one line: which file, what was found, and what was expected."""

    def __init__(self, where: Path | str, found: str, expected: str) -> None:
        found = found if len(found) <= _LONGEST else f"{found[: _LONGEST // 2]}...{found[-_LONGEST // 2 :]}"
        super().__init__(_printable(f"{where}: found {found}; expected {expected}"))


class Stream(Protocol):
    """Bytes in order, as much of `readinto` as is needed."""

    def readinto(self, view: memoryview, /) -> int | None:
        """Fill some of the view, and return how much; 0 at the end."""


class Source(Protocol):
    """An array whose header has been read and held against the file's size, and nothing more."""

    @property
    def where(self) -> str:
        """The file, and the array in it, as a person would name it."""

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def fortran_order(self) -> bool: ...

    def data(self) -> AbstractContextManager[Stream]:
        """The bytes after the header. Whatever goes wrong while they are read is a DataError."""


def size(source: Source) -> int:
    """How many bytes the array takes."""
    return math.prod(source.shape) * source.dtype.itemsize


def read(source: Source) -> Array:
    """The array. DataError unless the file is whole and just as long as its header declares."""
    order = source.shape[::-1] if source.fortran_order else source.shape
    array = np.empty(order, source.dtype)
    view = array.reshape(-1).view(np.uint8).data
    with source.data() as stream:
        _check_length(source, _filled(stream, view), stream)
    return np.asarray(array.T if source.fortran_order else array)


def pieces(source: Source) -> Iterator[bytearray]:
    """The array's bytes, PIECE at a time, in memory that does not grow with it. Raises what `read` raises."""
    total = 0
    with source.data() as stream:
        while total < size(source):
            piece = bytearray(min(PIECE, size(source) - total))
            filled = _filled(stream, memoryview(piece))
            total += filled
            if filled < len(piece):
                break
            yield piece
        _check_length(source, total, stream)


def _filled(stream: Stream, view: memoryview) -> int:
    total = 0
    while total < len(view):
        filled = stream.readinto(view[total : total + PIECE])
        if not filled:
            break
        total += filled
    return total


def _check_length(source: Source, found: int, stream: Stream) -> None:
    declared = f"the {size(source):,} that the header declares"
    if found < size(source):
        raise DataError(source.where, f"{found:,} bytes of data", declared)
    if stream.readinto(memoryview(bytearray(1))):
        raise DataError(source.where, f"more than {size(source):,} bytes of data", declared)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
