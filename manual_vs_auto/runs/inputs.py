"""What a model predicts for: features, a data set's test images, or pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.data import load
from manual_vs_auto.data.features import (
    FORMATS,
    is_features,
    keys_of,
    labels_within,
    open_features,
    open_labels,
    split_key,
)
from manual_vs_auto.data.idx import open_idx
from manual_vs_auto.data.source import DataError, read
from manual_vs_auto.runs import photos
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.model import Model

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
EMBEDDED = "mnist"  # the word for the data set in the package
_FAMILIES = ({"x_test", "y_test"}, {"test_images", "test_labels"})


@dataclass(frozen=True, eq=False)
class Inputs:
    """Examples to predict.

    rows:   [N, D], as `Model.probabilities` takes them.
    called: what each is: a file's name, or a number.
    labels: [N], numbers or texts, where they are known; labels_of: where they stand.
    left:   what has been named and can't be predicted for, a line each.
    """

    rows: Array
    called: Sequence[str | int]
    labels: Array | None = None
    labels_of: str = ""
    left: Sequence[str] = ()


def gather(model: Model, inputs: Sequence[str], labels: str | None, plain: bool) -> Inputs:
    """Read what the command line names.

    Args:   inputs: pictures and folders of them; or one file of features, IDX file, data set, or "mnist".
            labels: where their labels are, as fit's --labels.
            plain:  take pictures as they are, and not as MNIST's digits.
    Raises: UsageError and DataError, one line. A picture among others that can't be read is left out, but with labels.
    """
    pictures, others = _pictures(inputs)
    if pictures:
        found = _from_pictures(model, pictures, plain, others)
        if found.left and (labels is not None or not len(found.rows)):
            more = len(found.left) - 1
            raise UsageError(f"{found.left[0]}{f'; and {more:,} more that are none' if more else ''}")
    elif len(inputs) > 1:
        raise UsageError(f"{inputs[0]} and {len(inputs) - 1} more: several are pictures ({', '.join(photos.ENDINGS)})")
    else:
        found = _from_file(model, inputs[0], labels)
    if labels is not None:
        where, given = open_labels(labels, beside=inputs[0] if is_features(split_key(inputs[0])[0]) else "")
        found = replace(found, labels=given, labels_of=where)
    if found.labels is not None and len(found.labels) != len(found.rows):
        raise DataError(found.labels_of, f"{len(found.labels):,} labels", f"{len(found.rows):,}, one an example")
    if found.rows.ndim != 2 or found.rows.shape[1] != (expected := model.weight.shape[1]):
        what = f"{'x'.join(map(str, found.rows.shape[1:]))} numbers an example"
        kind = f", {model.inputs}" if model.image_shape else ""
        raise UsageError(f"{inputs[0]}: {what}, where the model takes {expected:,}{kind}")
    return found


def _pictures(inputs: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Every picture that is named, or in a folder that is named; and what else is named."""
    found, others = list[Path](), list[Path]()
    for path in map(Path, inputs):
        if path.suffix.lower() in photos.ENDINGS:
            found.append(path)
        elif path.is_dir():
            found += sorted(file for file in path.iterdir() if file.suffix.lower() in photos.ENDINGS)
        else:
            others.append(path)
    return found, others


def _from_pictures(model: Model, paths: Sequence[Path], plain: bool, others: Sequence[Path]) -> Inputs:
    shape = model.image_shape
    if not shape:
        raise UsageError(
            f"{paths[0]}: the model was fitted to features, {model.weight.shape[1]:,} an example: no pictures"
        )
    if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)):
        raise UsageError(f"{paths[0]}: the model takes {model.inputs}, which no picture becomes")
    digit = shape == photos.MNIST and not plain
    rows, called = list[Array](), list[str]()
    left = [f"{path}: no picture ({', '.join(photos.ENDINGS)})" for path in others]
    for path in paths:
        try:
            rows.append(photos.as_image(path, shape, digit))
            called.append(str(path))
        except UsageError as error:
            left.append(str(error))
    return Inputs(np.array(rows, np.uint8), called, left=left)


def _from_file(model: Model, text: str, labels: str | None) -> Inputs:
    path, _ = split_key(text)
    if text == EMBEDDED and not path.exists():
        return _test_images(None)
    if path.is_dir() or (not path.exists() and path.parent.is_dir() and not path.suffix):
        return _test_images(path)
    if path.suffix.lower() == ".npz" and path.is_file() and any(names <= set(keys_of(path)) for names in _FAMILIES):
        return _test_images(path)
    if is_features(path):
        return _from_features(model, text, labels)
    if "idx" in path.name:
        source = open_idx(path)
        return _numbered(read(source, source.dtype.newbyteorder("=")))
    known = ", ".join((*FORMATS, *photos.ENDINGS))
    raise UsageError(f"{path}: features, pictures, IDX files or {EMBEDDED!r} are read ({known})")


def _from_features(model: Model, text: str, labels: str | None) -> Inputs:
    inside = labels_within(labels, text) if labels is not None else ""
    found = open_features(text, without=inside, columns=model.feature_names)
    return _numbered(found.matrix)


def _numbered(array: Array) -> Inputs:
    return Inputs(array.reshape(len(array), -1), range(len(array)))


def _test_images(path: Path | None) -> Inputs:
    data = load(path)
    labels = np.array(data.class_names)[data.test_labels] if data.class_names else data.test_labels
    return Inputs(data.test_images, range(len(data.test_images)), labels, data.name)
