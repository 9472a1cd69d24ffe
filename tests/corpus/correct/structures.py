"""Right derivatives where structure, dtype or control flow is what is hard: trees, static arguments, loops, sizes."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus import functions as fn
from tests.corpus import functions_layers as nn
from tests.corpus.functions import normal, positive, slope_vjp
from tests.corpus.item import Item

ADD = fn.with_vjp(lambda h, x: h + x**2, lambda ct, h, x: (ct, 2.0 * ct * x))


class Affine(NamedTuple):
    scale: Any
    shift: Any


def reduced(x: Any, how: str) -> Any:
    return jnp.sum(x**2) if how == "sum" else jnp.mean(x**2)


def reduced_vjp(ct: Any, x: Any, how: str) -> Any:
    return (ct * 2.0 * x / (1 if how == "sum" else x.size),)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def power(x: Any, n: int) -> Any:
    return x**n


def power_forward(x: Any, n: int) -> tuple[Any, Any]:
    return x**n, x


def power_backward(n: int, x: Any, ct: Any) -> tuple[Any]:
    return (ct * n * x ** (n - 1),)


power.defvjp(power_forward, power_backward)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def applied(name: str, x: Any) -> Any:
    return jnp.sin(x) if name == "sin" else jnp.cos(x)


@applied.defjvp
def applied_jvp(name: str, primals: Any, tangents: Any) -> tuple[Any, Any]:
    (x,), (d,) = primals, tangents
    return applied(name, x), d * (jnp.cos(x) if name == "sin" else -jnp.sin(x))


def looped(step: Callable[[Any], Any], times: int) -> Callable[[Any], Any]:
    return lambda x: jax.lax.fori_loop(0, times, lambda _, v: step(v), x)


def logistic_map_slope(x: Any) -> Any:
    slope = jnp.ones_like(x)
    for _ in range(3):
        x, slope = 3.2 * x * (1.0 - x), slope * 3.2 * (1.0 - 2.0 * x)
    return slope


def halved(x: Any) -> Any:
    """Halve five times in a while loop."""
    return jax.lax.while_loop(lambda s: s[0] < 5, lambda s: (s[0] + 1, s[1] / 2.0), (0, x))[1]


def straight_through(x: Any) -> Any:
    return jnp.round(x)


ITEMS: list[Item] = [
    Item(
        "constant: gradient 0",
        "gradient",
        lambda x: jnp.float32(3.0) + 0.0 * jnp.sum(x),
        jnp.zeros_like,
        (normal(10, 4),),
    ),
    Item("sum of softmax: gradient 0", "gradient", fn.total(nn.softmax), jnp.zeros_like, (normal(11, 5),)),
    Item(
        "sum of standardised rows: gradient 0",
        "gradient",
        fn.total(nn.standardise),
        jnp.zeros_like,
        (normal(12, 3, 5),),
    ),
    Item("sum: linear", "gradient", jnp.sum, jnp.ones_like, (normal(13, 5),)),
    Item("mean of 50,000", "gradient", jnp.mean, lambda x: jnp.full_like(x, 1.0 / x.size), (normal(14, 50_000),)),
    Item("reversal: linear", "vjp", jnp.flip, lambda ct, x: (jnp.flip(ct),), (normal(15, 5),)),
    Item("transpose: linear", "vjp", jnp.transpose, lambda ct, x: (ct.T,), (normal(16, 2, 3),)),
    Item("times 1e6", "vjp", lambda x: 1e6 * x, lambda ct, x: (1e6 * ct,), (normal(17, 4),)),
    Item("times 1e-6", "vjp", lambda x: 1e-6 * x, lambda ct, x: (1e-6 * ct,), (normal(18, 4),)),
    Item("difference: x - y", "vjp", jnp.subtract, lambda ct, x, y: (ct, -ct), (normal(19, 4), normal(20, 4))),
    Item("reduction named by a string: mean", "vjp", reduced, reduced_vjp, (normal(21, 5), "mean")),
    Item("reduction named by a string: sum", "vjp", reduced, reduced_vjp, (normal(22, 5), "sum")),
    Item("power: an int that isn't differentiated", "custom", power, None, (normal(23, 5), 3)),
    Item("sine named by a string: custom jvp", "custom", applied, None, ("sin", normal(24, 5))),
    Item(
        "power: nested in a jitted sum",
        "custom",
        jax.jit(lambda w, x: jnp.sum(power(w @ x, 2))),
        None,
        (normal(25, 3, 4), normal(26, 4)),
    ),
    Item(
        "named tuple: vjp",
        "vjp",
        lambda p, x: p.scale * x + p.shift,
        lambda ct, p, x: (Affine(ct * x, ct), ct * p.scale),
        (Affine(normal(27, 4), normal(28, 4)), normal(29, 4)),
    ),
    Item(
        "nested tuples: gradient",
        "gradient",
        lambda p: jnp.sum(p[0] * p[1][0]) + jnp.sum(jnp.sin(p[1][1])),
        lambda p: (p[1][0] + 0.0, (p[0] + 0.0, jnp.cos(p[1][1]))),
        ((normal(30, 3), (normal(31, 3), normal(32, 2))),),
    ),
    Item(
        "dict of outputs: vjp",
        "vjp",
        lambda x: {"sin": jnp.sin(x), "cos": jnp.cos(x)},
        lambda ct, x: (ct["sin"] * jnp.cos(x) - ct["cos"] * jnp.sin(x),),
        (normal(33, 4),),
    ),
    Item(
        "two outputs of two shapes: vjp",
        "vjp",
        lambda x: (jnp.sum(x**2), jnp.tanh(x)),
        lambda ct, x: (2.0 * ct[0] * x + ct[1] * fn.d_tanh(x),),
        (normal(34, 4),),
    ),
    Item(
        "two outputs: jvp",
        "jvp",
        lambda x, y: (x * y, x + y),
        lambda primals, d: (primals[1] * d[0] + primals[0] * d[1], d[0] + d[1]),
        (normal(35, 4), normal(36, 4)),
    ),
    Item(
        "logistic map: three turns of a fori loop",
        "vjp",
        looped(lambda x: 3.2 * x * (1.0 - x), 3),
        slope_vjp(logistic_map_slope),
        (positive(37, 4),),
    ),
    Item("halving: a while loop, as a jvp", "jvp", halved, lambda primals, d: d[0] / 32.0, (normal(38, 4),)),
    Item(
        "sum of a scan of a custom rule",
        "custom",
        lambda xs: jax.lax.scan(lambda h, x: (ADD(h, x), h), jnp.zeros_like(xs[0]), xs)[0],
        None,
        (normal(39, 4, 2),),
    ),
    Item(
        "cond: one of two branches",
        "vjp",
        lambda x: jax.lax.cond(jnp.sum(x) > 0, lambda v: v**2, lambda v: -3.0 * v, x),
        lambda ct, x: (jnp.where(jnp.sum(x) > 0, 2.0 * x, -3.0) * ct,),
        (positive(40, 4),),
    ),
    Item(
        "rounding: straight through, as a vjp",
        "vjp",
        straight_through,
        lambda ct, x: (ct,),
        (normal(41, 6, scale=3),),
        {"surrogate": lambda x: x},
    ),
    Item(
        "rounding: straight through, custom",
        "custom",
        fn.with_vjp(straight_through, lambda ct, x: (ct,)),
        None,
        (normal(42, 6, scale=3),),
        {"surrogate": lambda x: x},
    ),
    Item(
        "sign: the slope of tanh as a surrogate",
        "vjp",
        jnp.sign,
        slope_vjp(fn.d_tanh),
        (normal(43, 6),),
        {"surrogate": jnp.tanh},
    ),
    Item(
        "where: a mask of booleans",
        "vjp",
        lambda x, m: jnp.where(m, x**2, x),
        lambda ct, x, m: (ct * jnp.where(m, 2.0 * x, 1.0),),
        (normal(44, 3), np.array([True, False, True])),
    ),
    Item(
        "step by step: floor away from the whole numbers",
        "vjp",
        lambda x: x - jnp.floor(x),
        lambda ct, x: (ct,),
        (normal(45, 5),),
    ),
]
