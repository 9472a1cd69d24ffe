"""JAX's pair of a forward and a backward that stand apart from f, as one vjp."""

from collections.abc import Callable
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.complex import is_complex, taken_apart
from manual_vs_auto.gradcheck.claims.errors import WrongShapeError
from manual_vs_auto.gradcheck.claims.outputs import floating
from manual_vs_auto.gradcheck.claims.trees import flatten


class Paired:
    """fwd(*args) -> (output, residuals) and bwd(residuals, cotangent): called, they are a vjp."""

    def __init__(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        self.fwd, self.bwd = fwd, bwd
        self.__name__ = getattr(bwd, "__name__", "bwd")

    def __call__(self, cotangent: Any, *args: Any) -> Any:
        return self.both(cotangent, *args)[1]

    def both(self, cotangent: Any, *args: Any) -> tuple[list[Any], Any]:
        """The floating outputs that fwd returns, as a flat list of real arrays, and what bwd does.

        Raises: WrongShapeError unless fwd returns a pair, and first what has the structure of f's output.
        """
        found = self.fwd(*args)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise WrongShapeError("rule: fwd must return a pair, the output of f and the residuals")
        (returned, shapes), (_, expected) = _floating(found[0]), _floating(cotangent)
        if shapes != expected:
            raise WrongShapeError("rule: what fwd returns first has not the structure, shapes and types of f's output")
        return taken_apart(returned, map(is_complex, returned)), self.bwd(found[1], cotangent)


def _floating(tree: Any) -> tuple[list[Any], list[tuple[str, tuple[int, ...], bool]]]:
    """The floating leaves; where each hangs, its shape, and whether it is complex."""
    flat = flatten(tree)
    pairs = [(path, leaf) for path, leaf in zip(flat.paths, flat.leaves, strict=True) if floating(leaf)]
    return [leaf for _, leaf in pairs], [(path, tuple(np.shape(leaf)), is_complex(leaf)) for path, leaf in pairs]
