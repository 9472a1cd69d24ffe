"""Right slopes of functions of one element, in every kind of rule and in several dtypes."""

from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from tests.corpus import functions as fn
from tests.corpus.functions import POSITIVE, Rule, normal, positive, slope_jvp, slope_vjp
from tests.corpus.item import Item

SMOOTH: dict[str, tuple[Rule, Rule]] = {
    "sigmoid": (fn.sigmoid, fn.d_sigmoid),
    "tanh": (fn.tanh, fn.d_tanh),
    "softplus": (fn.softplus, fn.sigmoid),
    "elu": (fn.elu, fn.d_elu),
    "silu": (fn.silu, fn.d_silu),
    "gelu": (fn.gelu, fn.d_gelu),
    "softsign": (fn.softsign, fn.d_softsign),
    "huber": (fn.huber, fn.d_huber),
    "cubic": (fn.cubic, fn.d_cubic),
    "bump": (fn.bump, fn.d_bump),
    "log-cosh": (fn.log_cosh, fn.tanh),
    "sine": (jnp.sin, jnp.cos),
}
TWICE = ("sigmoid", "tanh", "softplus", "silu", "cubic", "bump")
KINKED: dict[str, tuple[Rule, Rule]] = {
    "relu": (fn.relu, fn.d_relu),
    "leaky relu": (fn.leaky_relu, fn.d_leaky_relu),
    "hard tanh": (fn.hard_tanh, fn.d_hard_tanh),
    "absolute value": (jnp.abs, jnp.sign),
}
HALF: dict[str, tuple[Rule, Rule, Any]] = {
    "sine: bfloat16": (jnp.sin, jnp.cos, jnp.bfloat16),
    "sine: bfloat16 of ml_dtypes": (jnp.sin, jnp.cos, ml_dtypes.bfloat16),
    "sine: float16": (jnp.sin, jnp.cos, np.float16),
    "tanh: bfloat16": (fn.tanh, fn.d_tanh, jnp.bfloat16),
    "sigmoid: float16": (fn.sigmoid, fn.d_sigmoid, np.float16),
}
ZEROS = np.array([-1.5, 0.0, 2.0, 0.0], np.float32)

ITEMS: list[Item] = [
    *(Item(f"{n}: vjp", "vjp", f, slope_vjp(d), (normal(i, 6),)) for i, (n, (f, d)) in enumerate(SMOOTH.items())),
    *(
        Item(f"{n}: jvp, float64", "jvp", f, slope_jvp(d), (normal(i + 20, 5, dtype=np.float64),))
        for i, (n, (f, d)) in enumerate(SMOOTH.items())
    ),
    *(
        Item(f"{n}: gradient of the sum", "gradient", fn.total(f), d, (normal(i + 40, 2, 3),))
        for i, (n, (f, d)) in enumerate(SMOOTH.items())
    ),
    *(
        Item(f"{n}: custom vjp", "custom", fn.with_vjp(f, slope_vjp(d)), None, (normal(i + 60, 5),))
        for i, (n, (f, d)) in enumerate(SMOOTH.items())
        if n != "huber"
    ),
    *(
        Item(f"{n}: custom jvp within jit", "custom", jax.jit(fn.with_jvp(f, slope_jvp(d))), None, (normal(i, 4),))
        for i, (n, (f, d)) in enumerate(SMOOTH.items())
        if n in TWICE
    ),
    *(
        Item(f"{n}: order 2", "gradient", fn.total(f), d, (normal(i + 80, 4),), {"order": 2})
        for i, (n, (f, d)) in enumerate(SMOOTH.items())
        if n in TWICE
    ),
    *(
        Item(f"{n}: vjp away from the kink", "vjp", f, slope_vjp(d), (normal(i + 90, 6),))
        for i, (n, (f, d)) in enumerate(KINKED.items())
    ),
    *(Item(n, "vjp", f, slope_vjp(d), (normal(5, 6, dtype=t),)) for n, (f, d, t) in HALF.items()),
    Item("relu at 0: 0, as declared", "vjp", fn.relu, slope_vjp(fn.d_relu), (ZEROS,), {"convention": 0.0}),
    Item(
        "relu at 0: 1, as declared",
        "gradient",
        fn.total(fn.relu),
        lambda x: jnp.where(x >= 0, 1.0, 0.0).astype(x.dtype),
        (ZEROS,),
        {"convention": 1.0},
    ),
    Item(
        "relu at 0: 0.5, of the declared 0 to 1",
        "gradient",
        fn.total(jax.nn.relu),
        lambda x: jnp.heaviside(x, 0.5).astype(x.dtype),
        (ZEROS,),
        {"convention": (0.0, 1.0)},
    ),
    Item(
        "relu at 0: 0, of the declared 0 to 1, custom",
        "custom",
        fn.with_vjp(fn.relu, slope_vjp(fn.d_relu)),
        None,
        (ZEROS,),
        {"convention": (0.0, 1.0)},
    ),
    Item(
        "relu at 0: 0.3, a subgradient",
        "gradient",
        fn.total(fn.relu),
        lambda x: jnp.heaviside(x, 0.3).astype(x.dtype),
        (ZEROS,),
    ),
    Item(
        "absolute value at 0: 1, of the declared -1 to 1",
        "vjp",
        jnp.abs,
        slope_vjp(lambda x: jnp.where(x >= 0, 1.0, -1.0)),
        (ZEROS,),
        {"convention": (-1.0, 1.0)},
    ),
    Item("absolute value at 0: 0, as declared", "vjp", jnp.abs, slope_vjp(jnp.sign), (ZEROS,), {"convention": 0.0}),
    Item(
        "absolute value at 0: 0.3, a subgradient",
        "gradient",
        fn.total(jnp.abs),
        lambda x: jnp.where(x == 0, 0.3, jnp.sign(x)).astype(x.dtype),
        (ZEROS,),
    ),
    Item("square root: positive", "vjp", jnp.sqrt, slope_vjp(fn.d_sqrt), (positive(1, 5),), POSITIVE),
    Item(
        "square root near 0",
        "vjp",
        jnp.sqrt,
        slope_vjp(fn.d_sqrt),
        (np.array([1e-6, 1e-4, 1e-2, 1.0], np.float32),),
        POSITIVE,
    ),
    Item("logarithm: positive", "jvp", jnp.log, slope_jvp(lambda x: 1.0 / x), (positive(2, 5),), POSITIVE),
    Item(
        "logarithm near 0",
        "vjp",
        jnp.log,
        slope_vjp(lambda x: 1.0 / x),
        (np.array([1e-6, 1e-3, 1.0, 1e3]),),
        POSITIVE,
    ),
    Item(
        "x log x: gradient",
        "gradient",
        lambda x: jnp.sum(x * jnp.log(x)),
        lambda x: jnp.log(x) + 1.0,
        (positive(3, 4),),
        POSITIVE,
    ),
    Item("reciprocal: vjp", "vjp", lambda x: 1.0 / x, slope_vjp(lambda x: -1.0 / x**2), (positive(4, 4),), POSITIVE),
    Item(
        "arc tangent: custom vjp, float64",
        "custom",
        fn.with_vjp(jnp.arctan, slope_vjp(lambda x: 1.0 / (1.0 + x**2))),
        None,
        (normal(6, 4, dtype=np.float64),),
    ),
]
