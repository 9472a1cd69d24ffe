"""Cotangents to pull back, and tangents to push forward, in the dtypes that the author's code would be given."""

from collections.abc import Iterator

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.engines.engine import Engine, Found

_ONE_HOT = 8


class Cotangents:
    """Draws cotangents for a claim. A gradient has one only: the cotangent 1."""

    def __init__(self, claim: Claim, engine: Engine, generator: np.random.Generator) -> None:
        self._claim, self._engine, self._generator = claim, engine, generator

    def random(self, arrays: Found) -> Found:
        """Normal numbers."""
        if self._claim.kind == "gradient":
            return [np.ones(shape, dtype) for shape, dtype in self._like(arrays)]
        return [self._generator.normal(size=shape).astype(dtype) for shape, dtype in self._like(arrays)]

    def others(self, arrays: Found) -> Iterator[tuple[str, Found]]:
        """A derivative is linear in its cotangent: large, small, zero and one-hot ones must do."""
        if self._claim.kind == "gradient":
            return
        word = "tangent" if self._claim.forward else "cotangent"
        drawn = self.random(arrays)
        yield f"{word} x 1e3", [(a * a.dtype.type(1e3)).astype(a.dtype) for a in drawn]
        yield f"{word} x 1e-3", [(a * a.dtype.type(1e-3)).astype(a.dtype) for a in drawn]
        yield f"zero {word}", [np.zeros_like(a) for a in drawn]
        sizes = [a.size for a in drawn]
        total = sum(sizes)
        for at in self._generator.permutation(total)[:_ONE_HOT]:
            flat = np.zeros(total)
            flat[at] = 1
            pieces = np.split(flat, np.cumsum(sizes)[:-1])
            yield f"one-hot {word}", [p.reshape(a.shape).astype(a.dtype) for p, a in zip(pieces, drawn, strict=True)]

    def _like(self, arrays: Found) -> list[tuple[tuple[int, ...], np.dtype]]:
        if self._claim.forward:
            return [(arrays[at].shape, arrays[at].dtype) for at in self._claim.inputs.moving]
        return self._engine.outputs_like(arrays)
