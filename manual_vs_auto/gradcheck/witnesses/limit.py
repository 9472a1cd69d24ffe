"""The author's own limit: what rounding explains may still be further off than he can use."""

import contextlib
from dataclasses import dataclass

import numpy as np

from manual_vs_auto.gradcheck.claims.errors import WrongShapeError
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.engine import Engine, Found
from manual_vs_auto.gradcheck.numerics.precision import eps, is_float
from manual_vs_auto.gradcheck.witnesses.outcome import Outcome
from manual_vs_auto.gradcheck.witnesses.rounding import gap


@dataclass(frozen=True)
class Limit:
    """An element may be off by atol + rtol |reference|, and by no more than the derived bound either."""

    rtol: float
    atol: float

    @property
    def text(self) -> str:
        """As it was given."""
        return f"rtol {self.rtol:g}, atol {self.atol:g}"

    @classmethod
    def of(cls, rtol: float | None, atol: float | None) -> "Limit | None":
        """None where neither is given."""
        return None if rtol is None and atol is None else cls(rtol or 0.0, atol or 0.0)


def hold(engine: Engine, outcome: Outcome, limit: Limit) -> None:
    """Refuse the leaves that agree but are further off than that, in float64 or in the author's precision."""
    case = outcome.case
    if outcome.skipped or outcome.verdict is not Verdict.AGREE:
        return
    _refuse(outcome, outcome.manual, limit)
    if eps(*(a.dtype for a in case.arrays if is_float(a.dtype))) > eps("float64"):
        with contextlib.suppress(WrongShapeError):
            _refuse(outcome, engine.manual(case.arrays, case.cotangents), limit)


def _refuse(outcome: Outcome, manual: Found, limit: Limit) -> None:
    for mark, found, right, doubt in zip(outcome.marks, manual, outcome.reference, outcome.doubt, strict=True):
        # How far off the reference may be itself is nobody's fault; an overflow is judged with the rounding.
        beyond = gap(found, right) - doubt - (limit.atol + limit.rtol * np.abs(right))
        beyond = np.where(np.isfinite(found) & np.isfinite(right), beyond, -np.inf)
        if not beyond.size or np.max(beyond) <= 0:
            continue
        place = tuple(int(i) for i in np.unravel_index(int(np.argmax(beyond)), beyond.shape))
        mark.verdict, mark.why, mark.index = Verdict.DISAGREE, "limit", place
        mark.manual, mark.reference = float(found[place]), float(right[place])
