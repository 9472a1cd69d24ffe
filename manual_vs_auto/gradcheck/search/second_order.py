"""The derivative of the hand-written derivative, where whoever uses f may differentiate it again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.tensors import cast
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.engine import Found, widen
from manual_vs_auto.gradcheck.numerics.precision import size
from manual_vs_auto.gradcheck.witnesses.compare import grown, try_case
from manual_vs_auto.gradcheck.witnesses.outcome import Case, Outcome
from manual_vs_auto.gradcheck.witnesses.reference import reference


class SecondOrder:
    """Judges the rule's own derivative, along a tangent, at a point and around it.

    Raises: Refused where the rule can't be differentiated.
    """

    def __init__(self, claim: Claim, engine: Any, point: Case, generator: np.random.Generator) -> None:
        self._claim, self._engine, self._point, self._generator = claim, engine, point, generator
        self._derived, self._seeded = derivative_of(claim, engine, point, generator)
        self._second = engine.of(self._derived)
        self._scale: list[float] = []

    def judge(self, label: str, arrays: Found, thorough: bool, seed: int) -> Outcome:
        """thorough: as the rule itself is judged, and what overflows counts."""
        case = Case(label, arrays, self._point.cotangents)
        if not reference(self._claim, self._engine, widen(arrays), widen(case.cotangents)).defined:
            return Outcome(case, skipped="the function is not finite there")
        # Second order is linear in the rule's own cotangents, too, and they grow with the arguments.
        own = size(self._seeded(widen(arrays))) or 1.0
        more = grown(arrays, self._point.arrays, self._claim)
        tangents = [self._generator.normal(size=arrays[at].shape) for at in self._claim.inputs.moving]
        outcome = try_case(
            self._derived, self._second, Case(label, arrays, tangents), None, thorough, seed, False,
            [own * more * unit for unit in self._scale],
        )  # fmt: skip
        outcome.case, outcome.along = self._as_called(case, tangents)
        self._scale = self._scale or [float(np.max(np.abs(a), initial=0.0)) / own for a in outcome.reference]
        if not thorough and any(not np.isfinite(mark.manual) for mark in outcome.marks):
            # A rule that was not asked to be differentiated may overflow when it is.
            outcome.skipped = "the derivative of the rule is not finite there"
        for mark, name in zip(outcome.marks, self._claim.result_names, strict=False):
            mark.name = "the tangent's derivative" if self._claim.forward else f"the derivative of {name}'s"
            mark.why = "second_order" if mark.verdict is Verdict.DISAGREE else mark.why
        return outcome

    def _as_called(self, case: Case, tangents: Found) -> tuple[Case, Found]:
        """The case with the cotangents as they are there; and how all move, first the arrays that do."""
        if self._claim.kind == "gradient":
            return case, tangents
        here, ahead = widen(case.arrays), widen(case.arrays)
        for at, tangent in zip(self._claim.inputs.moving, tangents, strict=True):
            ahead[at] = ahead[at] + tangent
        seeds, ends = self._seeded(here), self._seeded(ahead)
        own = [s.astype(c.dtype) for s, c in zip(seeds, case.cotangents, strict=True)]
        return case._replace(cotangents=own), [*tangents, *(b - a for a, b in zip(seeds, ends, strict=True))]


def derivative_of(
    claim: Claim, engine: Any, case: Case, generator: np.random.Generator
) -> tuple[Claim, Callable[[Sequence[Any]], list[Any]]]:
    """The claim one order up, forward: that the manual derivative's own derivative is that of the true one.

    The cotangents move with the first finite number of the arguments, as they do where the function is part of another:
    beside the claim stands what they are at any arguments.
    """
    at, cotangents = claim.inputs.moving, widen(case.cotangents)
    first = widen([case.arrays[at[0]]])[0].ravel()
    # What is masked does not move.
    place = int(np.argmax(np.isfinite(first))) if first.size else 0
    start = first[place : place + 1]
    along = [generator.normal(size=s.shape) for s in cotangents]

    def seeded(arrays: Sequence[Any]) -> list[Any]:
        leading = arrays[at[0]]
        moved = (leading.reshape(-1)[place : place + 1] - cast(start, leading)).sum()
        return [cast(s, leading) + moved * cast(a, leading) for s, a in zip(cotangents, along, strict=True)]

    def manual(arrays: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        def rule(chosen: Sequence[Any]) -> list[Any]:
            filled = dict(zip(at, chosen, strict=True))
            every = [filled.get(place, array) for place, array in enumerate(arrays)]
            return claim.manual(every, seeded(every))

        return list(engine.pushed(rule, [arrays[place] for place in at], list(tangents)))

    def f(arrays: Sequence[Any]) -> list[Any]:
        # A gradient has no cotangent of its own: it is 1 wherever it is taken.
        still = [cast(s, arrays[at[0]]) for s in cotangents]
        return list(engine.differentiate(arrays, still if claim.kind == "gradient" else seeded(arrays)))

    return replace(claim, kind="second order", f=f, manual=manual, forward=True, paired=None, surrogate=None,
                   complex_outputs=claim.complex_results), seeded  # fmt: skip
