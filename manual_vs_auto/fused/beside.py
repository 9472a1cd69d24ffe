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


def merged_beside(
    maxima: tuple[jax.Array, jax.Array], sums: tuple[jax.Array, jax.Array], pieces: tuple[Beside, Beside]
) -> Beside:
    """The numbers of two pieces together, from their maxima and their sums of E_k."""
    top = jnp.maximum(*maxima)
    one, other = pieces
    spread = best = None
    if one.spread is not None and other.spread is not None:
        rise = [jnp.where(m == -jnp.inf, 0, m - finite(top)) for m in maxima]
        parts = zip(maxima, rise, sums, (one.spread, other.spread), strict=True)
        first, second = (jnp.exp(m - finite(top)) * (s + up * total) for m, up, total, s in parts)
        spread = first + second
    if one.best is not None and other.best is not None:
        tied = jnp.minimum(one.best, other.best)
        best = jnp.where(maxima[0] == maxima[1], tied, jnp.where(maxima[0] > maxima[1], one.best, other.best))
    return Beside(spread, best)
