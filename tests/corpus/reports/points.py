"""Points where f has no derivative, and single points where it has one that a formula misses."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus.functions import Rule, normal, positive, slope_jvp, slope_vjp, softplus
from tests.corpus.functions_algebra import prod, prod_grad, sort, sort_vjp
from tests.corpus.item import Item
from tests.corpus.reports.pair import Wrong, pair

ZEROS = np.zeros(5, np.float32)
CLIMBING = np.array([-1.5, -0.2, 0.4, 1.1, 2.3], np.float32)


def _first(top: Rule) -> Rule:
    """All of the cotangent to the first of those that tie."""
    return lambda ct, x: (jax.nn.one_hot(top(x, axis=-1), x.shape[-1], dtype=x.dtype) * ct[..., None],)


def _neighbours(x: Any) -> Any:
    return jnp.maximum(x[:-1], x[1:])


def _taken(x: Any) -> Any:
    at = jnp.arange(x.shape[0] - 1)
    return jnp.where(x[:-1] >= x[1:], at, at + 1)


def _middle(x: Any) -> Any:
    n = x.shape[0]
    return jnp.mean(jnp.sort(x)[(n - 1) // 2 : n // 2 + 1])


def _middle_grad(x: Any) -> Any:
    n = x.shape[0]
    ids = jnp.argsort(x)[(n - 1) // 2 : n // 2 + 1]
    return jnp.zeros_like(x).at[ids].set(1.0 / ids.shape[0])


def _norm(x: Any) -> Any:
    return jnp.sum(jnp.abs(x) ** 1.5) ** (2.0 / 3.0)


def _norm_grad(x: Any) -> Any:
    n = _norm(x)
    return jnp.sign(x) * jnp.sqrt(jnp.abs(x)) / jnp.sqrt(jnp.where(n == 0, 1.0, n))


def _angle_vjp(ct: Any, y: Any, x: Any, sign: float = -1.0) -> Any:
    square = x * x + y * y
    square = jnp.where(square == 0, 1.0, square)
    return ct * x / square, sign * ct * y / square


def _hypot_vjp(ct: Any, x: Any, y: Any) -> Any:
    h = jnp.hypot(x, y)
    h = jnp.where(h == 0, 1.0, h)
    return ct * (x / h), ct * (y / h)


def _hypot_by_ratio(ct: Any, x: Any, y: Any) -> Any:
    ratio = y / x
    h = jnp.hypot(1.0, ratio)
    return ct * jnp.sign(x) / h, ct * jnp.sign(x) * (ratio / h)


def _clipped(x: Any) -> Any:
    """By the root of the mean square, at 1."""
    return x / jnp.maximum(1.0, jnp.sqrt(jnp.mean(x * x)))


def _clipped_vjp(ct: Any, x: Any, safe: bool = True) -> Any:
    square = jnp.mean(x * x)
    root = jnp.maximum(1.0, jnp.sqrt(square))
    share = jnp.mean(ct * x) / (root * root if safe else square)
    return (jnp.where(square > 1, ct - x * share, ct) / root if safe else (ct - (root > 1) * x * share) / root,)


def _sinc_slope(x: Any, at_zero: float = 1.0) -> Any:
    """(cos u - sin(u) / u) / x with u = pi x; near 0 the difference by its series. at_zero: for the 0 divided by."""
    u = jnp.pi * x
    small = jnp.abs(u) < 1.0
    v, term = jnp.where(small, u, 0.0), jnp.ones_like(u)
    series = jnp.zeros_like(u)
    for k in range(1, 11):
        term = -term * v * v / (2 * k * (2 * k + 1))
        series = series + 2 * k * term
    difference = jnp.where(small, series, jnp.cos(u) - jnp.sinc(x))
    return difference / jnp.where(x == 0, at_zero, x)


def _scaled(x: Any) -> Any:
    top = jnp.max(jnp.abs(x))
    return 2.0 * top * (x / top)


def _sigmoid_by_side(x: Any) -> Any:
    e = jnp.exp(-jnp.abs(x))
    return jnp.where(x > 0, 1.0 / (1.0 + e), jnp.where(x < 0, e / (1.0 + e), 0.0))


def _xlogy(x: Any, y: Any) -> Any:
    return x * jnp.log(y)


def _pinball(q: Any, y: Any) -> Any:
    return jnp.mean(jnp.maximum(0.9 * (y - q), -0.1 * (y - q)))


def _cumprod_vjp(ct: Any, x: Any) -> Any:
    rows = jnp.where(jnp.eye(x.shape[0], dtype=bool), 1.0, x)
    return (jnp.sum(jnp.triu(jnp.cumprod(rows, axis=1)) * ct, axis=1),)


def _cumprod_divided(ct: Any, x: Any) -> Any:
    return (jnp.flip(jnp.cumsum(jnp.flip(ct * jnp.cumprod(x)))) / x,)


def _bent(x: Any) -> Any:
    """sqrt(1 + x) - 1 above 0, and its tangent there below."""
    return jnp.where(x > 0, jnp.sqrt(1.0 + jnp.maximum(x, 0.0)) - 1.0, 0.5 * x)


def _of_axis(reduce: Rule) -> Rule:
    return lambda x: reduce(x, axis=-1)


ITEMS: list[Item] = [
    *pair("max pooling at all zeros", "vjp", _of_axis(jnp.max), _first(jnp.argmax), (np.zeros((4, 2), np.float32),)),
    *pair(
        "overlapping max pooling at all zeros", "vjp", _neighbours,
        lambda ct, x: (jnp.zeros_like(x).at[_taken(x)].add(ct),), (ZEROS,),
        Wrong("windows that share their maximum counted once, climbing sample",
              lambda ct, x: (jnp.zeros_like(x).at[_taken(x)].set(ct),), ("mask", "entry"), (CLIMBING,)),
    ),
    *pair(
        "largest and smallest, all equal", "vjp", lambda x: (jnp.max(x), jnp.min(x)),
        lambda ct, x: (jnp.zeros_like(x).at[jnp.argmax(x)].add(ct[0]).at[jnp.argmin(x)].add(ct[1]),),
        (np.ones(4, np.float32),),
        Wrong("set for add: lost where both are one",
              lambda ct, x: (jnp.zeros_like(x).at[jnp.argmax(x)].set(ct[0]).at[jnp.argmin(x)].set(ct[1]),), (),
              (CLIMBING,), special=True),
    ),
    *pair(
        "sort at all zeros", "vjp", sort, sort_vjp, (ZEROS,),
        Wrong("permuted the wrong way, sorted sample", lambda ct, x: (ct[jnp.argsort(x)],), ("untransposed",),
              (CLIMBING,)),
    ),
    *pair("two largest at ties", "custom vjp", lambda x: jax.lax.top_k(x, 2)[0],
          lambda ct, x: (jnp.zeros_like(x).at[jax.lax.top_k(x, 2)[1]].add(ct),), (np.ones(4, np.float32),)),
    *pair(
        "median at ties", "gradient", _middle, _middle_grad, (np.array([1, 2, 2, 2, 5], np.float32),),
        Wrong("the lower of two in the middle, odd sample",
              lambda x: jnp.zeros_like(x).at[jnp.argsort(x)[(x.shape[0] - 1) // 2]].set(1.0), (), (CLIMBING,)),
    ),
    *pair(
        "arctan2 at (0, 0)", "vjp", jnp.arctan2, _angle_vjp, (np.array([0, 1, -2], np.float32),
              np.zeros(3, np.float32)),
        Wrong("second gradient's sign", lambda ct, y, x: _angle_vjp(ct, y, x, 1.0), ("sign",),
              (normal(1, 3), normal(2, 3))),
    ),
    *pair("hypot at (0, 0)", "vjp", jnp.hypot, _hypot_vjp, (ZEROS, ZEROS),
          Wrong("by the ratio y / x", _hypot_by_ratio, (), (normal(16, 5), normal(17, 5)), True)),
    *pair("norm of order 1.5 at 0", "gradient", _norm, _norm_grad, (ZEROS,)),
    *pair("norm of order 1.5 with a zero", "gradient", _norm, _norm_grad, (np.array([0, 1, -2, 0.5], np.float32),)),
    *pair(
        "clip by root mean square at 0", "vjp", _clipped, _clipped_vjp, (ZEROS,),
        Wrong("0 / 0 at 0", lambda ct, x: _clipped_vjp(ct, x, False), (), (normal(3, 5),), True),
        Wrong("norm held constant, sample that isn't clipped",
              lambda ct, x: (ct / jnp.maximum(1.0, jnp.sqrt(jnp.mean(x * x))),), ("term",), (0.3 * normal(3, 5),)),
    ),
    *pair("pinball loss at its knee", "gradient", _pinball,
          lambda q, y: jnp.where(y > q, -0.9, 0.1) / q.size, (ZEROS, np.array([0, 1, 0, -1, 0], np.float32)),
          Wrong("0.9 on both sides, sample above",
                lambda q, y: jnp.where(y > q, -0.9, 0.9) / q.size, ("one_side", "mask", "term"), (ZEROS,
                      positive(4, 5)))),
    *pair(
        "product with a zero", "gradient", prod, prod_grad, (np.array([2, 0, -1, 3], np.float32),),
        Wrong("divided by x", lambda x: jnp.prod(x) / x, (), (positive(5, 4),), True),
    ),
    *pair(
        "cumulative product with zeros", "vjp", jnp.cumprod, _cumprod_vjp, (np.array([2, 0, 0, 3], np.float32),),
        Wrong("divided by x", _cumprod_divided, (), (positive(6, 4),), True),
    ),
    *pair(
        "sinc at 0", "vjp", jnp.sinc, slope_vjp(_sinc_slope), (np.array([0, 0.5, -1.25], np.float32),),
        Wrong("divided by x", slope_vjp(lambda x: _sinc_slope(x, 0.0)), (), (normal(7, 4),), True),
    ),
    *pair(
        "squared norm at 0", "gradient", lambda x: jnp.sum(x * x), lambda x: 2.0 * x, (ZEROS,),
        Wrong("divided by its largest and multiplied again", _scaled, (), (normal(8, 4),), True),
    ),
    *pair(
        "power of |x| at 0", "vjp", lambda x: jnp.abs(x) ** 3, slope_vjp(lambda x: 3.0 * x * jnp.abs(x)), (ZEROS,),
        Wrong("3 |x|^3 / x", slope_vjp(lambda x: 3.0 * jnp.abs(x) * jnp.abs(x) / (x / jnp.abs(x))), (),
              (normal(9, 4),), True),
    ),
    *pair(
        "x log y at 0", "vjp", _xlogy, lambda ct, x, y: (ct * jnp.log(y), ct * x / y), (ZEROS, positive(10, 5)),
        Wrong("by x is 0 at 0", lambda ct, x, y: (jnp.where(x == 0, 0.0, ct * jnp.log(y)), ct * x / y), (),
              (positive(11, 5), positive(10, 5)), True),
        domain=[None, (0.0, float("inf"))],
    ),
    *pair(
        "bessel i0 at 0", "vjp", jax.scipy.special.i0, slope_vjp(jax.scipy.special.i1),
              (np.array([0, 1, -2], np.float32),),
        Wrong("the sign as x / |x|", slope_vjp(lambda x: x / jnp.abs(x) * jax.scipy.special.i1(jnp.abs(x))), (),
              (normal(12, 4),), True),
    ),
    *pair(
        "softplus at 0", "custom vjp", softplus, slope_vjp(jax.nn.sigmoid), (ZEROS,),
        Wrong("by sides, and 0 at 0", slope_vjp(_sigmoid_by_side), (), (normal(13, 5),), True),
    ),
    *pair(
        "square: custom jvp at 0", "custom jvp", lambda x: x * x, slope_jvp(lambda x: 2.0 * x), (ZEROS,),
        Wrong("|dx| at 0, which is not linear",
              lambda p, t: jnp.where(p[0] == 0, jnp.abs(t[0]), 2.0 * p[0] * t[0]), (), (normal(14, 5),), True),
    ),
    *pair(
        "root above 0, line below", "vjp", _bent,
        slope_vjp(lambda x: 0.5 / jnp.sqrt(1.0 + jnp.maximum(x, 0.0))), (normal(15, 5),),
        Wrong("both sides times their masks: NaN below -1",
              slope_vjp(lambda x: (x > 0) * 0.5 / jnp.sqrt(1.0 + x) + (x <= 0) * 0.5),
              ("one_side", "mask", "overflow"), (0.3 * normal(15, 5),)),
    ),
]  # fmt: skip
