"""L-BFGS in a metric: the last steps say how the objective bends, the metric says it where no step has been."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from manual_vs_auto.solve.metric import Metric
from manual_vs_auto.solve.objective import Theta, dot

_PAIRS = 20


class Pair(NamedTuple):
    """A step, what it changed the gradient by, [K, D] each, and what the two say in the metric that there was."""

    step: Theta
    change: Theta
    bend: float  # s . y > 0
    scale: float  # s . y / y M^-1 y


class Memory:
    """The last steps s and what they changed the gradient by, y.

    Source: the two-loop recursion of limited-memory BFGS: H_new = (I - r s y') H (I - r y s') + r s s', r = 1/(s . y),
            from H_0 = scale M^-1, scale = s . y / y M^-1 y in the geometric mean of all pairs. That of the last one
            alone, as is usual without a metric, took a tenth more passes.
    """

    def __init__(self) -> None:
        self._pairs: deque[Pair] = deque(maxlen=_PAIRS)

    def add(self, step: Theta, change: Theta, metric: Metric) -> None:
        """Remember a pair. One along which the objective does not bend upwards is left out."""
        bend = dot(step, change)
        power = dot(change, metric.solve(change))
        if power > 0:
            self._keep(Pair(step, change, bend, bend / power))

    def pairs(self) -> tuple[Pair, ...]:
        """The pairs that are remembered, the oldest first."""
        return tuple(self._pairs)

    def take_up(self, pairs: Sequence[Pair]) -> None:
        """Remember these and no others."""
        self._pairs = deque(pairs, maxlen=_PAIRS)

    def change(self, added: Callable[[Theta], Theta]) -> None:
        """Make of each pair what it would have been, had the gradient had this linear term, too, and the metric."""
        pairs = list(self._pairs)
        self._pairs.clear()
        for step, change, _, scale in pairs:
            self._keep(Pair(step, more := change + added(step), dot(step, more), scale))

    def _keep(self, pair: Pair) -> None:
        if pair.bend > 1e-14 * math.sqrt(dot(pair.step, pair.step) * dot(pair.change, pair.change)):
            self._pairs.append(pair)

    def direction(self, gradient: Theta, metric: Metric) -> Theta:
        """-H gradient, the step to try: [K, D]."""
        rest, shares = gradient.copy(), []
        for step, change, bend, _ in reversed(self._pairs):
            shares.append(dot(step, rest) / bend)
            rest -= shares[-1] * change
        found = metric.solve(rest)
        if self._pairs:
            found *= math.exp(sum(math.log(pair.scale) for pair in self._pairs) / len(self._pairs))
        for (step, change, bend, _), share in zip(self._pairs, reversed(shares), strict=True):
            found += (share - dot(change, found) / bend) * step
        return -found
