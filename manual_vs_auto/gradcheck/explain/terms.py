"""A place of f's program where its derivative goes wrong: found by bending the traced function.

Every place where a value enters an operation is an edge of the program, and the derivative is linear in what flows
through each. With C the part that flows through one edge (or through all edges of one value), a rule that scales it
by a says R + (a - 1) C. For every edge a is fitted; then pairs of edges, and other ways in which an operation's own
derivative is mistaken. What explains the residual is named with its line.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from itertools import combinations
from typing import Any, NamedTuple

import jax
import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused
from manual_vs_auto.gradcheck.engines.engine import Found
from manual_vs_auto.gradcheck.engines.jax.arrays import precision
from manual_vs_auto.gradcheck.engines.jax.together import hasty
from manual_vs_auto.gradcheck.explain.bending import VALUES, Bends, bent, groups, place, unbent
from manual_vs_auto.gradcheck.explain.bending import edges as edges_of
from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis, number, ratio
from manual_vs_auto.gradcheck.explain.observation import Observation, Tolerance
from manual_vs_auto.gradcheck.explain.ways import COPIED, ELSEWHERE, PASSED, Way

_MOST = 160
# Beyond scales, in smaller programs only: each way is compiled.
_BENT = 80
# Of one way that changes something, pairs are tried up to so many.
_PAIRED = 12
_PATHS = 400
# What flows through a pair of edges is taken so often: both missing, one for both or half of one, both of wrong sign.
_TWO = ((0.0, 0.0), (0.0, 2.0), (2.0, 0.0), (0.0, 0.5), (0.5, 0.0), (-1.0, -1.0))
_SAID = {0.0: "is missing", -1.0: "has the wrong sign", 2.0: "is taken twice", 0.5: "is taken half"}


class Bent(NamedTuple):
    """Edges and the number of the way that each is bent in; the way, the text of the first, and what that changes."""

    chosen: dict[int, int]
    way: Way
    text: str
    bends: Bends
    change: np.ndarray


class Terms:
    """The parts of the reference, edge by edge, as one observation shows them.

    Every leaf is to be explained, unless `of` names some. right: the reference, flat. residual: what is to be
    explained, but for `enough`.
    """

    def __init__(self, claim: Claim, observation: Observation, tolerance: Tolerance) -> None:
        self._claim, self._observation, self._tolerance = claim, observation, tolerance
        with precision(np.float64):
            found = edges_of(claim.judged, observation.arrays)
        if len(found) > 2 * _MOST:
            raise Refused(MemoryError("the program is too long to be bent"))
        self.edges = found[:_MOST]
        options = hasty() if sum(a.size for a in observation.arrays) <= 1 << 14 else None
        # None of the ways is of stage -1: only scales.
        self._derivatives = {
            stage: jax.jit(self._derivative(stage), compiler_options=options)
            for stage in (-1, PASSED, COPIED, ELSEWHERE, VALUES)
        }
        self._explain(range(len(observation.reference)))

    def _explain(self, leaves: Sequence[int]) -> None:
        self._leaves = leaves
        self.right, manual = self._flat(self._observation.reference), self._flat(self._observation.manual)
        self.residual = manual - self.right
        self.enough = self._tolerance.left(self.residual, self.right)
        self._parts: dict[int, np.ndarray] = {}

    def of(self, leaves: Sequence[int]) -> "Terms":
        """The same for these leaves alone."""
        part = copy(self)
        part._explain(leaves)
        return part

    def _derivative(self, stage: int) -> Callable[..., list[jax.Array]]:
        f, at = bent(self._claim.judged, self.edges, stage), self._claim.inputs.moving

        def derivative(bends: Bends, arrays: Found, cotangents: Found) -> list[jax.Array]:
            def of(chosen: Sequence[jax.Array]) -> list[jax.Array]:
                filled = dict(zip(at, chosen, strict=True))
                return list(f(bends, [filled.get(place, array) for place, array in enumerate(arrays)]))

            primals = [arrays[place] for place in at]
            if self._claim.forward:
                return list(jax.jvp(of, (primals,), (list(cotangents),))[1])
            return list(jax.vjp(of, primals)[1](list(cotangents))[0])

        return derivative

    def bend(self, observation: Observation, bends: Bends, stage: int) -> Found:
        """The derivative with the program bent."""
        with precision(np.float64):
            found = self._derivatives[stage](bends, observation.arrays, observation.cotangents)
            return [np.asarray(a) for a in found]

    def uses(self, operation: str) -> bool:
        """Whether one of this name is in f."""
        return any(edge.name == operation for edge in self.edges)

    def scaled(self) -> Iterator[Hypothesis]:
        """What flows through one edge, or through all edges of one value, or of one line, is taken otherwise."""
        found = []
        for group in groups(self.edges):
            part = self.right - self.tried(self.bends(scales=dict.fromkeys(group, 0.0)))
            if len(group) == 1:
                self._parts[group[0]] = part
            if not np.all(np.isfinite(part)) or not np.any(part):
                continue
            scale = 1 + ratio(self.residual, part)
            if self._explained((scale - 1) * part):
                scale = float(round(scale)) if abs(scale - round(scale)) < 1e-9 else scale
                said = {0.0: "is missing", -1.0: "has the wrong sign"}.get(scale, f"is taken {number(scale)} times")
                kind = "sign" if scale == -1 else "term"
                bends = self.bends(scales=dict.fromkeys(group, scale))
                found.append(
                    (scale not in (0, -1), scale, self.hypothesis(kind, f"{place(self.edges, group)} {said}", bends))
                )
        # One of the two in x x that is taken -1 times is both of them missing.
        yield from (
            hypothesis for *_, hypothesis in sorted(found, key=lambda one: (one[0], -one[1] if not one[0] else 0))
        )

    def pairs(self) -> Iterator[Hypothesis]:
        """The same of two edges at once: both are missing, or one stands for both."""
        parts = {at: part for at, part in self._parts.items() if np.any(part) and np.all(np.isfinite(part))}
        for (i, one), (j, two) in combinations(parts.items(), 2):
            for a, b in _TWO:
                if self._explained((a - 1) * one + (b - 1) * two):
                    said = f"{place(self.edges, [i])} {_SAID[a]}, and that through {self.edges[j].text} {_SAID[b]}"
                    yield self.hypothesis("sign" if a == -1 else "term", said, self.bends(scales={i: a, j: b}))

    def bendings(self, stage: int) -> Iterator[Hypothesis]:
        """An operation's own derivative is mistaken in one of the ways of this stage, once or twice."""
        if len(self.edges) > _BENT:
            return
        tried = [
            found for at, edge in enumerate(self.edges) for which, way in enumerate(edge.ways, 1)
            if way.stage == stage and np.all(np.isfinite((found := self._bent({at: which}, stage)).change))
        ]  # fmt: skip
        changing = [found for found in tried if np.any(np.abs(found.change) > self.enough)]
        for found in changing:
            if self._explained(found.change):
                yield self.hypothesis(found.way.kind, found.way.text.format(found.text), found.bends, stage)
        for found in tried:
            yield from self._constant([found], stage)
        yield from self._twice(changing, stage)
        if stage == PASSED:
            for pair in combinations([found for found in tried if found.way.constant][:_PAIRED], 2):
                yield from self._constant(pair, stage)
            yield from self._on_one_path(changing)

    def _bent(self, chosen: dict[int, int], stage: int) -> Bent:
        at, which = next(iter(chosen.items()))
        bends = self.bends(chosen=chosen)
        edge = self.edges[at]
        return Bent(chosen, edge.ways[which - 1], edge.text, bends, self.tried(bends, stage) - self.right)

    def _constant(self, several: Sequence[Bent], stage: int) -> Iterator[Hypothesis]:
        """In place of an operation's factor there is a constant; of two operations' one for both."""
        chosen = {at: which for found in several for at, which in found.chosen.items()}
        last = next(reversed(chosen))
        if not all(found.way.constant for found in several) or len(chosen) < len(several):
            return
        nothing, once = (self.tried(self.bends(None, chosen, {last: amount}), stage) for amount in (0.0, 1.0))
        passed, rest = once - nothing, self.residual + self.right - nothing
        amount = ratio(rest, passed)
        if np.any(passed) and amount and np.max(np.abs(rest - amount * passed)) <= self.enough:
            places = " and ".join(found.text for found in several)
            said = several[0].way.constant.format(places, amount=number(amount))
            yield self.hypothesis("count", said, self.bends(None, chosen, {last: amount}), stage)

    def _twice(self, changing: Sequence[Bent], stage: int) -> Iterator[Hypothesis]:
        """The same mistake in two operations, or in all where it changes something."""
        alike: dict[str, list[Bent]] = {}
        for found in changing:
            alike.setdefault(found.way.text, []).append(found)
        for group in alike.values():
            for several in [*combinations(group[:_PAIRED], 2), *([group] if len(group) > 2 else [])]:
                chosen = {at: which for found in several for at, which in found.chosen.items()}
                bends = self.bends(chosen=chosen)
                if len(chosen) == len(several) and self._explained(self.tried(bends, stage) - self.right):
                    places = " and ".join(dict.fromkeys(found.text for found in several[:3]))
                    yield self.hypothesis(several[0].way.kind, several[0].way.text.format(places), bends, stage)

    def _on_one_path(self, changing: Sequence[Bent]) -> Iterator[Hypothesis]:
        """A factor that is missing only where the derivative flows through another edge, too."""
        tried = 0
        for found in changing:
            for at, part in self._parts.items():
                if at in found.chosen or not np.any(part) or tried > _PATHS:
                    continue
                tried += 1
                cut = self.bends(scales={at: 0.0})
                both = found.bends._replace(scales=cut.scales)
                if self._explained(found.change + self.right - self.tried(both, PASSED) - part):
                    text = found.way.text.format(found.text)

                    def predict(
                        e: Observation, leaf: int, bends: Bends = found.bends, both: Bends = both, cut: Bends = cut
                    ) -> np.ndarray:
                        with_, without, apart = (
                            self._own(self.bend(e.real, b, PASSED))[leaf] for b in (bends, both, cut)
                        )
                        return with_ - without + apart

                    yield Hypothesis("term", f"{text} where it flows through {self.edges[at].text}", predict)

    def _own(self, found: Found) -> Found:
        """As the author has them, who may have complex numbers."""
        return [np.asarray(a) for a in self._claim.own_results(found)]

    def hypothesis(self, kind: str, text: str, bends: Bends, stage: int = -1) -> Hypothesis:
        return Hypothesis(kind, text, lambda e, leaf: self._own(self.bend(e.real, bends, stage))[leaf])

    def _flat(self, found: Found) -> np.ndarray:
        return np.concatenate([found[leaf].ravel() for leaf in self._leaves])

    def tried(self, bends: Bends, stage: int = -1) -> np.ndarray:
        return self._flat(self.bend(self._observation, bends, stage))

    def _explained(self, change: np.ndarray) -> bool:
        return bool(np.max(np.abs(self.residual - change), initial=0.0) <= self.enough)

    def bends(self, *changes: dict[int, Any] | None, **named: dict[int, Any]) -> Bends:
        return unbent(len(self.edges), *changes, **named)
