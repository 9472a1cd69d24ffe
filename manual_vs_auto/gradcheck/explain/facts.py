"""What is certainly wrong with a rule that no hypothesis explains: facts, each seen on every observation."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError
from manual_vs_auto.gradcheck.engines.engine import Engine, Found
from manual_vs_auto.gradcheck.explain.observation import Observation, Tolerance
from manual_vs_auto.gradcheck.explain.truth import Truth

# By differences, on so many observations what an argument does is tried.
_TRIED = 6
# In so many of them an argument must show what it does.
_SEEN = 3
# Of more outputs the Jacobian is not looked at.
_OUTPUTS = 64


class Fact(NamedTuple):
    """One word, a sentence, and on how many inputs it was seen."""

    kind: str
    text: str
    inputs: int


class Facts:
    """Of the rule, beside what is true of the derivative."""

    def __init__(
        self, claim: Claim, engine: Engine, truth: Truth, observations: Sequence[Observation], tolerance: Tolerance
    ) -> None:
        self._claim, self._engine, self._truth = claim, engine, truth
        self._observations, self._same = observations, tolerance.same
        self._word = "tangent" if claim.forward else "cotangent"

    def first(self, leaves: Sequence[int], who: str = "") -> Fact | None:
        """One that is so on every observation that is tried, or none. who: whose derivative it is, and a colon."""
        try:
            return next(self._every(leaves, who), None)
        except (Refused, WrongShapeError):
            return None

    def _every(self, leaves: Sequence[int], who: str) -> Iterator[Fact]:
        whole = itertools.chain(
            self._nonlinear(leaves) if self._claim.kind != "gradient" else (), self._independent(leaves)
        )
        yield from (fact._replace(text=who + fact.text) for fact in whole)
        if self._claim.kind != "gradient" and len(self._observations[0].cotangents) == 1:
            yield from self._misplaced(leaves)

    def _nonlinear(self, leaves: Sequence[int]) -> Iterator[Fact]:
        shown = self._observations[:_TRIED]
        for factor in (-1.0, 2.0):
            scaled = [self._manual(e.real.arrays, [factor * s for s in e.real.cotangents]) for e in shown]
            pairs = [
                (found[leaf], factor * e.manual[leaf])
                for found, e in zip(scaled, shown, strict=True)
                for leaf in leaves
            ]
            if any(not self._same(a, b) for a, b in pairs):
                text = f"it is not linear in the {self._word}: of {factor:g} times that it is not {factor:g} times"
                yield Fact("nonlinear", text, len(shown))

    def _independent(self, leaves: Sequence[int]) -> Iterator[Fact]:
        """Of an argument, where the derivative is not; and the other way round, of what is drawn anew every time."""
        pairs = self._pairs()
        for at, leaf in enumerate(self._claim.inputs.leaves if len(pairs) >= _SEEN else ()):
            rule, derivative = zip(*(self._without(at, pair, leaves) for pair in pairs), strict=True)
            if sum(derivative) >= _SEEN and not any(rule):
                yield Fact("independent", f"it does not depend on {leaf.name}, and the derivative does", len(pairs))
            if sum(rule) >= _SEEN and not any(derivative) and leaf.moves and self._engine.has_autodiff:
                yield Fact("dependent", f"it depends on {leaf.name}, and the derivative does not", len(pairs))

    def _without(self, at: int, pair: tuple[Observation, Observation], leaves: Sequence[int]) -> tuple[bool, bool]:
        """Whether the rule, and the derivative, are others with the other observation's argument."""
        one, other = (e.real for e in pair)
        arrays = [b if place == at else a for place, (a, b) in enumerate(zip(one.arrays, other.arrays, strict=True))]
        manual = self._manual(arrays, one.cotangents)
        right = self._truth.elsewhere(arrays, one.cotangents)
        own = pair[0]
        return (
            any(not np.array_equal(manual[leaf], own.manual[leaf]) for leaf in leaves),
            any(not self._same(right[leaf], own.reference[leaf]) for leaf in leaves),
        )

    def _pairs(self) -> list[tuple[Observation, Observation]]:
        """Observations that differ in every number: from those that show the fault best to those that show it least."""
        every = 1 if self._engine.has_autodiff else max(1, len(self._observations) // _TRIED)
        shown = self._observations[::every]
        return [
            (a, b) for a, b in itertools.pairwise(shown)
            if all(x.shape == y.shape for x, y in zip(a.real.arrays, b.real.arrays, strict=True))
        ]  # fmt: skip

    def _misplaced(self, leaves: Sequence[int]) -> Iterator[Fact]:
        """Elements take shares of cotangents that they have no influence on, or none of those that they have."""
        if self._claim.forward or not 1 < self._observations[0].cotangents[0].size <= _OUTPUTS:
            return
        # By differences every one takes its time.
        count = _TRIED // 2 if self._engine.has_autodiff else 1
        for leaf in leaves:
            shares = [self._shares(e, leaf) for e in self._observations[:count]]
            more, less = ([np.argwhere(part) for part in parts] for parts in zip(*shares, strict=True))
            name = self._claim.result_names[leaf]
            said = []
            if all(map(len, more)):
                out, at = self._place(more[0][0], leaf)
                said.append(
                    f"{name}{at} takes a share of the cotangent at {out}, and the output there does not depend on it"
                )
            if all(map(len, less)):
                out, at = self._place(less[0][0], leaf)
                said.append(
                    f"{name}{at} takes none of that at {out}"
                    if said
                    else f"{name}{at} takes no share of the cotangent at {out}"
                )
                said[-1] += ", which does" if len(said) > 1 else ", and the output there depends on it"
            if said:
                yield Fact("misplaced", ", and ".join(said), len(shares))

    def _shares(self, e: Observation, leaf: int) -> tuple[np.ndarray, np.ndarray]:
        """[outputs, elements]: where the rule has a share and the derivative none, and the other way round."""
        cotangent = e.cotangents[0]
        manual, right = [], []
        for at in range(cotangent.size):
            alone = [np.where(np.arange(cotangent.size).reshape(cotangent.shape) == at, cotangent, 0)]
            inside = self._claim.of_own_cotangents(alone)
            manual.append(self._manual(e.real.arrays, inside)[leaf].ravel() != 0)
            right.append(self._truth.right(e, alone)[leaf].ravel() != 0)
        rule, truth = np.stack(manual), np.stack(right)
        return rule & ~truth, truth & ~rule

    def _place(self, cell: np.ndarray, leaf: int) -> tuple[str, str]:
        """Of an output and of an element, as one writes them."""
        first = self._observations[0]
        shapes = first.cotangents[0].shape, first.reference[leaf].shape
        out, at = (tuple(int(i) for i in np.unravel_index(n, shape)) for n, shape in zip(cell, shapes, strict=True))
        return str(out), str(list(at)) if at else ""

    def _manual(self, arrays: Found, cotangents: Found) -> Found:
        return self._claim.own_results(self._engine.manual(arrays, cotangents))
