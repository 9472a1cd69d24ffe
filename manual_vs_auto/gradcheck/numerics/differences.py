"""Differences of the function itself, with steps swept until truncation and rounding balance.

For phi(h) = f(x + h t) the central difference (phi(h) - phi(-h)) / 2h is the slope plus c2 h^2 + c4 h^4 + ...,
and Richardson's extrapolation over steps of ratio 4 removes one of these terms a column. Coarse steps truncate,
fine steps round; the estimate taken is the one whose neighbours on both sides are nearest, and its bound is their
distance and the rounding measured there, or what a finer step says against it beyond its own rounding.
"""

from typing import NamedTuple

import numpy as np

from manual_vs_auto.gradcheck.numerics.tolerance import COARSEST, EPS, FINEST, MARGIN, ROOT, STAIRS

RATIO = 4.0
STEPS = RATIO ** -np.arange(0.5, 20.5)
"""Half the scale of the input down to 1e-12 of it."""
# The steps that say how large phi is here.
_FINE = 10
_PARTS = np.arange(1.0, 7.0)


class Slope(NamedTuple):
    """A slope and how far from it the true one may be, elementwise; infinite where it could not be found."""

    value: np.ndarray
    bound: np.ndarray


class Sweep(NamedTuple):
    """What a function does along one direction: phi(h), phi(-h) for every step [S, ...] and phi(0) [...].

    grain: the machine epsilon of the lowest precision that the function computes in. stairs: the height of the stairs
    in what phi is a sum of [...], where that is known: beside the sum every stair is small, also that of floor.
    """

    ahead: np.ndarray
    behind: np.ndarray
    here: np.ndarray
    grain: float = EPS
    stairs: np.ndarray | None = None

    def noise(self) -> np.ndarray:
        """Rounding in phi, absolute: that of its size, the jitter at fine steps, or the stairs that it has. [...]"""
        sizes = np.abs(np.concatenate([self.ahead, self.behind, self.here[None]]))
        size = np.max(_finite_or(sizes, 0.0), axis=0)
        steps = _along(STEPS, self.ahead)
        jitter = np.abs(np.diff((self.ahead - self.behind) / 2, axis=0) - np.diff(steps, axis=0) * self._slope())
        quiet = np.maximum(2 * self.grain * size, _finite_or(np.median(jitter[-5:], axis=0), 0.0))
        found: np.ndarray = np.maximum(quiet, self.stair() if self.stairs is None else self.stairs)
        return found

    def stair(self) -> np.ndarray:
        """The height of a stair, where phi moves by multiples of it and then not at all: it rounds inside. [...]"""
        moved = np.abs(_finite_or(np.concatenate([self.ahead, self.behind]) - self.here, 0.0))
        height = np.min(np.where(moved > 0, moved, np.inf), axis=0)
        count = moved / np.where(np.isfinite(height), height, 1.0)
        # The smallest move seen may be a few stairs at once, and below a power of two they are half as high.
        parts = _PARTS.reshape(-1, *(1,) * count.ndim) * count
        whole = np.any(np.all(np.abs(parts - np.round(parts)) <= 1e-3, axis=1), axis=0)
        stuck = np.any(moved == 0, axis=0) & (np.sum(moved > 0, axis=0) >= STAIRS)
        # Rounding is small beside what it rounds: floor and round have stairs, too, and are what they are.
        near = np.maximum(np.abs(self.here), np.max(_finite_or(np.abs(self.ahead[-_FINE:]), 0.0), axis=0))
        return np.where(whole & stuck & (height <= COARSEST * near), height, 0.0)

    def _slope(self) -> np.ndarray:
        middle = len(STEPS) // 2
        return _finite_or((self.ahead[middle] - self.behind[middle]) / (2 * STEPS[middle]), 0.0)


def central(sweep: Sweep) -> Slope:
    """The slope by central differences: errors h^2, h^4, h^6."""
    steps = _along(STEPS, sweep.ahead)
    return _settled((sweep.ahead - sweep.behind) / (2 * steps), (16.0, 256.0), sweep.noise())


def one_sided(sweep: Sweep) -> tuple[Slope, Slope]:
    """The slopes ahead and behind by one-sided differences: errors h, h^2, h^3. At a kink they differ."""
    steps = _along(STEPS, sweep.ahead)
    noise = 2 * sweep.noise()
    ahead = _settled((sweep.ahead - sweep.here) / steps, (4.0, 16.0), noise)
    behind = _settled((sweep.here - sweep.behind) / steps, (4.0, 16.0), noise)
    return ahead, behind


def kinked(ahead: Slope, behind: Slope) -> np.ndarray:
    """Whether the two one-sided slopes are surely not one: [...] of bool."""
    size = np.maximum(np.abs(ahead.value), np.abs(behind.value))
    apart = np.abs(ahead.value - behind.value)
    with np.errstate(invalid="ignore"):
        return np.asarray((apart > 8 * (ahead.bound + behind.bound)) & (apart > 1e-5 * size))


def unbounded(sweep: Sweep) -> np.ndarray:
    """Whether the difference quotient of one side grows without end as the step shrinks: [...] of bool.

    Under a root at 0, also a complex one, phi(h) - phi(0) falls with an order below 1; at a jump not at all.
    """
    found = np.zeros(sweep.here.shape, bool)
    for side in (sweep.ahead, sweep.behind):
        moved = np.abs(side - sweep.here)
        usable = np.isfinite(moved) & (moved > 8 * sweep.noise())
        orders = np.log(np.where(usable, moved, 1.0)[:-1] / np.where(usable, moved, 1.0)[1:]) / np.log(RATIO)
        told = usable[:-1] & usable[1:]
        finest = told & (np.cumsum(told[::-1], axis=0)[::-1] <= FINEST)
        enough = np.sum(finest, axis=0) == FINEST
        found = found | (enough & (np.sum(np.where(finest, orders, 0.0), axis=0) < ROOT * FINEST))
        # What moves as far at the finest step as at the coarsest: its jitter there would pass for rounding.
        size = 64 * EPS * np.abs(_finite_or(sweep.here, 0.0))
        found = found | ((moved[-1] > 0.1 * moved[0]) & (moved[-1] > size) & (moved[-1] > 1e-300))
    return np.asarray(found)


def _settled(column: np.ndarray, powers: tuple[float, ...], noise: np.ndarray) -> Slope:
    """The best entry of Richardson's table that starts with this column [S, ...]."""
    rounding = noise / _along(STEPS, column)
    values, bounds = [], []
    for power in (None, *powers):
        if power is not None:
            column = (power * column[1:] - column[:-1]) / (power - 1)
            rounding = rounding[1:] * (power + 1) / (power - 1)
        apart = np.abs(np.diff(column, axis=0))
        near = np.maximum(apart[1:], apart[:-1]) + rounding[1:-1]
        values.append(column[1:-1])
        bounds.append(np.maximum(near, _contradicted(column, rounding)[1:-1]))
    value, bound = np.concatenate(values), np.concatenate(bounds)
    bound = np.where(np.isfinite(bound) & np.isfinite(value), bound, np.inf)
    best = np.argmin(bound, axis=0, keepdims=True)
    value, bound = (np.take_along_axis(a, best, axis=0)[0] for a in (value, bound))
    return Slope(np.where(np.isfinite(bound), value, np.nan), bound)


def _contradicted(column: np.ndarray, rounding: np.ndarray) -> np.ndarray:
    """How far each entry lies outside what any finer step allows: a coarse step on a plateau looks settled."""
    told = np.isfinite(column)
    least = np.where(told, column - MARGIN * rounding, -np.inf)
    most = np.where(told, column + MARGIN * rounding, np.inf)
    # The last entry has no finer one; each other is held against all after it.
    highest = np.maximum.accumulate(least[::-1], axis=0)[::-1]
    lowest = np.minimum.accumulate(most[::-1], axis=0)[::-1]
    with np.errstate(invalid="ignore"):
        beyond = np.maximum(highest[1:] - column[:-1], column[:-1] - lowest[1:])
    return np.concatenate([np.where(beyond > 0, beyond, 0.0), np.zeros_like(column[:1])])


def _along(steps: np.ndarray, like: np.ndarray) -> np.ndarray:
    return steps.reshape(-1, *(1,) * (like.ndim - 1))


def _finite_or(values: np.ndarray, otherwise: float) -> np.ndarray:
    return np.where(np.isfinite(values), values, otherwise)
