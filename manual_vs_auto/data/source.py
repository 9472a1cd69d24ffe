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
PIECE = 1 << 18  # bytes at a time
_ALIGNMENT = 64  # bytes: JAX on a CPU takes an array that begins at a multiple as it is, any other it copies
_LONGEST = 240  # characters of a finding


class DataError(ValueError):
    """A file that is refused, in one line: which file, what was found, and what was expected."""

    def __init__(self, where: Path | str, found: str, expected: str) -> None:
        found = found if len(found) <= _LONGEST else f"{found[: _LONGEST // 2]}...{found[-_LONGEST // 2 :]}"
        super().__init__(printable(f"{where}: found {found}; expected {expected}"))


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


def read(source: Source, dtype: np.dtype[Any], divisor: int = 1) -> Array:
    """The array in another dtype, divided by a number, in little more memory than the result takes.

    Raises: DataError unless the file is whole and just as long as its header declares.
    """
    array = aligned(source.shape, dtype)
    step, places = _slabs(array) if source.fortran_order else _runs(array, source.dtype.itemsize)
    for piece, place in zip(pieces(source, step), places, strict=True):
        place[...] = (piece if divisor == 1 else piece.astype(np.float32) / divisor).reshape(place.shape)
    return array


def pieces(source: Source, step: int = 0) -> Iterator[Array]:
    """The array in the order of the file, `step` items at a time, or PIECE bytes: [step], all in the same memory.

    Raises: what `read` raises.
    """
    itemsize, left = source.dtype.itemsize, size(source)
    buffer = memoryview(bytearray(min(left, itemsize * (step or PIECE // itemsize))))
    with source.data() as stream:
        while left:
            piece = buffer[: min(left, len(buffer))]
            filled = _filled(stream, piece)
            left -= filled
            if filled < len(piece):
                declared = f"the {size(source):,} that the header declares"
                raise DataError(source.where, f"{size(source) - left:,} bytes of data", declared)
            yield np.frombuffer(piece, source.dtype)
        if stream.readinto(memoryview(bytearray(1))):
            declared = f"the {size(source):,} that the header declares"
            raise DataError(source.where, f"more than {size(source):,} bytes of data", declared)


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """New memory for an array, where JAX on a CPU takes it as it is."""
    length = math.prod(shape) * dtype.itemsize
    memory = np.empty(length + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + length].view(dtype).reshape(shape)


def printable(text: str) -> str:
    """The text in one line, with what can't be shown as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _runs(array: Array, itemsize: int) -> tuple[int, Iterator[Array]]:
    """The array cut into pieces that follow each other, and how long each but the last is."""
    flat, step = array.reshape(-1), PIECE // itemsize
    return step, (flat[at : at + step] for at in range(0, flat.size, step))


def _slabs(array: Array) -> tuple[int, Iterator[Array]]:
    """The array cut as a file in Fortran order has it: along its last axes, until a slab is at most a piece."""
    axes = array.T
    outer = 0
    while outer < axes.ndim - 1 and math.prod(axes.shape[outer:]) > PIECE:
        outer += 1
    return math.prod(axes.shape[outer:]), (axes[at] for at in np.ndindex(axes.shape[:outer]))


def _filled(stream: Stream, view: memoryview) -> int:
    total = 0
    while total < len(view):
        filled = stream.readinto(view[total : total + PIECE])
        if not filled:
            break
        total += filled
    return total
