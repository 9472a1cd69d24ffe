"""What is wrong at a single point, where the rule is right at every input beside it."""

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.complex import element, join
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.explain.diagnosis import Diagnosis
from manual_vs_auto.gradcheck.witnesses.outcome import Outcome


def of_special(claim: Claim, outcome: Outcome) -> Diagnosis:
    """kind: "division" where the rule has no finite number there, "special" where it has a wrong one."""
    mark = next(mark for mark in outcome.marks if mark.verdict is Verdict.DISAGREE)
    where, leaf = outcome.case.label, _leaf(claim, mark.name)
    if leaf is not None and outcome.case.arrays[leaf].ndim == len(mark.index):
        # The whole of a complex number, whose part this may be.
        a = outcome.case.arrays[leaf]
        value = join(a)[mark.index[:-1]] if mark.complex else float(a[mark.index])
        where = f"{element(mark.name, mark.index[:-1] if mark.complex else mark.index, False)} is {value:.6g}"
    where += ", a kink of f" if mark.why == "kink" else ""
    said = f"where {where}, and right at every input beside it"
    if not np.isfinite(mark.manual):
        return Diagnosis("division", f"a division by zero: it is {mark.manual:g} {said}")
    if mark.why == "nonlinear":
        return Diagnosis("special", f"it is not linear in its cotangent {said}")
    return Diagnosis("special", f"it is {mark.manual:.6g} for {mark.reference:.6g} {said}")


def _leaf(claim: Claim, name: str) -> int | None:
    """Which array a result belongs to; forward, results are outputs."""
    names = [leaf.name for leaf in claim.inputs.leaves]
    return names.index(name) if name in names and not claim.forward else None
