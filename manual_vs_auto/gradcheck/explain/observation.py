"""What the manual rule and the reference say of one fresh input."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.complex import joined
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError
from manual_vs_auto.gradcheck.engines.engine import Engine, Found, widen
from manual_vs_auto.gradcheck.search.points import Unfit
from manual_vs_auto.gradcheck.witnesses.outcome import Case
from manual_vs_auto.gradcheck.witnesses.reference import reference


@dataclass(frozen=True)
class Observation:
    """A fresh input with what the manual rule and the reference make of it, in float64.

    They are the author's numbers, complex where his are; inside: the same as the checker has them, real.
    """

    arrays: Found
    cotangents: Found
    manual: Found
    reference: Found
    inside: "Observation | None" = None

    @property
    def real(self) -> "Observation":
        """See inside."""
        return self.inside or self


def observation(claim: Claim, engine: Engine, draw: Callable[[], Case]) -> Observation | None:
    """What both say of a case; None where f, the rule or the reference has no numbers there."""
    try:
        case = draw()
        arrays, cotangents = widen(case.arrays), widen(case.cotangents)
        manual = engine.manual(arrays, cotangents)
        truth = reference(claim, engine, arrays, cotangents)
    except (Refused, WrongShapeError, Unfit):
        return None
    right = truth.values
    if not truth.defined or not all(np.all(np.isfinite(a)) for a in (*manual, *right)):
        return None
    inside = Observation(arrays, cotangents, manual, right)
    pairs = [leaf.complex for leaf in claim.inputs.leaves]
    return Observation(
        joined(arrays, pairs), claim.own_cotangents(cotangents), claim.own_results(manual), claim.own_results(right),
        inside,
    )  # fmt: skip
