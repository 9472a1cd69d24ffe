"""What the manual rule and the reference say of one fresh input."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.complex import joined
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError
from manual_vs_auto.gradcheck.engines.engine import Engine, Found, widen
from manual_vs_auto.gradcheck.numerics.precision import eps, is_float
from manual_vs_auto.gradcheck.search.points import Unfit
from manual_vs_auto.gradcheck.witnesses.outcome import Case
from manual_vs_auto.gradcheck.witnesses.reference import reference

# The share of the largest residual that may be left.
_LEFT = 1e-6


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

    @property
    def small(self) -> bool:
        """Whether the program can be bent there."""
        return all(a.size <= 1 << 16 for a in self.arrays if is_float(a.dtype))


class Tolerance(NamedTuple):
    """relative: to each number; accuracy: of f itself, relative to its largest number."""

    relative: float
    accuracy: float = 0.0

    def same(self, a: np.ndarray, b: np.ndarray, slack: float = 0.0) -> bool:
        """Whether they are, up to the tolerance or up to slack."""
        size = float(np.sqrt(np.mean(np.abs(b) ** 2))) if b.size else 0.0
        allowed = self.relative * np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-3 * size)
        slack = max(slack, self.accuracy * float(np.max(np.abs(b), initial=0.0)))
        return bool(np.all(np.abs(a - b) <= np.maximum(allowed, slack)))

    def apart(self, a: np.ndarray, b: np.ndarray) -> int:
        """How many elements differ."""
        return int(np.sum(np.abs(a - b) > self.relative * np.maximum(np.abs(a), np.abs(b))))

    def left(self, residual: np.ndarray, right: np.ndarray) -> float:
        """What may be left of a residual that is explained: f may be no more exact than its iteration."""
        largest = float(np.max(np.abs(residual), initial=0.0))
        return max(_LEFT * largest, self.accuracy * float(np.max(np.abs(right), initial=0.0)))


def tolerance_of(engine: Engine, own: float, accuracy: float) -> Tolerance:
    """own: the epsilon of the arguments. accuracy: see Tolerance."""
    inside = eps(engine.dtype, *([engine.manual_dtype] if eps(engine.manual_dtype) <= own else []))
    return Tolerance(max(1e-8, 256 * inside) if engine.has_autodiff else 1e-6, accuracy)


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
