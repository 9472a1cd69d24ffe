"""What is summed over all rows, a chunk of them at a time: in NumPy as it stands, or in JAX as one program.

A chunk of rows stays in the processor's cache between the product that makes the logits and the one that takes what
belongs to them back to theta, notes (10), so that the features are read once. What the chunks give is summed in
float64.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from manual_vs_auto.model import LOSSES, Loss
from manual_vs_auto.rules import Array, softmax
from manual_vs_auto.rules.targets import one_hot
from manual_vs_auto.solve.curvature import CONVEX, EXACT

DATA = "data"  # the axis of a mesh over which the rows are cut
_ALIGNED = 64  # bytes: XLA reads an array where it lies if it begins at a multiple of them, and else copies it whole


class Rows(NamedTuple):
    """Rows in chunks, so that XLA reads the features where they lie. A float32 array of NumPy's begins anywhere.

    some:   [R, D], as many from both ends as are no whole chunks.
    flat:   the entries of the others, with some before and after them: it begins where XLA wants it.
    before: how many entries of flat lie before the others'.
    labels, shares: [N], of `some` and then of the others.
    """

    some: Array
    flat: Array
    before: Array
    labels: Array
    shares: Array


def in_chunks(features: Array, labels: Array, shares: Array, chunk: int) -> Rows:
    """Rows [N, D] for chunks of so many. Which rows are summed together does not hang on where they lie."""
    xp, (rows, width) = features.__array_namespace__(), features.shape
    room = _ALIGNED // features.dtype.itemsize  # entries
    head = -(-room // width)
    some = rows % chunk
    some = min(rows, some if some >= 2 * head else some + chunk)
    ends, others = (slice(head), slice(rows - some + head, None)), slice(head, rows - some + head)
    flat, before = features.reshape(-1), head * width
    if isinstance(flat, np.ndarray):
        skipped = -flat.ctypes.data % _ALIGNED // features.dtype.itemsize
        flat, before = flat[skipped:][: max(0, flat.size - room)], before - skipped
    first = xp.concat([features[end] for end in ends])
    ordered = (xp.concat([part[some] for some in (*ends, others)]) for part in (labels, shares))
    return Rows(first, flat, xp.asarray(before), *ordered)


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
    rows, shares = moved(features, centre, thetas[0].dtype), shares.astype(thetas[0].dtype)
    xp, width = rows.__array_namespace__(), rows.shape[1]

    def scores(theta: Array) -> Array:
        logits = rows @ theta[:, :width].T
        return logits + theta[None, :, width] if intercept else logits

    *numbers, by_logits = work(scores, labels, shares, *thetas)
    by_theta = turned(by_logits) @ rows
    if intercept:
        by_theta = xp.concat([by_theta, xp.sum(by_logits, axis=0)[:, None]], axis=1)
    return tuple(part.astype(np.float64) for part in (*numbers, by_theta))


def in_numpy(
    work: Any, features: Array, labels: Array, shares: Array, *thetas: Array, intercept: bool, chunk: int
) -> tuple[Array, ...]:
    """`over_rows` of all rows, `chunk` of them at a time."""
    rows = (slice(at, at + chunk) for at in range(0, len(features), chunk))
    parts = (over_rows(work, features[i], labels[i], shares[i], None, *thetas, intercept=intercept) for i in rows)
    return tuple(map(sum, zip(*parts, strict=True)))


@partial(jax.jit, static_argnames=("work", "intercept", "chunk"))
def over_chunks(
    work: Any, rows: Rows, centre: Array | None, *thetas: Array, intercept: bool, chunk: int
) -> tuple[Array, ...]:
    """`over_rows` of all rows, `chunk` of them at a time, as one program."""
    some, width = rows.some.shape

    def one(features: Array, labels: Array, shares: Array) -> tuple[Array, ...]:
        return over_rows(work, features, labels, shares, centre, *thetas, intercept=intercept)

    def add(number: Array, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        # Sliced here: a scan over features[some:] would copy them all first.
        features = jax.lax.dynamic_slice_in_dim(rows.flat, rows.before + number * chunk * width, chunk * width)
        start = some + number * chunk
        beside = (jax.lax.dynamic_slice_in_dim(part, start, chunk) for part in (rows.labels, rows.shares))
        return tuple(map(jnp.add, sums, one(features.reshape(chunk, width), *beside)))

    count = (len(rows.labels) - some) // chunk
    total = one(rows.some, rows.labels[:some], rows.shares[:some])
    looped: tuple[Array, ...] = jax.lax.fori_loop(0, count, add, total) if count else total
    return looped


@partial(jax.jit, static_argnames=("mesh", "work", "intercept", "chunk"))
def over_devices(mesh: Mesh, work: Any, *arrays: Array, intercept: bool, chunk: int) -> tuple[Array, ...]:
    """`over_chunks` of the rows that each device along DATA has, summed over the devices. Args: arrays: as there."""

    def of_device(features: Array, labels: Array, shares: Array, *rest: Array) -> tuple[Array, ...]:
        rows = in_chunks(features, labels, shares, chunk)
        # As one array: XLA's CPU has devices wait for each other at each.
        flat, parts = ravel_pytree(over_chunks(work, rows, *rest, intercept=intercept, chunk=chunk))
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


def turned(rows: Array) -> Array:
    """The transpose as an array of its own: a product that reads its first operand across takes twice the time."""
    return rows.T if isinstance(rows, np.ndarray) else jax.lax.optimization_barrier(rows.T)


def moved(rows: Array, centre: Array | None, dtype: Any) -> Array:
    """x - c, taken before the rows are rounded to the dtype."""
    if centre is not None:
        rows = rows.astype(np.float64) - centre[None, :]
    return rows.astype(dtype, copy=False)
