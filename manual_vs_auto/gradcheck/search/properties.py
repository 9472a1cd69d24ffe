"""What a rule must be beside right: the same twice, the same under jit and vmap, differentiable, and f's own primal."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.engine import Engine, Found, widen
from manual_vs_auto.gradcheck.witnesses.outcome import Case, Mark, Outcome
from manual_vs_auto.gradcheck.witnesses.reference import reference
from manual_vs_auto.gradcheck.witnesses.rounding import gap

_SAME = 1e-9  # of the largest element, in float64: more than any other order of summation makes


def called_twice(claim: Claim, engine: Engine, case: Case) -> Outcome:
    """The same call twice; where JAX traces the rule, two traces of it as well: the second could draw other numbers."""
    outcome = Outcome(case._replace(label="called twice"))
    arrays, cotangents = widen(case.arrays), widen(case.cotangents)
    first = engine.manual(arrays, cotangents)
    _compare(claim, outcome, engine.manual(arrays, cotangents), first, "nondeterministic")
    again = getattr(engine, "traced_anew", None)
    if again is not None and outcome.verdict is Verdict.AGREE and not again(arrays, cotangents):
        outcome.marks[0] = Mark(outcome.marks[0].name, Verdict.DISAGREE, why="nondeterministic")
        outcome.notes.append("two traces of the rule hold different numbers")
    return outcome


def under_vmap(claim: Claim, engine: Engine, case: Case, other: Case) -> Outcome:
    """Both cases at once under vmap, against one after the other."""
    import jax

    from manual_vs_auto.gradcheck.engines.jax.engine import hasty, precision

    outcome = Outcome(case._replace(label="under vmap"))
    cases = [(widen(c.arrays), widen(c.cotangents)) for c in (case, other)]
    with precision(np.float64):
        stacked = jax.tree.map(lambda *parts: np.stack(parts), *cases)
        both = [np.asarray(a) for a in jax.jit(jax.vmap(claim.manual), compiler_options=hasty())(*stacked)]
    each = [engine.manual(*one) for one in cases]
    _compare(claim, outcome, both, [np.stack(parts) for parts in zip(*each, strict=True)], "vmap")
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
    for at, name in enumerate(_numbered(claim, len(pairs[0][0]) if pairs else 0)):
        manual, right = (np.concatenate([side[at].ravel() for side in sides]) for sides in zip(*pairs, strict=True))
        total = float(np.sum(right**2))
        factor = float(np.sum(manual * right)) / total if total else 1.0
        wrong = abs(factor - 1) > inside / 2
        outcome.marks.append(
            Mark(name, Verdict.DISAGREE if wrong else Verdict.AGREE, abs(factor - 1) / inside, 0.5, (), factor, 1.0,
                 "formula" if wrong else "")
        )  # fmt: skip
    return outcome


def derivative_of(
    claim: Claim, engine: Any, case: Case, generator: np.random.Generator
) -> tuple[Claim, Callable[[Sequence[Any]], list[Any]]]:
    """The claim one order up, forward: that the manual derivative's own derivative is that of the true one.

    The cotangents move with the first number of the arguments, as they do where the function is part of another:
    beside the claim stands what they are at any arguments.
    """
    import jax

    at, cotangents = claim.inputs.moving, widen(case.cotangents)
    start = widen([case.arrays[at[0]]])[0].ravel()[:1]
    along = [generator.normal(size=s.shape) for s in cotangents]

    def seeded(arrays: Sequence[Any]) -> list[Any]:
        dtype = arrays[at[0]].dtype
        moved = (arrays[at[0]].reshape(-1)[:1] - start.astype(dtype)).sum()
        return [s.astype(dtype) + moved * a.astype(dtype) for s, a in zip(cotangents, along, strict=True)]

    def manual(arrays: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        def rule(chosen: Sequence[Any]) -> list[Any]:
            filled = dict(zip(at, chosen, strict=True))
            every = [filled.get(place, array) for place, array in enumerate(arrays)]
            return claim.manual(every, seeded(every))

        return list(jax.jvp(rule, ([arrays[place] for place in at],), (list(tangents),))[1])

    def f(arrays: Sequence[Any]) -> list[Any]:
        # A gradient has no cotangent of its own: it is 1 wherever it is taken.
        still = [s.astype(arrays[at[0]].dtype) for s in cotangents]
        return list(engine.differentiate(arrays, still if claim.kind == "gradient" else seeded(arrays)))

    return replace(claim, kind="second order", f=f, manual=manual, forward=True, paired=None, surrogate=None,
                   complex_outputs=claim.complex_results), seeded  # fmt: skip


def _compare(claim: Claim, outcome: Outcome, found: Found, expected: Found, why: str) -> None:
    names = _numbered(claim, len(found))
    for name, pair, a, b in zip(names, claim.complex_results, found, expected, strict=True):
        scale = float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b))) or 1.0
        apart = gap(a, b)
        worst = np.unravel_index(int(np.argmax(apart)), apart.shape) if apart.size else ()
        mark = Mark(name, complex=pair)
        if apart.size and apart[worst] > _SAME * scale:
            mark = Mark(name, Verdict.DISAGREE, float("inf"), 0.0, tuple(int(i) for i in worst), float(a[worst]),
                        float(b[worst]), why, pair)  # fmt: skip
        outcome.marks.append(mark)


def _numbered(claim: Claim, count: int) -> Sequence[str]:
    return claim.result_names if len(claim.result_names) == count else [f"output[{at}]" for at in range(count)]
