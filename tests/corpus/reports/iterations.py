"""Implicit rules of what an iteration finds: f itself is only as exact as its tolerance or its count of steps."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus.functions import POSITIVE, normal, positive, slope_vjp
from tests.corpus.item import Item
from tests.corpus.reports.pair import Wrong, pair

# Of norm 1/2, so that each step halves the distance at least; not symmetric.
WEIGHTS = (lambda a: 0.5 * a / np.linalg.norm(a, 2))(normal(1, 4, 4, dtype=np.float64))
DEFINITE = (lambda a: a @ a.T / 4 + np.eye(4))(normal(2, 4, 4, dtype=np.float64))
UNIFORM = np.array([0.1, 0.35, 0.6, 0.9])


def until(near: Any, step: Any, start: Any) -> Any:
    """What step makes of start once near(the value, the one before) holds, or after 100 steps."""

    def going(state: Any) -> Any:
        return (state[0] < 100) & ~near(*state[1:])

    return jax.lax.while_loop(going, lambda s: (s[0] + 1, step(s[1]), s[1]), (1, step(start), start))[1]


def root(tolerance: float) -> Any:
    """Newton's square root, until its square is right up to the tolerance."""

    def f(a: Any) -> Any:
        def near(x: Any, _: Any) -> Any:
            return jnp.all(jnp.abs(x * x - a) <= tolerance * a)

        return until(near, lambda x: 0.5 * (x + a / x), 0.5 * (1.0 + a))

    return f


def endless(a: Any) -> Any:
    """Newton's square root with no bound on its steps: where a is negative they never settle."""

    def going(state: Any) -> Any:
        return jnp.any(jnp.abs(state[0] - state[1]) > 1e-6 * jnp.abs(state[0]))

    return jax.lax.while_loop(going, lambda s: (0.5 * (s[0] + a / s[0]), s[0]), (0.5 * (1.0 + a), a + 1.0))[0]


def _layer(x: Any, z: Any) -> Any:
    return jnp.tanh(jnp.asarray(WEIGHTS, z.dtype) @ z + x)


def settled(x: Any) -> Any:
    """z = tanh(W z + x) after 30 steps."""
    x = jnp.asarray(x)
    return jax.lax.scan(lambda z, _: (_layer(x, z), None), jnp.zeros_like(x), length=30)[0]


def settled_until(tolerance: float) -> Any:
    """The same until a step moves it by no more than the tolerance."""

    def f(x: Any) -> Any:
        x = jnp.asarray(x)

        def near(z: Any, before: Any) -> Any:
            return jnp.max(jnp.abs(z - before)) <= tolerance

        return until(near, lambda z: _layer(x, z), jnp.zeros_like(x))

    return f


def settled_vjp(ct: Any, x: Any, turned: bool = True) -> Any:
    w, z = jnp.asarray(WEIGHTS, jnp.asarray(x).dtype), settled(x)
    slope = 1.0 - z * z
    system = jnp.eye(4, dtype=w.dtype) - slope[:, None] * w
    return (slope * jnp.linalg.solve(system.T if turned else system, ct),)


def _one_term(ct: Any, x: Any) -> Any:
    """The first two terms of the inverse's series."""
    w, z = jnp.asarray(WEIGHTS, jnp.asarray(x).dtype), settled(x)
    slope = 1.0 - z * z
    return (slope * (ct + w.T @ (slope * ct)),)


def flow(z: Any, p: Any, steps: int = 20) -> Any:
    """z' = -p sin z over a time of 1, by Runge and Kutta."""

    def slope(z: Any) -> Any:
        return -p * jnp.sin(z)

    def step(z: Any, _: Any) -> Any:
        h = 1.0 / steps
        a = slope(z)
        b = slope(z + h / 2 * a)
        c = slope(z + h / 2 * b)
        d = slope(z + h * c)
        return z + h / 6 * (a + 2 * b + 2 * c + d), None

    return jax.lax.scan(step, jnp.asarray(z), length=steps)[0]


def flow_vjp(ct: Any, z: Any, p: Any, time: bool = True) -> Any:
    """In closed form: d z1 / d z0 = sin z1 / sin z0 on the true path, and d z1 / d p = -sin z1."""
    end = 2.0 * jnp.arctan(jnp.tan(z / 2.0) * jnp.exp(-p))
    by_start = jnp.exp(-p) * (1.0 + jnp.tan(z / 2) ** 2) / (1.0 + (jnp.tan(z / 2) * jnp.exp(-p)) ** 2)
    return ct * by_start, -jnp.sum(ct * jnp.sin(end if time else z))


def cubic_root(a: Any) -> Any:
    """The x of x^3 + x = a, by 60 halvings."""
    a = jnp.asarray(a)

    def halve(ends: Any, _: Any) -> Any:
        low, high = ends
        x = 0.5 * (low + high)
        above = x**3 + x > a
        return (jnp.where(above, low, x), jnp.where(above, x, high)), None

    low, high = jax.lax.scan(halve, (jnp.full_like(a, -8.0), jnp.full_like(a, 8.0)), length=60)[0]
    return 0.5 * (low + high)


def kepler(m: Any, e: Any) -> Any:
    """The E of E - e sin E = m, by 12 of Newton's steps."""

    def step(x: Any, _: Any) -> Any:
        return x - (x - e * jnp.sin(x) - m) / (1.0 - e * jnp.cos(x)), None

    return jax.lax.scan(step, m + e * jnp.sin(m), length=12)[0]


def kepler_vjp(ct: Any, m: Any, e: Any, at: Any = kepler) -> Any:
    x = kepler(m, e)
    slope = 1.0 / (1.0 - e * jnp.cos(at(m, e)))
    return ct * slope, ct * jnp.sin(x) * slope


def gamma_quantile(a: Any) -> Any:
    """The x whose share of a gamma distribution of shape a is UNIFORM, by 80 halvings of its logarithm."""
    a = jnp.asarray(a)
    u = jnp.asarray(UNIFORM, a.dtype)

    def halve(ends: Any, _: Any) -> Any:
        low, high = ends
        middle = 0.5 * (low + high)
        above = jax.scipy.special.gammainc(a, jnp.exp(middle)) > u
        return (jnp.where(above, low, middle), jnp.where(above, middle, high)), None

    ends = (jnp.full_like(a, -20.0), jnp.full_like(a, 5.0))
    low, high = jax.lax.scan(halve, ends, length=80)[0]
    return jnp.exp(0.5 * (low + high))


def _gamma_slope(a: Any) -> Any:
    return jax.lax.random_gamma_grad(a, gamma_quantile(a))


def _plan(cost: Any) -> Any:
    """Sinkhorn's plan between two even distributions, of temperature 1, after 40 steps; and the dual's value."""
    cost = jnp.asarray(cost)
    n, m = cost.shape

    def step(g: Any, _: Any) -> Any:
        f = -jax.nn.logsumexp(g[None, :] - cost, axis=1) - jnp.log(float(n))
        return -jax.nn.logsumexp(f[:, None] - cost, axis=0) - jnp.log(float(m)), None

    g = jax.lax.scan(step, jnp.zeros_like(cost[0]), length=40)[0]
    f = -jax.nn.logsumexp(g[None, :] - cost, axis=1) - jnp.log(float(n))
    return jnp.exp(f[:, None] + g[None, :] - cost), jnp.mean(f) + jnp.mean(g)


def transport(cost: Any) -> Any:
    return jnp.sum(_plan(cost)[0] * cost)


def conjugate_gradients(b: Any) -> Any:
    b = jnp.asarray(b)
    a = jnp.asarray(DEFINITE, b.dtype)
    return jax.scipy.sparse.linalg.cg(lambda x: a @ x, b, tol=1e-5)[0]


def _solved_vjp(ct: Any, b: Any) -> Any:
    return (jnp.linalg.solve(jnp.asarray(DEFINITE, jnp.asarray(b).dtype), ct),)


SQRT = slope_vjp(lambda a: 0.5 / jnp.sqrt(a))
ITEMS: list[Item] = [
    *pair("square root by while_loop, 1e-6", "vjp", root(1e-6), SQRT, (positive(3, 4),), **POSITIVE),
    *pair("square root by while_loop, 1e-4", "custom vjp", root(1e-4), SQRT, (positive(4, 4),),
          Wrong("by the iterate, 2 for 1/2", slope_vjp(lambda a: 2.0 / jnp.sqrt(a)), ("factor",)), **POSITIVE),
    *pair("square root by while_loop that has no end elsewhere", "custom vjp", endless, SQRT, (positive(3, 4),),
          Wrong("1 for 1/2", slope_vjp(lambda a: 1.0 / jnp.sqrt(a)), ("factor",))),
    *pair(
        "fixed point by 30 steps", "vjp", settled, settled_vjp, (normal(5, 4),),
        Wrong("two terms of the series, saturated sample", _one_term, ("term",),
              (np.array([9, -9, 12, 8], np.float32),)),
        Wrong("solves with the matrix untransposed", lambda ct, x: settled_vjp(ct, x, False), ("transpose",)),
    ),
    *pair("fixed point by 30 steps in float64", "custom vjp", settled, settled_vjp, (normal(5, 4, dtype=np.float64),)),
    *pair("fixed point by while_loop, 1e-4", "vjp", settled_until(1e-4), settled_vjp, (normal(6, 4),),
          Wrong("two terms of the series", _one_term, ("term",))),
    *pair("fixed point by while_loop, 1e-6", "custom vjp", settled_until(1e-6), settled_vjp, (normal(6, 4),)),
    *pair(
        "flow: adjoint in closed form", "vjp", flow, flow_vjp, (0.5 * normal(7, 3), np.float32(0.7)),
        Wrong("the rate's gradient by the start for the end, slow sample",
              lambda ct, z, p: flow_vjp(ct, z, p, False), (), (0.5 * normal(7, 3), np.float32(1e-4))),
        domain=[(-2.5, 2.5), (0.0, 1.5)], f_accuracy=1e-6,
    ),
    *pair(
        "root of a cubic by halving", "vjp", cubic_root, slope_vjp(lambda a: 1.0 / (3.0 * cubic_root(a) ** 2 + 1.0)),
        (normal(8, 4),),
        Wrong("slope at a for the root, small sample", slope_vjp(lambda a: 1.0 / (3.0 * a**2 + 1.0)), (),
              (1e-3 * normal(8, 4),)),
        domain=(-100.0, 100.0),
    ),
    *pair(
        "kepler's equation", "vjp", kepler, kepler_vjp, (normal(9, 3), np.full(3, 0.3, np.float32)),
        Wrong("slope at m for the root, nearly a circle", lambda ct, m, e: kepler_vjp(ct, m, e, lambda m, _: m), (),
              (normal(9, 3), np.full(3, 1e-4, np.float32))),
        domain=[(-3.0, 3.0), (0.0, 0.6)],
    ),
    *pair(
        "gamma sample by implicit reparametrisation", "vjp", gamma_quantile, slope_vjp(_gamma_slope),
        (np.array([0.7, 1.5, 3, 6], np.float32),),
        Wrong("scaled with the shape, as if x / a were fixed", slope_vjp(lambda a: gamma_quantile(a) / a), ("term",)),
        shapes=[], domain=(0.5, 20.0),
    ),
    *pair(
        "optimal transport: regularised value", "gradient", lambda cost: _plan(cost)[1], lambda cost: _plan(cost)[0],
        (np.abs(normal(10, 3, 3)),),
        Wrong("transposed, symmetric sample", lambda cost: _plan(cost)[0].T, ("transpose",),
              ((lambda a: a + a.T)(np.abs(normal(10, 3, 3))),)),
        domain=(0.0, 3.0),
    ),
    *pair("optimal transport: cost of the plan", "gradient", transport, None, (np.abs(normal(11, 3, 3)),),
          Wrong("the plan held constant", lambda cost: _plan(cost)[0], ("term", "path")), domain=(0.0, 3.0)),
    *pair("conjugate gradients to 1e-5", "vjp", conjugate_gradients, _solved_vjp, (normal(12, 4),),
          Wrong("negated", lambda ct, b: (-_solved_vjp(ct, b)[0],), ("sign",))),
]  # fmt: skip
