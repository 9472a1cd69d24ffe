"""Which arrays the rules take, and how wide their sums are."""

from typing import Any

from manual_vs_auto.rules.rule import Array

_WIDE = ("float32", "float64")
_NARROW = ("bfloat16", "float16")


def widened(name: str, array: Array) -> Array:
    """The array in the dtype that its sums are kept in: float32 for bfloat16 and float16, else its own.

    Raises: TypeError if the array is not floating, and names it.
    """
    if array.dtype.name in _WIDE:
        return array
    if array.dtype.name in _NARROW:
        xp = array.__array_namespace__()
        return xp.astype(array, xp.float32)
    raise TypeError(f"{name} must be floating ({', '.join(_WIDE + _NARROW)}), not {array.dtype.name} {array.shape}")


def expect_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """ValueError, with both shapes, if the array has another than this one: nothing is broadcast in silence."""
    if array.shape != shape:
        raise ValueError(f"{name} {array.shape} must have the shape {shape}")


def narrowed(array: Array, dtype: Any) -> Array:
    """The array in `dtype`, rounded once."""
    return array if array.dtype == dtype else array.__array_namespace__().astype(array, dtype)
