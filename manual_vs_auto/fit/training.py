"""The matrix that the solver works on: the file's own where it can be, else written once, some rows at a time."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.data import DataError
from manual_vs_auto.data.features import FLOATS, Features
from manual_vs_auto.runs import together
from manual_vs_auto.runs.errors import UsageError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Sums: TypeAlias = tuple[int, Array, Array]
_PIECE = 1 << 24  # bytes of float64 at a time


@dataclass(frozen=True, eq=False)
class Training:
    """What is learned from.

    matrix:      floating [n, D]: the file's own, or a scratch file's, which goes when the process ends.
    labels:      int32 [n].
    weights:     float64 [n], 0 for the rows that are kept back, or None for 1 each.
    mean, scale: float64 [D], of the training rows before they were standardised, or None.
    told:        how the matrix came about, for a person.
    """

    matrix: Array
    labels: Array
    weights: Array | None
    mean: Array | None
    scale: Array | None
    told: str


class Taken:
    """Rows as the solver takes them, each made when it is read: for a device that keeps what it has read.

    Args: matrix: [N, D]. rows: which of them, integers [n]. dtype: floating. mean, scale: [D], or None.
    """

    def __init__(self, matrix: Array, rows: Array, dtype: Any, mean: Array | None, scale: Array | None) -> None:
        self._matrix, self._rows, self._mean, self._scale = matrix, rows, mean, scale
        self.dtype, self.ndim, self.shape = np.dtype(dtype), 2, (len(rows), matrix.shape[1])
        self.nbytes = len(rows) * matrix.shape[1] * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> Array:
        """[_, D] of a slice, or of an array of integers or booleans."""
        rows = self._rows[at]
        made = np.empty((len(rows), self.shape[1]), self.dtype)
        step = max(1, _PIECE // (8 * self.shape[1]))
        for start in range(0, len(rows), step):
            piece = self._matrix[rows[start : start + step]].astype(np.float64)
            if self._mean is not None and self._scale is not None:
                piece = (piece - self._mean) / self._scale
            made[start : start + step] = piece
        return made


def training(
    features: Features, labels: Array, rows: Array | None, standardize: bool, spread: bool = False
) -> Training:
    """Check every number, and make what the solver takes.

    Floating numbers stay where they are, mapped from the file: rows that are kept back get the weight 0. Whole numbers,
    another order of bytes or of the axes, and what is to be standardised are written to a scratch file in float32
    (float64 where the features are), in TMPDIR, and the training rows only. Nothing is ever in memory twice.

    Args:   labels: int32 [N]. rows: which rows to learn from, boolean [N], or None for all.
            spread: over devices of their own memory, so that nothing is written: the rows are made as they are read.
    Raises: DataError for the first row with a number that is not finite; UsageError where the scratch file has no room.
    """
    matrix = features.matrix.reshape(len(features.matrix), -1)
    mean, scale = checked(features.where, matrix, rows, standardize)
    native = matrix.dtype.name in FLOATS and matrix.dtype.isnative and matrix.flags.c_contiguous
    if native and not standardize:
        weights = None if rows is None else rows.astype(np.float64)
        told = "as they are" + (", mapped from the file" if features.mapped else "")
        return Training(matrix, labels, weights, None, None, told)
    wide = matrix.dtype.kind in "iu" and matrix.dtype.itemsize > 2
    dtype = np.dtype(np.float64 if matrix.dtype.newbyteorder("=") == np.float64 or wide else np.float32)
    count = len(matrix) if rows is None else int(np.count_nonzero(rows))
    how = [f"{matrix.dtype.name} as {dtype.name}"] if matrix.dtype != dtype else []
    how += ["standardised"] if standardize else []
    learned = labels if rows is None else labels[rows]
    if spread:
        chosen = np.arange(len(matrix)) if rows is None else np.flatnonzero(rows)
        taken: Any = Taken(matrix, chosen, dtype, mean, scale)
        return Training(taken, learned, None, mean, scale, f"{' and '.join(how) or 'in order'}, a share a device")
    scratch, start = _scratch((count, matrix.shape[1]), dtype), 0
    for at, piece in _pieces(matrix, rows):
        made = piece.astype(np.float64)
        if mean is not None and scale is not None:
            made -= mean
            made /= scale
        scratch[start : start + len(made)] = made
        start += len(made)
        del at
    told = f"{' and '.join(how) or 'in order'}, {scratch.nbytes:,} bytes in a scratch file"
    return Training(scratch, learned, None, mean, scale, told)


def _pieces(matrix: Array, rows: Array | None) -> Iterator[tuple[int, Array]]:
    """Where each piece begins, and its rows that are learned from."""
    step = max(1, _PIECE // (8 * matrix.shape[1]))
    for start in range(0, len(matrix), step):
        piece = matrix[start : start + step]
        yield start, piece if rows is None else piece[rows[start : start + step]]


def checked(
    where: str, matrix: Array, rows: Array | None = None, standardize: bool = False
) -> tuple[Array | None, Array | None]:
    """Mean and standard deviation of the rows that are learned from, where they are wanted; every row is looked at.

    Source: Chan, Golub, LeVeque 1979. Two sums of squares about their own means make one.
    Raises: DataError for the first row with a number that is not finite.
    """
    count, mean, squares = 0, np.zeros(matrix.shape[1]), np.zeros(matrix.shape[1])
    floating, wrong = matrix.dtype.kind not in "iub", None
    mine = together.own(len(matrix))
    for start, piece in _pieces(matrix[mine], None):
        at = mine.start + start
        if floating and not np.isfinite(piece).all():
            row, column = np.argwhere(~np.isfinite(piece))[0]
            found = f"{piece[row, column]} in row {at + row:,}, column {column:,}"
            wrong = DataError(where, found, "finite numbers")
            break
        if standardize:
            taken = (piece if rows is None else piece[rows[at : at + len(piece)]]).astype(np.float64)
            if len(taken):
                here = taken.mean(0)
                sums = len(taken), here, ((taken - here) ** 2).sum(0)
                count, mean, squares = _merged((count, mean, squares), sums)
    counts, means, spreads = map(together.gathered, (np.int64(-1 if wrong else count), mean, squares))
    if wrong:
        raise wrong
    if counts.min() < 0:
        raise DataError(where, "a number that is not finite, in the rows of another process", "finite numbers")
    if not standardize:
        return None, None
    count, mean, squares = 0, np.zeros(matrix.shape[1]), np.zeros(matrix.shape[1])
    for of_process in zip(counts.tolist(), means, spreads, strict=True):
        count, mean, squares = _merged((count, mean, squares), of_process)
    scale = np.sqrt(squares / count)
    # What is the same in every row stays 0: its spread is rounding, if there is any.
    constant = scale <= 16 * np.finfo(np.float64).eps * np.abs(mean)
    return mean, np.where(constant, 1.0, scale)


def _merged(some: Sums, more: Sums) -> Sums:
    """Of both: how many rows, their mean, the sum of their squares about it."""
    (count, mean, squares), (others, middle, about) = some, more
    if not others:
        return some
    apart, share = middle - mean, others / (count + others)
    return count + others, mean + apart * share, squares + (about + apart**2 * count * share)


def _scratch(shape: tuple[int, int], dtype: np.dtype[Any]) -> Array:
    size = shape[0] * shape[1] * dtype.itemsize
    # Its room is taken at once: a full disk is an error here, and a signal that ends the process later. macOS can't.
    reserve = getattr(os, "posix_fallocate", lambda file, _, length: os.truncate(file, length))
    with tempfile.TemporaryFile(prefix="manual-vs-auto-") as file:
        try:
            reserve(file.fileno(), 0, size)
        except OSError as error:
            where = tempfile.gettempdir()
            raise UsageError(
                f"{where}: no room for a scratch file of {size:,} bytes ({error.strerror}): set TMPDIR"
            ) from None
        return np.memmap(file, dtype, "r+", 0, shape)
