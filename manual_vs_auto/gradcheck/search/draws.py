"""Fresh cases: of the sample's shapes, of others that the function accepts, and like one that failed."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.domain import Domain
from manual_vs_auto.gradcheck.claims.errors import Refused, UsageError
from manual_vs_auto.gradcheck.engines.engine import Engine, Found, plainly, widen
from manual_vs_auto.gradcheck.numerics.precision import eps
from manual_vs_auto.gradcheck.search import shapes
from manual_vs_auto.gradcheck.search.changes import changed
from manual_vs_auto.gradcheck.search.cotangents import Cotangents
from manual_vs_auto.gradcheck.search.held import all_held
from manual_vs_auto.gradcheck.search.points import Unfit, fresh, in_dtypes, resized, typical
from manual_vs_auto.gradcheck.witnesses.outcome import Case

_AROUND: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "second order": np.copy,
    "second order, x 30": lambda a: 30 * a,
    "second order, x 1e-3": lambda a: 1e-3 * a,
    "second order, all positive": np.abs,
    "second order, all negative": lambda a: -np.abs(a),
}


# Of ordinary numbers: some f are defined below 1 alone.
_SIZES, _SMALL = (1.0, 0.25, 3.0, 0.5), 0.5

NEAR = 64
"""From the number NEAR on, cases like one that failed are near the sample."""


class Draws:
    """Draws inside the domain, in the sample's dtypes, each with a random seed."""

    def __init__(
        self, claim: Claim, engine: Engine, domain: Domain, cotangents: Cotangents, generator: np.random.Generator
    ) -> None:
        self._claim, self._engine, self._domain = claim, engine, domain
        self._cotangents, self._generator = cotangents, generator
        self._sample = [np.array(a) for a in claim.inputs.sample]
        self._in_numpy = engine.in_numpy

    def case(self, label: str, arrays: Found) -> Case:
        """These arrays with a random seed."""
        return Case(label, arrays, self._cotangents.random(arrays))

    def fresh(self) -> Case:
        """New numbers in the sample's shapes."""
        return self.case("fresh numbers", self._fresh(self._sample))

    def around(self, point: Case, beyond: bool = True) -> Iterator[tuple[str, Found]]:
        """The point itself, and if beyond, further out in every direction, as far as the domain goes."""
        for label, change in itertools.islice(_AROUND.items(), None if beyond else 1):
            moving = self._claim.inputs.moving
            changed = [change(a) if at in moving else a for at, a in enumerate(point.arrays)]
            arrays = in_dtypes(self._domain, self._domain.shaped(changed))
            if self._domain.holds(arrays):
                yield label, arrays

    def beside(self, case: Case) -> Iterator[Case]:
        """The case with every number that moves shifted a little: by a hundredth of its size, and by some roundings."""
        moving = self._claim.inputs.moving
        # Without autodiff nobody says how many digits a formula may lose so near.
        for share in (1e-2, 1e-2, *((None, None) if self._engine.has_autodiff else ())):
            arrays = list(case.arrays)
            for at in moving:
                own = self._sample[at] if self._sample[at].shape == case.arrays[at].shape else case.arrays[at]
                size = np.maximum(np.abs(case.arrays[at].astype(np.float64)), typical(own))
                size = np.where(np.isfinite(size), size, 0.0)
                step = 64 * eps(own.dtype) if share is None else share
                arrays[at] = arrays[at] + step * size * self._generator.normal(size=arrays[at].shape)
            arrays = in_dtypes(self._domain, self._domain.shaped(arrays))
            if self._domain.holds(arrays):
                yield Case(f"beside {case.label}", arrays, case.cotangents)

    def like(self, case: Case) -> Callable[[int], Case]:
        """The n-th fresh case of the shapes of one that failed; every other one is changed as that was.

        Some are as large as ordinary numbers, however small the sample is. From NEAR on they have its signs, or its
        numbers but for a half: f may be defined nowhere else.
        """
        leaves, moving = self._claim.inputs.leaves, self._claim.inputs.moving
        # Of the sample's size where the shapes allow, not of the size that made it fail.
        like = [
            own if at in moving and own.shape == a.shape else a
            for at, (own, a) in enumerate(zip(self._sample, case.arrays, strict=True))
        ]
        scale = 1e3 if case.label.endswith("tangent x 1e3") else 1.0

        def draw(n: int) -> Case:
            sized = self._ordinary(like, _SIZES[n // 4 % len(_SIZES)]) if n % 4 == 2 and n < NEAR else like
            held = all_held(self._domain, sized, self._generator, not self._engine.scatters) if n % 3 == 2 else sized
            arrays = self._fresh(held)
            if n >= NEAR:
                arrays = self._near(like, arrays, n % 2 == 0)
            elif n % 2:
                there = [changed(case.label, leaf, a, self._generator) for leaf, a in zip(leaves, arrays, strict=True)]
                there = in_dtypes(self._domain, self._domain.shaped(there))
                arrays = there if self._domain.holds(there) else arrays
            cotangents = self._cotangents.random(arrays)
            return Case("a fresh input", arrays, [np.asarray(s * (scale if n % 2 else 1), s.dtype) for s in cotangents])

        return draw

    def _ordinary(self, like: Found, length: float) -> Found:
        """Small numbers that move as large as this: all functions are alike near 0."""
        found = list(like)
        for at in self._claim.inputs.moving:
            size = typical(like[at])
            found[at] = np.asarray(like[at] * max(1.0, length / size), like[at].dtype) if size < _SMALL else like[at]
        return found

    def _near(self, like: Found, drawn: Found, signs: bool) -> Found:
        """What was drawn with these signs, or these numbers but for a half of each."""
        found = list(drawn)
        for at in self._claim.inputs.moving:
            own = like[at].astype(np.float64)
            half = own * self._generator.uniform(0.5, 1.5, own.shape)
            found[at] = np.where(own < 0, -1.0, 1.0) * np.abs(drawn[at]) if signs else half
        found = in_dtypes(self._domain, self._domain.shaped(found))
        return found if self._domain.holds(found) else drawn

    def variants(self) -> Iterator[Case]:
        """Cases of other shapes, of the same ranks."""
        for label, arrays in self.other_shapes():
            yield self.case(label, arrays)

    def other_shapes(self) -> Iterator[tuple[str, Found]]:
        """Arrays of other shapes that the function accepts; none where a structure ties the axes."""
        if not self._domain.structured:
            integers = [not leaf.floating for leaf in self._claim.inputs.leaves]
            for label, new in shapes.other_shapes(self._shapes(), integers, self._accepts):
                yield label, self.arrays_of(new)

    def other_ranks(self) -> Iterator[tuple[str, Found]]:
        """Arrays of one rank more or less that the function accepts."""
        if not self._domain.structured:
            for label, new in shapes.other_ranks(self._shapes(), self._claim.inputs.moving, self._accepts):
                yield label, self.arrays_of(new)

    def arrays_of(self, wanted: Sequence[tuple[int, ...]]) -> Found:
        """New numbers of these shapes; integers are drawn from the sample's own.

        Raises: UsageError unless there is one shape an array.
        """
        if len(wanted) != len(self._sample):
            raise UsageError(f"shapes: {len(wanted)} given, there are {len(self._sample)} arrays")
        pairs = zip(self._sample, wanted, self._claim.inputs.leaves, strict=True)
        shaped = [resized(a, leaf.inner(tuple(shape)), leaf.moves, self._generator) for a, shape, leaf in pairs]
        return self._fresh(shaped)

    def _fresh(self, like: Found) -> Found:
        return in_dtypes(self._domain, fresh(self._domain, like, self._generator))

    def _shapes(self) -> shapes.Shapes:
        """As the author has them."""
        return tuple(leaf.outer(a.shape) for leaf, a in zip(self._claim.inputs.leaves, self._sample, strict=True))

    def _accepts(self, wanted: shapes.Shapes) -> bool:
        self._engine.clock.ask()
        try:
            arrays = self.arrays_of(wanted)
            found = self._engine.outputs_like(arrays)
            if self._in_numpy:
                # Where JAX clamps an index that is out of range, NumPy refuses.
                plainly(self._claim, widen(arrays))
        except (Refused, Unfit):
            return False
        one = self._claim.kind != "gradient" or sum(int(np.prod(shape)) for shape, _ in found) == 1
        return bool(found) and one
