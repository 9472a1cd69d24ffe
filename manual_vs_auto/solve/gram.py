"""How the features vary where the rows are unsure: a Gram matrix for all classes, and what each class has beside it.

    M   = sum_i s_i c_i x_i x_i'                                         [D, D], c_i the mean curvature of a row
    M_k = a_k M + l2 I + sum_{i in R_k} s_i C_i,kk x_i x_i' = a_k M + l2 I + U_k' U_k            U_k: [m, D]

R_k are the rows in which class k is least sure, and a_k puts what the others ask of it where all classes have it.
Where there are more of them than columns, U_k is the D rows that say the same. K inverses of D x D matrices would take
the time of several passes over the rows. Instead, with F (M + l2/a I) F' = I for the mean a of all a_k, and
Z_k = U_k F':

    M_k^-1 = F' (a_k I + Z_k' Z_k)^-1 F = F' (I - R_k' R_k) F / a_k,          R_k' R_k = Z_k' (a_k I + Z_k Z_k')^-1 Z_k

which is Woodbury's identity: what is inverted is m x m. (The penalty is a_k / a of what it should be, where M is much
more than it, and all of it where it is more than M.) In NumPy as it stands, or by JAX as three programs.
"""

import importlib
from contextlib import nullcontext
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from threadpoolctl import ThreadpoolController

from manual_vs_auto.model import Loss
from manual_vs_auto.rules import Array, softmax
from manual_vs_auto.solve.curvature import DIAGONAL
from manual_vs_auto.solve.passes import moved, turned

_ROWS, _ROWS_A_COLUMN = 4096, 4  # of the sample, for what all classes share
_BORROWED = 0.1  # of what a class has in rows of its own, put where the mean has it: few rows leave directions open
_RIDGE, _LEAST = 1e-6, 1e-18  # of D times the diagonal: float32 can tell it from 0; where every row is sure, and M 0
_SOON = 1024  # columns that LAPACK is soon done with
_SURE = 1e-5  # the least a of a class that is sure of all its rows, and of what its own rows have, seen by F


class Gram(NamedTuple):
    """M and, by class, M_k without the penalty.

    mean: M [D, D], or D + 1 with the intercept's 1.
    rest: a [K]; 1 [1] of one for all classes.
    rows: U [K, m, D]; [1, 0, D] of one for all.
    """

    mean: Array
    rest: Array
    rows: Array


class Inverse(NamedTuple):
    """M_k^-1 = root' (I - rows_k' rows_k) root / rest_k: F [D, D], a [K] and R [K, m, D], as in `Gram`."""

    root: Array
    rest: Array
    rows: Array


def gram(
    theta: Array, features: Array, shares: Array, centre: Array | None, *, loss: Loss, intercept: bool, own: int
) -> Gram:
    """M in theta's dtype, and M_k of `own` rows of each class unless that is 0.

    Args: as `passes.over_rows` takes them.
    """
    rows, shares = moved(features, centre, theta.dtype), shares.astype(theta.dtype)
    xp = rows.__array_namespace__()
    if intercept:
        rows = xp.concat([rows, xp.ones_like(rows[:, :1])], axis=1)
    least = xp.finfo(theta.dtype).tiny
    few = slice(None, None, max(1, len(rows) // max(_ROWS, _ROWS_A_COLUMN * rows.shape[1])))
    some, weights = rows[few], shares[few] * (xp.sum(shares) / xp.maximum(xp.sum(shares[few]), least))
    asked = weights * xp.sum(DIAGONAL[loss](softmax(some @ theta.T)), axis=1) / (len(theta) - 1)
    mean = turned(some * asked[:, None]) @ some
    if not own:
        return Gram(mean, xp.ones_like(mean[0, :1]), mean[None, :0])
    bends = (shares[:, None] * DIAGONAL[loss](softmax(rows @ theta.T))).T

    def of_class(bends: Array) -> Array:
        first = jax.lax.top_k(bends, own)[1] if xp is jnp else np.argpartition(bends, -own)[-own:]
        found = rows[first] * xp.sqrt((1 - _BORROWED) * bends[first])[:, None]
        return found if own <= len(mean) else xp.linalg.cholesky(_ridged(turned(found) @ found)).mT

    of_classes = jax.lax.map(of_class, bends) if xp is jnp else np.stack([of_class(each) for each in bends])
    size = xp.linalg.trace(mean)
    size = xp.where(size > least, size, xp.ones_like(size))  # where all of these rows are sure, M is 0
    rest = bends @ xp.sum(rows * rows, axis=1) - xp.sum(of_classes * of_classes, axis=(1, 2))
    return Gram(mean, rest / size, of_classes)


def inverse(found: Gram, penalty: Array) -> Inverse:
    """M_k^-1 with diag(penalty) [D] in M, and a ridge in each column."""
    mean, rest, rows = found
    xp = mean.__array_namespace__()
    middle = xp.maximum(xp.mean(rest), _SURE)
    unit, penalty = xp.eye(len(mean), dtype=mean.dtype), penalty.astype(mean.dtype) / middle
    root = _solved(xp.linalg.cholesky(_ridged(mean) + penalty[None, :] * unit), unit)
    if not rows.shape[1]:
        return Inverse(root, rest, rows)
    # The penalty is the same for each class: the more of all it is, the nearer is each a to their mean.
    size, pulled = xp.linalg.trace(mean), xp.sum(penalty)
    rest = (rest * size + middle * pulled) / xp.maximum(size + pulled, _LEAST)
    seen = xp.reshape(xp.reshape(rows, (-1, len(unit))) @ root.T, rows.shape)
    inner = seen @ seen.mT
    rest = xp.maximum(rest, _SURE * (1 + xp.linalg.trace(inner)))
    unit = xp.broadcast_to(xp.eye(rows.shape[1], dtype=mean.dtype), inner.shape)
    lower = xp.linalg.cholesky(inner + rest[:, None, None] * unit)
    return Inverse(root, rest, _solved(lower, unit) @ seen)


def times(theta: Array, inverse: Inverse) -> Array:
    """M_k^-1 times each class's theta: [K, D]."""
    root, rest, rows = inverse
    seen = theta @ root.T
    if rows.shape[1]:
        seen = seen - ((seen[:, None, :] @ rows.mT) @ rows)[:, 0, :]
    return seen / rest[:, None] @ root


def by_lapack(function: Any, *args: Any, **options: Any) -> Any:
    """What a program returns, computed; its first array has D columns. Few of them: by one thread of LAPACK's BLAS.

    Others spin for a tenth of a second once they have nothing to do, and the passes take twice as long meanwhile.
    """
    soon = jax.tree.leaves(args)[0].shape[1] <= _SOON
    with _blas().limit(limits=1, user_api="blas") if soon else nullcontext():
        return jax.block_until_ready(function(*args, **options))


@cache
def _blas() -> ThreadpoolController:
    """NumPy's BLAS and SciPy's, which JAX calls: to look for them takes a millisecond and a half."""
    importlib.import_module("scipy.linalg")
    return ThreadpoolController()


def _ridged(matrix: Array) -> Array:
    """A matrix [D, D], and in each column a ridge that can be told from 0."""
    xp = matrix.__array_namespace__()
    ridges = xp.maximum(_RIDGE * len(matrix) * xp.linalg.diagonal(matrix), _LEAST)
    return matrix + ridges[None, :] * xp.eye(len(matrix), dtype=matrix.dtype)


def _solved(lower: Array, right: Array) -> Array:
    """lower^-1 right."""
    if isinstance(lower, np.ndarray):
        return np.linalg.solve(lower, right)
    return solve_triangular(lower, right, lower=True)


gram_compiled = jax.jit(gram, static_argnames=("loss", "intercept", "own"))
inverse_compiled = jax.jit(inverse)
times_compiled = jax.jit(times)
