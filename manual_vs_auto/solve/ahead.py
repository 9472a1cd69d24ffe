"""Where the optimum lies for the next penalty, from the ends of the fits before: without a pass over the rows.

Where the objective of the rows is a parabola around them all, the slope at a point between or beyond the ends theta_j
is between or beyond their slopes g_j. With the next penalty's own pull that is

    r(w) = sum_j w_j r_j,    r_j = g_j + l2 W_j,    at    theta(w) = sum_j w_j theta_j,    sum_j w_j = 1

and w is what makes r' M^-1 r least: reduced rank extrapolation, in the metric of the steps. From there one more step
by what the memory knows of the parabola, for which r(w) is all that it needs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from manual_vs_auto.solve.lbfgs import Memory
from manual_vs_auto.solve.metric import Metric
from manual_vs_auto.solve.objective import Objective, Point, Theta, dot, levelled

ENDS = 5  # that are looked at
_LEVEL = 1e-10  # of each end's own part: ends that say the same are taken in equal parts


class End(NamedTuple):
    """Where a fit ended: theta [K, D + 1], and what the rows alone say there, without the penalty.

    theta: [K, D + 1].
    value: the mean loss.
    slope: its gradient, [K, D + 1].
    """

    theta: Theta
    value: float
    slope: Theta


def end_of(point: Point, objective: Objective) -> End:
    """The end of a fit at a point of the objective, as it is penalised."""
    theta = point.theta
    return End(theta, point.value - objective.penalty(theta), point.gradient - objective.pull(theta, objective.l2))


def ahead(ends: Sequence[End], objective: Objective, metric: Metric, memory: Memory) -> Theta:
    """theta for the objective as it is now penalised: [K, D + 1]."""
    rests = [end.slope + objective.pull(end.theta, objective.l2) for end in ends]
    steps = [metric.solve(rest) for rest in rests]
    sizes = np.sqrt([max(0.0, dot(rest, step)) for rest, step in zip(rests, steps, strict=True)])
    if not sizes.all():  # one of them is the optimum
        return ends[int(np.argmin(sizes))].theta
    said = np.array([[dot(rest, step) for step in steps] for rest in rests]) / np.outer(sizes, sizes)
    shares = np.linalg.solve(said + _LEVEL * np.eye(len(ends)), 1 / sizes) / sizes
    shares /= shares.sum()
    theta, rest = (_mean(shares, parts) for parts in ([end.theta for end in ends], rests))
    return np.asarray(theta + levelled(memory.direction(rest, metric)))


def _mean(shares: Theta, parts: Sequence[Theta]) -> Theta:
    return np.asarray(sum(share * part for share, part in zip(shares, parts, strict=True)))
