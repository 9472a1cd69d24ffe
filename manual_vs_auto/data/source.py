"""What every array on disk looks like before it is read, whatever its format."""

from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

# Deflate can't shrink anything by more than this, so a header that declares more is lying.
DEFLATE_LIMIT = 1032
# Compressed data that unpacks to more than this is unpacked once without being kept, so that a file
# which turns out to be broken never takes more memory than its own size and this.
KEPT_UNCHECKED = 48 << 20
_PIECE = 1 << 20


class DataError(ValueError):
    """A file that is refused, in one line: which file, what was found, and what was expected."""

    def __init__(self, where: Path | str, found: str, expected: str) -> None:
        super().__init__(f"{where}: found {found}; expected {expected}")


class Source(Protocol):
    """An array whose header has been read and held against the file's size, and nothing more.

    where: the file, and the array in it, as a person would name it.
    """

    @property
    def where(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...

    def verify(self) -> None:
        """Raise DataError if reading would, in memory that does not grow with the array."""

    def read(self) -> Array:
        """The array. Raises DataError."""


def fill(stream: BinaryIO, where: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """The rest of the stream as an array; DataError unless it is just as long as declared."""
    array = np.empty(shape, dtype)
    view = array.reshape(-1).view(np.uint8).data
    _check_length(where, _filled(stream, view), len(view), stream.read(1))
    return array


def count(stream: BinaryIO, where: str, declared: int) -> None:
    """As `fill`, but nothing is kept."""
    piece = memoryview(bytearray(_PIECE))
    total = 0
    while total < declared:
        size = _filled(stream, piece[: declared - total])
        if size == 0:
            break
        total += size
    _check_length(where, total, declared, stream.read(1))


def _filled(stream: Any, view: memoryview) -> int:
    total = 0
    while total < len(view):
        size = stream.readinto(view[total : total + _PIECE])
        if not size:
            break
        total += size
    return total


def _check_length(where: str, found: int, declared: int, beyond: bytes) -> None:
    if found < declared:
        raise DataError(where, f"{found:,} bytes of data", f"the {declared:,} that the header declares")
    if beyond:
        raise DataError(where, f"more than {declared:,} bytes of data", f"the {declared:,} that the header declares")
