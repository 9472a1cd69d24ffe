"""A term of the derivative that is missing, doubled or of the wrong sign: found by bending the traced function.

Every place where a value enters an operation is an edge of the program, and the derivative is linear in what flows
through each. With C the part that flows through one edge (or through all edges of one value), a rule that scales it
by a says R + (a - 1) C. For every edge a is fitted, and the edge that explains the residual is named with its line.
"""

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.engines.engine import Found
from manual_vs_auto.gradcheck.engines.jax.engine import precision
from manual_vs_auto.gradcheck.explain.bending import bent, edges
from manual_vs_auto.gradcheck.explain.hypotheses import number, ratio
from manual_vs_auto.gradcheck.explain.observation import Observation
from manual_vs_auto.gradcheck.numerics.precision import is_float

_MOST = 160


class Terms:
    """The parts of the reference, edge by edge."""

    def __init__(self, claim: Claim, observation: Observation) -> None:
        self._claim = claim
        with precision(np.float64):
            self._edges = edges(claim.judged, observation.arrays)[:_MOST]
        self._derivative = jax.jit(self._differentiate)
        by_source: dict[int, list[int]] = {}
        for at, edge in enumerate(self._edges):
            by_source.setdefault(edge.source, []).append(at)
        several = [group for group in by_source.values() if len(group) > 1]
        self._groups = [[at] for at in range(len(self._edges))] + several

    def _differentiate(self, bends: np.ndarray, arrays: Found, cotangents: Found) -> list[jax.Array]:
        f, at = bent(self._claim.judged, self._edges), self._claim.inputs.moving

        def of(chosen: Sequence[jax.Array]) -> list[jax.Array]:
            filled = dict(zip(at, chosen, strict=True))
            return list(f(bends, [filled.get(place, array) for place, array in enumerate(arrays)]))

        primals = [arrays[place] for place in at]
        if self._claim.forward:
            return list(jax.jvp(of, (primals,), (list(cotangents),))[1])
        return list(jax.vjp(of, primals)[1](list(cotangents))[0])

    def bend(self, observation: Observation, bends: np.ndarray) -> Found:
        """The derivative with the program bent: see bending.bent."""
        with precision(np.float64):
            return [np.asarray(a) for a in self._derivative(bends, observation.arrays, observation.cotangents)]

    def guesses(self, observation: Observation) -> Iterator[tuple[str, str, np.ndarray]]:
        """kind, text, bends: what would explain this observation."""
        residual = np.concatenate(
            [(m - r).ravel() for m, r in zip(observation.manual, observation.reference, strict=True)]
        )
        largest = float(np.max(np.abs(residual), initial=0.0))
        for group in self._groups:
            without = self.bend(observation, self._bends(0, group, 0.0))
            part = np.concatenate([(r - w).ravel() for r, w in zip(observation.reference, without, strict=True)])
            if not np.all(np.isfinite(part)) or not np.any(part):
                continue
            scale = 1 + ratio(residual, part)
            if np.max(np.abs(residual - (scale - 1) * part)) > 1e-6 * largest:
                continue
            text = self._edges[group[0]].text
            place = f"the derivative through {text}" if len(group) == 1 else f"every derivative of what enters {text}"
            scale = float(round(scale)) if abs(scale - round(scale)) < 1e-9 else scale
            said = {0.0: "is missing", -1.0: "has the wrong sign"}.get(scale, f"is taken {number(scale)} times")
            yield "sign" if scale == -1 else "term", f"{place} {said}", self._bends(0, group, scale)
        for group in self._groups:
            edge = self._edges[group[0]]
            for row, may, kind, text in (
                (1, edge.unary, "term", f"the factor of {edge.text} is missing from the chain"),
                (2, edge.square, "transpose", f"what flows through {edge.text} is transposed"),
                (3, edge.partner, "untransposed", f"{edge.text} is not transposed in the other operand's derivative"),
                (4, edge.factor, "conjugate", f"a conjugate is missing or too much: of {edge.text}, in the other's"),
            ):
                bends = self._bends(row, group, 1.0)
                if may and self._explains(observation, bends, largest):
                    yield kind, text, bends

    def _explains(self, observation: Observation, bends: np.ndarray, largest: float) -> bool:
        pairs = zip(self.bend(observation, bends), observation.manual, strict=True)
        return all(float(np.max(np.abs(f - m), initial=0.0)) <= 1e-6 * largest for f, m in pairs)

    def _bends(self, row: int, group: Sequence[int], value: float) -> np.ndarray:
        bends = np.zeros((5, len(self._edges)))
        bends[0] = 1
        bends[row, list(group)] = value
        return bends


def usable(observation: Observation) -> bool:
    """Whether the program can be bent there."""
    return all(a.size <= 1 << 16 for a in observation.arrays if is_float(a.dtype))
