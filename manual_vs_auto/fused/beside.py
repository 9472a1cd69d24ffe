"""What a row of logits tells beside its loss, in the same pass: the entropy's sum and the most probable class."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from manual_vs_auto.fused.logits import finite
from manual_vs_auto.fused.options import Options


class Beside(NamedTuple):
    """Numbers of a row of logits, or of a piece of it. Each is [N], or None where it is not asked for.

    spread: sum_k E_k (z_k - m), with E_k = exp(z_k - m), over the classes that the row's own sums are over.
    best:   int32, the first class at the maximum.
    """

    spread: jax.Array | None = None
    best: jax.Array | None = None


def beside_of(
    logits: jax.Array, exponential: jax.Array, maximum: jax.Array, indices: jax.Array, options: Options
) -> Beside:
    """The numbers of a piece: logits and exponentials [N, k], its maximum [N], and which classes they are [k]."""
    spread = best = None
    logits, exponential = jax.lax.stop_gradient((logits, exponential))
    if "entropy" in options.aux:
        difference = logits - finite(maximum)[:, None]
        spread = jnp.sum(jnp.where(exponential > 0, exponential * difference, 0), axis=1)
    if "argmax" in options.aux:
        last = jnp.iinfo(jnp.int32).max
        best = jnp.min(jnp.where(logits == maximum[:, None], indices[None, :], last), axis=1)
    return Beside(spread, best)


def no_beside(zero: jax.Array, options: Options) -> Beside:
    """The numbers of rows of no class: zero is [N]."""
    last = jnp.full(zero.shape, jnp.iinfo(jnp.int32).max, jnp.int32)
    return Beside(zero if "entropy" in options.aux else None, last if "argmax" in options.aux else None)


def raised_beside(beside: Beside, maximum: jax.Array, total: jax.Array, top: jax.Array) -> Beside:
    """The numbers of a piece where the maximum is this one, from its own and its sum of E_k: then they add up."""
    spread = best = None
    if beside.spread is not None:
        rise = jnp.where(maximum == -jnp.inf, 0, maximum - finite(top))
        spread = jnp.exp(maximum - finite(top)) * (beside.spread + rise * total)
    if beside.best is not None:
        best = jnp.where(maximum == top, beside.best, jnp.iinfo(jnp.int32).max)
    return Beside(spread, best)


def added_beside(one: Beside, other: Beside) -> Beside:
    """The numbers of two pieces that have the same maximum together."""
    spread = None if one.spread is None or other.spread is None else one.spread + other.spread
    best = None if one.best is None or other.best is None else jnp.minimum(one.best, other.best)
    return Beside(spread, best)
