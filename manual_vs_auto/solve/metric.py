"""The metric of a step: one D x D matrix, the same for every class, in place of the Hessian's KD x KD.

The Hessian of F is sum_i s_i C_i (x) x_i x_i' + l2 I, where C_i [K, K] is how row i bends in its logits and s_i its
share of the mean. Boehning's bound puts the same 1/2 (I - 11'/K) for every C_i; what is left is X'X/N, and one
inverse of it turns the problem's long valleys round. But the bound is loose where a row is sure. Here C_i is
replaced by the mean of its eigenvalues, c_i (`curvature.UNCERTAINTY`), which is exact at theta = 0 for cross-entropy
and goes with theta after that:

    M = sum_i s_i c_i x_i x_i' + l2 I        D x D, or D + 1 with the intercept's 1
    step = -gradient M^-1                     [K, D] times [D, D]

A sample of the rows is enough for it: M only says where the valleys lie.
"""

import numpy as np

from manual_vs_auto.rules import Array
from manual_vs_auto.solve.objective import Objective, Theta

_RIDGE = 1e-6  # of the mean of the diagonal: what float32 can't tell from 0
_LEAST = 1e-12  # where every row is sure, and the matrix 0


class Metric:
    """M^-1 of an objective at theta. Refreshed it follows theta."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self.curved: Array = np.zeros((0, 0))  # what M is without the penalty; none before it is made
        self._inverse: Array = self.curved

    def refresh(self, theta: Theta) -> None:
        """Make M anew at theta."""
        self.curved = self._objective.gram(theta)
        self.invert()

    def take_up(self, curved: Array) -> None:
        """Have what another one has `curved`."""
        self.curved = curved
        self.invert()

    def invert(self) -> None:
        """Take up the objective's penalty, which may be another one by now."""
        if len(self.curved):
            matrix = self.curved.astype(np.float64)
            penalty = self._objective.pull(np.ones((1, len(matrix))), self._objective.l2)[0]
            ridge = max(_RIDGE * np.trace(matrix) / len(matrix), _LEAST)
            (self._inverse,) = self._objective.put((np.linalg.inv(matrix + np.diag(penalty + ridge)),))

    def solve(self, gradient: Theta) -> Theta:
        """gradient M^-1: [K, D]."""
        return self._objective.times(gradient, self._inverse)
