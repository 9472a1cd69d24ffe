"""What a rule returns beside its derivative, f's output; and JAX's pair that stands apart from f, as one vjp."""

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
        return outputs_as(cotangent, found[0]), self.bwd(found[1], cotangent)


def outputs_as(like: Any, returned: Any) -> list[Any]:
    """The floating outputs that a rule returns, as a flat list of real arrays.

    Raises: WrongShapeError unless they have the structure of f's output, like.
    """
    (found, shapes), (_, expected) = _floating(returned), _floating(like)
    if shapes != expected:
        raise WrongShapeError("rule: its output has not the structure, shapes and types of f's")
    return taken_apart(found, map(is_complex, found))


def alone(paired: Callable[..., tuple[list[Any], list[Any]]]) -> Callable[..., list[Any]]:
    """The derivative without the outputs."""
    return lambda arrays, cotangents: paired(arrays, cotangents)[1]


def _floating(tree: Any) -> tuple[list[Any], list[tuple[str, tuple[int, ...], bool]]]:
    """The floating leaves; where each hangs, its shape, and whether it is complex."""
    flat = flatten(tree)
    pairs = [(path, leaf) for path, leaf in zip(flat.paths, flat.leaves, strict=True) if floating(leaf)]
    return [leaf for _, leaf in pairs], [(path, tuple(np.shape(leaf)), is_complex(leaf)) for path, leaf in pairs]
