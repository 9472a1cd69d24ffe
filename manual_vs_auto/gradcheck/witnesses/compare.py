"""One point, one cotangent: every element of the manual derivative against the reference, and who is believed.

The formula is compared in float64, at the author's inputs made in his precision and then widened; the rounding is
compared in his own. An element is wrong when it is further from the reference than rounding explains, and the panel,
asked along that very element, says so.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.engine import Engine, Found, widen
from manual_vs_auto.gradcheck.numerics.precision import eps, is_float, largest, size
from manual_vs_auto.gradcheck.numerics.tolerance import AUTHORS, FLOOR, HALF_THE_DIGITS, PRIMAL, UNSEEN, allowed, units
from manual_vs_auto.gradcheck.witnesses.kinks import Convention
from manual_vs_auto.gradcheck.witnesses.linearity import judge_linearity
from manual_vs_auto.gradcheck.witnesses.opaque import doubt_the_last_digits, forgive_a_constant
from manual_vs_auto.gradcheck.witnesses.outcome import Case, Mark, Outcome
from manual_vs_auto.gradcheck.witnesses.reference import ONE_BY_ONE, Reference, reference, spread
from manual_vs_auto.gradcheck.witnesses.rounding import gap, judge_rounding
from manual_vs_auto.gradcheck.witnesses.vote import Poll


def try_case(
    claim: Claim, engine: Engine, case: Case, convention: Convention = None, thorough: bool = False, seed: int = 0,
    rounding: bool = True, scale: Sequence[float] = (), accuracy: float = 0.0,
) -> Outcome:  # fmt: skip
    """Judge one case.

    thorough: ask the panel although nothing differs. rounding: judge the author's own precision, too. scale: how large
    each leaf's derivative is elsewhere, per unit of the cotangent: what is below rounding there can be seen by nobody.
    accuracy: how exact f itself is, relative to the largest. Where the engine's clock is patient, one look is taken
    whatever the time, and what more there would be ends with it.
    """
    outcome = Outcome(case)
    wide, cotangents = widen(case.arrays), widen(case.cotangents)
    try:
        outputs, outcome.manual = engine.value_and_manual(wide, cotangents)
    except WrongShapeError as fault:
        name = str(fault).split(":")[0]
        names = {leaf.name for leaf in claim.inputs.leaves}
        outcome.marks = [Mark(name if name in names else "result", Verdict.DISAGREE, why=fault.why)]
        outcome.notes.append(str(fault))
        return outcome
    truth = reference(claim, engine, wide, cotangents, ONE_BY_ONE if thorough else ONE_BY_ONE // 8)
    if not truth.defined:
        outcome.skipped = "the function is not finite there"
        return outcome
    if not claim.forward:
        # Where the input is no finite number, nothing but autodiff knows a derivative by it.
        places = zip(truth.known, truth.values, (wide[at] for at in claim.inputs.moving), strict=True)
        truth.known = [known & (np.isfinite(a) | np.isfinite(value)) for known, value, a in places]
    generator = np.random.default_rng(seed)
    own = eps(*(a.dtype for a in case.arrays if is_float(a.dtype)))
    # A rule may compute below float64 where its author's inputs are below; not where they are float64.
    inside = eps(engine.dtype, *([engine.manual_dtype] if eps(engine.manual_dtype) <= own else []))
    moves = spread(engine, wide, cotangents, _nudges(claim, case, inside), generator, truth, outcome.manual)
    least = PRIMAL if engine.has_autodiff else UNSEEN
    other = _other_output(claim, outputs, truth.outputs, max(least, 256 * inside, 4 * accuracy))
    if other is not None:
        outcome.marks = [other]
        return outcome
    limit = allowed(engine.longest_sum)
    # At another rank there may be another number of outputs.
    usual = scale if len(scale) == len(truth.values) else [0.0] * len(truth.values)
    # What nobody had time to look at is taken to be as large as the rule says.
    parts = zip(truth.values, outcome.manual, truth.bounds, strict=True)
    sizes = [max(largest(value), largest(manual[np.isinf(bound)])) for value, manual, bound in parts]
    floors = [FLOOR * max(big * size(cotangents), own_size) for big, own_size in zip(usual, sizes, strict=True)]
    # Nobody can look into the program of a function of NumPy or PyTorch, for what it is computed in, and how exactly.
    opaque = engine.excluded is None
    hidden = opaque or claim.approximated
    coarser = own * (1 if hidden else AUTHORS) if own > eps("float64") else 0.0
    slack = [
        _slack(value, move, shaky, bound, limit, inside)
        + floor * inside
        + accuracy * floor / FLOOR
        + coarser * np.abs(np.where(np.isfinite(value), value, 0.0))
        for value, move, shaky, bound, floor in zip(truth.values, *moves, truth.bounds, floors, strict=True)
    ]
    suspects = _suspects(outcome.manual, truth, slack)
    if any(map(np.any, suspects)):
        slack = _with_lost_digits(engine, outcome, truth, slack, limit, inside)
        suspects = _suspects(outcome.manual, truth, slack)
    if own > eps("float64") and any(map(np.any, suspects)):
        more = [s + _of_constants(v, m / inside) for s, v, m in zip(slack, truth.values, moves.reference, strict=True)]
        over = _suspects(outcome.manual, truth, more)
        slack = [
            wider if np.any(was) and not np.any(left) else s
            for s, wider, was, left in zip(slack, more, suspects, over, strict=True)
        ]
        suspects = _suspects(outcome.manual, truth, slack)
    outcome.slack = slack
    outcome.reference, outcome.compared = truth.values, sum(int(np.sum(k)) for k in truth.known)
    outcome.marks = [
        _mark(name, pair, manual, value, allowance, limit)
        for name, pair, manual, value, allowance in zip(
            names_of(claim, len(slack)), claim.complex_results, outcome.manual, truth.values, slack, strict=True
        )
    ]
    poll = Poll(claim, engine, wide, cotangents, outcome, slack, convention, [floor / FLOOR for floor in floors])
    if claim.forward:
        poll.forward(suspects, thorough)
    else:
        poll.reverse(suspects, thorough, generator)
    if opaque:
        forgive_a_constant(outcome)
    if hidden:
        doubt_the_last_digits(engine, outcome, wide, cotangents, [floor / FLOOR for floor in floors])
    outcome.doubt = [np.where(s, np.inf, b) for s, b in zip(suspects, truth.bounds, strict=True)]
    if rounding and outcome.verdict is Verdict.AGREE and own > eps("float64"):
        # Where the panel held with the rule against the reference, the rule's float64 is the measure.
        held = [np.where(s, m, v) for s, m, v in zip(suspects, outcome.manual, truth.values, strict=True)]
        # f itself may compute in less than its inputs have.
        lower = max(own, eps(engine.dtype))
        nudges = _nudges(claim, case, lower)
        bounds = [b + accuracy * largest(v) for b, v in zip(truth.bounds, held, strict=True)]
        truth = replace(truth, values=held, bounds=bounds)
        try:
            judge_rounding(engine, outcome, lower, nudges, floors, generator, truth, thorough)
        except Refused as refusal:
            outcome.notes.append(
                f"the formula is right in float64; in the author's precision it can't be run: {refusal}"
            )
            for mark in outcome.marks:
                mark.verdict = Verdict.INCONCLUSIVE
    # What is found by iterating adds up to no more digits than it has.
    if not thorough and claim.kind != "gradient" and outcome.verdict is Verdict.AGREE and not engine.iterates:
        judge_linearity(engine, outcome, wide, cotangents, max(limit * inside, UNSEEN * hidden), generator)
    return outcome


def _nudges(claim: Claim, case: Case, ulp: float) -> list[float]:
    """An ulp of every array and cotangent. What is held is known to no more digits than its author gave it."""
    pairs = zip(claim.inputs.leaves, case.arrays, strict=True)
    return [max(ulp, eps(a.dtype) if leaf.floating and not leaf.moves else 0.0) for leaf, a in pairs] + [
        ulp for _ in case.cotangents
    ]


def _slack(
    value: np.ndarray, move: np.ndarray, shaky: np.ndarray, bound: np.ndarray, limit: float, inside: float
) -> np.ndarray:
    """What rounding may make of each element, or how far off the reference itself may be."""
    rounding = limit * np.maximum(units(value, move, inside, 2.0**-1022), shaky)
    return np.asarray(np.maximum(rounding, np.where(np.isfinite(bound), bound, 0.0)))


def _of_constants(value: np.ndarray, per_input: np.ndarray) -> np.ndarray:
    """What constants make of each element that are written in float32, as an author may whose inputs are.

    As much as inputs that are off by an ulp of it; no more than half of its digits, which would excuse anything.

    Args: per_input: how far the element moves for inputs that move by their own size.
    """
    ulp, value = eps("float32"), np.abs(np.where(np.isfinite(value), value, 0.0))
    return np.asarray(ulp * np.clip(per_input, value, value * ulp**-HALF_THE_DIGITS))


def _other_output(claim: Claim, own: Found, plain: Found, tolerance: float) -> Mark | None:
    """A mark where the rule's forward returns something else than the function without its rule."""
    for at, (a, b) in enumerate(zip(own, plain, strict=False)):
        apart = gap(a, b)
        if a.size and np.max(apart) > tolerance * max(largest(b), 2.0**-1000):
            place = tuple(int(i) for i in np.unravel_index(int(np.argmax(apart)), apart.shape))
            values = float(a[place]), float(b[place])
            return Mark(f"output[{at}]", Verdict.DISAGREE, math.inf, 0.0, place, *values, "primal",
                        claim.complex_outputs[at])  # fmt: skip
    return None


def grown(arrays: Found, usual: Found, claim: Claim) -> float:
    """How much more may cancel where arguments are larger than usual: with their square, as in a product of two."""
    here, there = (size(widen([parts[at] for at in claim.inputs.moving])) for parts in (arrays, usual))
    return max(1.0, here / there) ** 2 if there > 0 and np.isfinite(here) else 1.0


def _suspects(manual: Found, truth: Reference, slack: Found) -> Found:
    return [
        known & ((gap(m, v) > s) | ~np.isfinite(v))
        for m, v, s, known in zip(manual, truth.values, slack, truth.known, strict=True)
    ]


def _with_lost_digits(
    engine: Engine, outcome: Outcome, truth: Reference, slack: Found, limit: float, inside: float
) -> Found:
    """The slack, and what both lose to rounding in a lower precision, scaled: errors go with the machine epsilon."""
    case = outcome.case
    low = [a.astype(np.float32) if a.dtype == np.float64 else a for a in case.arrays]
    cotangents = [s.astype(np.float32) if s.dtype == np.float64 else s for s in case.cotangents]
    rate = inside / eps(*(a.dtype for a in low if is_float(a.dtype)))
    found = list(slack)
    for compute, right in ((engine.manual, outcome.manual), (engine.autodiff, truth.values)):
        if compute == engine.autodiff and not engine.has_autodiff:
            continue
        try:
            lost = [gap(a, b) for a, b in zip(compute(low, cotangents), right, strict=True)]
        except (Refused, WrongShapeError):
            continue
        found = [np.maximum(s, limit * rate * largest(a)) for s, a in zip(found, lost, strict=True)]
    return found


def names_of(claim: Claim, count: int) -> list[str]:
    """What a derivative of so many leaves is compared by: inputs in reverse, outputs in forward."""
    if not claim.forward:
        return claim.result_names
    return ["output"] if count == 1 else [f"output[{at}]" for at in range(count)]


def _mark(
    name: str, pair: bool, manual: np.ndarray, truth: np.ndarray, slack: np.ndarray, limit: float
) -> Mark:  # fmt: skip
    """The element that is furthest from the reference, in units of which `limit` are allowed."""
    if manual.size == 0:
        return Mark(name, bound=limit, complex=pair)
    errors = np.where(np.isfinite(truth), limit * (gap(manual, truth) / slack), 0.0)
    place = np.unravel_index(int(np.argmax(errors)), errors.shape)
    index = tuple(int(i) for i in place)
    values = float(manual[place]), float(truth[place])
    return Mark(name, Verdict.AGREE, float(errors[place]), limit, index, *values, complex=pair)
