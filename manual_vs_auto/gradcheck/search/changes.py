"""The values that hide faults in a sample, changed one way at a time."""

from collections.abc import Callable

import numpy as np

from manual_vs_auto.gradcheck.claims.arguments import Leaf
from manual_vs_auto.gradcheck.claims.complex import join, split

_Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def is_square(a: np.ndarray) -> bool:
    """Whether the last two axes are equal."""
    return a.ndim >= 2 and a.shape[-1] == a.shape[-2]


def _some_zeros(a: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    kept = generator.random(a.shape) > 0.35
    if a.size:
        kept.flat[generator.integers(a.size)] = False
    return a * kept


def _saturated(a: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """One element of every row far above the others."""
    if a.ndim == 0 or a.size == 0:
        return a + 50
    raised = np.zeros(a.shape)
    np.put_along_axis(raised, generator.integers(0, a.shape[-1], (*a.shape[:-1], 1)), 50.0, -1)
    return a + raised


def _both_signs(a: np.ndarray) -> np.ndarray:
    """What overflows at large numbers often does so on one side of 0."""
    signed = a.copy()
    signed.flat[:1] = np.abs(a.flat[:1])
    signed.flat[1:2] = -np.abs(a.flat[1:2])
    return signed


def _symmetric(a: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return a + np.swapaxes(a, -1, -2) if is_square(a) else a


CHANGES: dict[str, _Change] = {
    "fresh numbers": lambda a, _: a,
    "all positive": lambda a, _: np.abs(a),
    "all negative": lambda a, _: -np.abs(a),
    "large, x 30": lambda a, _: 30 * _both_signs(a),
    "large, x 1000": lambda a, _: 1000 * _both_signs(a),
    "huge, x 1e5": lambda a, _: -1e5 * _both_signs(a),
    "near zero, x 1e-3": lambda a, _: 1e-3 * a,
    "tiny, x 1e-6": lambda a, _: 1e-6 * a,
    "some zeros": _some_zeros,
    "zeros": lambda a, _: 0 * a,
    "saturated": _saturated,
    "symmetric": _symmetric,
    "on the real axis": lambda a, _: a * np.array([1.0, 0.0]),
    "on the imaginary axis": lambda a, _: a * np.array([0.0, 1.0]),
}
OF_PAIRS = ("on the real axis", "on the imaginary axis")
# Where rows and columns count, the pair of a complex number is one.
_OF_WHOLES = ("saturated", "symmetric")


def changed(name: str, leaf: Leaf, a: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The array of this leaf after the change of this name; as it was where the change is not for such leaves."""
    change = CHANGES.get(name)
    if change is None or not leaf.moves or (name in OF_PAIRS and not leaf.complex):
        return a
    if leaf.complex and name in _OF_WHOLES:
        return np.asarray(split(change(join(a), generator)))
    return change(a, generator)
