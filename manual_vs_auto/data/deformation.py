"""Images deformed as another hand would have written them: turned, scaled, sheared, shifted, and bent like rubber.

Source: P. Simard, D. Steinkraus and J. Platt (2003), Best Practices for Convolutional Neural Networks: a random
displacement of each pixel, smoothed by a Gaussian; G. Loosli, S. Canu and L. Bottou (2007), Training Invariant Support
Vector Machines using Selective Sampling, made 8.1 million digits of MNIST's 60,000 in such a way.

What an image becomes is a function of the image, the seed, the number of the copy and the image's index: what is drawn
for it is a hash of the three numbers, and every sum is of whole numbers that its type holds exactly. So the bytes are
the same, whichever images are made together, in how many threads, by which BLAS.
"""

import numpy as np

from manual_vs_auto.data.source import Array

_TURN, _SCALE, _SHEAR, _SHIFT = 0.2, 0.12, 0.15, 1 / 20  # radians; shares; a share of the size
_BEND = 1.0  # of a smoothing's width, at most: how far a displacement of one standard deviation goes
_SMOOTH = 1 / 7  # of the size: a Gaussian's standard deviation; Simard's 4 pixels of 28
_DRAWN = 7  # numbers an image, beside its displacements
_STEP = 0x9E3779B97F4A7C15
_FINE = 8  # bits of a pixel's place that are behind the point


def deformed(images: Array, seed: int, copy: int, start: int) -> Array:
    """Images as a copy of the data set has them; copy 0 is the images themselves.

    Args:    images: uint8 [n, H, W], those from index `start` on. seed, copy: from 0.
    Returns: uint8 [n, H, W]; what comes from beyond an image's edge is black.
    """
    if copy == 0:
        return images
    count, height, width = images.shape
    numbers, noise = _drawn(seed, copy, np.arange(start, start + count, dtype=np.uint64), height, width)
    by_row, by_column = _bends(noise, numbers[:, 6])
    rows, columns = _places(numbers, height, width)
    return _sampled(images, rows + by_row.reshape(count, -1), columns + by_column.reshape(count, -1))


def _mixed(words: Array) -> Array:
    """64 bits of which each tells on all, for 64 bits.

    Source: G. Steele, D. Lea and C. Flood (2014), Fast Splittable Pseudorandom Number Generators.
    """
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words


def _drawn(seed: int, copy: int, index: Array, height: int, width: int) -> tuple[Array, Array]:
    """Of each index [n] numbers in -1..1, float32 [n, 7], and noise, whole numbers in -255..255, [n, 2, H, W]."""
    key = _mixed(np.array([seed % 2**64], np.uint64) + np.uint64(_STEP))
    key = _mixed(_mixed(key + np.uint64(copy)) + index)
    pixels = 2 * height * width
    steps = np.arange(1, 1 + _DRAWN - (-pixels // 8), dtype=np.uint64) * np.uint64(_STEP)
    words = _mixed(key[:, None] + steps)
    numbers = (words[:, :_DRAWN] >> np.uint64(40)).astype(np.float32) * np.float32(2**-23) - 1
    bytes_ = words[:, _DRAWN:].astype("<u8", copy=False).view(np.uint8)[:, :pixels]
    return numbers, (2 * bytes_.astype(np.float32) - 255).reshape(-1, 2, height, width)


def _bends(noise: Array, strength: Array) -> tuple[Array, Array]:
    """The noise [n, 2, H, W] smoothed, as displacements in pixels by row and by column, [n, H, W] each.

    The Gaussian's weights are whole numbers that sum to at most 256. A pass over the rows and one over the columns sum
    to less than 255 * 256 * 256 < 2^24, and up to there float32 has every whole number.
    """
    _, _, height, width = noise.shape
    over_rows, rows_sum, spread = _gaussian(height)
    over_columns, columns_sum, _ = _gaussian(width)
    smooth = over_rows @ (noise @ over_columns)
    # Noise of standard deviation 255/sqrt(3), smoothed twice.
    deviation = 255 / 3**0.5 * rows_sum * columns_sum / (2 * np.pi**0.5 * spread)
    smooth *= ((strength + 1) * np.float32(0.5 * _BEND / deviation))[:, None, None, None]
    return smooth[:, 0], smooth[:, 1]


def _gaussian(size: int) -> tuple[Array, int, float]:
    """Smoothing along an axis as a matrix float32 [size, size], the sum of its weights, and its deviation in pixels."""
    deviation = _SMOOTH * size
    away = np.arange(-size, size + 1)
    weights = np.exp(-0.5 * (away / deviation) ** 2)
    whole = np.floor(256 * weights / weights.sum())
    distance = np.arange(size)
    matrix = whole[size + distance[:, None] - distance]
    return matrix.astype(np.float32), int(whole.sum()), deviation


def _places(numbers: Array, height: int, width: int) -> tuple[Array, Array]:
    """Where each pixel comes from by the affine map alone: row and column, float32 [n, HW] each."""
    half = np.float32(_TURN / 2) * numbers[:, 0]  # the tangent of half the angle: both follow without a sine
    cos, sin = (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)
    tall, wide = (1 + np.float32(_SCALE) * numbers[:, at] for at in (1, 2))
    shear = np.float32(_SHEAR) * numbers[:, 3]
    middle = np.float32((height - 1) / 2), np.float32((width - 1) / 2)
    down = np.repeat(np.arange(height, dtype=np.float32) - middle[0], width)
    across = np.tile(np.arange(width, dtype=np.float32) - middle[1], height)
    shift = np.float32(_SHIFT * height) * numbers[:, 4], np.float32(_SHIFT * width) * numbers[:, 5]
    terms = (
        (cos * tall, cos * shear - sin * wide, middle[0] + shift[0]),
        (sin * tall, sin * shear + cos * wide, middle[1] + shift[1]),
    )
    row, column = (a[:, None] * down + b[:, None] * across + c[:, None] for a, b, c in terms)
    return row, column


def _sampled(images: Array, rows: Array, columns: Array) -> Array:
    """Images [n, H, W] at places [n, HW] between their pixels, bilinearly, black beyond their edges.

    A place is a whole number of 256ths of a pixel. The four pixels around one stand in a word of 32 bits: they are
    fetched at once, and two of them are weighed at once, each in a half of the word.
    """
    count, height, width = images.shape
    down, to_row = _split(rows, height)
    across, to_column = _split(columns, width)
    padded = np.zeros((count, height + 3, width + 3), np.uint32)
    padded[:, 1:-2, 1:-2] = images
    above, below = padded[:, :-1], padded[:, 1:]
    corners = above[:, :, :-1] | below[:, :, :-1] << 16 | above[:, :, 1:] << 8 | below[:, :, 1:] << 24
    down += (np.arange(count, dtype=np.int32) * np.int32(height + 2))[:, None]
    down *= np.int32(width + 2)
    down += across
    right = corners.reshape(-1)[down]
    # In place from here on: memory that is new is cleared first, which takes longer than all of this.
    left = right & 0x00FF00FF
    right >>= 8
    right &= 0x00FF00FF
    right *= to_column
    left *= 256 - to_column
    left += right  # the upper pixels' mean in the lower half
    np.right_shift(left, 16, out=right)
    left &= 0xFFFF
    right *= to_row
    left *= 256 - to_row
    left += right
    left += 1 << 15
    left >>= 16
    found: Array = left.astype(np.uint8).reshape(images.shape)
    return found


def _split(places: Array, size: int) -> tuple[Array, Array]:
    """The pixel before each place along an axis, from 0 for the one before the first, and 256ths from it to there."""
    places = places.clip(-1, size)
    places += 1
    places *= 1 << _FINE
    fine = np.rint(places, out=places).astype(np.int32)
    before = fine >> _FINE
    fine &= (1 << _FINE) - 1
    return before, fine.view(np.uint32)
