"""Truncated Newton: conjugate gradients on the exact Hessian product, in a metric, until the answer is good enough."""

from typing import Any

import numpy as np

from manual_vs_auto.solve.metric import Metric
from manual_vs_auto.solve.objective import Objective, Theta, dot

_PRODUCTS = 60  # at most, a step


def truncated_newton(objective: Objective, theta: Theta, gradient: Theta, metric: Metric, dtype: Any) -> Theta:
    """A step s with H s = -gradient to a part of the gradient that shrinks with it, so that Newton's order is kept.

    Source: `curvature`: the exact product of cross-entropy; Gauss-Newton's for squared distance, whose exact one may be
            negative. A direction along which the product is not positive ends the search.
    """
    step, rest = np.zeros_like(gradient), -gradient
    near = metric.solve(rest)
    direction, power = near, dot(rest, near)
    first = power
    wanted = min(0.25, float(np.sqrt(np.max(np.abs(gradient))))) ** 2 * first
    for _ in range(_PRODUCTS):
        product = objective.product(theta, direction, "convex", dtype)
        bend = dot(direction, product)
        if bend <= 0:
            break
        step = step + power / bend * direction
        rest = rest - power / bend * product
        near = metric.solve(rest)
        power, before = dot(rest, near), power
        if power <= wanted:
            break
        direction = near + power / before * direction
    return step if step.any() else near
