"""A rule is linear in its cotangents at every point, whatever f does there."""

import numpy as np

from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.engine import Engine, Found
from manual_vs_auto.gradcheck.numerics.precision import largest, size
from manual_vs_auto.gradcheck.numerics.tolerance import ROUNDINGS
from manual_vs_auto.gradcheck.witnesses.outcome import Outcome

_LONGER = tuple(1 + k * 2.0**-16 for k in (1, 3, 5))


def judge_linearity(
    engine: Engine, outcome: Outcome, arrays: Found, cotangents: Found, rounding: float, generator: np.random.Generator
) -> None:
    """Whatever f does there, a derivative adds up: what is said of c + d is what is said of c and of d."""
    other = [(size(cotangents) or 1.0) * generator.normal(size=c.shape) for c in cotangents]
    sums = [c + d for c, d in zip(cotangents, other, strict=True)]
    together = engine.manual(arrays, sums)
    added = [a + b for a, b in zip(outcome.manual, engine.manual(arrays, other), strict=True)]
    for at, (mark, whole, both, slack) in enumerate(zip(outcome.marks, added, together, outcome.slack, strict=True)):
        with np.errstate(invalid="ignore"):
            apart = np.abs(both - whole) - 4 * np.where(np.isfinite(slack), slack, 0.0)
        beyond = np.where(np.isfinite(apart), apart, -np.inf)
        # What cancels, as where a softmax is saturated, is as large as the cotangents.
        most = max(size(sums), *map(largest, (outcome.manual[at], whole, both)))
        if not beyond.size or np.max(beyond) <= 4 * rounding * most:
            continue
        if np.max(beyond) <= ROUNDINGS * jitter(engine, arrays, cotangents, other, sums)[at]:
            continue
        place = tuple(int(i) for i in np.unravel_index(int(np.argmax(beyond)), beyond.shape))
        mark.verdict, mark.why, mark.index = Verdict.DISAGREE, "nonlinear", place
        mark.manual, mark.reference = float(both[place]), float(whole[place])


def jitter(engine: Engine, arrays: Found, *given: Found) -> list[float]:
    """How far a rule rounds each leaf, over these cotangents: what cancels in it is not seen in what it returns.

    A cotangent that is hardly longer is rounded in another way everywhere, and a clipped one is hardly longer too.
    """
    gaps = []
    for cotangents in given:
        still = engine.manual(arrays, cotangents)
        for longer in _LONGER:
            again = engine.manual(arrays, [longer * c for c in cotangents])
            gaps.append([largest(a / longer - b) for a, b in zip(again, still, strict=True)])
    return list(map(max, zip(*gaps, strict=True)))
