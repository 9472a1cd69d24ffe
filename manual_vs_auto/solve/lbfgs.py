"""L-BFGS in a metric: the last steps say how the objective bends, the metric says it where no step has been."""

from collections import deque
from collections.abc import Callable

import numpy as np

from manual_vs_auto.solve.metric import Metric
from manual_vs_auto.solve.objective import Theta

_PAIRS = 20


class Memory:
    """The last steps s and what they changed the gradient by, y.

    Source: the two-loop recursion of limited-memory BFGS: H_new = (I - r s y') H (I - r y s') + r s s', r = 1/(s . y),
            from H_0 = scale M^-1, scale = s . y / y M^-1 y of the last pair.
    """

    def __init__(self) -> None:
        self._pairs: deque[tuple[Theta, Theta, float]] = deque(maxlen=_PAIRS)

    def add(self, step: Theta, change: Theta) -> None:
        """Remember a pair. One along which the objective does not bend upwards is left out."""
        bend = float(np.vdot(step, change))
        if bend > 1e-14 * float(np.linalg.norm(step) * np.linalg.norm(change)):
            self._pairs.append((step, change, bend))

    def change(self, added: Callable[[Theta], Theta]) -> None:
        """Make of each pair what it would have been, had the gradient had this linear term, too."""
        pairs = [(step, change + added(step)) for step, change, _ in self._pairs]
        self._pairs.clear()
        for step, change in pairs:
            self.add(step, change)

    def direction(self, gradient: Theta, metric: Metric) -> Theta:
        """-H gradient, the step to try: [K, D]."""
        rest, shares = gradient.copy(), []
        for step, change, bend in reversed(self._pairs):
            shares.append(float(np.vdot(step, rest)) / bend)
            rest -= shares[-1] * change
        found = metric.solve(rest)
        if self._pairs:
            _, change, bend = self._pairs[-1]
            found *= bend / float(np.vdot(change, metric.solve(change)))
        for (step, change, bend), share in zip(self._pairs, reversed(shares), strict=True):
            found += (share - float(np.vdot(change, found)) / bend) * step
        return -found
