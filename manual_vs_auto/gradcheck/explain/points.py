"""Guesses of one kind: the right derivative at another point, and the slope of another function."""

from collections.abc import Iterable, Iterator

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused
from manual_vs_auto.gradcheck.engines.engine import Engine
from manual_vs_auto.gradcheck.explain import elsewhere, slopes
from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis
from manual_vs_auto.gradcheck.explain.observation import Observation, Tolerance
from manual_vs_auto.gradcheck.explain.truth import Truth
from manual_vs_auto.gradcheck.witnesses.reference import reference


class Points:
    """Those that fit the first observation."""

    def __init__(
        self, claim: Claim, engine: Engine, truth: Truth, observations: list[Observation], tolerance: Tolerance
    ) -> None:
        self._claim, self._engine, self._truth = claim, engine, truth
        self._observations, self._same = observations, tolerance.same
        self._relative = 0.0 if engine.has_autodiff else tolerance.relative

    def by_change(self, leaves: list[int]) -> Iterator[Hypothesis]:
        first, inputs = self._observations[0], self._claim.inputs
        own = [inputs.moving[leaf] for leaf in leaves] if not self._claim.forward else []
        yield from self._changed(
            elsewhere.changes(inputs.leaves, first.real.arrays, self._truth.outputs(first), own), leaves
        )
        yield from self.shifted(leaves)

    def by_exchange(self, leaves: list[int]) -> Iterator[Hypothesis]:
        yield from self._changed(
            elsewhere.exchanges(self._claim.inputs.leaves, self._observations[0].real.arrays), leaves
        )

    def _changed(self, changes: Iterable[elsewhere.Change], leaves: list[int]) -> Iterator[Hypothesis]:
        """What fits the first observation."""
        for change in changes:
            if self._fits(change, self._observations[0], leaves):
                yield Hypothesis(change.kind, change.text, lambda e, leaf, c=change: self._truth.at(e, c)[leaf])  # type: ignore[misc]

    def shifted(self, leaves: list[int]) -> Iterator[Hypothesis]:
        """The right derivative where one argument is moved by a constant."""
        moved = (self._moved(at, leaves) for at in self._claim.inputs.moving)
        yield from self._changed((change for change in moved if change is not None), leaves)

    def by_slope(self, leaves: list[int]) -> Iterator[Hypothesis]:
        """Of another function of one number that people mistake for this one."""
        if len(leaves) != 1 or self._complex:
            return
        moving = self._claim.inputs.moving
        for place in moving if self._claim.forward else [moving[leaves[0]]]:

            def right_at(e: Observation, x: np.ndarray, place: int = place) -> np.ndarray:
                arrays = [x if at == place else a for at, a in enumerate(e.arrays)]
                return reference(self._claim, self._engine, arrays, e.cotangents).values[leaves[0]]

            exact, outputs = max(1e-9, 10 * self._relative), self._truth.outputs
            yield from slopes.of_siblings(self._observations, leaves[0], place, right_at, exact)
            yield from slopes.of_products(self._observations, leaves[0], place, outputs, exact)

    def _moved(self, at: int, leaves: list[int]) -> elsewhere.Change | None:
        first, name = self._observations[0], self._claim.inputs.leaves[at].name
        if self._complex or self._claim.inputs.leaves[at].complex:
            return None

        def residual(by: float) -> np.ndarray:
            found = self._truth.at(first, elsewhere.moved(name, at, by))
            return np.concatenate([(found[leaf] - first.manual[leaf]).ravel() for leaf in leaves])

        try:
            by = elsewhere.offset(residual)
        except Refused:
            return None
        change = None if by is None else elsewhere.moved(name, at, by)
        return change if change is not None and self._fits(change, first, leaves) else None

    def _fits(self, change: elsewhere.Change, e: Observation, leaves: list[int]) -> bool:
        try:
            found = self._truth.at(e, change)
        except Refused:
            return False
        return all(self._same(e.manual[leaf], found[leaf]) for leaf in leaves)

    @property
    def _complex(self) -> bool:
        first = self._observations[0]
        return any(map(np.iscomplexobj, (*first.arrays, *first.cotangents, *first.reference)))
