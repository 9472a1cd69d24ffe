"""The right derivative, but at another point: one argument is changed before the derivative is taken.

A weight that was forgotten is a weight of one; a slope at y for x, a factor that is not transposed, a kernel that is
flipped, a mask that was never applied and arguments that were exchanged are all of this kind.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from manual_vs_auto.gradcheck.claims.arguments import Leaf
from manual_vs_auto.gradcheck.engines.engine import Found
from manual_vs_auto.gradcheck.numerics.precision import is_float

_MOST = 8  # leaves whose values are exchanged with each other


class Change(NamedTuple):
    """Of the arguments: what is said, and what becomes of the arrays; outputs: what f makes of the arrays.

    mask: the place of an argument where that is zero, the derivative is zero all the same.
    """

    kind: str
    text: str
    of: Callable[[Found, Found], Found]
    mask: int | None = None


def changes(leaves: Sequence[Leaf], arrays: Found, outputs: Found, own: Sequence[int]) -> Iterator[Change]:
    """Those of one argument that these arrays allow, the simplest first. own: whose derivative it is."""
    for at, (leaf, a) in enumerate(zip(leaves, arrays, strict=True)):
        name = leaf.name
        if leaf.complex:
            continue
        kind = "weight" if a.ndim else "scale"
        if at not in own:
            yield Change(kind, f"{name} is forgotten: it is the derivative where {name} is 1", _one(at, np.ones_like))
        if not is_float(a.dtype):
            late = f"{name} is applied after instead of before: as if it were 1, but zero where {name} is"
            yield Change("order", late, _one(at, np.ones_like), mask=at)
            yield from _of_indices(name, at, a)
            continue
        if at not in own and a.size and np.all((a >= 0) & (a <= 1)):
            yield Change("complement", f"it is the derivative where {name} is 1 - {name}", _one(at, lambda a: 1 - a))
        if at not in own:
            yield Change("term", f"it is the derivative where {name} is 0", _one(at, np.zeros_like))
        for other, y in enumerate(outputs):
            if y.shape == a.shape:
                yield Change("slope", f"it is the derivative at the output, where the one at {name} belongs",
                    lambda arrays, outputs, at=at, other=other: _put(arrays, {at: outputs[other]}))  # type: ignore[misc]  # fmt: skip
        for digits in ("float16", "whole numbers"):
            rounded = np.round if digits != "float16" else _rounded
            yield Change("precision", f"it is the derivative at {name} rounded to {digits}", _one(at, rounded))
        if a.ndim >= 2 and a.shape[-1] == a.shape[-2] > 1:
            yield Change("transpose", f"it is the derivative where {name} is transposed", _one(at, _transposed))
            yield Change("transpose", f"it is the derivative where {name} is the mean of it and its transpose",
                         _one(at, lambda a: (a + _transposed(a)) / 2))  # fmt: skip
        if a.ndim >= 2 and min(a.shape[-2:]) > 1:
            yield Change("flip", f"it is the derivative where {name} runs backwards along its last two axes",
                         _one(at, lambda a: np.flip(a, (-2, -1)).copy()))  # fmt: skip
        for axis in _long_axes(a):
            yield from _along(name, at, a, axis)


def _long_axes(a: np.ndarray) -> list[int]:
    """Those along which an order can be another."""
    return [axis for axis, length in enumerate(a.shape) if length > 1]


def _along(name: str, at: int, a: np.ndarray, axis: int) -> Iterator[Change]:
    """The other orders along an axis."""
    yield Change("flip", f"it is the derivative where {name} runs backwards along axis {axis}",
                 _one(at, lambda a: np.flip(a, axis).copy()))  # fmt: skip
    for by in (1, -1) if a.shape[axis] > 2 else ():
        yield Change("shift", f"it is the derivative where {name} is shifted by {by} along axis {axis}",
                     _one(at, lambda a, by=by: np.roll(a, by, axis)))  # type: ignore[misc]  # fmt: skip


def _of_indices(name: str, at: int, a: np.ndarray) -> Iterator[Change]:
    """Of whole numbers, and of masks: which is meant by which is another."""
    if np.all((a == 0) | (a == 1)):
        yield Change(
            "complement", f"it is the derivative where {name} is turned round, 0 for 1", _one(at, lambda a: a == 0)
        )
    if a.dtype == bool:
        return
    for by in (1, -1):
        yield Change("index", f"it is the derivative where {name} is {'larger' if by > 0 else 'smaller'} by one",
                     _one(at, lambda a, by=by: a + by))  # type: ignore[misc]  # fmt: skip
    for axis in _long_axes(a):
        yield from _along(name, at, a, axis)
        yield Change("index", f"it is the derivative where {name} is sorted along axis {axis}",
                     _one(at, lambda a, axis=axis: np.sort(a, axis)))  # type: ignore[misc]  # fmt: skip


def exchanges(leaves: Sequence[Leaf], arrays: Found) -> Iterator[Change]:
    """Those of two arguments, and functions of one that are seldom meant."""
    for at, name in ((at, leaf.name) for at, leaf in enumerate(leaves) if leaf.floating and not leaf.complex):
        for axis in range(arrays[at].ndim):
            yield Change("statistics", f"it is the derivative where {name} is averaged over axis {axis}",
                         _one(at, lambda a, axis=axis: np.broadcast_to(np.mean(a, axis, keepdims=True), a.shape).copy()))  # type: ignore[misc]  # noqa: E501  # fmt: skip
        yield Change("point", f"it is the derivative at -{name}", _one(at, np.negative))
        yield Change("point", f"it is the derivative at |{name}|", _one(at, np.abs))
        yield Change("point", f"it is the derivative at the sign of {name}", _one(at, np.sign))
        yield Change("point", f"it is the derivative at the square of {name}", _one(at, np.square))
    floating = [at for at, leaf in enumerate(leaves) if leaf.floating and not leaf.complex][:_MOST]
    for i, j in combinations(floating, 2):
        if arrays[i].shape != arrays[j].shape:
            continue
        one, two = leaves[i].name, leaves[j].name
        yield Change("swapped", f"it is the derivative where {one} and {two} are exchanged",
                     lambda arrays, _, i=i, j=j: _put(arrays, {i: arrays[j], j: arrays[i]}))  # type: ignore[misc]  # fmt: skip
        for into, source in ((i, j), (j, i)):
            yield Change("point", f"it is the derivative where {leaves[source].name} stands for {leaves[into].name}",
                         lambda arrays, _, into=into, source=source: _put(arrays, {into: arrays[source]}))  # type: ignore[misc]  # fmt: skip


def moved(name: str, at: int, by: float) -> Change:
    """An argument is moved by a constant."""
    text = f"it is the derivative at {name} {'+' if by > 0 else '-'} {abs(by):.6g}"
    return Change("shift", text, _one(at, lambda a: a + by))


def offset(residual: Callable[[float], np.ndarray], most: int = 20) -> float | None:
    """The shift at which the residual is zero, by so many secants from 0; round where it is so to nine digits."""
    here, next_ = 0.0, 1e-3
    before = residual(here)
    for _ in range(most):
        after = residual(next_)
        slope = (after - before).ravel()
        size = float(slope @ slope)
        if not np.isfinite(size) or size == 0.0:
            return None if here == 0.0 else next_
        here, next_, before = next_, next_ - float(slope @ after.ravel()) / size * (next_ - here), after
        if abs(next_ - here) <= 1e-12 * max(1.0, abs(here)):
            break
    if not np.isfinite(next_) or next_ == 0.0:
        return None
    rounded = float(f"{next_:.6g}")
    return rounded if abs(rounded - next_) <= 1e-7 * abs(next_) else next_


def _one(at: int, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Found, Found], Found]:
    return lambda arrays, _: _put(arrays, {at: change(arrays[at])})


def _put(arrays: Found, changed: dict[int, np.ndarray]) -> Found:
    return [np.asarray(changed.get(at, a), a.dtype) for at, a in enumerate(arrays)]


def _rounded(a: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return a.astype(np.float16).astype(a.dtype)


def _transposed(a: np.ndarray) -> np.ndarray:
    return np.swapaxes(a, -1, -2)
