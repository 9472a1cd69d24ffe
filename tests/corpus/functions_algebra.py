"""Linear algebra and reductions, each with its right derivative beside it."""

from typing import Any

import jax
import jax.numpy as jnp


def outer(x: Any, y: Any) -> Any:
    return jnp.outer(x, y)


def outer_vjp(ct: Any, x: Any, y: Any) -> Any:
    return ct @ y, x @ ct


def dot(x: Any, y: Any) -> Any:
    return jnp.dot(x, y)


def dot_vjp(ct: Any, x: Any, y: Any) -> Any:
    return ct * y, ct * x


def matmul(a: Any, b: Any) -> Any:
    return a @ b


def matmul_vjp(ct: Any, a: Any, b: Any) -> Any:
    return ct @ b.T, a.T @ ct


def quadratic(A: Any, x: Any) -> Any:
    return x @ A @ x


def quadratic_grads(A: Any, x: Any) -> Any:
    return jnp.outer(x, x), A @ x + A.T @ x


def trace_product(A: Any, B: Any) -> Any:
    """Return the trace of A B."""
    return jnp.sum(A * B.T)


def trace_product_grads(A: Any, B: Any) -> Any:
    return B.T, A.T


def logdet(A: Any) -> Any:
    return jnp.linalg.slogdet(A)[1]


def logdet_grad(A: Any) -> Any:
    return jnp.linalg.inv(A).T


def inverse(A: Any) -> Any:
    return jnp.linalg.inv(A)


def inverse_vjp(ct: Any, A: Any) -> Any:
    b = jnp.linalg.inv(A).T
    return (-b @ ct @ b,)


def solve(A: Any, b: Any) -> Any:
    return jnp.linalg.solve(A, b)


def solve_vjp(ct: Any, A: Any, b: Any) -> Any:
    db = jnp.linalg.solve(A.T, ct)
    return -jnp.outer(db, jnp.linalg.solve(A, b)), db


def solve_jvp(primals: Any, tangents: Any) -> Any:
    (A, b), (dA, db) = primals, tangents
    return jnp.linalg.solve(A, db - dA @ jnp.linalg.solve(A, b))


def bilinear(x: Any, A: Any, y: Any) -> Any:
    return jnp.einsum("bi,ij,bj->b", x, A, y)


def bilinear_vjp(ct: Any, x: Any, A: Any, y: Any) -> Any:
    return (
        jnp.einsum("b,ij,bj->bi", ct, A, y),
        jnp.einsum("b,bi,bj->ij", ct, x, y),
        jnp.einsum("b,bi,ij->bj", ct, x, A),
    )


def cross(x: Any, y: Any) -> Any:
    return jnp.roll(x, -1) * jnp.roll(y, -2) - jnp.roll(x, -2) * jnp.roll(y, -1)


def cross_vjp(ct: Any, x: Any, y: Any) -> Any:
    dx = jnp.roll(ct * jnp.roll(y, -2), 1) - jnp.roll(ct * jnp.roll(y, -1), 2)
    dy = jnp.roll(ct * jnp.roll(x, -1), 2) - jnp.roll(ct * jnp.roll(x, -2), 1)
    return dx, dy


def kalman(x: Any, p: Any, z: Any, r: Any) -> Any:
    """Update the mean x of variance p by the measurement z of variance r."""
    k = p / (p + r)
    return x + k * (z - x), (1.0 - k) * p


def kalman_vjp(ct: Any, x: Any, p: Any, z: Any, r: Any) -> Any:
    cx, cp = ct
    k, v = p / (p + r), r / (p + r)
    dk = cx * (z - x)
    return cx * v, dk * v / (p + r) + cp * v**2, cx * k, -dk * k / (p + r) + cp * k**2


def norm(x: Any) -> Any:
    return jnp.sqrt(jnp.sum(x**2))


def norm_grad(x: Any) -> Any:
    """Return 0, which is a subgradient, where x is 0."""
    n = norm(x)
    return x / jnp.where(n == 0, 1.0, n)


def variance(x: Any) -> Any:
    return jnp.mean((x - jnp.mean(x)) ** 2)


def variance_grad(x: Any) -> Any:
    return 2.0 * (x - jnp.mean(x)) / x.size


def mean_rows(x: Any) -> Any:
    return jnp.mean(x, axis=0)


def mean_rows_vjp(ct: Any, x: Any) -> Any:
    return (jnp.broadcast_to(ct / x.shape[0], x.shape),)


def cumsum(x: Any) -> Any:
    return jnp.cumsum(x)


def cumsum_vjp(ct: Any, x: Any) -> Any:
    return (jnp.flip(jnp.cumsum(jnp.flip(ct))),)


def without_each(x: Any) -> Any:
    """Return rows of x, in each of which one element is 1."""
    return jnp.where(jnp.eye(x.shape[0], dtype=bool), jnp.ones_like(x), x)


def cumprod(x: Any) -> Any:
    return jnp.cumprod(x)


def cumprod_vjp(ct: Any, x: Any) -> Any:
    return (jnp.sum(jnp.triu(jnp.cumprod(without_each(x), axis=1)) * ct, axis=1),)


def prod(x: Any) -> Any:
    return jnp.prod(x)


def prod_grad(x: Any) -> Any:
    return jnp.prod(without_each(x), axis=1)


def maximum(x: Any) -> Any:
    return jnp.max(x)


def maximum_grad(x: Any) -> Any:
    """Split it evenly among ties."""
    top = (x == jnp.max(x)).astype(x.dtype)
    return top / jnp.sum(top)


def row_max(x: Any) -> Any:
    return jnp.max(x, axis=1)


def row_max_vjp(ct: Any, x: Any) -> Any:
    top = (x == jnp.max(x, axis=1, keepdims=True)).astype(x.dtype)
    return (ct[:, None] * top / jnp.sum(top, axis=1, keepdims=True),)


def sort(x: Any) -> Any:
    return jnp.sort(x)


def sort_vjp(ct: Any, x: Any) -> Any:
    return (jnp.zeros_like(x).at[jnp.argsort(x)].set(ct),)


def scatter_add(x: Any, ids: Any, updates: Any) -> Any:
    return jnp.asarray(x).at[ids].add(updates)


def scatter_add_vjp(ct: Any, x: Any, ids: Any, updates: Any) -> Any:
    return ct, jnp.asarray(ct)[ids]


def blend(values: Any, t: Any) -> Any:
    """Interpolate between the values at the whole numbers; t goes round in a circle."""
    n = values.shape[0]
    i = jnp.floor(jax.lax.stop_gradient(t))
    at = jnp.mod(i.astype(jnp.int32), n)
    values = jnp.asarray(values)
    return values[at] * (1.0 - (t - i)) + values[jnp.mod(at + 1, n)] * (t - i)


def blend_vjp(ct: Any, values: Any, t: Any) -> Any:
    n = values.shape[0]
    i = jnp.floor(t)
    at = jnp.mod(i.astype(jnp.int32), n)
    nxt = jnp.mod(at + 1, n)
    values = jnp.asarray(values)
    dvalues = jnp.zeros_like(values).at[at].add(ct * (1.0 - (t - i))).at[nxt].add(ct * (t - i))
    return dvalues, ct * (values[nxt] - values[at])


def horner(c: Any, x: Any) -> Any:
    """Return c[0] + c[1] x + c[2] x**2 + ..."""
    y = jnp.zeros_like(x)
    for i in range(c.shape[0] - 1, -1, -1):
        y = y * x + c[i]
    return y


def horner_vjp(ct: Any, c: Any, x: Any) -> Any:
    slopes = jnp.asarray(c[1:]) * jnp.arange(1, c.shape[0], dtype=c.dtype)
    return jnp.stack([jnp.sum(ct * x**i) for i in range(c.shape[0])]), ct * horner(slopes, x)
