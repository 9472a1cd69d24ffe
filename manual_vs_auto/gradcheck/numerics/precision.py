"""Precisions: their names, their epsilons, how large numbers are."""

from collections.abc import Sequence
from functools import cache

import numpy as np

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


def size(arrays: Sequence[np.ndarray]) -> float:
    """The largest root mean square among arrays."""
    return max((float(np.sqrt(np.mean(np.square(a)))) for a in arrays if a.size), default=0.0)


def largest(array: np.ndarray) -> float:
    """The largest size of a finite number."""
    return float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array)))
