"""Training and test images with their labels, from wherever they are."""

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manual_vs_auto.data.idx import open_idx
from manual_vs_auto.data.npz import open_npz
from manual_vs_auto.data.source import Array, DataError, Source

EMBEDDED = Path(__file__).parent / "mnist"

_ROLES = ("train-images", "train-labels", "test-images", "test-labels")
_FILE = re.compile(
    r"(?:(?P<prefix>.+)-)?(?P<split>train|t10k|test)-(?P<what>images|labels)[.-]idx\d-[a-z]+(?P<gz>\.gz)?"
)
# QMNIST's labels have eight columns, of which the class is the first.
_QMNIST_COLUMNS = 8
_FEW_CLASSES = 256


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
    if root.is_file():
        return _read(name, *open_npz(root))
    return _read(name, *(open_idx(file) for file in _find(root)))


def _find(root: Path) -> tuple[Path, ...]:
    """The four IDX files of one data set, in the order of the roles."""
    prefix = None
    directory = root
    if not root.is_dir() and root.parent.is_dir() and root.name:
        directory, prefix = root.parent, root.name
    if not directory.is_dir():
        raise DataError(root, "nothing there", "a directory of IDX files or an .npz archive")
    sets: dict[str, dict[str, Path]] = defaultdict(dict)
    for file in sorted(directory.iterdir(), reverse=True):  # x.gz before x: the unpacked one is kept
        match = _FILE.fullmatch(file.name)
        if match:
            split = "train" if match["split"] == "train" else "test"
            sets[match["prefix"] or ""][f"{split}-{match['what']}"] = file
    if prefix is not None and prefix not in sets:
        held = ", ".join(sorted(sets)) or "none"
        raise DataError(root, f"no such file, and in {directory} IDX data sets named: {held}", "one that exists")
    chosen = sets if prefix is None else {prefix: sets[prefix]}
    if len(chosen) > 1:
        held = ", ".join(sorted(str(directory / key) for key in chosen))
        raise DataError(root, f"{len(chosen)} data sets ({held})", "one, or one of these names as the path")
    files = next(iter(chosen.values()), {})
    missing = [role for role in _ROLES if role not in files]
    if missing:
        held = ", ".join(file.name for file in files.values()) or "no IDX file"
        raise DataError(root, held, f"also {', '.join(missing)}, named like train-images-idx3-ubyte.gz")
    return tuple(files[role] for role in _ROLES)


def _read(name: str, train_images: Source, train_labels: Source, test_images: Source, test_labels: Source) -> Dataset:
    """Check the four against each other by their headers, then read the small ones first."""
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        _check_images(images)
        _check_label_shape(labels)
        if images.shape[0] != labels.shape[0]:
            raise DataError(labels.where, f"{labels.shape[0]:,} labels", f"{images.shape[0]:,}, one an image")
    if train_images.shape[1:] != test_images.shape[1:]:
        expected = f"{train_images.shape[1:]}, as the training images"
        raise DataError(test_images.where, f"images of {test_images.shape[1:]}", expected)
    for source in (test_labels, train_labels, test_images, train_images):
        source.verify()
    trained = _labels(train_labels, max(train_labels.shape[0], _FEW_CLASSES))
    classes = int(trained.max()) + 1
    tested = _labels(test_labels, classes)
    features = math.prod(train_images.shape[1:])
    return Dataset(
        name=name,
        test_images=test_images.read().reshape(-1, features),
        train_images=train_images.read().reshape(-1, features),
        train_labels=trained,
        test_labels=tested,
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
    if len(source.shape) < 1 or rest not in ((), (1,), (_QMNIST_COLUMNS,)):
        raise DataError(source.where, f"labels of shape {source.shape}", "one number an image, not one-hot rows")


def _labels(source: Source, classes: int) -> Array:
    """Labels as int32, each a whole number in 0..classes-1."""
    values = source.read()
    values = values if values.ndim == 1 else values[:, 0]
    wrong = ~(np.isfinite(values) & (values >= 0) & (values < classes) & (values == np.floor(values)))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(source.where, f"label {values[at]} at {at:,}", f"a whole number in 0..{classes - 1:,}")
    return values.astype(np.int32)
