"""Runs a claim with NumPy alone: no autodiff, float64 and the author's precision."""

from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.engines.clock import Timed
from manual_vs_auto.gradcheck.engines.engine import TINY_STEP, Arrays, Found, moved, widen
from manual_vs_auto.gradcheck.engines.swept import Swept
from manual_vs_auto.gradcheck.numerics.differences import Sweep
from manual_vs_auto.gradcheck.numerics.precision import lowest


class NumpyEngine(Timed):
    """Runs functions that take nothing but NumPy arrays: no autodiff, float64 and the author's precision."""

    xp = "np"
    has_autodiff = False
    detaches = False
    scatters = False
    bounds: tuple[float, ...] = ()
    excluded: tuple[int, ...] | None = None
    clamped: tuple[int, ...] = ()
    iterates = False

    def __init__(self, claim: Claim) -> None:
        self._claim, self._swept = claim, Swept(claim)
        self.in_numpy = True
        own = lowest([leaf.dtype for leaf in claim.inputs.leaves if leaf.floating])
        self.dtype, self.manual_dtype = (own if who in claim.narrowed else "float64" for who in ("f", "the rule"))
        self.notes = ["a function of NumPy alone: no autodiff"]
        self.longest_sum = max(a.size for a in claim.inputs.sample)

    def of(self, claim: Claim) -> "NumpyEngine":
        return NumpyEngine(claim)

    def given(self, arrays: Arrays) -> list[Any]:
        return [np.array(a) for a in arrays]

    def outputs_like(self, arrays: Arrays) -> list[tuple[tuple[int, ...], Any]]:
        return [(np.shape(a), np.asarray(a).dtype) for a in self._claim.judged([np.array(a) for a in arrays])]

    def value(self, arrays: Arrays) -> Found:
        return widen(self._claim.judged([a.copy() for a in arrays]))

    def manual(self, arrays: Arrays, cotangents: Arrays) -> Found:
        return self.value_and_manual(arrays, cotangents)[1]

    def value_and_manual(self, arrays: Arrays, cotangents: Arrays) -> tuple[Found, Found]:
        given = [a.copy() for a in arrays], [s.copy() for s in cotangents]
        outputs, found = ([], self._claim.manual(*given)) if self._claim.paired is None else self._claim.paired(*given)
        return widen(outputs), widen(found)

    def autodiff(self, arrays: Arrays, cotangents: Arrays) -> Found:  # noqa: ARG002
        raise TypeError("a function of NumPy alone has no autodiff")

    def value_and_autodiff(self, arrays: Arrays, cotangents: Arrays) -> tuple[Found, Found]:
        return self.value(arrays), self.autodiff(arrays, cotangents)

    def sweep(self, arrays: Arrays, direction: Arrays) -> list[Sweep]:
        return self._swept.of(self.value, arrays, direction)

    def further(self, arrays: Arrays) -> list[tuple[Found, Found, Found]]:  # noqa: ARG002
        return []

    def complex_step(self, arrays: Arrays, direction: Arrays) -> Found:
        found = self._claim.judged(moved(self._claim, [a.copy() for a in arrays], direction, TINY_STEP * 1j))
        return [np.imag(value) / TINY_STEP for value in found]
