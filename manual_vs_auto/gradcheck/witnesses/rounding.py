"""The author's own precision: a right formula may still overflow, lose its digits, or be computed in less."""

from collections.abc import Sequence

import numpy as np

from manual_vs_auto.gradcheck.claims.errors import WrongShapeError
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.engine import Engine, widen
from manual_vs_auto.gradcheck.numerics.precision import eps, is_float, smallest
from manual_vs_auto.gradcheck.numerics.tolerance import HALF_THE_DIGITS, allowed, units
from manual_vs_auto.gradcheck.witnesses.outcome import Outcome
from manual_vs_auto.gradcheck.witnesses.reference import Reference, spread


def gap(manual: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How far apart; infinite where just one of them is a finite number."""
    both = np.isfinite(manual) & np.isfinite(truth)
    same = ~np.isfinite(truth) & ~np.isfinite(manual)
    return np.where(both, np.abs(manual - truth), np.where(same, 0.0, np.inf))


def judge_rounding(
    engine: Engine, outcome: Outcome, own: float, nudges: Sequence[float], floors: Sequence[float],
    generator: np.random.Generator, truth: Reference, thorough: bool,
) -> None:  # fmt: skip
    """Compare in the author's precision, whose machine epsilon is `own`, with the float64 reference.

    Allowed is what autodiff itself loses in that precision, or what one ulp of input makes, whichever is larger.
    nudges: an ulp of every array and cotangent. floors: how large each leaf is elsewhere: rounding hides the rest.
    """
    case = outcome.case
    if not engine.has_autodiff and not all(np.all(np.isfinite(value)) for value in engine.value(case.arrays)):
        return  # the function itself overflows in that precision, as autodiff would say
    try:
        manual = engine.manual(case.arrays, case.cotangents)
    except WrongShapeError as refusal:
        # With JAX set to float64 and a sample in float32, say: what is wrong there is not the formula.
        outcome.notes.append(f"the formula is right, but in the sample's own precision the rule refuses: {refusal}")
        return
    auto = engine.autodiff(case.arrays, case.cotangents) if engine.has_autodiff else truth.values
    wide, cotangents = widen(case.arrays), widen(case.cotangents)
    moves = spread(engine, wide, cotangents, nudges, generator, truth, outcome.manual)
    least = smallest(*(a.dtype for a in case.arrays if is_float(a.dtype)))
    for at, mark in enumerate(outcome.marks):
        # Without autodiff the rule's own formula, which has agreed, tells what one ulp of input makes.
        moved = moves.reference[at] if engine.has_autodiff else moves.manual[at]
        unit = np.maximum(units(truth.values[at], moved, own, least), floors[at] * own)
        judged = np.isfinite(truth.values[at]) & np.isfinite(auto[at])
        if not np.any(judged):
            continue
        lost = np.where(judged, gap(auto[at], truth.values[at]) / unit, 0.0)
        limit = allowed(engine.longest_sum, float(np.max(lost)))
        doubt = np.where(np.isfinite(truth.bounds[at]), truth.bounds[at], 0.0)
        errors = np.where(judged, np.maximum(gap(manual[at], truth.values[at]) - doubt, 0.0) / unit, 0.0)
        place = np.unravel_index(int(np.argmax(errors)), errors.shape)
        mark.ulp, mark.bound, mark.index = float(errors[place]), limit, tuple(int(i) for i in place)
        mark.manual, mark.reference = float(manual[at][place]), float(truth.values[at][place])
        if mark.ulp <= limit:
            continue
        cast = eps(engine.manual_dtype) > max(own, eps(engine.dtype))
        if not np.isfinite(mark.manual):
            mark.verdict, mark.why = Verdict.DISAGREE, "overflow"
        elif thorough and (cast or (engine.has_autodiff and mark.ulp * own > own**HALF_THE_DIGITS)):
            # Without autodiff nothing says how much that precision could keep.
            mark.verdict, mark.why = Verdict.DISAGREE, "cast" if cast else "digits"
        else:
            outcome.notes.append(
                f"{mark.name}: the formula is right, but loses {mark.ulp:.3g} ulp ({outcome.case.label})"
            )
