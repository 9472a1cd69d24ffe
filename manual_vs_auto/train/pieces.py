"""The gradient of a batch as a sum over parts of it, which are pieces that stay in the cache, or devices.

Source: the mean over a batch is sum_p n_p mean_p / sum_p n_p, with n_p the weights of a part's examples, and so is the
        gradient of the mean.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto.model import Batch, Params, ValueAndGrad
from manual_vs_auto.rules.floating import narrowed

_PIECE = 2**22  # bytes of images in float32


class Sums(NamedTuple):
    """What adds up, in at least float32.

    loss: n_p times the mean loss. count: n_p. weight: n_p times the gradient [K, D].
    """

    loss: Any
    count: Any
    weight: Any

    def mean(self, dtype: Any) -> tuple[Any, Params]:
        """The mean loss and its gradient, that in this dtype; 0 of no example."""
        count = jnp.where(self.count == 0, 1, self.count)
        return self.loss / count, Params(narrowed(self.weight / count, dtype))


def wide(params: Params) -> Params:
    """In at least float32, for a sum is rounded once, at its end."""
    return Params(params.weight.astype(np.promote_types(params.weight.dtype, np.float32)))


def sums_of(way: ValueAndGrad, params: Params, part: Batch) -> Sums:
    """Of a part of a batch, whose examples have weights. Args: params: as `wide` gives them."""
    assert part.weights is not None
    mean, grads = way(params, part)
    count = jnp.sum(part.weights, dtype=mean.dtype)
    return Sums(mean * count, count, grads.weight * count)


def in_pieces(way: ValueAndGrad) -> ValueAndGrad:
    """`way`, of at most as many examples at a time as a processor has in its cache in float32.

    Of more, each is written to memory and read from there twice, by both products.
    """

    def gradient(params: Params, batch: Batch) -> tuple[Any, Params]:
        examples = batch.labels.shape[0]
        pieces = pieces_of(examples, batch.images.shape[1])
        if pieces == 1:
            return way(params, batch)
        size = -(-examples // pieces)

        def cut(leaf: Any) -> Any:
            short = pieces * size - examples  # filled up with what does not count
            filled = jnp.pad(leaf, [(0, short)] + [(0, 0)] * (leaf.ndim - 1)) if short else leaf
            return filled.reshape(pieces, size, *leaf.shape[1:])

        def add(total: Sums, piece: Batch) -> tuple[Sums, None]:
            return jax.tree.map(jnp.add, total, sums_of(way, wide(params), piece)), None

        weight = jnp.zeros_like(wide(params).weight)
        number = jnp.zeros_like(batch.labels[0], dtype=weight.dtype)  # spread over devices as the batch is
        total: Sums = jax.lax.scan(add, Sums(number, number, weight), jax.tree.map(cut, batch))[0]
        return total.mean(params.weight.dtype)

    return gradient


def pieces_of(examples: int, features: int) -> int:
    """In how many pieces: as few as may be, or where that is less than twice as many, so that none is filled up."""
    most = max(1, _PIECE // (4 * max(1, features)))
    fewest = max(1, -(-examples // most))
    return next((pieces for pieces in range(fewest, 2 * fewest) if examples % pieces == 0), fewest)
