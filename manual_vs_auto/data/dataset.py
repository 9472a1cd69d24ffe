"""Training and test images with their labels, from wherever they are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from manual_vs_auto.data import files, labels, mapped, pixels
from manual_vs_auto.data.idx import open_idx
from manual_vs_auto.data.npz import open_npz, open_only
from manual_vs_auto.data.source import Array, DataError, Source, printable

EMBEDDED = Path(__file__).parent / "mnist"


@dataclass(frozen=True)
class Dataset:
    """Images and labels that have passed every check.

    name:         where they came from.
    train_images: [N, D], uint8 in 0..255 or float32 in 0..1; test_images: [M, D], likewise. Training images of uint8
                  that take 1 GiB or more in an uncompressed IDX file stay there: they are an np.memmap.
    train_labels: int32 [N], 0..K-1; test_labels: int32 [M].
    image_shape:  of one image before it was made flat, (28, 28) say; its product is D.
    classes:      K, one more than the largest training label.
    class_names:  K of them where the labels were text, else none.
    pixels:       how floating pixels were taken, else "".
    warnings:     what is odd and yet may be meant, a line each.
    val_images:   [V, D], what `split` has kept out of the training; val_labels: int32 [V]. None before.
    train_rows:   int32 [N], where image n stands among train_images, which are more than N then: those that stay in
                  their file are all there after `split`, too. None where it is n.
    """

    name: str
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    image_shape: tuple[int, ...]
    classes: int
    class_names: tuple[str, ...] = ()
    pixels: str = ""
    warnings: tuple[str, ...] = ()
    val_images: Array | None = None
    val_labels: Array | None = None
    train_rows: Array | None = None


def load(path: str | Path | None = None, npz_keys: Sequence[str] | None = None) -> Dataset:
    """Read a data set, and believe nothing that its headers say.

    Args:   path:     None for the embedded MNIST; a directory of IDX files, gzipped or not, by the MNIST family's
                      names (train-images-idx3-ubyte, t10k-labels-idx1-ubyte.gz, emnist-letters-train-...), or of
                      .npz archives by KMNIST's (kmnist-train-imgs.npz); such a directory followed by a prefix,
                      `emnist/emnist-letters`, where it holds several sets; or an .npz archive of x_train, y_train,
                      x_test and y_test, or of MedMNIST's train_images, train_labels, test_images and test_labels.
            npz_keys: what the four are called in an .npz archive, in that order, where it is none of these.
    Raises: DataError, one line that names the file, what was found and what was expected.
    """
    root = EMBEDDED if path is None else Path(path)
    name = "MNIST (embedded)" if path is None else str(path)
    try:
        is_file = root.is_file()
        found = () if is_file else files.find(root)
    except OSError as error:
        raise DataError(root, error.strerror or str(error), "a directory of IDX files or an .npz archive") from None
    if is_file:
        arrays, left = open_npz(root, npz_keys)
        return _read(name, arrays, (f"{root}: not used: {left}",) if left else ())
    if npz_keys:
        raise DataError(root, "no .npz archive", "one, since its keys are named")
    return _read(name, tuple(open_only(file) if file.suffix == ".npz" else open_idx(file) for file in found))


def _read(name: str, sources: Sequence[Source], warnings: tuple[str, ...] = ()) -> Dataset:
    """Check the four against each other by their headers, then their contents, and only then keep them."""
    train_images, train_labels, test_images, test_labels = sources
    for images, answers in ((train_images, train_labels), (test_images, test_labels)):
        pixels.check_header(images)
        labels.check_shape(answers)
        if images.shape[0] != answers.shape[0]:
            raise DataError(answers.where, f"{answers.shape[0]:,} labels", f"{images.shape[0]:,}, one an image")
    if train_images.shape[1:] != test_images.shape[1:]:
        expected = f"{train_images.shape[1:]}, as the training images"
        raise DataError(test_images.where, f"images of {test_images.shape[1:]}", expected)
    classes = labels.classes_of(train_labels, test_labels)
    in_train, in_test = pixels.ranges_of(train_images, test_images)
    features = math.prod(train_images.shape[1:])
    test = pixels.read_pixels(test_images, in_test)
    stay = mapped.stays(train_images)
    train = mapped.images(train_images) if stay else pixels.read_pixels(train_images, in_train)
    return Dataset(
        name=name,
        train_images=train.reshape(-1, features),
        test_images=test.reshape(-1, features),
        train_labels=labels.read_labels(train_labels, classes),
        test_labels=labels.read_labels(test_labels, classes),
        image_shape=tuple(train_images.shape[1:]),
        classes=classes.count,
        class_names=classes.names,
        pixels=pixels.told(train_images, in_train),
        warnings=tuple(map(printable, (*warnings, *classes.warnings, *pixels.dim(train_images, train)))),
    )
