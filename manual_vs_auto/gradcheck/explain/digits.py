"""Whether rounding is why a rule is wrong in the author's precision alone: then it costs digits in float64, too."""

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.engine import Engine, widen
from manual_vs_auto.gradcheck.numerics.precision import eps, is_float
from manual_vs_auto.gradcheck.numerics.tolerance import LIKEWISE
from manual_vs_auto.gradcheck.witnesses.outcome import Outcome
from manual_vs_auto.gradcheck.witnesses.rounding import gap

# Inputs beside that one: at a single one rounding may come to nothing.
_BESIDE = 8


def loses_digits(claim: Claim, engine: Engine, outcome: Outcome) -> bool:
    """Errors of rounding go with the machine epsilon; another program for a precision is wrong there alone."""
    leaf, mark = next((at, m) for at, m in enumerate(outcome.marks) if m.verdict is Verdict.DISAGREE)
    own = eps(*(a.dtype for a in outcome.case.arrays if is_float(a.dtype)))
    generator, cotangents = np.random.default_rng(0), widen(outcome.case.cotangents)
    expected = abs(mark.manual - mark.reference) * eps("float64") / own
    for n in range(_BESIDE):
        arrays = widen(outcome.case.arrays)
        for at in claim.inputs.moving if n else ():
            arrays[at] = arrays[at] * generator.uniform(0.5, 1.5, arrays[at].shape)
        try:
            apart = gap(engine.manual(arrays, cotangents)[leaf], engine.autodiff(arrays, cotangents)[leaf])
        except (Refused, WrongShapeError):
            continue
        if apart[mark.index] >= LIKEWISE * expected:
            return True
    return False
