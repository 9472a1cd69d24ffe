"""The matrix that the solver works on: the file's own where it can be, else written once, some rows at a time."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.data import DataError
from manual_vs_auto.data.features import FLOATS, Features
from manual_vs_auto.runs.errors import UsageError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
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


def training(features: Features, labels: Array, rows: Array | None, standardize: bool) -> Training:
    """Check every number, and make what the solver takes.

    Floating numbers stay where they are, mapped from the file: rows that are kept back get the weight 0. Whole numbers,
    another order of bytes or of the axes, and what is to be standardised are written to a scratch file in float32
    (float64 where the features are), in TMPDIR, and the training rows only. Nothing is ever in memory twice.

    Args:   labels: int32 [N]. rows: which rows to learn from, boolean [N], or None for all.
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
    scratch, start = _scratch((count, matrix.shape[1]), dtype), 0
    for at, piece in _pieces(matrix, rows):
        made = piece.astype(np.float64)
        if mean is not None and scale is not None:
            made -= mean
            made /= scale
        scratch[start : start + len(made)] = made
        start += len(made)
        del at
    how = [f"{matrix.dtype.name} as {dtype.name}"] if matrix.dtype != dtype else []
    how += ["standardised"] if standardize else []
    told = f"{' and '.join(how) or 'in order'}, {scratch.nbytes:,} bytes in a scratch file"
    return Training(scratch, labels if rows is None else labels[rows], None, mean, scale, told)


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
    floating = matrix.dtype.kind not in "iub"
    for start, piece in _pieces(matrix, None):
        if floating and not np.isfinite(piece).all():
            row, column = np.argwhere(~np.isfinite(piece))[0]
            raise DataError(where, f"{piece[row, column]} in row {start + row:,}, column {column:,}", "finite numbers")
        if standardize:
            taken = (piece if rows is None else piece[rows[start : start + len(piece)]]).astype(np.float64)
            if not len(taken):
                continue
            here = taken.mean(0)
            apart, share = here - mean, len(taken) / (count + len(taken))
            squares += ((taken - here) ** 2).sum(0) + apart**2 * count * share
            mean, count = mean + apart * share, count + len(taken)
    if not standardize:
        return None, None
    scale = np.sqrt(squares / count)
    # What is the same in every row stays 0: its spread is rounding, if there is any.
    constant = scale <= 16 * np.finfo(np.float64).eps * np.abs(mean)
    return mean, np.where(constant, 1.0, scale)


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
