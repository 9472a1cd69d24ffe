"""The cause: the one hypothesis that explains the whole residual on every fresh input; or unknown."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.engine import Engine, widen
from manual_vs_auto.gradcheck.explain.diagnosis import UNKNOWN, Diagnosis
from manual_vs_auto.gradcheck.explain.digits import loses_digits
from manual_vs_auto.gradcheck.explain.explanation import OBSERVATIONS, Explanation
from manual_vs_auto.gradcheck.explain.observation import Observation, observation
from manual_vs_auto.gradcheck.numerics.precision import eps, is_float, lowest
from manual_vs_auto.gradcheck.search.draws import NEAR
from manual_vs_auto.gradcheck.witnesses.outcome import Case, Outcome

# Above this many numbers a quarter of the observations will do: each holds more elements than all of a small one.
_LARGE = 1 << 16
_FAR = 30.0  # a logit of that size has next to no share
_SIMPLE = {
    "shape": "what is returned has not the structure and shapes of a derivative",
    "dtype": "complex and real numbers are confused",
    "nondeterministic": "two calls with the same arguments return different numbers",
    "jit": "the rule returns other numbers under jit than outside it",
    "vmap": "the rule returns other numbers under vmap than one by one",
    "primal": "the rule's forward does not return what the function returns",
    "mask": "it is wrong where an input is masked, and no finite number",
    "limit": "within rounding, but beyond the limit that was given",
    "nonlinear": "it is not linear in its cotangent there: what it says of a sum is not the sum",
    "kink": "at the kink it lies outside the one-sided slopes, or is not the one that is declared",
}


def diagnose(
    claim: Claim, engine: Engine, outcome: Outcome, draw: Callable[[int], Case], variants: Callable[[], Iterable[Case]],
    accuracy: float = 0.0,
) -> Diagnosis:  # fmt: skip
    """Find the cause.

    draw(n): the n-th fresh case like the one that failed. variants(): cases of other shapes. accuracy: of f itself,
    relative to its largest number.
    """
    wrong = [mark for mark in outcome.marks if mark.verdict is Verdict.DISAGREE]
    why = wrong[0].why
    if why == "kink" and not np.isfinite(wrong[0].manual):
        return Diagnosis(why, f"at the kink it is {wrong[0].manual:g}, and the one-sided slopes are numbers")
    if why in _SIMPLE:
        said = f": {outcome.notes[-1]}" if why in ("shape", "dtype") and outcome.notes else ""
        return Diagnosis(why, _SIMPLE[why] + said)
    if why == "cast":
        return Diagnosis("cast", f"the formula is right, but it is computed in {engine.manual_dtype}")
    if why == "digits" and eps(engine.dtype, engine.manual_dtype) > eps("float64"):
        return UNKNOWN
    if why == "digits" and not loses_digits(claim, engine, outcome):
        low = lowest([a.dtype for a in outcome.case.arrays if is_float(a.dtype)])
        return Diagnosis("unknown", f"cause unknown: it is right in float64, and rounding is no reason for its {low}")
    if why == "digits":
        return Diagnosis("digits", "the formula is right, but it loses more than half of its digits to rounding")
    own = eps(*(a.dtype for a in outcome.case.arrays if is_float(a.dtype)))
    shown: list[Observation] = []
    if why == "second_order":
        shown = [e for e in [observation(claim, engine, lambda: outcome.case)] if e is not None]
        if not Explanation(claim, engine, shown, own, accuracy).wrong:
            return _second_order(outcome)
    count = OBSERVATIONS if sum(a.size for a in outcome.case.arrays) <= _LARGE else OBSERVATIONS // 4
    # An overflow is judged by inputs of ordinary size, which are every other one.
    numbers = range(0, 2 * count, 2) if why == "overflow" else range(count)
    shown += _observed(claim, engine, draw, numbers)
    if len(shown) < count // 2:
        # Nobody has declared where f is defined: near the sample it is.
        shown += _observed(claim, engine, draw, range(NEAR, NEAR + count))[: count - len(shown)]
    explanation = Explanation(claim, engine, shown, own, accuracy)
    if why == "overflow" and _by_mask(engine, outcome):
        return Diagnosis("mask", "it is not finite where an input is masked: 0 times infinity, or a difference of two")
    return explanation.overflow(outcome) if why == "overflow" else explanation.cause(variants)


def _observed(claim: Claim, engine: Engine, draw: Callable[[int], Case], numbers: Iterable[int]) -> list[Observation]:
    """Of these cases, those where f, the rule and the reference have numbers."""
    drawn = (observation(claim, engine, partial(_held, claim, draw, n)) for n in numbers)
    return [e for e in drawn if e is not None]


def _held(claim: Claim, draw: Callable[[int], Case], n: int) -> Case:
    """The n-th case, every fourth with what is held as it is in the sample: a count that never changes is a factor."""
    case = draw(n)
    if n % 4 != 3:
        return case
    pairs = enumerate(zip(case.arrays, claim.inputs.sample, strict=True))
    kept = [s.copy() if at not in claim.inputs.moving and s.shape == a.shape else a for at, (a, s) in pairs]
    return Case(case.label, kept, case.cotangents)


def _by_mask(engine: Engine, outcome: Outcome) -> bool:
    """Whether the rule is finite once every input is."""
    arrays = widen(outcome.case.arrays)
    finite = [np.nan_to_num(a, nan=0.0, posinf=_FAR, neginf=-_FAR) if is_float(a.dtype) else a for a in arrays]
    if all(map(np.array_equal, arrays, finite)):
        return False
    try:
        found = engine.manual(finite, widen(outcome.case.cotangents))
    except (Refused, WrongShapeError):
        return False
    return all(bool(np.all(np.isfinite(a))) for a in found)


def _second_order(outcome: Outcome) -> Diagnosis:
    """Whether the derivative of the manual derivative is nothing at all, or something else."""
    flat = np.concatenate([m.ravel() for m in outcome.manual])
    if not np.any(flat):
        return Diagnosis(
            "second_order", "the rule is right, but its own derivative is zero: its residuals are detached"
        )
    return Diagnosis("second_order", "the rule is right, but its own derivative is not that of the derivative")
