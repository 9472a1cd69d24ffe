"""A rule is linear in its cotangents at every point, whatever f does there; and a factor that is forgiven it."""

from collections.abc import Sequence

import numpy as np

from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.engine import Engine, Found
from manual_vs_auto.gradcheck.numerics.precision import largest, size
from manual_vs_auto.gradcheck.numerics.tolerance import HALF_ULP_OF_FLOAT32, ROUNDINGS, UNSEEN
from manual_vs_auto.gradcheck.witnesses.outcome import Outcome
from manual_vs_auto.gradcheck.witnesses.rounding import gap

_LONGER = tuple(1 + k * 2.0**-16 for k in (1, 3, 5))


def forgive_a_constant(outcome: Outcome) -> None:
    """A right formula whose constant was written down in float32, as 1/6 is in some libraries, is off by one factor."""
    for at, mark in enumerate(outcome.marks):
        manual, right = outcome.manual[at], outcome.reference[at]
        square = float(np.sum(right * right))
        if mark.verdict is not Verdict.DISAGREE or mark.why not in ("formula", "kink") or not 0 < square < np.inf:
            continue
        if abs(mark.manual - mark.reference) > 2 * HALF_ULP_OF_FLOAT32 * abs(mark.reference):
            continue  # whoever refused it reads something else
        share = float(np.sum((manual - right) * right)) / square
        if 0 < abs(share) <= HALF_ULP_OF_FLOAT32 and bool(
            np.all(gap(manual, (1 + share) * right) <= outcome.slack[at])
        ):
            mark.verdict, mark.why = Verdict.AGREE, ""
            outcome.notes.append(f"{mark.name}: {1 + share:.9g} times the right one: a constant rounded to float32")


def doubt_the_last_digits(
    engine: Engine, outcome: Outcome, arrays: Found, cotangents: Found, scales: Sequence[float]
) -> None:
    """Whether f is found by iterating, and to how many digits, its author can say, and nobody can see.

    That a rule rounds to so few digits can be seen. scales: how large each part of the derivative is, there and
    elsewhere.
    """
    for at, mark in enumerate(outcome.marks):
        manual, right = outcome.manual[at], outcome.reference[at]
        if mark.verdict is not Verdict.DISAGREE or mark.why not in ("formula", "kink"):
            continue
        apart = max(largest(np.where(np.isfinite(right), gap(manual, right), 0.0)), abs(mark.manual - mark.reference))
        if apart > UNSEEN * scales[at] or apart <= ROUNDINGS * _jitter(engine, arrays, cotangents)[at]:
            continue
        mark.verdict, mark.why = Verdict.INCONCLUSIVE, ""
        outcome.notes.append(
            f"{mark.name}: off by {apart / scales[at]:.0e} of its largest: if f is good to no more, declare f_accuracy"
        )


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
        if np.max(beyond) <= ROUNDINGS * _jitter(engine, arrays, cotangents, other, sums)[at]:
            continue
        place = tuple(int(i) for i in np.unravel_index(int(np.argmax(beyond)), beyond.shape))
        mark.verdict, mark.why, mark.index = Verdict.DISAGREE, "nonlinear", place
        mark.manual, mark.reference = float(both[place]), float(whole[place])


def _jitter(engine: Engine, arrays: Found, *given: Found) -> list[float]:
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
