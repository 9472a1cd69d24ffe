"""What a rule must be beside right: the same twice, the same under jit and vmap, differentiable, and f's own primal."""

from collections.abc import Callable

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import UsageError, refusing
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.engine import Engine, Found, widen
from manual_vs_auto.gradcheck.numerics.precision import eps, largest
from manual_vs_auto.gradcheck.numerics.tolerance import ALONE, allowed
from manual_vs_auto.gradcheck.witnesses.compare import names_of
from manual_vs_auto.gradcheck.witnesses.outcome import Case, Mark, Outcome
from manual_vs_auto.gradcheck.witnesses.reference import reference
from manual_vs_auto.gradcheck.witnesses.rounding import gap

_CALLS = 4  # of f: a dropout of few numbers may be the same twice


def expect_a_function(engine: Engine, sample: Found) -> None:
    """Raises: UsageError where f says another thing when it is called again: it has no derivative to compare with.

    JAX traces f, and calls it no more.
    """
    if engine.excluded is None:
        first, *others = (engine.value(widen(sample)) for _ in range(_CALLS))
        ulp = allowed(engine.longest_sum) * eps(engine.dtype)
        if any(np.any(gap(b, a) > ulp * largest(a)) for found in others for a, b in zip(first, found, strict=True)):
            raise UsageError("f is another one each time it is called: draw its random numbers outside, or from a seed")


def expect_numbers(claim: Claim, arrays: Found, sample: Outcome) -> None:
    """Masked logits of -inf are numbers like others; NaN is one where f and its derivative do without it.

    Raises: UsageError where they do not.
    """
    moving = [arrays[at].astype(np.float64) for at in claim.inputs.moving]
    unknown = any(np.any(np.isnan(a)) for a in moving) and not all(np.all(np.isfinite(r)) for r in sample.reference)
    if unknown or (sample.skipped and not all(np.all(np.isfinite(a)) for a in moving)):
        raise UsageError("the sample holds numbers that are not finite, and so does f or its derivative there")


def called_twice(claim: Claim, engine: Engine, judged: Outcome) -> Outcome:
    """The same call twice; where JAX traces the rule, two traces of it as well: the second could draw other numbers."""
    case = judged.case
    outcome = Outcome(case._replace(label="called twice"))
    arrays, cotangents = widen(case.arrays), widen(case.cotangents)
    first = engine.manual(arrays, cotangents)
    # Nothing moves between the two: what the slack allows may be the rule's own noise.
    ulp = allowed(engine.longest_sum) * eps(engine.dtype, engine.manual_dtype)
    same = [np.full(a.shape, ulp * float(np.max(np.abs(a), initial=0.0, where=np.isfinite(a)))) for a in first]
    _compare(claim, outcome, engine.manual(arrays, cotangents), first, same, "nondeterministic")
    again = getattr(engine, "traced_anew", None)
    if again is not None and outcome.verdict is Verdict.AGREE and not again(arrays, cotangents):
        outcome.marks[0] = Mark(outcome.marks[0].name, Verdict.DISAGREE, why="nondeterministic")
        outcome.notes.append("two traces of the rule hold different numbers")
    return outcome


def under_vmap(claim: Claim, engine: Engine, *judged: Outcome) -> Outcome:
    """All cases at once under vmap, against one after the other: within what rounding may make of each."""
    import jax

    from manual_vs_auto.gradcheck.engines.jax.arrays import precision
    from manual_vs_auto.gradcheck.engines.jax.together import hasty

    outcome = Outcome(judged[0].case._replace(label="under vmap"))
    cases = [(widen(o.case.arrays), widen(o.case.cotangents)) for o in judged]
    with precision(np.float64), refusing():
        stacked = jax.tree.map(lambda *parts: np.stack(parts), *cases)
        both = [np.asarray(a) for a in jax.jit(jax.vmap(claim.manual), compiler_options=hasty())(*stacked)]
    each = [np.stack(parts) for parts in zip(*(engine.manual(*one) for one in cases), strict=True)]
    slack = [np.stack(parts) for parts in zip(*(o.slack for o in judged), strict=True)]
    _compare(claim, outcome, both, each, slack, "vmap")
    together = (np.stack(parts) for parts in zip(*(o.case.arrays for o in judged), strict=True))
    seeds = (np.stack(parts) for parts in zip(*(o.case.cotangents for o in judged), strict=True))
    outcome.case = Case(outcome.case.label, [*together], [*seeds])
    outcome.manual, outcome.reference = both, each
    return outcome


def on_average(claim: Claim, engine: Engine, draw: Callable[[], Case], inside: float, count: int) -> Outcome:
    """The factor between the rule and the reference over many inputs, where the rule rounds to `inside` within.

    Rounding that hides a small factor at one element has no preference, and averages out over many.
    """
    cases = [draw() for _ in range(count)]
    pairs = []
    for case in cases:
        arrays, cotangents = widen(case.arrays), widen(case.cotangents)
        found = engine.manual(arrays, cotangents)
        truth = reference(claim, engine, arrays, cotangents)
        if truth.defined and all(np.all(np.isfinite(a)) for a in (*found, *truth.values)):
            pairs.append((found, truth.values))
    outcome = Outcome(cases[0]._replace(label="many inputs on average"))
    for at, name in enumerate(names_of(claim, len(pairs[0][0]) if pairs else 0)):
        manual, right = (np.stack([side[at] for side in sides]) for sides in zip(*pairs, strict=True))
        total = np.sum(right**2, axis=0)
        each = np.where(total > 0, np.sum(manual * right, axis=0) / np.where(total > 0, total, 1.0), 1.0)
        whole = float(np.sum(manual * right) / np.sum(total)) if np.any(total) else 1.0
        place = tuple(int(i) for i in np.unravel_index(int(np.argmax(np.abs(each - 1))), each.shape))
        # One element is averaged over fewer numbers than the leaf.
        wrong = abs(whole - 1) > inside / 2 or abs(each[place] - 1) > ALONE * inside
        factor, place = (whole, ()) if abs(whole - 1) > inside / 2 else (float(each[place]), place)
        outcome.marks.append(
            Mark(name, Verdict.DISAGREE if wrong else Verdict.AGREE, abs(factor - 1) / inside, 0.5, place, factor, 1.0,
                 "formula" if wrong else "")
        )  # fmt: skip
    return outcome


def _compare(claim: Claim, outcome: Outcome, found: Found, expected: Found, slack: Found, why: str) -> None:
    """Each is within the slack of the true one: both may be twice that apart."""
    names = names_of(claim, len(found))
    for name, pair, a, b, allowance in zip(names, claim.complex_results, found, expected, slack, strict=True):
        apart = gap(a, b) - 2 * allowance
        worst = np.unravel_index(int(np.argmax(apart)), apart.shape) if apart.size else ()
        mark = Mark(name, complex=pair)
        if apart.size and apart[worst] > 0:
            mark = Mark(name, Verdict.DISAGREE, float("inf"), 0.0, tuple(int(i) for i in worst), float(a[worst]),
                        float(b[worst]), why, pair)  # fmt: skip
        outcome.marks.append(mark)
