"""How exact f itself is: an iteration stops somewhere, and its derivative is held to no more than that."""

import numpy as np

from manual_vs_auto.gradcheck.engines.engine import Engine, Found, widen
from manual_vs_auto.gradcheck.witnesses.outcome import Case

# A step that changes less than this of the one before is one of an iteration that goes to a limit.
_SHRINKS = 0.9
# What is left of rounding is no inexactness.
_EXACT = 1e-12
# The derivative that was measured is that along two directions: an element's may be so much worse.
_MARGIN = 8
# What is further from its limit than this has not come near it.
_NEAR = 1e-2


def accuracy_of(engine: Engine, declared: float | None, case: Case) -> float:
    """Relative to the largest number: as declared, or measured by going once and twice further in every loop.

    Infinite where the steps do not shrink, or a limit is not near.
    """
    if declared is not None:
        return declared
    further = engine.further(widen(case.arrays))
    return max((_remaining(*three) for three in further), default=0.0)


def _remaining(now: Found, once: Found, twice: Found) -> float:
    """What a geometric series has left, of numbers after n, n + 1 and n + 2 steps."""
    size, first, second = (
        max((float(np.max(np.abs(a), initial=0.0)) for a in parts), default=0.0)
        for parts in (now, [b - a for a, b in zip(now, once, strict=True)],
                      [b - a for a, b in zip(once, twice, strict=True)])
    )  # fmt: skip
    if np.isfinite(size) and max(first, second) <= _EXACT * size:
        return 0.0
    if not np.isfinite(size + first + second) or second > _SHRINKS * first:
        return np.inf
    remaining = first / (1 - second / first) / (size or 1.0)
    return _MARGIN * remaining if remaining < _NEAR else np.inf
