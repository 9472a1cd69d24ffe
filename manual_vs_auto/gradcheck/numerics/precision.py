"""What rounding explains: units in the last place, and how many of them are allowed."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

# Roundings that a chain of elementary operations may gather before it is no longer rounding.
ROUNDINGS = 32
# A right formula keeps at least half of its digits; what loses more is not explained by rounding.
HALF_THE_DIGITS = 0.5

_EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
# The smallest number that arithmetic keeps: XLA flushes what is denormal in float32 and bfloat16.
_SMALLEST = {"float64": 2.0**-1022, "float32": 2.0**-126, "float16": 2.0**-24, "bfloat16": 2.0**-126}


@cache
def is_float(dtype: object) -> bool:
    """Whether it is one of the four floating dtypes that are judged, NumPy's or torch's."""
    return str(dtype).removeprefix("torch.") in _EPS


def eps(*dtypes: object) -> float:
    """The largest machine epsilon among these dtypes: the spacing of numbers just above 1."""
    return max((_EPS[str(dtype)] for dtype in dtypes), default=_EPS["float64"])


def smallest(*dtypes: object) -> float:
    """The largest of these dtypes' smallest numbers."""
    return max((_SMALLEST[str(dtype)] for dtype in dtypes), default=_SMALLEST["float64"])


def lowest(dtypes: Sequence[object]) -> str:
    """The dtype of the largest epsilon."""
    return max((str(dtype) for dtype in dtypes), key=_EPS.__getitem__, default="float64")


def units(reference: np.ndarray, spread: np.ndarray, epsilon: float, least: float) -> np.ndarray:
    """One ulp of each element: its own, or what one ulp of input makes of it, whichever is larger.

    Args:    reference [...], spread [...]: how far the reference moves when inputs move by an ulp, epsilon, and
             the smallest number of the precision.
    Returns: [...], positive.
    """
    size = np.where(np.isfinite(reference), np.abs(reference), 0.0)
    return np.maximum(np.maximum(epsilon * size, np.where(np.isfinite(spread), spread, 0.0)), least)


def allowed(longest_sum: int, own_error: float = 0.0) -> float:
    """How many ulp are allowed: rounding in a sum of N terms walks sqrt(N) ulp; or 4 times autodiff's own error."""
    return max(ROUNDINGS * math.sqrt(max(longest_sum, 1)), 4 * own_error)


def size(arrays: Sequence[np.ndarray]) -> float:
    """The largest root mean square among arrays."""
    return max((float(np.sqrt(np.mean(np.square(a)))) for a in arrays if a.size), default=0.0)


def largest(array: np.ndarray) -> float:
    """The largest size of a finite number."""
    return float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array)))
