"""The remainder test: how fast phi(h) - phi(0) - h s vanishes tells whether s is the slope.

By Taylor the remainder of the right slope falls as h^2 (or faster), that of a wrong one as h, with the error as its
intercept. A linear function has no remainder: it stays at the rounding floor, which is exact and not noise.
"""

from typing import NamedTuple

import numpy as np

from manual_vs_auto.gradcheck.numerics.differences import STEPS, Sweep
from manual_vs_auto.gradcheck.numerics.tolerance import EPS, RIGHT, WRONG


class Remainder(NamedTuple):
    """The order with which the remainder falls (infinite: it never rises above rounding), and what it resolves.

    intercept:  the size of remainder / h at the finest usable step: the slope's error where the order is 1.
    resolution: an error of the slope smaller than this can't be seen.
    """

    order: float
    intercept: float
    resolution: float
    remainders: np.ndarray
    floors: np.ndarray

    @property
    def right(self) -> bool | None:
        """True, False, or None where it can't tell."""
        if np.isnan(self.order) or WRONG < self.order < RIGHT:
            return None
        return self.order >= RIGHT


def remainder(sweep: Sweep, slope: np.ndarray) -> Remainder:
    """Args: the sweep of phi, the slope that is claimed, [...]: both are taken in the norm over [...]."""
    axes = tuple(range(1, sweep.ahead.ndim))
    steps = STEPS.reshape(-1, *(1,) * len(axes))
    rests = np.sqrt(np.sum((sweep.ahead - sweep.here - steps * slope) ** 2, axis=axes))
    noise = float(np.sqrt(np.sum(np.asarray(sweep.noise()) ** 2)))
    floors = 2 * noise + 4 * EPS * STEPS * float(np.sqrt(np.sum(np.abs(slope) ** 2)))
    finite = np.isfinite(rests)
    if not np.isfinite(noise) or np.sum(finite) < 6:
        return Remainder(np.nan, np.nan, np.inf, rests, floors)
    resolution = float(np.min(floors[finite] / STEPS[finite]))
    usable = np.flatnonzero(finite & (rests > 8 * floors))
    if usable.size < 2:
        return Remainder(np.inf, 0.0, resolution, rests, floors)
    finest = usable[-4:]
    order = float(np.polyfit(np.log(STEPS[finest]), np.log(rests[finest]), 1)[0])
    if (last := finest[-1]) + 1 < len(STEPS) and finite[last + 1]:
        # What a jump leaves at coarse steps is gone at once.
        below = max(rests[last + 1], 8 * floors[last + 1])
        order = max(order, float(np.log(rests[last] / below) / np.log(STEPS[last] / STEPS[last + 1])))
    return Remainder(order, float(rests[finest[-1]] / STEPS[finest[-1]]), resolution, rests, floors)
