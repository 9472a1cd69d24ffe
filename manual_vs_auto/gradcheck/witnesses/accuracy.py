"""How exact f itself is: an iteration stops somewhere, and its derivative is held to no more than that."""

import numpy as np

from manual_vs_auto.gradcheck.engines.engine import Engine, Found, widen
from manual_vs_auto.gradcheck.numerics.tolerance import ALONG_TWO, EXACT, NEAR, SHRINKS
from manual_vs_auto.gradcheck.witnesses.outcome import Case


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
    if np.isfinite(size) and max(first, second) <= EXACT * size:
        return 0.0
    if not np.isfinite(size + first + second) or second > SHRINKS * first:
        return np.inf
    remaining = first / (1 - second / first) / (size or 1.0)
    return ALONG_TWO * remaining if remaining < NEAR else np.inf
