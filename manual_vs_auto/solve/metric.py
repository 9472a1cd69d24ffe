"""The metric of a step: a D x D matrix, one for all classes or one for each, in place of the Hessian's KD x KD.

The Hessian of F is sum_i s_i C_i (x) x_i x_i' + l2 I, where C_i [K, K] is how row i bends in its logits and s_i its
share of the mean. Boehning's bound puts the same 1/2 (I - 11'/K) for every C_i; what is left is X'X/N, and one
inverse of it turns the problem's long valleys round. But the bound is loose where a row is sure. Here C_i is
replaced by the mean c_i of its eigenvalues, which at theta = 0 is exact for cross-entropy and the same for all
classes, and after the first steps by its diagonal (`curvature.DIAGONAL`), as nearly as `gram` has it:

    M   = sum_i s_i c_i    x_i x_i' + l2 I        D x D, or D + 1 with the intercept's 1
    M_k = sum_i s_i C_i,kk x_i x_i' + l2 I        what is left open of each class lies among other rows
    step_k = -gradient_k M_k^-1                   [K, D], a row for each class

A sample of the rows is enough: M only says where the valleys lie.
"""

from manual_vs_auto.solve.objective import Objective, Theta, levelled

_NEAR = 3  # times: a penalty that the inverses by class still serve


class Metric:
    """M^-1 of an objective at theta. Refreshed it follows theta.

    made_at: the theta [K, D] where it was made, None before.
    own:     of how many rows of each class; 0 of one for all classes.
    l2:      the penalty in it. With these three it can be made again.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self.made_at: Theta | None = None
        self.own, self.l2 = 0, 0.0

    def refresh(self, theta: Theta, own: int, l2: float | None = None) -> None:
        """Make M anew at theta, of so many rows of each class, with this penalty or the objective's."""
        self.made_at, self.own = theta, own
        self._curved = self._objective.gram(theta, own)
        self._invert(self._objective.l2 if l2 is None else l2)

    def follow(self) -> None:
        """Take up the objective's penalty. K inverses take the time of passes, and near is good enough."""
        l2 = self._objective.l2
        if self.made_at is not None and not (self.own and l2 <= self.l2 <= _NEAR * l2):
            self._invert(l2)

    def _invert(self, l2: float) -> None:
        self.l2, self._inverse = l2, self._objective.inverse(self._curved, l2)

    def solve(self, gradient: Theta) -> Theta:
        """gradient M^-1, levelled: [K, D]."""
        return levelled(self._objective.times(gradient, self._inverse))
