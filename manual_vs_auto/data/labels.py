"""Labels: the classes that they stand for, and what is wrong with them."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manual_vs_auto.data.nearest import nearest
from manual_vs_auto.data.source import PIECE, Array, DataError, Source, pieces, printable

# QMNIST's labels have eight columns, of which the class is the first.
_QMNIST_COLUMNS, _QMNIST_DTYPE = 8, np.dtype(">i4")
# Labels may go up to the number of training images, or to this where there are fewer: a larger one is a mistake,
# and W would have a row for each.
_FEW_CLASSES, _MANY_CLASSES = 256, 1 << 24
_MARKS = (255, -1, -100)  # what others write where an image has no class
_LONGEST_TEXT = 4096  # bytes of a label
_MANY_TEXTS, _LONGEST_TEXTS = 1 << 17, 1 << 22  # different ones, and their characters
_LISTED = 8


@dataclass(frozen=True)
class Classes:
    """What labels stand for.

    count:    K, one more than the largest training label.
    texts:    of text labels, sorted, [K]: label k stands for texts[k]; of numbers None.
    warnings: classes without images.
    """

    count: int
    texts: Array | None = None
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The texts as they can be shown."""
        return () if self.texts is None else tuple(map(printable, self.texts.tolist()))


def check_shape(source: Source) -> None:
    """By the header alone. Raises: DataError unless there is a number or a text an image."""
    if source.dtype.kind not in "uifUS":
        raise DataError(source.where, f"labels of {source.dtype.name}", "whole numbers or text")
    if not 0 < source.dtype.itemsize <= _LONGEST_TEXT:
        raise DataError(source.where, f"text labels of {source.dtype.itemsize:,} bytes each", f"1 to {_LONGEST_TEXT:,}")
    rest = tuple(source.shape[1:])
    columns = rest == (_QMNIST_COLUMNS,) and source.dtype == _QMNIST_DTYPE and not source.fortran_order
    if len(source.shape) < 1 or not (rest in ((), (1,)) or columns):
        raise DataError(source.where, f"labels of shape {source.shape}", "one an image, not one-hot rows")


def classes_of(train: Source, test: Source) -> Classes:
    """The classes of two label files, each read once, in memory that does not grow with them.

    Raises: DataError where labels are no whole numbers from 0, most classes have no image, there is one class alone,
            or a test label is beyond the training labels.
    """
    if (train.dtype.kind in "US") != (test.dtype.kind in "US"):
        raise DataError(test.where, f"labels of {test.dtype.name}", f"{train.dtype.name}, as the training labels")
    if train.dtype.kind in "US":
        return _texts(train, test)
    count = train.shape[0]
    held, largest = _numbers(train, min(max(count, _FEW_CLASSES), _MANY_CLASSES))
    classes, used = len(held), int(held.sum())
    if classes > 2 * used:
        found = f"label {classes - 1:,} in {largest:,} of {count:,} images, and no image in {classes - used:,} of"
        expected = f"labels from 0 of which most are used{_hint(classes - 1)}"
        raise DataError(train.where, f"{found} {classes:,} classes", expected)
    if used == 1:
        raise DataError(train.where, f"label {classes - 1} in every image", "two classes or more")
    warnings = []
    if used < classes:
        verb = "has" if classes == used + 1 else "have"
        empty = f"{classes - used:,} of {classes:,} classes {verb} no image ({_some(np.flatnonzero(~held))})"
        warnings.append(f"{train.where}: {empty}{_hint(classes - 1)}")
    tested, _ = _numbers(test, classes)
    if len(unseen := np.flatnonzero(tested & ~held[: len(tested)])):
        warnings.append(f"{test.where}: labels that no training image has ({_some(unseen)})")
    return Classes(classes, warnings=tuple(warnings))


def read_labels(source: Source, classes: Classes) -> Array:
    """The labels [N] as int32, once `classes_of` has passed them."""
    labels, start = np.empty(source.shape[0], np.int32), 0
    for values in _columns(source):
        if classes.texts is not None:
            values = np.searchsorted(classes.texts, _decoded(source, values))
        labels[start : start + len(values)] = values
        start += len(values)
    return labels


def as_classes(where: str, labels: Array, names: Sequence[str], count: int) -> Array:
    """Further labels [N] as int32 by the classes that are there. Raises: DataError, which names one that is none."""
    numbers = {name: at for at, name in enumerate(names or map(str, range(count)))}
    held, codes = np.unique(labels, return_inverse=True)
    known = np.array([numbers.get(str(name), -1) for name in held.tolist()], np.int32)
    if (known < 0).any():
        row = int(np.argmax(known[codes] < 0))
        found = str(labels[row])
        raise DataError(
            where, f"label {found} in row {row:,}", f"one of the model's {count:,}: {nearest(found, numbers)}"
        )
    return known[codes]


def _columns(source: Source) -> Iterator[Array]:
    rows = int(np.prod(source.shape[1:], dtype=int))
    for piece in pieces(source, PIECE // (rows * source.dtype.itemsize) * rows):
        yield piece.reshape(-1, rows)[:, 0]


def _numbers(source: Source, classes: int) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], int]:
    """Which labels there are, [largest + 1], and how many images have the largest.

    Raises: DataError unless each is a whole number in 0..classes-1.
    """
    held, largest, start = np.zeros(1, np.bool_), 0, 0
    for values in _columns(source):
        with np.errstate(invalid="ignore"):  # what is no number is refused below
            if values.dtype.kind == "f":
                values = values.astype(np.float64, copy=False)
            wrong = ~((values >= 0) & (values < classes))
            if values.dtype.kind == "f":
                wrong |= values != np.floor(values)
        if wrong.any():
            at = int(np.argmax(wrong))
            expected = f"a whole number in 0..{classes - 1:,}{_hint(values[at])}"
            raise DataError(source.where, f"label {values[at]} at {start + at:,}", expected)
        highest = int(values.max())
        if highest >= len(held):
            held, largest = np.concatenate((held, np.zeros(highest + 1 - len(held), np.bool_))), 0
        held[values.astype(np.intp)] = True
        largest += int(np.count_nonzero(values == len(held) - 1))
        start += len(values)
    return held, largest


def _texts(train: Source, test: Source) -> Classes:
    different: set[str] = set()
    length = 0
    for values in _columns(train):
        more = set(np.unique(_decoded(train, values)).tolist()) - different
        different |= more
        length += sum(map(len, more))
        if len(different) > _MANY_TEXTS or length > _LONGEST_TEXTS:
            raise DataError(train.where, f"{len(different):,} different labels", "fewer or shorter ones")
    names = np.array(sorted(different))
    if len(names) == 1:
        raise DataError(train.where, f"label {str(names[0])!r} in every image", "two classes or more")
    start = 0
    for values in _columns(test):
        texts = _decoded(test, values)
        nearest = names[np.minimum(np.searchsorted(names, texts), len(names) - 1)]
        if len(unseen := np.flatnonzero(nearest != texts)):
            found = f"label {str(texts[unseen[0]])!r} at {start + unseen[0]:,}"
            raise DataError(test.where, found, f"one of the {len(names):,} training labels ({_some(names)})")
        start += len(values)
    return Classes(len(names), names)


def _decoded(source: Source, values: Array) -> Array:
    """Text of NumPy's two kinds as Unicode in this machine's byte order."""
    try:
        if values.dtype.kind == "S":
            return np.char.decode(values, "utf-8")
        text = values.astype(values.dtype.newbyteorder("="))
        if text.view(np.uint32).max() <= sys.maxunicode:
            return text
    except UnicodeDecodeError:
        pass
    raise DataError(source.where, "labels that are no text", "Unicode, or bytes in UTF-8")


def _some(labels: Array) -> str:
    shown = ", ".join(printable(str(label)) for label in labels[:_LISTED])
    return shown + (", ..." if len(labels) > _LISTED else "")


def _hint(label: Any) -> str:
    return f" ({label:.0f} often marks what has no class: leave those images out)" if label in _MARKS else ""
