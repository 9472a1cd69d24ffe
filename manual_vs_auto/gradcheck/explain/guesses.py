"""Guesses at what is wrong, each made from one observation: the generators of hypotheses, in the order of trying."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError, refusing
from manual_vs_auto.gradcheck.engines.engine import Engine
from manual_vs_auto.gradcheck.explain import hypotheses, places
from manual_vs_auto.gradcheck.explain.conjugates import of_conjugates
from manual_vs_auto.gradcheck.explain.factors import of_arguments
from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis
from manual_vs_auto.gradcheck.explain.observation import Observation, Tolerance
from manual_vs_auto.gradcheck.explain.points import Points
from manual_vs_auto.gradcheck.explain.truth import Truth
from manual_vs_auto.gradcheck.explain.weights import of_weights

_SQUARE = 64


class Guesses:
    """Hypotheses that explain the first observation, or may do so; from simple to intricate."""

    def __init__(
        self,
        claim: Claim,
        engine: Engine,
        observations: list[Observation],
        tolerance: Tolerance,
        wrong: list[int],
        holds: Callable[[Hypothesis, Sequence[int]], bool],
    ) -> None:
        self._claim, self._engine, self._observations, self._same = claim, engine, observations, tolerance.same
        self._tolerance, self._wrong, self._holds = tolerance, wrong, holds
        self._truth = self.truth = Truth(claim, engine)
        self._points = Points(claim, engine, self._truth, observations, tolerance)
        self.shifted = self._points.shifted

    def every(self, leaves: list[int]) -> Iterator[Hypothesis]:
        """All of them. leaves: the numbers of those that are wrong, or one of these."""
        for guess in (
            self._by_conjugate,
            self._by_result,
            self._by_cotangent,
            self._by_jacobian,
            self._by_place,
            self._by_weights,
            self._by_term,
            self._points.by_change,
            self._points.by_slope,
            self._by_bending,
            self._by_system,
            self._by_region,
            self._points.by_exchange,
            self._by_argument,
            self._by_size,
        ):
            yield from guess(leaves)

    @property
    def subtracts(self) -> bool:
        """Whether f has a subtraction, whose arguments may have been exchanged."""
        return self._terms is not None and self._terms.uses("sub")

    def _by_conjugate(self, leaves: list[int]) -> Iterator[Hypothesis]:
        yield from of_conjugates(self._claim, self._truth.right, self._observations[0], leaves, self._holds)

    def _by_weights(self, leaves: list[int]) -> Iterator[Hypothesis]:
        if self._claim.kind != "gradient":
            word = "tangent" if self._claim.forward else "cotangent"
            yield from of_weights(self._truth.right, self._observations[0], leaves, word)

    def _by_result(self, leaves: list[int]) -> Iterator[Hypothesis]:
        names = ["the tangent"] * 99 if self._claim.forward else self._claim.result_names
        names = names[: len(self._observations[0].reference)]
        yield from hypotheses.of_result(self._observations, leaves[0], names, self._same)

    def _by_place(self, leaves: list[int]) -> Iterator[Hypothesis]:
        if len(leaves) == 1:
            yield from places.of_places(self._observations, leaves[0])

    def _by_region(self, leaves: list[int]) -> Iterator[Hypothesis]:
        inputs, seen = self._claim.inputs, self._observations
        if len(leaves) != 1:
            return
        named = [(at, leaf.name) for at, leaf in enumerate(inputs.leaves) if leaf.floating and not leaf.complex]
        for place in inputs.moving if self._claim.forward else [inputs.moving[leaves[0]]]:
            name = inputs.leaves[place].name
            yield from places.of_regions(seen, leaves[0], place, name)
            # A loss has its corners where its arguments differ by so much.
            for other in (pair for pair in named if pair[0] != place and (place, name) in named):
                yield from places.of_regions(seen, leaves[0], place, name, other)

    def _by_cotangent(self, leaves: list[int]) -> Iterator[Hypothesis]:
        if self._claim.kind == "gradient":
            return
        word = "tangent" if self._claim.forward else "cotangent"
        limit = self._cotangent_limit(leaves)
        first = self._observations[0]
        for at, (kind, text, cotangents) in enumerate(hypotheses.of_cotangent(first.cotangents, word, limit)):
            pulled = self._truth.right(first, cotangents)
            if not all(self._same(first.manual[leaf], pulled[leaf]) for leaf in leaves):
                continue

            def predict(e: Observation, leaf: int, at: int = at) -> np.ndarray:
                changed = list(hypotheses.of_cotangent(e.cotangents, word, limit))[at][2]
                return self._truth.right(e, changed)[leaf]

            # What is summed has lost the axis that a transposed cotangent would show.
            summed = kind == "transpose" and any(0 < first.reference[leaf].ndim < cotangents[0].ndim for leaf in leaves)
            yield Hypothesis(
                "axis" if summed else kind, "the sum runs over the wrong axis" if summed else text, predict
            )

    def _cotangent_limit(self, leaves: list[int]) -> float:
        """If cotangents are clipped to +-c, very large ones come out as c times their signs."""
        e = self._observations[0]
        try:
            huge = self._engine.manual(e.real.arrays, [1e6 * s for s in e.real.cotangents])
            huge = self._claim.own_results(huge)
            signs = self._truth.right(e, [np.sign(s) for s in e.cotangents])
        except (Refused, WrongShapeError):
            return 1.0
        c = hypotheses.ratio(huge[leaves[0]].ravel(), signs[leaves[0]].ravel())
        return abs(c) if np.isfinite(c) and c else 1.0

    def _by_jacobian(self, leaves: list[int]) -> Iterator[Hypothesis]:
        e = self._observations[0]
        if len(leaves) != 1 or self._claim.kind == "gradient":
            return
        cotangent = e.cotangents[0]
        if len(e.cotangents) != 1 or cotangent.size != e.reference[leaves[0]].size or cotangent.size > _SQUARE:
            return
        for at, (kind, text, found) in enumerate(
            hypotheses.of_jacobian(self._truth.jacobian(e, leaves[0]), cotangent.ravel())
        ):
            if self._same(e.manual[leaves[0]].ravel(), found):

                def predict(x: Observation, leaf: int, at: int = at) -> np.ndarray:
                    jacobian = self._truth.jacobian(x, leaf)
                    return list(hypotheses.of_jacobian(jacobian, x.cotangents[0].ravel()))[at][2].reshape(
                        x.reference[leaf].shape
                    )

                yield Hypothesis(kind, text, predict)

    @cached_property
    def _terms(self) -> Any:
        """f's program, where it can be bent; otherwise None."""
        if not self._engine.has_autodiff or self._engine.xp != "jnp":
            return None
        from manual_vs_auto.gradcheck.explain.terms import Terms

        try:
            with refusing():
                first = self._observations[0].real
                return Terms(self._claim, first, self._tolerance) if first.small else None
        except Refused:
            return None

    def _terms_of(self, leaves: list[int]) -> Any:
        """What explains the wrong leaves and leaves the right ones as they are; or one of the wrong ones."""
        return self._terms if leaves == self._wrong else self._terms.of(leaves)

    def _by_term(self, leaves: list[int]) -> Iterator[Hypothesis]:
        if self._terms is not None:
            yield from self._refused_none(self._terms_of(leaves).scaled())

    def _by_bending(self, leaves: list[int]) -> Iterator[Hypothesis]:
        if self._terms is not None:
            terms = self._terms_of(leaves)
            from manual_vs_auto.gradcheck.explain.values import of_values
            from manual_vs_auto.gradcheck.explain.ways import COPIED, ELSEWHERE, PASSED

            yield from self._refused_none(terms.bendings(PASSED))
            yield from self._refused_none(terms.pairs())
            for stage in (COPIED, ELSEWHERE):
                yield from self._refused_none(terms.bendings(stage))
            yield from self._refused_none(of_values(terms))

    @staticmethod
    def _refused_none(guesses: Iterator[Hypothesis]) -> Iterator[Hypothesis]:
        """The guesses until one of them is refused."""
        while True:
            try:
                with refusing():
                    found = next(guesses, None)
            except Refused:
                return
            if found is None:
                return
            yield found

    def _by_system(self, leaves: list[int]) -> Iterator[Hypothesis]:
        """Where the output solves a system, the one that goes backwards is not transposed: it starts from J ct."""
        first, inputs = self._observations[0], self._claim.inputs
        if self._claim.forward or self._claim.kind == "gradient" or len(first.cotangents) != 1 or len(leaves) < 2:
            return
        for leaf in leaves:
            if not 1 < first.cotangents[0].size == first.reference[leaf].size <= _SQUARE:
                continue

            def predict(e: Observation, at: int, leaf: int = leaf) -> np.ndarray:
                jacobian = self._truth.jacobian(e, leaf)
                turned = np.linalg.lstsq(jacobian.T, jacobian @ e.cotangents[0].ravel(), rcond=None)[0]
                return self._truth.right(e, [turned.reshape(e.cotangents[0].shape)])[at]

            name = inputs.leaves[inputs.moving[leaf]].name
            text = f"the system that is solved backwards, by {name}, is not transposed"
            if all(self._same(first.manual[at], predict(first, at)) for at in leaves):
                yield Hypothesis("untransposed", text, predict)

    def _by_argument(self, leaves: list[int]) -> Iterator[Hypothesis]:
        if len(leaves) == 1:
            yield from of_arguments(self._observations, leaves[0], self._claim.inputs.leaves, self._same)

    def _by_size(self, leaves: list[int]) -> Iterator[Hypothesis]:
        yield from places.of_sizes(self._observations, leaves)
