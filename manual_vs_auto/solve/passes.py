"""What is summed over all rows, and the Gram matrix of some: NumPy as it stands, or JAX in chunks.

A chunk of rows stays in the processor's cache between the product that makes the logits and the one that takes what
belongs to them back to theta, notes (10), so that the features are read once. What the chunks give is summed in
float64.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.scipy.linalg import cho_solve
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from manual_vs_auto.model import LOSSES, Loss
from manual_vs_auto.rules import Array, softmax
from manual_vs_auto.rules.targets import one_hot
from manual_vs_auto.solve.curvature import CONVEX, DIAGONAL, EXACT

DATA = "data"  # the axis of a mesh over which the rows are cut
_ROWS_A_CLASS = 512  # or D of them
_ROWS, _ROWS_A_COLUMN = 4096, 4  # of the sample, for what all classes share
_BORROWED = 0.1  # of the mean
_RIDGE, _LEAST = 1e-6, 1e-18  # of D times the diagonal; where every row is sure, and the matrix 0


def _value_and_grad(loss: Loss, scores: Any, labels: Array, shares: Array, theta: Array) -> tuple[Array, Array]:
    rule = LOSSES[loss]
    losses, residuals = rule.fwd(scores(theta), labels)
    by_logits, _ = rule.bwd(residuals, shares)
    return losses.__array_namespace__().sum((losses * shares).astype(np.float64)), by_logits


def _product(hessian: Any, scores: Any, labels: Array, shares: Array, theta: Array, direction: Array) -> tuple[Array]:
    logits = scores(theta)
    product = hessian(softmax(logits), one_hot(labels, logits), scores(direction))
    return (product * shares[:, None],)


# What is asked of the rows: numbers, and what belongs to their logits [B, K]. Made once: a program is compiled for
# each, and found again by which one it is.
GRADIENTS = {loss: partial(_value_and_grad, loss) for loss in LOSSES}
PRODUCTS = {
    name: {loss: partial(_product, hessian[loss]) for loss in LOSSES}
    for name, hessian in (("exact", EXACT), ("convex", CONVEX))
}


def over_rows(
    work: Any, features: Array, labels: Array, shares: Array, centre: Array | None, *thetas: Array, intercept: bool
) -> tuple[Array, ...]:
    """What `work` says of these rows, its last part taken back to theta: numbers and [K, D + 1], float64.

    Args: work: of GRADIENTS or PRODUCTS. features: [B, D]. labels, shares: [B]. centre: [D], taken from each row.
          thetas: [K, D + 1] in the dtype that is worked in, or [K, D] without an intercept.
    """
    rows, shares = _moved(features, centre, thetas[0].dtype), shares.astype(thetas[0].dtype)
    xp, width = rows.__array_namespace__(), rows.shape[1]

    def scores(theta: Array) -> Array:
        logits = rows @ theta[:, :width].T
        return logits + theta[None, :, width] if intercept else logits

    *numbers, by_logits = work(scores, labels, shares, *thetas)
    by_theta = _turned(by_logits) @ rows
    if intercept:
        by_theta = xp.concat([by_theta, xp.sum(by_logits, axis=0)[:, None]], axis=1)
    return tuple(part.astype(np.float64) for part in (*numbers, by_theta))


@partial(jax.jit, static_argnames=("work", "intercept", "chunk"))
def over_chunks(
    work: Any,
    features: Array,
    labels: Array,
    shares: Array,
    centre: Array | None,
    *thetas: Array,
    intercept: bool,
    chunk: int,
) -> tuple[Array, ...]:
    """`over_rows` of all rows, `chunk` of them at a time, as one program."""

    def one(rows: Array, labels: Array, shares: Array) -> tuple[Array, ...]:
        return over_rows(work, rows, labels, shares, centre, *thetas, intercept=intercept)

    def add(number: Array, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        # Sliced here: a scan over features[:-rest] would copy them all first.
        parts = (jax.lax.dynamic_slice_in_dim(part, number * chunk, chunk) for part in (features, labels, shares))
        return tuple(map(jnp.add, sums, one(*parts)))

    count = len(features) // chunk
    total = one(*(part[count * chunk :] for part in (features, labels, shares)))
    looped: tuple[Array, ...] = jax.lax.fori_loop(0, count, add, total) if count else total
    return looped


@partial(jax.jit, static_argnames=("mesh", "work", "intercept", "chunk"))
def over_devices(mesh: Mesh, work: Any, *arrays: Array, intercept: bool, chunk: int) -> tuple[Array, ...]:
    """`over_chunks` of the rows that each device along DATA has, summed over the devices. Args: arrays: as there."""

    def of_device(*arrays: Array) -> tuple[Array, ...]:
        # As one array: XLA's CPU has devices wait for each other at each.
        flat, parts = ravel_pytree(over_chunks(work, *arrays, intercept=intercept, chunk=chunk))
        summed: tuple[Array, ...] = parts(jax.lax.psum(flat, DATA))
        return summed

    specs = (P(DATA),) * 3 + (P(),) * (len(arrays) - 3)  # features, labels and shares are of rows
    cut = jax.shard_map(of_device, mesh=mesh, in_specs=specs, out_specs=P())
    found: tuple[Array, ...] = cut(*arrays)
    return found


def spread(mesh: Mesh, rows: Array) -> jax.Array:
    """Rows [N, ...] cut over the devices along DATA, with rows of zeros after the last. Each process reads its own."""
    share = -(-len(rows) // mesh.shape[DATA])

    def of_device(index: tuple[slice, ...] | None) -> Array:
        start = index[0].start or 0 if index else 0
        own = rows[start : start + share]
        return np.pad(own, [(0, share - len(own))] + [(0, 0)] * (rows.ndim - 1)) if len(own) < share else own

    shape = (share * mesh.shape[DATA], *rows.shape[1:])
    return jax.make_array_from_callback(shape, NamedSharding(mesh, P(DATA)), of_device)


def gram(
    theta: Array, features: Array, shares: Array, centre: Array | None, *, loss: Loss, intercept: bool, by_class: bool
) -> Array:
    """sum_i s_i c_i x_i x_i', in theta's dtype: [1, D, D] with the mean curvature c of a row, or [K, D, D] by class.

    A class asks something of few rows. Of these the most uncertain are summed; what the others have, and a part of it
    all, for few rows leave many directions open, is put where the mean has it.
    """
    rows, shares = _moved(features, centre, theta.dtype), shares.astype(theta.dtype)
    xp = rows.__array_namespace__()
    if intercept:
        rows = xp.concat([rows, xp.ones_like(rows[:, :1])], axis=1)
    least = xp.finfo(theta.dtype).tiny
    few = slice(None, None, max(1, len(rows) // max(_ROWS, _ROWS_A_COLUMN * rows.shape[1])))
    if not by_class:
        rows, shares = rows[few], shares[few] * (xp.sum(shares) / xp.maximum(xp.sum(shares[few]), least))
        asked = shares * xp.sum(DIAGONAL[loss](softmax(rows @ theta.T)), axis=1) / (len(theta) - 1)
        return (_turned(rows * asked[:, None]) @ rows)[None]
    bends = shares[:, None] * DIAGONAL[loss](softmax(rows @ theta.T))
    mean = _turned(rows[few] * xp.sum(bends[few], axis=1)[:, None]) @ rows[few]
    squares, size = xp.sum(rows * rows, axis=1), xp.linalg.trace(mean)
    size = xp.where(size > least, size, xp.ones_like(size))  # where all of these rows are sure, the mean is 0
    kept = min(len(rows), max(_ROWS_A_CLASS, rows.shape[1]))

    def of_class(bends: Array) -> Array:
        first = jax.lax.top_k(bends, kept)[1] if xp is jnp else np.argpartition(bends, -kept)[-kept:]
        some = rows[first]
        own = (1 - _BORROWED) * (_turned(some * bends[first, None]) @ some)
        return own + (xp.sum(bends * squares) - xp.linalg.trace(own)) / size * mean

    return jax.lax.map(of_class, bends.T) if xp is jnp else np.stack([of_class(each) for each in bends.T])


def inverse(matrices: Array, penalty: Array) -> Array:
    """(M + diag(penalty))^-1 of each of [_, D, D], with a ridge in each column that float32 can tell from 0."""
    xp = matrices.__array_namespace__()
    unit = xp.eye(len(penalty), dtype=matrices.dtype)
    ridges = xp.maximum(_RIDGE * len(unit) * xp.linalg.diagonal(matrices), _LEAST)
    added = penalty.astype(matrices.dtype)[None, :] + ridges
    whole = matrices + added[:, None, :] * unit[None]
    if xp is np:
        return np.linalg.inv(whole)
    return jax.lax.map(lambda each: cho_solve((jnp.linalg.cholesky(each), True), unit), whole)


def times(theta: Array, matrices: Array) -> Array:
    """Each class's theta [K, D] times the matrix of its class, or the only one."""
    if len(matrices) == 1:
        return theta @ matrices[0]
    return (theta[:, None, :] @ matrices)[:, 0, :]


gram_compiled = jax.jit(gram, static_argnames=("loss", "intercept", "by_class"))
inverse_compiled = jax.jit(inverse)
times_compiled = jax.jit(times)


def _turned(rows: Array) -> Array:
    """The transpose as an array of its own: a product that reads its first operand across takes twice the time."""
    return rows.T if isinstance(rows, np.ndarray) else jax.lax.optimization_barrier(rows.T)


def _moved(rows: Array, centre: Array | None, dtype: Any) -> Array:
    """x - c, taken before the rows are rounded to the dtype."""
    return rows.astype(dtype) if centre is None else (rows.astype(np.float64) - centre[None, :]).astype(dtype)
