"""The logits that the loss sees, softcap * tanh((W x + b) / softcap) / temperature, and the way back from them."""

from typing import Any

import jax
import jax.numpy as jnp

from manual_vs_auto.fused.options import Options


def adjusted(products: jax.Array, bias: jax.Array | None, options: Options) -> jax.Array:
    """The logits of the products W x, which have the shape of the result. Source: notes (5)."""
    logits = products if bias is None else products + bias.astype(products.dtype)
    if options.softcap is not None:
        logits = options.softcap * jnp.tanh(logits / options.softcap)
    return logits / options.temperature if options.uses("temperature") else logits


def back(gradient: jax.Array, logits: jax.Array, options: Options) -> jax.Array:
    """The gradient by W x + b, from that by the logits: tanh' is 1 - tanh^2."""
    if options.softcap is not None:
        ratio = logits / options.softcap
        if options.uses("temperature"):
            ratio = ratio * options.temperature
        gradient = gradient * (1 - ratio**2)
    return gradient / options.temperature if options.uses("temperature") else gradient


def finite(maximum: jax.Array) -> jax.Array:
    """A maximum that can be subtracted: where no class is possible yet, 0 for -inf."""
    return jnp.where(maximum == -jnp.inf, 0, maximum)


def maximum_of(piece: Any) -> jax.Array:
    """The maximum of a piece's logits, [N], without a derivative: what follows is the same for every m."""
    # A class that another piece has may count twice, and padding has a class's logits: see `sweeps`.
    maximum = jax.lax.stop_gradient(jnp.max(piece.logits, axis=1))
    return jnp.where(jnp.any(piece.fresh), maximum, -jnp.inf) if piece.padded else maximum


def picked(logits: jax.Array, at: jax.Array, groups: int) -> jax.Array:
    """The logit of each row at a place of it, [N]: a gather, since a masked sum would be a pass over all of them.

    Where several devices may hold the classes, one in each block, so that no logit travels.
    """
    if groups == 1:
        return jnp.take_along_axis(logits, at[:, None], axis=1)[:, 0]
    size = logits.shape[1] // groups
    blocks = logits.reshape(-1, groups, size)
    within = jnp.broadcast_to((at % size)[:, None, None], (at.shape[0], groups, 1))
    found = jnp.take_along_axis(blocks, within, axis=2)[:, :, 0]
    return jnp.sum(jnp.where(jnp.arange(groups, dtype=at.dtype)[None, :] == (at // size)[:, None], found, 0), axis=1)
