"""Images that stay in their file: mapped into memory, looked at in pieces, and each piece let go of again.

What a process has looked at of a mapped file counts as its memory, and what was near it, too. So whoever reads here
lets go of what it has read: the system may keep that in its cache, but the process does not grow with the file.

How fast scattered rows are read depends on how large the pieces are in which the cache holds the file, since each must
be mapped anew. A large one is asked for; Linux makes it when it reads from the disk (6.16 or newer for ext4, 5.18 for
xfs), and keeps the small ones of a file that was just written. In large ones a row of 784 bytes, of which every 16th or
32nd was wanted, took 0.2 microseconds, in small ones 0.7 to 2.9 (Linux 6.18, ext4, AMD EPYC).
"""

import mmap
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from manual_vs_auto.data.idx import IdxSource
from manual_vs_auto.data.source import Array, DataError, Source, size

LEAST = 1 << 30  # bytes of uint8 images in an uncompressed IDX file, from which on they stay there
_WINDOW = 1 << 26  # bytes of a file that are held at once


def stays(source: Source) -> bool:
    """Whether images stay in their file: those of uint8, uncompressed in an IDX file, of LEAST bytes or more."""
    plain = isinstance(source, IdxSource) and not source.gzipped and source.dtype == np.uint8
    return plain and size(source) >= LEAST


def images(source: Source) -> Array:
    """Those of a source that stays, [N, D], for reading alone."""
    assert isinstance(source, IdxSource)
    shape = source.shape[0], size(source) // source.shape[0]
    try:
        array = np.memmap(source.path, np.uint8, "r", source.start, shape)
    except (OSError, ValueError) as error:  # it has been taken away, or shortened, since its header was read
        raise DataError(source.where, f"what can't be mapped ({error})", "a whole IDX file") from None
    _advise(array, "MADV_HUGEPAGE")
    return array


def is_mapped(array: Array) -> bool:
    """Whether it stays in a file."""
    return isinstance(array, np.memmap) and array.filename is not None


def pieces(array: Array, step: int) -> Iterator[Array]:
    """The array `step` rows at a time, in order; what is mapped is let go of before the next."""
    for start in range(0, len(array), step):
        yield array[start : start + step]
        _let_go(array)


def gather(array: Array, rows: Array, out: Array) -> None:
    """out[i] = array[rows[i]], in little more memory than `out`.

    Args:   array: [N, D]. rows: int [R], ascending, in 0..N-1. out: [R, D], of the same dtype.
    Raises: DataError where the file has become shorter, which would end the process.
    """
    if not is_mapped(array):
        np.take(array, rows, axis=0, out=out, mode="clip")  # the mode that needs no copy
        return
    _expect_whole(array)
    step = max(1, _WINDOW // array[0].nbytes)
    cuts = np.flatnonzero(np.diff(rows // step)) + 1
    for first, last in pairwise((0, *cuts.tolist(), len(rows))):
        np.take(array, rows[first:last], axis=0, out=out[first:last], mode="clip")
        _let_go(array)


def gathered(array: Array, rows: Array) -> Array:
    """array[rows], rows int [R] in any order: [R, D]. Raises what `gather` raises."""
    by_place = np.argsort(rows, kind="stable")
    held = np.empty((len(rows), *array.shape[1:]), array.dtype)
    gather(array, rows[by_place], held)
    found = np.empty_like(held)
    found[by_place] = held
    return found


def _expect_whole(array: Any) -> None:
    there, needed = Path(array.filename).stat().st_size, array.offset + array.nbytes
    if there < needed:
        raise DataError(str(array.filename), f"{there:,} bytes", f"the {needed:,} that it had")


def _let_go(array: Any) -> None:
    """Of all that the process holds of a file that it has mapped for reading alone; of other arrays nothing."""
    if getattr(array, "mode", "") == "r":  # what was written to a private copy would be lost
        _advise(array, "MADV_DONTNEED")


def _advise(array: Any, name: str) -> None:
    """Tell the system how the array's mapping is used, where it wants to know."""
    held = array
    while isinstance(held, np.ndarray):
        held = held.base
    if isinstance(held, mmap.mmap) and hasattr(mmap, name):
        with suppress(OSError):
            held.madvise(getattr(mmap, name))
