"""The logits that the loss sees, softcap * tanh((W x + b) / softcap) / temperature, and the way back from them."""

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
