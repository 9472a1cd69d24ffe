"""What the reference says of an observation at other cotangents and at other points, each asked for once."""

from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused
from manual_vs_auto.gradcheck.engines.engine import Engine, Found
from manual_vs_auto.gradcheck.explain.elsewhere import Change
from manual_vs_auto.gradcheck.explain.observation import Observation
from manual_vs_auto.gradcheck.witnesses.reference import reference


class Truth:
    """Every wrong leaf asks for the same, so that answers are kept."""

    def __init__(self, claim: Claim, engine: Engine) -> None:
        self._claim, self._engine = claim, engine
        self._pulled: dict[Any, Found] = {}

    def jacobian(self, e: Observation, leaf: int) -> np.ndarray:
        """[N, N] such that the reference is its transpose times the cotangent: J in reverse, J^T in forward."""
        size = e.cotangents[0].size
        shape, dtype = e.cotangents[0].shape, e.cotangents[0].dtype
        rows = [self.right(e, [np.eye(size, dtype=dtype)[i].reshape(shape)])[leaf].ravel() for i in range(size)]
        return np.stack(rows)

    def right(self, e: Observation, cotangents: Found) -> Found:
        """The derivative at the observation's own arguments, with other cotangents."""
        key = id(e), *(cotangent.tobytes() for cotangent in cotangents)
        if key not in self._pulled:
            inside = self._claim.of_own_cotangents(cotangents)
            self._pulled[key] = self.elsewhere(e.real.arrays, inside)
        return self._pulled[key]

    def at(self, e: Observation, change: Change) -> Found:
        """The derivative at other arguments. Raises: Refused, also where it is not finite."""
        key = id(e), change.text
        if key not in self._pulled:
            arrays = change.of(e.real.arrays, self.outputs(e))
            self._pulled[key] = self.elsewhere(arrays, e.real.cotangents)
        found = self._pulled[key]
        if not all(np.all(np.isfinite(a)) for a in found):
            raise Refused(ArithmeticError("not finite there"))
        if change.mask is None:
            return found
        kept = e.real.arrays[change.mask] != 0
        return [a * kept if a.shape[a.ndim - kept.ndim :] == kept.shape else a for a in found]

    def elsewhere(self, arrays: Found, cotangents: Found) -> Found:
        """The derivative at these arguments, as the checker has them. Raises: Refused, also where f has no value."""
        found = reference(self._claim, self._engine, arrays, cotangents)
        if not found.defined:
            raise Refused(ArithmeticError("f is not finite there"))
        return self._claim.own_results(found.values)

    def outputs(self, e: Observation) -> Found:
        """What f makes of its arguments."""
        key = id(e), "outputs"
        if key not in self._pulled:
            self._pulled[key] = self._engine.value(e.real.arrays)
        return self._pulled[key]
