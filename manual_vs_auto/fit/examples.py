"""Rows with labels, from the files that the command line names: to learn from, and to validate with."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.data import DataError
from manual_vs_auto.data.features import (
    Features,
    keys_of,
    labels_within,
    names_file,
    open_features,
    open_labels,
    split_key,
)
from manual_vs_auto.data.labels import as_classes
from manual_vs_auto.fit.classes import classes_of, kept_back
from manual_vs_auto.fit.options import Options
from manual_vs_auto.fit.training import checked
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.places import absolute

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Examples:
    """What a fit learns from and is judged by.

    features, labels: all rows of the file, [N, D] and int32 [N].
    rows:             those to learn from, boolean [N], or None for all.
    val, val_labels:  to validate with: [M, D] and int32 [M], where there are any.
    val_rows:         of them, those that are meant, integers, or None for all.
    names:            of the K classes, or none: 0..K-1.
    told:             the labels and the validation, for a person.
    """

    features: Features
    labels: Array
    rows: Array | None
    val: Array | None
    val_labels: Array | None
    val_rows: Array | None
    names: tuple[str, ...]
    classes: int
    told: dict[str, str]

    @property
    def matrix(self) -> Array:
        """[N, D], as the file has it."""
        return flat(self.features.matrix)


def flat(matrix: Array) -> Array:
    """[N, D] of [N, ...]."""
    return matrix if matrix.ndim == 2 else matrix.reshape(len(matrix), -1)


def read(options: Options) -> Examples:
    """Read and check what the command line names. Raises: DataError and UsageError, one line."""
    features, where, texts = _with_labels(options.features, options.labels, ())
    labels, names, classes = classes_of(where, texts)
    told = {"labels": where}
    rows = val = val_labels = val_rows = None
    if options.share is not None:
        held = kept_back(labels, options.share, options.seed)
        if not held.any():
            raise UsageError(f"--val {options.val[0]} of {len(labels):,} rows keeps none back: raise it")
        rows, val, val_labels, val_rows = ~held, flat(features.matrix), labels, np.flatnonzero(held)
        told["validation"] = f"{len(val_rows):,} of the rows, kept back by seed {options.seed}"
    elif options.val_file:
        beside, where, texts = _with_labels(options.val_file, _labels_of_val(options), features.names)
        val = flat(beside.matrix)
        if val.shape[1] != (expected := flat(features.matrix).shape[1]):
            raise DataError(beside.where, f"{val.shape[1]:,} features", f"{expected:,}, as in {features.where}")
        val_labels = as_classes(where, texts, names, classes)
        checked(beside.where, val)
        told["validation"] = f"{len(val):,} rows of {beside.where}"
    return Examples(features, labels, rows, val, val_labels, val_rows, names, classes, told)


def places_of(options: Options) -> dict[str, Any]:
    """Where these files are, by the options that name them, with paths from the root."""
    places: dict[str, Any] = {"features": absolute(options.features), "labels": _place(options.labels)}
    if options.val_file:
        places["val"] = [absolute(options.val_file), *(_place(str(labels)) for labels in options.val[1:])]
    return places


def _place(labels: str) -> str:
    """An array or a column is nowhere else."""
    return absolute(labels) if names_file(labels) else labels


def _labels_of_val(options: Options) -> str:
    """Where the labels of a file to validate with are."""
    if len(options.val) == 2:
        return str(options.val[1])
    _, key = split_key(options.labels)
    held = keys_of(split_key(options.val_file)[0])
    for name in (options.labels, key):
        if name in held:
            return name
    file = options.val_file
    raise UsageError(f"--val {file}: say where its labels are, --val {file} LABELS")


def _with_labels(text: str, labels: str, columns: tuple[str, ...]) -> tuple[Features, str, Array]:
    """A file's features, and where their labels are, and these."""
    where, found = open_labels(labels, beside=text)
    features = open_features(text, without=labels_within(labels, text), columns=columns)
    if len(found) != len(features.matrix):
        raise DataError(where, f"{len(found):,} labels", f"{len(features.matrix):,}, one a row of {features.where}")
    return features, where, found
