"""Pixels: uint8 as they are, and floating ones by the range that their values show."""

import math
from dataclasses import dataclass

import numpy as np

from manual_vs_auto.data import mapped
from manual_vs_auto.data.source import PIECE, Array, DataError, Source, pieces, read, size

_WHITE = 255
_DIM = 1 / 4  # of white: training images without a brighter pixel may have another range
# Images of more than this are read once without being kept, so that files which turn out to be broken
# never take more memory than their own size and 64 MiB. MNIST's own take 53 MiB.
_KEPT_UNCHECKED = 56 << 20


@dataclass(frozen=True)
class Range:
    """What a pass over pixels has seen.

    highest: the brightest.
    whole:   whether each is a whole number.
    """

    highest: float
    whole: bool

    @property
    def unit(self) -> bool:
        """Whether white is 1 and not 255. Resizing may make a pixel brighter than white by a rounding."""
        return self.highest <= 1 + 1e-5


_BYTES = Range(_WHITE, whole=True)


def check_header(source: Source) -> None:
    """By the header alone. Raises: DataError unless it can be images."""
    if source.dtype != np.uint8 and source.dtype.name not in ("float16", "float32", "float64"):
        raise DataError(source.where, f"images of {source.dtype.name}", "uint8 in 0..255, or floating")
    if len(source.shape) < 2:
        raise DataError(source.where, f"shape {source.shape}", "images, of at least 2 dimensions")
    if math.prod(source.shape) == 0:
        raise DataError(source.where, f"no pixel in shape {source.shape}", "at least one image of at least one pixel")


def ranges_of(train: Source, test: Source) -> tuple[Range, Range]:
    """The ranges of the pixels of both, in memory that does not grow with them.

    Raises: DataError where one is no number in 0..255, white is 1 in one and 255 in the other, or a file is broken.
    """
    small = size(train) + size(test) <= _KEPT_UNCHECKED
    in_test, in_train = (
        _BYTES if images.dtype == np.uint8 and (small or (images is train and mapped.stays(train))) else _range(images)
        for images in (test, train)
    )
    if in_train.unit != in_test.unit and in_train.highest and in_test.highest:
        found = f"pixels up to {in_test.highest:g}, and up to {in_train.highest:g} in {train.where}"
        raise DataError(test.where, found, "0..1 or 0..255 in both")
    return in_train, in_test


def read_pixels(source: Source, seen: Range) -> Array:
    """The images as the model takes them: uint8 where they are whole numbers in 0..255, else float32 in 0..1."""
    if seen.unit:
        return read(source, np.dtype(np.float32))
    return read(source, np.dtype(np.uint8)) if seen.whole else read(source, np.dtype(np.float32), _WHITE)


def told(source: Source, seen: Range) -> str:
    """What was made of floating pixels, for a person; nothing of uint8."""
    if source.dtype == np.uint8:
        return ""
    made = "as they are" if seen.unit else "whole, kept as uint8" if seen.whole else "divided by 255"
    return f"{source.dtype.name} pixels in {'0..1' if seen.unit else '0..255'}, {made}"


def dim(source: Source, images: Array) -> tuple[str, ...]:
    """A warning where no pixel comes near white."""
    white = _WHITE if images.dtype == np.uint8 else 1
    brightest = 0.0
    for piece in mapped.pieces(images, max(1, PIECE // images[0].nbytes)):
        brightest = max(brightest, float(piece.max()))
        if brightest >= _DIM * white:  # among the first ones, as a rule
            return ()
    said = f"the brightest pixel is {brightest:g} where white is {white}: if {brightest:g} is their white, scale them"
    return (f"{source.where}: {said}",)


def _range(source: Source) -> Range:
    highest, whole, start = 0.0, True, 0
    for piece in pieces(source):
        if piece.dtype == np.uint8:
            continue
        with np.errstate(invalid="ignore"):  # what is no number is refused below
            wrong = ~((piece >= 0) & (piece <= _WHITE))
            whole = whole and bool((piece == np.floor(piece)).all())
        if wrong.any():
            first = int(np.argmax(wrong))
            at, count = start + first, source.shape[0]
            image = at % count if source.fortran_order else at // math.prod(source.shape[1:])
            raise DataError(source.where, f"pixel {piece[first]} in image {image:,}", "numbers in 0..1 or 0..255")
        highest = max(highest, float(piece.max()))
        start += len(piece)
    return _BYTES if source.dtype == np.uint8 else Range(highest, whole)
