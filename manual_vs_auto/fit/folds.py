"""Which rows are fitted and which are scored: k stratified folds, one part held out, or what the user says."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from manual_vs_auto.fit.validation import Integers


def splits_of(cv: Any, X: Any, y: Any, labels: Integers, rows: Integers) -> list[tuple[Integers, Integers]]:
    """Which examples to fit and which to score, once a fold: two arrays of places among the labels [N].

    Args:   cv: an integer, that many stratified folds; a number in 0..1, that share of each class held out once; an
            object with `split(X, y)`; or pairs of rows. labels: integer [N]. rows: ascending [N], of X,
            those that the labels are of.
    Raises: ValueError for any other cv, and for a fold that has nothing to fit or to score.
    """
    if isinstance(cv, (int, np.integer)) and not isinstance(cv, bool):
        splits = list(_stratified(int(cv), labels))
    elif isinstance(cv, (float, np.floating)):
        splits = [_held_out(float(cv), labels)]
    else:
        try:
            pairs = [(fit, score) for fit, score in (cv.split(X, y) if hasattr(cv, "split") else cv)]
        except TypeError as error:
            raise ValueError(
                f"cv must be a number of folds, a share in 0..1, a splitter or pairs of rows: {cv!r}"
            ) from error
        everything = np.arange(len(X))
        splits = [(_among(everything[fit], rows), _among(everything[score], rows)) for fit, score in pairs]
    if not splits or any(len(part) == 0 for split in splits for part in split):
        raise ValueError(f"cv={cv!r} leaves no samples to fit or to score")
    return splits


def _among(chosen: Integers, rows: Integers) -> Integers:
    """Where the chosen rows of X stand among these ascending ones; those that are not there are left out."""
    return np.searchsorted(rows, chosen[np.isin(chosen, rows)])


def _stratified(folds: int, labels: Integers) -> Iterator[tuple[Integers, Integers]]:
    """The folds of scikit-learn's StratifiedKFold: blocks of each class in order, their sizes dealt out round robin."""
    held = np.bincount(labels)
    held = held[held > 0]
    if folds < 2 or folds > held.max():
        raise ValueError(f"cv={folds} must be at least 2 and not above the number of members in each class")
    if folds > held.min():
        warnings.warn(
            f"The least populated class in y has only {held.min()} members, which is less than cv={folds}.",
            UserWarning,
            stacklevel=4,
        )
    # Classes in the order in which they appear, as scikit-learn has them.
    first = np.unique(labels, return_index=True)[1]
    present = labels[np.sort(first)]
    ranks = np.empty(labels.max() + 1, np.intp)
    ranks[present] = np.arange(len(present))
    ordered = np.sort(ranks[labels])
    fold = np.empty(len(labels), np.intp)
    for rank in range(len(present)):
        sizes = [np.count_nonzero(ordered[start::folds] == rank) for start in range(folds)]
        fold[ranks[labels] == rank] = np.repeat(np.arange(folds), sizes)
    for index in range(folds):
        yield np.flatnonzero(fold != index), np.flatnonzero(fold == index)


def _held_out(share: float, labels: Integers) -> tuple[Integers, Integers]:
    """That share of each class, evenly spread over its rows in order: nothing is drawn."""
    if not 0 < share < 1:
        raise ValueError(f"cv={share} as a share to hold out must be between 0 and 1")
    scored = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        # The r-th row is held out where r * share passes a whole number.
        scored[rows] = np.diff(np.floor(np.arange(len(rows) + 1) * share + 0.5)) > 0
    return np.flatnonzero(~scored), np.flatnonzero(scored)
