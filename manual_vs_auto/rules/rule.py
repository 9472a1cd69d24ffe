"""The shape that every rule has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

# A NumPy or a JAX array, traced or not. The Python array API has no static type yet.
Array: TypeAlias = Any
Primals: TypeAlias = tuple[Array, ...]
# One array a primal, or None where a primal has no derivative: integer labels.
Derivatives: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Rule:
    """A function with its derivative in each form that the notes use.

    Every part takes leading batch axes and runs in whichever namespace its arrays belong to:
    NumPy arrays stay in NumPy, JAX arrays trace, jit and vmap. Below, `batch` is those axes.

    name:     the primal's name.
    equation: where the notes have it, "notes (6)(8)".
    primals:  the names of the primals, in order.
    primal:   primal(*primals) -> out, [batch, M] for a vector or [batch] for a loss.
    jacobian: jacobian(*primals) -> one J a primal, [batch, (M,) *the primal's own axes]: one row an
              output, one column an input.
    jvp:      jvp(primals, tangents) -> tangent of out, J @ tangent. A tangent of None is zero.
    fwd, bwd: fwd(*primals) -> (out, residuals); bwd(residuals, cotangent) -> one cotangent a primal,
              J.T @ cotangent, summed over the batch for a primal that the batch shares. They are the
              pair that `jax.custom_vjp(primal).defvjp` takes.
    samples:  samples(generator, batch_shape) -> primals, NumPy float64 and integer labels.
    shared:   the names of the primals that have no batch axes: one W for every x.
    """

    name: str
    equation: str
    primals: tuple[str, ...]
    primal: Callable[..., Array]
    jacobian: Callable[..., Derivatives]
    jvp: Callable[[Primals, Derivatives], Array]
    fwd: Callable[..., tuple[Array, Any]]
    bwd: Callable[[Any, Array], Derivatives]
    samples: Callable[[np.random.Generator, tuple[int, ...]], Primals]
    shared: tuple[str, ...] = ()
