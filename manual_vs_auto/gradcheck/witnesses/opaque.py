"""What nobody can read: a constant may have been rounded in it, and how exact it is only its author can say."""

from collections.abc import Sequence

import numpy as np

from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.engine import Engine, Found
from manual_vs_auto.gradcheck.numerics.precision import largest
from manual_vs_auto.gradcheck.numerics.tolerance import HALF_ULP_OF_FLOAT32, ROUNDINGS, UNSEEN
from manual_vs_auto.gradcheck.witnesses.linearity import jitter
from manual_vs_auto.gradcheck.witnesses.outcome import Outcome
from manual_vs_auto.gradcheck.witnesses.rounding import gap


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
        if apart > UNSEEN * scales[at] or apart <= ROUNDINGS * jitter(engine, arrays, cotangents)[at]:
            continue
        mark.verdict, mark.why = Verdict.INCONCLUSIVE, ""
        outcome.notes.append(
            f"{mark.name}: off by {apart / scales[at]:.0e} of its largest: if f is good to no more, declare f_accuracy"
        )
