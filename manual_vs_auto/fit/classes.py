"""Labels as the solver takes them, 0..K-1, and which rows are kept back to validate with."""

from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.data import DataError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
_MOST = 1 << 20  # classes: W has a row for each


def classes_of(where: str, labels: Array) -> tuple[Array, tuple[str, ...], int]:
    """Labels [N] as int32 0..K-1, the K names of the classes, and K.

    Whole numbers that are 0..K-1 already have no names; other numbers and texts are sorted.

    Raises: DataError where there are fewer than two classes.
    """
    held, codes = np.unique(labels, return_inverse=True)
    if not 2 <= len(held) <= _MOST:
        found = f"{len(held):,} different labels" if len(held) != 1 else f"label {held[0]} in every row"
        raise DataError(where, found, "2 classes or more" if len(held) < 2 else f"at most {_MOST:,}")
    plain = held.dtype.kind in "iu" and held[0] == 0 and held[-1] == len(held) - 1
    names = () if plain else tuple(str(name) for name in held.tolist())
    return codes.astype(np.int32), names, len(held)


def kept_back(labels: Array, share: float, seed: int) -> Array:
    """Which rows validate, boolean [N]: of each class the same share, as nearly as whole rows allow.

    A class keeps one row at least to be learned from.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    steps = np.floor(np.arange(1, len(labels) + 1) * share)
    val = np.zeros(len(labels), np.bool_)
    val[order[np.diff(steps, prepend=0) > 0]] = True
    classes, first = np.unique(labels[order], return_index=True)
    learned = np.bincount(labels[~val], minlength=int(labels.max()) + 1)
    val[order[first[learned[classes] == 0]]] = False
    return val
