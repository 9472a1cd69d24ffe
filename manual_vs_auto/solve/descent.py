"""Down to the optimum: a direction, a step along it, and float32 as long as float32 can tell better from worse."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from manual_vs_auto.solve.ahead import End, ahead
from manual_vs_auto.solve.lbfgs import Memory, Pair
from manual_vs_auto.solve.metric import Metric
from manual_vs_auto.solve.newton import truncated_newton
from manual_vs_auto.solve.objective import Objective, Point, Theta, dot, levelled

Solver: TypeAlias = Literal["lbfgs", "newton"]

# Before which steps the metric is made anew. The Hessian changes most in the first ones.
_REFRESHED = {"lbfgs": (0, 4, 16, 64, 256, 1024), "newton": (0, 2, 4, 8, 16, 32, 64, 256)}
_SHARED, _LONG = 4, 64  # steps, until it is seen which rows each class is unsure of, and until it pays to look at many
# How sure a value of the objective is, relative to it: sums of float64, of losses in the dtype.
_CERTAIN = {np.float32: 5e-8, np.float64: 4e-15}
_FINE = 1e-6  # of the terms of the gradient: entries of it that float32 tells from 0
_DECREASE = 1e-4  # of what the slope promises, or the step is shortened: Armijo's rule
_SHORTENINGS = 25


class Halfway(NamedTuple):
    """Where a descent is, and all that it has learned: its value and gradient are found again from theta.

    theta:     float64 [K, D + 1]; None between two descents.
    iteration: of this descent.
    single:    whether it is still in float32.
    taken:     iterations of all its descents.
    made_at, own, l2: of the metric.
    pairs:     those of the memory.
    """

    theta: Theta | None
    iteration: int
    single: bool
    taken: int
    made_at: Theta | None
    own: int
    l2: float
    pairs: tuple[Pair, ...]


class Descent:
    """A way down for one objective. What it has learned about the curvature is kept from one call to the next.

    Args: told: called after each iteration with its number and the point; where it returns true the descent ends.
    """

    def __init__(self, objective: Objective, solver: Solver, told: Callable[[int, Point], bool | None]) -> None:
        self._objective, self._solver, self._told = objective, solver, told
        self._metric, self._memory = Metric(objective), Memory()
        self._taken = self._iteration = 0
        self._dtype: Any = np.float64
        self._theta: Theta | None = None

    def penalise(self, l2: float) -> None:
        """Go on with another penalty. The steps so far tell of it what they told of the one before."""
        more = l2 - self._objective.l2
        self._objective.l2 = l2
        self._metric.follow()
        self._memory.change(lambda step: self._objective.pull(step, more))

    def go(self, theta: Theta, tol: float, max_iter: int) -> tuple[Point, int, bool]:
        """From theta until no entry of the gradient is above tol: the point, how many iterations, whether it is there.

        That it is there is said by float64 where float32 can't tell the tolerance from 0. Without `max_iter` it also
        ends where float64 itself finds no point that is lower.
        """
        here = self._first(theta)
        if not math.isfinite(here.norm):
            raise ValueError("features hold NaN or infinity, or numbers too large")
        return self._down(here, tol, max_iter)

    def follow(self, ends: Sequence[End], tol: float, max_iter: int) -> tuple[Point, int, bool]:
        """As `go`, from where the optimum seems to be; or from the last of the ends where that is lower."""
        last = ends[-1]  # without a metric none of them took a step
        seems = last.theta if self._metric.made_at is None else ahead(ends, self._objective, self._metric, self._memory)
        here = self._first(seems)
        known = last.value + self._objective.penalty(last.theta)
        if not here.value <= known + _CERTAIN[self._dtype] * abs(known):
            here = self._first(last.theta)
        return self._down(here, tol, max_iter)

    def _first(self, theta: Theta) -> Point:
        # Float32 saves time where the passes are long, and not where they are short.
        self._iteration, self._dtype = 0, np.float32 if self._objective.compiled else np.float64
        return self._objective.at(theta, self._dtype)

    def go_on(self, tol: float, max_iter: int) -> tuple[Point, int, bool]:
        """As `go`, from where another descent was that has been taken up."""
        assert self._theta is not None
        return self._down(self._objective.at(self._theta, self._dtype), tol, max_iter)

    def halfway(self, theta: Theta | None) -> Halfway:
        """Where it is, when it tells that it is at theta, or when it has ended."""
        metric, single = self._metric, self._dtype is np.float32
        learned = (metric.made_at, metric.own, metric.l2, self._memory.pairs())
        return Halfway(theta, self._iteration, single, self._taken, *learned)

    def take_up(self, halfway: Halfway) -> None:
        """Be where another descent was, for the same objective with the same penalty."""
        self._theta, self._iteration, self._taken = halfway.theta, halfway.iteration, halfway.taken
        self._dtype = np.float32 if halfway.single else np.float64
        if halfway.made_at is not None:
            self._metric.refresh(halfway.made_at, halfway.own, halfway.l2)
        self._memory.take_up(halfway.pairs)

    def _down(self, here: Point, tol: float, max_iter: int) -> tuple[Point, int, bool]:
        while True:
            arrived, ended = here.norm <= tol, self._iteration == max_iter
            if (arrived and self._surely(tol)) or (ended and not arrived):
                return here, self._iteration, arrived
            there = None
            if not arrived:
                self._keep_up(here.theta)
                there = self._step(here, self._dtype)
            if there is not None:
                self._memory.add(there.theta - here.theta, there.gradient - here.gradient, self._metric)
                here, self._iteration, self._taken = there, self._iteration + 1, self._taken + 1
                if self._told(self._iteration, here):
                    return here, self._iteration, False
            elif self._dtype is np.float32:
                self._dtype, here = np.float64, self._objective.at(here.theta)
            else:
                return here, self._iteration, False

    def _surely(self, tol: float) -> bool:
        """Whether the dtype can tell a gradient of this size from 0."""
        return self._dtype is np.float64 or tol >= _FINE * self._objective.scale

    def _keep_up(self, theta: Theta) -> None:
        """Make the metric anew where it is time to."""
        if self._taken in _REFRESHED[self._solver] or self._metric.made_at is None:
            few, many = self._objective.own
            self._metric.refresh(theta, 0 if self._taken < _SHARED else few if self._taken < _LONG else many)

    def _step(self, here: Point, dtype: Any) -> Point | None:
        """The next point, or None where no difference to it can be told in this dtype."""
        if self._solver == "newton":
            step = truncated_newton(self._objective, here.theta, here.gradient, self._metric, dtype)
        else:
            step = self._memory.direction(here.gradient, self._metric)
        step = levelled(step)
        slope = dot(here.gradient, step)
        unsure = _CERTAIN[dtype] * abs(here.value)
        size = 1.0
        for _ in range(_SHORTENINGS):
            if dtype is np.float32 and -size * slope < 2 * unsure:  # half of it is what a Newton step would gain
                return None
            theta = here.theta + size * step
            there = self._objective.at(theta, dtype)
            over = there.value - here.value - size * slope
            if over <= (_DECREASE - 1) * size * slope:
                return there
            # Where the values are no longer sure, the slopes are: on a parabola Armijo's rule is this one.
            if there.value <= here.value + unsure and dot(there.gradient, step) <= (2 * _DECREASE - 1) * slope:
                return there
            size *= min(0.5, max(0.1, -size * slope / (2 * over))) if math.isfinite(over) else 0.1
        return None
