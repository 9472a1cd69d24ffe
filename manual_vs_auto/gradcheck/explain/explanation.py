"""What explains all observations: hypotheses tried from simple to intricate, each judged on every one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError, refusing
from manual_vs_auto.gradcheck.engines.engine import Engine, Found
from manual_vs_auto.gradcheck.explain import hypotheses
from manual_vs_auto.gradcheck.explain.conjugates import of_conjugates
from manual_vs_auto.gradcheck.explain.diagnosis import UNKNOWN, Diagnosis
from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis
from manual_vs_auto.gradcheck.explain.observation import Observation, observation
from manual_vs_auto.gradcheck.explain.weights import of_weights
from manual_vs_auto.gradcheck.numerics.precision import allowed, eps
from manual_vs_auto.gradcheck.witnesses.outcome import Case, Outcome
from manual_vs_auto.gradcheck.witnesses.reference import reference

OBSERVATIONS = 32


class Explanation:
    """Observations, and what explains all of them."""

    def __init__(self, claim: Claim, engine: Engine, observations: list[Observation], own: float) -> None:
        self._claim, self._engine, self._observations, self._own = claim, engine, observations, own
        self._pulled: dict[Any, Found] = {}
        inside = eps(engine.dtype, *([engine.manual_dtype] if eps(engine.manual_dtype) <= own else []))
        self._tolerance = max(1e-8, 256 * inside)
        if not engine.has_autodiff:
            self._tolerance = 1e-6
        self._names = claim.result_names if not claim.forward else ["the tangent"] * 99

    def overflow(self, outcome: Outcome) -> Diagnosis:
        """Right wherever it is finite, and not finite where inputs are large."""
        if self._observations and not self._wrong_leaves():
            return self._said(
                "overflow",
                f"it is not finite ({outcome.case.label}) where the derivative is: an overflow, or a division by zero",
            )
        return UNKNOWN

    def cause(self, variants: Callable[[], Iterable[Case]]) -> Diagnosis:
        """The first hypothesis, from simple to intricate, that holds everywhere."""
        leaves = self._wrong_leaves()
        if len(self._observations) < OBSERVATIONS // 8 or not leaves:
            return UNKNOWN
        low = self._cast()
        if low is not None:
            return self._said("cast", f"the formula is right, but it is computed in {low}")
        # Observations that show the fault best come first: guesses are made from them.
        self._observations.sort(key=lambda e: -sum(self._apart(e.manual[at], e.reference[at]) for at in leaves))
        for guess in (
            self._by_conjugate, self._by_result, self._by_cotangent, self._by_jacobian,
            self._by_place, self._by_weights, self._by_term, self._by_region,
        ):  # fmt: skip
            for hypothesis in guess(leaves):
                if self._holds(hypothesis, leaves):
                    return self._refined(hypothesis, leaves, variants)
        return UNKNOWN

    def _cast(self) -> str | None:
        """The precision that explains the residual: seen in the rule's program, or in the numbers that it returns."""
        low = self._engine.manual_dtype
        if not self._engine.has_autodiff and all(
            np.array_equal(a, a.astype(np.float32)) for e in self._observations for a in e.real.manual
        ):
            low = "float32"
        if eps(low) <= max(self._own, eps(self._engine.dtype)):
            return None
        inside = [e.real for e in self._observations]
        for leaf in range(len(inside[0].reference)):
            a, b = (np.concatenate([side[leaf].ravel() for side in sides])
                    for sides in zip(*((e.manual, e.reference) for e in inside), strict=True))  # fmt: skip
            typical = float(np.sqrt(np.mean(np.square(b)))) if b.size else 0.0
            # Rounding has no preference: a factor would.
            if np.any(np.abs(a - b) > allowed(self._engine.longest_sum) * eps(low) * np.maximum(np.abs(b), typical)):
                return None
            spread = float(np.sqrt(np.mean((a - b) ** 2))) / typical if typical else 0.0
            if abs(hypotheses.ratio(a, b) - 1) > max(eps(low) / 2, 4 * spread / np.sqrt(max(a.size, 1))):
                return None
        return low

    def _by_conjugate(self, leaves: list[int]) -> Iterator[Hypothesis]:
        yield from of_conjugates(self._claim, self._right, self._observations[0], leaves, self._holds)

    def _by_result(self, leaves: list[int]) -> Iterator[Hypothesis]:
        yield from hypotheses.of_result(
            self._observations, leaves[0], self._names[: len(self._observations[0].reference)]
        )

    def _by_place(self, leaves: list[int]) -> Iterator[Hypothesis]:
        if len(leaves) == 1:
            yield from hypotheses.of_places(self._observations, leaves[0])

    def _by_weights(self, leaves: list[int]) -> Iterator[Hypothesis]:
        if self._claim.kind != "gradient":
            word = "tangent" if self._claim.forward else "cotangent"
            yield from of_weights(self._right, self._observations[0], leaves, word)

    def _by_region(self, leaves: list[int]) -> Iterator[Hypothesis]:
        moving = self._claim.inputs.moving
        if len(leaves) == 1:
            places = moving if self._claim.forward else [moving[leaves[0]]]
            for place in places:
                yield from hypotheses.of_regions(
                    self._observations, leaves[0], place, self._claim.inputs.leaves[place].name
                )

    def _by_cotangent(self, leaves: list[int]) -> Iterator[Hypothesis]:
        if self._claim.kind == "gradient":
            return
        word = "tangent" if self._claim.forward else "cotangent"
        limit = self._cotangent_limit(leaves)
        first = self._observations[0]
        for at, (kind, text, cotangents) in enumerate(hypotheses.of_cotangent(first.cotangents, word, limit)):
            pulled = self._right(first, cotangents)
            if not all(self._same(first.manual[leaf], pulled[leaf]) for leaf in leaves):
                continue

            def predict(e: Observation, leaf: int, at: int = at) -> np.ndarray:
                changed = list(hypotheses.of_cotangent(e.cotangents, word, limit))[at][2]
                return self._right(e, changed)[leaf]

            # What is summed has lost the axis that a transposed cotangent would show.
            summed = kind == "transpose" and any(first.reference[leaf].ndim < cotangents[0].ndim for leaf in leaves)
            yield Hypothesis(
                "axis" if summed else kind, "the sum runs over the wrong axis" if summed else text, predict
            )

    def _cotangent_limit(self, leaves: list[int]) -> float:
        """If cotangents are clipped to +-c, very large ones come out as c times their signs."""
        e = self._observations[0]
        try:
            huge = self._engine.manual(e.real.arrays, [1e6 * s for s in e.real.cotangents])
            huge = self._claim.own_results(huge)
            signs = self._right(e, [np.sign(s) for s in e.cotangents])
        except (Refused, WrongShapeError):
            return 1.0
        c = hypotheses.ratio(huge[leaves[0]].ravel(), signs[leaves[0]].ravel())
        return abs(c) if np.isfinite(c) and c else 1.0

    def _by_jacobian(self, leaves: list[int]) -> Iterator[Hypothesis]:
        e = self._observations[0]
        if len(leaves) != 1 or self._claim.kind == "gradient":
            return
        cotangent = e.cotangents[0]
        if len(e.cotangents) != 1 or cotangent.size != e.reference[leaves[0]].size or cotangent.size > 64:
            return
        for at, (kind, text, found) in enumerate(
            hypotheses.of_jacobian(self._jacobian(e, leaves[0]), cotangent.ravel())
        ):
            if self._same(e.manual[leaves[0]].ravel(), found):

                def predict(x: Observation, leaf: int, at: int = at) -> np.ndarray:
                    jacobian = self._jacobian(x, leaf)
                    return list(hypotheses.of_jacobian(jacobian, x.cotangents[0].ravel()))[at][2].reshape(
                        x.reference[leaf].shape
                    )

                yield Hypothesis(kind, text, predict)

    def _jacobian(self, e: Observation, leaf: int) -> np.ndarray:
        """[N, N] such that the reference is its transpose times the cotangent: J in reverse, J^T in forward."""
        size = e.cotangents[0].size
        shape, dtype = e.cotangents[0].shape, e.cotangents[0].dtype
        rows = [self._right(e, [np.eye(size, dtype=dtype)[i].reshape(shape)])[leaf].ravel() for i in range(size)]
        return np.stack(rows)

    def _right(self, e: Observation, cotangents: Found) -> Found:
        # Every wrong leaf asks for the same.
        key = id(e), *(cotangent.tobytes() for cotangent in cotangents)
        if key not in self._pulled:
            inside = self._claim.of_own_cotangents(cotangents)
            found = reference(self._claim, self._engine, e.real.arrays, inside).values
            self._pulled[key] = self._claim.own_results(found)
        return self._pulled[key]

    def _by_term(self, _: list[int]) -> Iterator[Hypothesis]:
        if not self._engine.has_autodiff or self._engine.xp != "jnp":
            return
        from manual_vs_auto.gradcheck.explain.terms import Terms, usable

        first = self._observations[0].real
        if not usable(first):
            return
        try:
            with refusing():
                terms = Terms(self._claim, first)
                guesses = list(terms.guesses(first))
        except Refused:
            return
        for kind, text, bends in guesses:
            yield Hypothesis(kind, text, lambda e, leaf, bends=bends: self._bent(terms, e, bends)[leaf])  # type: ignore[misc]

    def _bent(self, terms: Any, e: Observation, bends: np.ndarray) -> Found:
        return self._claim.own_results(terms.bend(e.real, bends))

    def _refined(self, hypothesis: Hypothesis, leaves: list[int], variants: Callable[[], Iterable[Case]]) -> Diagnosis:
        """A factor that goes with an axis' size is a mean for a sum, or a sum for a mean: other shapes tell."""
        some = len(leaves) < len(self._observations[0].reference)
        who = ", ".join(self._names[at] for at in leaves) + ": " if some else ""
        if hypothesis.kind == "factor":
            first = self._observations[0]
            for case in variants():
                other = observation(self._claim, self._engine, partial(_itself, case))
                if other is not None and np.any(other.reference[leaves[0]]):
                    changed = hypotheses.factor_elsewhere(hypothesis.text, first, other, leaves[0])
                    if changed is not None:
                        return self._said(changed[0], who + changed[1])
        return self._said(hypothesis.kind, who + hypothesis.text)

    def _said(self, kind: str, text: str) -> Diagnosis:
        count = len(self._observations)
        return Diagnosis(kind, f"{text}; it explains the residual on {count} of {count} inputs")

    def _wrong_leaves(self) -> list[int]:
        if not self._observations:
            return []
        count = len(self._observations[0].reference)
        return [
            at for at in range(count) if any(not self._same(e.manual[at], e.reference[at]) for e in self._observations)
        ]

    def _holds(self, hypothesis: Hypothesis, leaves: Sequence[int]) -> bool:
        """Whether it explains every wrong leaf of every observation, and is more than nothing."""
        changes = False
        for e in self._observations:
            for leaf in leaves:
                predicted = hypothesis.predict(e, leaf)
                if predicted.shape != e.manual[leaf].shape or not self._same(e.manual[leaf], predicted):
                    return False
                changes |= not self._same(predicted, e.reference[leaf])
        return changes

    def _same(self, a: np.ndarray, b: np.ndarray) -> bool:
        size = float(np.sqrt(np.mean(np.abs(b) ** 2))) if b.size else 0.0
        return bool(
            np.all(np.abs(a - b) <= self._tolerance * np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-3 * size))
        )

    def _apart(self, a: np.ndarray, b: np.ndarray) -> int:
        return int(np.sum(np.abs(a - b) > self._tolerance * np.maximum(np.abs(a), np.abs(b))))


def _itself(case: Case) -> Case:
    return case
