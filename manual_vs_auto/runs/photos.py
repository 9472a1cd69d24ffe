"""Pictures of any size as the images that a run was trained on: PNG, JPEG and what else Pillow reads."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.runs.errors import UsageError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
MNIST = (28, 28)
_BOX = 20  # pixels, that MNIST fits a digit into
_DEVIATION = 1.4826  # of a normal distribution, in the median of what it is off
_NOISE = 5  # standard deviations of the paper: what is fainter is paper, too
_LARGE = 56  # pixels: a picture of more has edges that are sharp, and JPEG's ripples beside them,
_FAINT = 0.15  # which are fainter than this share of the strongest ink
_NOTHING = 8  # of 255: where no ink is stronger, nothing is drawn


def as_image(path: Path, shape: tuple[int, ...], digit: bool) -> Array:
    """A picture as one flat row of pixels, uint8 [D].

    Args:   shape: (height, width), or with 3 for colours. digit: whether it is made as MNIST's are, see `centred`.
    Raises: UsageError, one line, where it can't be read, or Pillow is missing.
    """
    with _opened(path) as picture:
        if len(shape) == 2 and digit:
            return centred(np.asarray(picture.convert("L")), shape, str(path)).reshape(-1)
        kind = "L" if len(shape) == 2 else "RGB"
        return np.asarray(picture.convert(kind).resize((shape[1], shape[0]))).reshape(-1)


def centred(grey: Array, shape: tuple[int, ...] = MNIST, where: str = "the picture") -> Array:
    """A digit as MNIST has it: light on dark, fitted into 20x20 pixels, its centre of mass in the middle of 28x28.

    Source: LeCun's description of MNIST: "size normalized to fit in a 20x20 pixel box while preserving their aspect
            ratio ... centered in a 28x28 image by computing the center of mass of the pixels".
    Args:   grey:  uint8 [height, width] of any size. What most of its border is, light or dark, is paper.
            shape: of the result, at least 20x20.
    Raises: UsageError where there is nothing but paper.
    """
    from PIL import Image

    paper, noise = _paper(grey)
    ink = (paper - grey if np.median(paper) > 127 else grey - paper).clip(0)
    strongest = float(ink.max())
    if max(grey.shape) > _LARGE:
        noise = max(noise, _FAINT * strongest)
    ink = np.where(ink > noise, ink * (255 / max(strongest, 1)), 0)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if strongest < _NOTHING or not len(rows):
        raise UsageError(f"{where}: nothing is drawn on it")
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = _BOX / max(ink.shape)
    size = [max(1, round(scale * length)) for length in ink.shape]
    small = Image.fromarray(ink.astype(np.float32)).resize((size[1], size[0]), Image.Resampling.LANCZOS)
    box = np.asarray(small, np.float64).clip(0, 255)
    result = np.zeros(shape, np.uint8)
    place = []
    for axis in (0, 1):
        mass = float((box.sum(1 - axis) * np.arange(box.shape[axis])).sum() / box.sum())
        start = round(shape[axis] / 2 - mass)
        start = min(max(start, 0), shape[axis] - box.shape[axis])
        place.append(slice(start, start + box.shape[axis]))
    result[tuple(place)] = np.rint(box)
    return result


def _paper(grey: Array) -> tuple[Array, float]:
    """What the paper would be at each pixel, after the border, and what is noise on it: light may come from a side."""
    height, width = grey.shape
    spots: Array = np.indices(grey.shape)
    rows, columns = spots[0] / height, spots[1] / width
    at = np.zeros(grey.shape, np.bool_)
    at[0] = at[-1] = at[:, 0] = at[:, -1] = True
    border = grey[at].astype(np.float64)
    middle = float(np.median(border))
    off = np.abs(border - middle)
    if not np.median(off):
        return np.full(grey.shape, middle), 0.0
    plane = np.column_stack([np.ones(len(border)), rows[at], columns[at]])
    slopes: Any = np.array([middle, 0, 0])
    for _ in range(3):  # ink that reaches the border is left out, once it is known which that is
        near = off <= 3 * max(_DEVIATION * float(np.median(off)), 1)
        slopes = np.linalg.lstsq(plane[near], border[near])[0]
        off = np.abs(border - plane @ slopes)
    paper = slopes[0] + slopes[1] * rows + slopes[2] * columns
    return paper, _NOISE * _DEVIATION * float(np.median(off))


def _as_bytes(path: Path, wide: Array, floating: bool, sixteen: bool) -> Array:
    """Numbers of more than 8 bits as 0..255, by the white of their kind and not by the lightest that is there.

    Floating ones have it at 1, or at 255 where some are larger; whole ones of 16 bits at 65,535. Raises: UsageError.
    """
    most = float(wide.max(initial=0))
    small = not sixteen and most <= 255
    white = (1 if most <= 1 else 255) if floating else 255 if small else 65535
    if not (wide >= 0).all() or most > white:  # NaN, too
        raise UsageError(f"{path}: numbers from {wide.min():g} to {most:g} where 0 is black and {white:,} white")
    return np.rint(wide * (255 / white)).astype(np.uint8)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The picture upright, on white where it is transparent."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise UsageError(f"{path}: Pillow reads pictures, and it is not here: pip install pillow") from None
    try:
        with warnings.catch_warnings(), ExitStack() as opened:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = opened.enter_context(Image.open(path))
            upright = ImageOps.exif_transpose(picture)
            if upright.has_transparency_data:
                upright = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
            if upright.mode.startswith("I") or upright.mode == "F":
                sixteen = upright.mode.startswith("I;16") or picture.format == "PNG"
                upright = Image.fromarray(
                    _as_bytes(path, np.asarray(upright, np.float64), upright.mode == "F", sixteen)
                )
            yield upright
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path}: no picture that Pillow reads ({error})") from None
