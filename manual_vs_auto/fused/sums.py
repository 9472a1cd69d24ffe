"""The sums that squared distance needs of a row's exponentials, in as few passes as a compiler allows."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from manual_vs_auto.fused.lengths import is_number

LANES = 32  # of a sum, on a CPU


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def sums(exponential: jax.Array, groups: int = 1) -> tuple[jax.Array, ...]:
    """A, n, R and Q of `rows` of exponentials [N, k], each [N]. groups: blocks of classes, as in `chunks.Cut`."""
    blocks = exponential.reshape(exponential.shape[0], groups, exponential.shape[1] // groups)
    rest = lax.platform_dependent(blocks, cpu=_in_lanes, default=_one_by_one)
    # A by itself, though it is n + R: a second reader keeps XLA from computing exp inside of the other sums.
    return jnp.sum(exponential, axis=1), *rest


def _one_by_one(blocks: jax.Array) -> tuple[jax.Array, ...]:
    return tuple(jnp.sum(term, axis=(1, 2)) for term in _terms(blocks))


def _in_lanes(blocks: jax.Array) -> tuple[jax.Array, ...]:
    """n, R and Q for XLA's CPU compiler, which writes what it is to sum: every square and every selection.

    It does not where all are one reduction, which adds one term after the other: in each of some lanes, so that no sum
    is one of too many.
    """
    rows, groups, classes = blocks.shape
    lanes = min(LANES, classes // 128) if is_number(classes) else LANES
    if not lanes:
        return _reduced(blocks, (1, 2))
    whole = classes // lanes * lanes
    cut = blocks[:, :, :whole].reshape(rows, groups, whole // lanes, lanes)
    found = [jnp.sum(lane, axis=1) for lane in _reduced(cut, (1, 2))]
    return tuple(map(jnp.add, found, _reduced(blocks[:, :, whole:], (1, 2))))


def _reduced(e: jax.Array, axes: tuple[int, ...]) -> tuple[jax.Array, ...]:
    terms = _terms(e)
    add = lambda one, other: tuple(map(jnp.add, one, other))  # noqa: E731
    return tuple(lax.reduce(terms, (jnp.zeros((), e.dtype),) * len(terms), add, axes))


def _terms(e: jax.Array) -> tuple[jax.Array, ...]:
    """What is summed to n, R and Q; n as squares, so that whoever differentiates it is right too."""
    return jnp.where(e < 1, 0, e * e), jnp.where(e < 1, e, 0), jnp.where(e < 1, e * e, 0)


@sums.defjvp
def _differentiated(
    groups: int, primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, ...]]:
    (e,), (tangent,) = primals, tangents
    slopes = jnp.ones_like(e), jnp.where(e < 1, 0, 2 * e), jnp.where(e < 1, 1, 0), jnp.where(e < 1, 2 * e, 0)
    return sums(e, groups), tuple(jnp.sum(slope * tangent, axis=1) for slope in slopes)
