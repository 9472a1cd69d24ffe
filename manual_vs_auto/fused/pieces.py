"""The numbers m, A, n, R and Q of a row of logits, which `rows` explains, from those of the pieces of it."""

import jax
import jax.numpy as jnp
from jax import lax

from manual_vs_auto.fused.logits import finite


def joined(
    maximum: jax.Array, others: jax.Array, ties: jax.Array, below: jax.Array, squares: jax.Array
) -> tuple[jax.Array, ...]:
    """m, A, n, R and Q of rows, each [N], from those of their pieces, each [pieces, N]."""
    top = jnp.max(maximum, axis=0)
    found = raised(maximum, others, ties, below, squares, top[None, :])
    return top, *(jnp.sum(found[name], axis=0) for name in ("others", "ties", "below", "squares"))


def raised(
    maximum: jax.Array, others: jax.Array, ties: jax.Array, below: jax.Array, squares: jax.Array, top: jax.Array
) -> dict[str, jax.Array]:
    """A, n, R and Q of pieces where the maximum is this one of all of them: then they add up."""
    factor = jnp.exp(maximum - finite(top))
    lower = factor < 1  # as E_k then is, of a class that was at the piece's maximum
    return {
        "others": factor * others,
        "ties": jnp.where(lower, 0, ties),
        "below": factor * jnp.where(lower, others, below),
        "squares": factor * factor * jnp.where(lower, ties + squares, squares),
    }


def few(others: jax.Array, ties: jax.Array, below: jax.Array, squares: jax.Array) -> tuple[jax.Array, jax.Array]:
    """n + Q and R - Q: all that squared distance asks for, since A is their sum. They add up as the others do.

    R - Q has no more than R's own rounding, and whoever asks for it adds it to no less.
    """
    # Where E_k is 1 it is 0, and its derivative is not: what is added has that.
    bent = others - ties - below
    return ties + squares, (below - squares) + (bent - lax.stop_gradient(bent))
