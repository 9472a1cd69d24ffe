"""Training and test images with their labels, from wherever they are."""

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manual_vs_auto.data.idx import open_idx
from manual_vs_auto.data.npz import open_npz
from manual_vs_auto.data.source import Array, DataError, Source, pieces, read, size

EMBEDDED = Path(__file__).parent / "mnist"

_ROLES = ("train-images", "train-labels", "test-images", "test-labels")
_FILE = re.compile(
    r"(?:(?P<prefix>.+)-)?(?P<split>train|t10k|test)-(?P<what>images|labels)[.-]idx\d-[a-z]+(?P<gz>\.gz)?"
)
# QMNIST's labels have eight columns, of which the class is the first.
_QMNIST_COLUMNS, _QMNIST_DTYPE = 8, np.dtype(">i4")
# Labels may go up to the number of training images, or to this where there are fewer: a larger one is a mistake,
# and W would have a row for each.
_FEW_CLASSES = 256
# Images of more than this are read once without being kept, so that files which turn out to be broken
# never take more memory than their own size and 64 MiB. MNIST's own take 53 MiB.
_KEPT_UNCHECKED = 56 << 20


@dataclass(frozen=True)
class Dataset:
    """Images and labels that have passed every check.

    name:         where they came from.
    train_images: uint8 [N, D], 0..255; test_images: uint8 [M, D].
    train_labels: int32 [N], 0..K-1; test_labels: int32 [M].
    image_shape:  of one image before it was made flat, (28, 28) say; its product is D.
    classes:      K, one more than the largest training label.
    """

    name: str
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    image_shape: tuple[int, ...]
    classes: int


def load(path: str | Path | None = None) -> Dataset:
    """Read a data set, and believe nothing that its headers say.

    Args:   path: None for the embedded MNIST; a directory of IDX files, gzipped or not, by the MNIST
            family's names (train-images-idx3-ubyte, t10k-labels-idx1-ubyte.gz, emnist-letters-train-...);
            such a directory followed by a prefix, `emnist/emnist-letters`, where it holds several sets;
            or an .npz archive of x_train, y_train, x_test and y_test.
    Raises: DataError, one line that names the file, what was found and what was expected.
    """
    root = EMBEDDED if path is None else Path(path)
    name = "MNIST (embedded)" if path is None else str(path)
    try:
        is_file = root.is_file()
        files = () if is_file else _find(root)
    except OSError as error:
        raise DataError(root, error.strerror or str(error), "a directory of IDX files or an .npz archive") from None
    if is_file:
        with open_npz(root) as arrays:
            return _read(name, *arrays)
    return _read(name, *(open_idx(file) for file in files))


def _find(root: Path) -> tuple[Path, ...]:
    """The four IDX files of one data set, in the order of the roles."""
    directory, prefix = (root, None) if root.is_dir() else (root.parent, root.name)
    if not directory.is_dir():
        raise DataError(root, "nothing there", "a directory of IDX files or an .npz archive")
    sets: dict[str, dict[str, Path]] = defaultdict(dict)
    for file in sorted(directory.iterdir(), reverse=True):  # x.gz before x: the unpacked one is kept
        if match := _FILE.fullmatch(file.name):
            split = "train" if match["split"] == "train" else "test"
            files = sets[match["prefix"] or ""]
            held = files.setdefault(f"{split}-{match['what']}", file)
            if held.name.removesuffix(".gz") != file.name.removesuffix(".gz"):
                raise DataError(root, f"{file.name} and {held.name}", "one of them")
            files[f"{split}-{match['what']}"] = file
    names = ", ".join(sorted(str(directory / key) for key in sets)) or "none"
    if prefix is not None and prefix not in sets:
        found = "neither a file nor a directory" if root.exists() else "nothing there"
        raise DataError(root, found, f"a directory, an .npz archive, or one of the IDX data sets: {names}")
    if prefix is None and len(sets) > 1 and "" not in sets:
        raise DataError(root, f"{len(sets)} data sets ({names})", "one, or one of these names as the path")
    chosen = sets[prefix or ""] if prefix or "" in sets else next(iter(sets.values()), {})
    missing = [role for role in _ROLES if role not in chosen]
    if missing:
        held_names = ", ".join(file.name for file in chosen.values()) or "no IDX file"
        raise DataError(root, held_names, f"also {', '.join(missing)}, named like train-images-idx3-ubyte.gz")
    return tuple(chosen[role] for role in _ROLES)


def _read(name: str, train_images: Source, train_labels: Source, test_images: Source, test_labels: Source) -> Dataset:
    """Check the four against each other by their headers, then their contents, and only then keep them."""
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        _check_images(images)
        _check_label_shape(labels)
        if images.shape[0] != labels.shape[0]:
            raise DataError(labels.where, f"{labels.shape[0]:,} labels", f"{images.shape[0]:,}, one an image")
    if train_images.shape[1:] != test_images.shape[1:]:
        expected = f"{train_images.shape[1:]}, as the training images"
        raise DataError(test_images.where, f"images of {test_images.shape[1:]}", expected)
    classes = 1 + _largest_label(train_labels, max(train_labels.shape[0], _FEW_CLASSES))
    _largest_label(test_labels, classes)
    if size(train_images) + size(test_images) > _KEPT_UNCHECKED:
        for images in (test_images, train_images):
            for _ in pieces(images):
                pass
    features = math.prod(train_images.shape[1:])
    return Dataset(
        name=name,
        test_images=read(test_images).reshape(-1, features),
        train_images=read(train_images).reshape(-1, features),
        train_labels=_labels(train_labels),
        test_labels=_labels(test_labels),
        image_shape=tuple(train_images.shape[1:]),
        classes=classes,
    )


def _check_images(source: Source) -> None:
    if source.dtype != np.uint8:
        raise DataError(source.where, f"images of {source.dtype.name}", "uint8, 0 to 255")
    if len(source.shape) < 2:
        raise DataError(source.where, f"shape {source.shape}", "images, of at least 2 dimensions")
    if math.prod(source.shape) == 0:
        raise DataError(source.where, f"no pixel in shape {source.shape}", "at least one image of at least one pixel")


def _check_label_shape(source: Source) -> None:
    if source.dtype.kind not in "uif":
        raise DataError(source.where, f"labels of {source.dtype.name}", "whole numbers")
    rest = tuple(source.shape[1:])
    columns = rest == (_QMNIST_COLUMNS,) and source.dtype == _QMNIST_DTYPE
    if len(source.shape) < 1 or not (rest in ((), (1,)) or columns):
        raise DataError(source.where, f"labels of shape {source.shape}", "one number an image, not one-hot rows")


def _largest_label(source: Source, classes: int) -> int:
    """The largest label. DataError unless each is a whole number in 0..classes-1."""
    largest = start = 0
    for piece in pieces(source):
        values = _first_column(np.frombuffer(piece, source.dtype).reshape(-1, *source.shape[1:]))
        with np.errstate(invalid="ignore"):  # what is no number is refused below
            if values.dtype.kind == "f":
                values = values.astype(np.float64)
            wrong = ~((values >= 0) & (values < classes) & (values == np.floor(values)))
        if wrong.any():
            at = int(np.argmax(wrong))
            raise DataError(
                source.where, f"label {values[at]} at {start + at:,}", f"a whole number in 0..{classes - 1:,}"
            )
        largest = max(largest, int(values.max()))
        start += len(values)
    return largest


def _labels(source: Source) -> Array:
    return _first_column(read(source)).astype(np.int32)


def _first_column(values: Array) -> Array:
    return values if values.ndim == 1 else values[:, 0]
