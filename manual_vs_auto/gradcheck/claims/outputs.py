"""What a function returns, as a flat list of real arrays; and what is claimed about it, brought into the same form."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.arguments import Inputs
from manual_vs_auto.gradcheck.claims.complex import is_complex, join, real_dtype, split, taken_apart
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongDtypeError, WrongShapeError, asked, refusing
from manual_vs_auto.gradcheck.claims.tensors import is_tensor
from manual_vs_auto.gradcheck.claims.trees import flatten, import_jax
from manual_vs_auto.gradcheck.numerics.precision import is_float

Arrays = Sequence[Any]


class Outputs:
    """The floating outputs of f as a flat list of real arrays. complex: which are pairs; known after the first call."""

    def __init__(self, f: Callable[..., Any], inputs: Inputs) -> None:
        self._f, self._inputs = f, inputs
        self.complex: list[bool] = []

    def __call__(self, arrays: Arrays) -> list[Any]:
        leaves = [leaf for leaf in flatten(asked(self._f, *self._inputs.unpack(arrays))).leaves if floating(leaf)]
        if any(map(is_complex, arrays)):
            # A complex step: it tells the slopes of real outputs alone.
            if any(self.complex):
                raise Refused(TypeError("the outputs are complex already"))
            return leaves
        self.complex[:] = map(is_complex, leaves)
        return taken_apart(leaves, self.complex)


def like_output(f: Callable[..., Any], args: tuple[Any, ...], cotangents: Arrays, turned: bool) -> Any:
    """The cotangents in the structure of f's output; integer outputs get float0 zeros, as from JAX, or torch's None.

    turned: whether complex ones are conjugated.
    """
    jax = import_jax()
    by_jax = jax is not None and any(isinstance(leaf, jax.Array) for leaf in flatten(args).leaves)
    with refusing():
        tree = flatten(jax.eval_shape(lambda: f(*args)) if jax is not None and by_jax else asked(f, *args))
    rest, filled = list(cotangents), []
    for leaf in tree.leaves:
        no_tangent = np.zeros(np.shape(leaf), [("float0", "V")] if jax is None else jax.dtypes.float0)
        given = like(rest.pop(0), leaf) if floating(leaf) else None if is_tensor(leaf) else no_tangent
        filled.append(join(given, turned) if is_complex(leaf) else given)
    return tree.rebuild(filled)


def like(cotangent: Any, leaf: Any) -> Any:
    """The cotangent in the precision of an output, which f may have lowered."""
    dtype = real_dtype(getattr(leaf, "dtype", cotangent.dtype))
    if real_dtype(cotangent.dtype) == dtype:
        return cotangent
    return cotangent.to(leaf.real.dtype) if is_tensor(leaf) else cotangent.astype(dtype)


def floating(leaf: Any) -> bool:
    """Whether an array, a tracer or a Python number has a derivative."""
    return isinstance(leaf, float) or is_float(getattr(leaf, "dtype", None)) or is_complex(leaf)


def as_real(name: str, found: Any, expected: Any, turned: bool, exact: bool = False) -> Any:
    """The derivative found, as a pair where what is expected is complex; turned: conjugated.

    Raises: WrongShapeError, or WrongDtypeError where it is complex and should be real; if exact, the other way round,
            too: JAX goes wrong over a rule's real cotangent of a complex number, whose imaginary part is 0 otherwise.
    """
    if tuple(asked(np.shape, found)) != tuple(np.shape(expected)):
        raise WrongShapeError(f"{name}: shape {tuple(np.shape(found))}, expected {tuple(np.shape(expected))}")
    if is_tensor(expected) and not (is_tensor(found) or isinstance(found, complex | float | int)):
        raise WrongShapeError(f"{name}: {type(found).__name__} of {type(found).__module__}, expected a tensor")
    if is_tensor(found) and not floating(found):
        raise WrongShapeError(f"{name}: {found.dtype}, expected floating numbers")
    if exact and is_complex(expected) and not is_complex(found):
        raise WrongDtypeError(f"{name}: its derivative is complex; real numbers were returned")
    if is_complex(expected):
        return split(found, turned)
    if is_complex(found):
        raise WrongDtypeError(f"{name}: its derivative is real (take the real part); complex numbers were returned")
    return found
