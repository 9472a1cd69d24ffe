"""Faults of arithmetic: a rule computed in a coarser dtype, or one that overflows where its function doesn't."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus import functions as fn
from tests.corpus import functions_algebra as la
from tests.corpus import functions_layers as nn
from tests.corpus import functions_losses as loss
from tests.corpus import functions_numpy as npf
from tests.corpus.functions import Rule, computed_in, integers, normal
from tests.corpus.item import Item

CAST = ("cast",)
OVERFLOW = ("overflow",)


def raw_softmax(x: jax.Array) -> jax.Array:
    e = jnp.exp(x)
    return e / jnp.sum(e, axis=-1, keepdims=True)


def raw_sigmoid(x: jax.Array) -> jax.Array:
    return jnp.exp(x) / (1.0 + jnp.exp(x))


def raw_softmax_vjp(ct: jax.Array, x: jax.Array) -> tuple[jax.Array]:
    y = raw_softmax(x)
    return (y * (ct - jnp.sum(ct * y, axis=-1, keepdims=True)),)


def raw_tanh_slope(x: jax.Array) -> jax.Array:
    e = jnp.exp(2.0 * x)
    return 1.0 - ((e - 1.0) / (e + 1.0)) ** 2


def raw_rounded(rule: Rule) -> Rule:
    """Return a NumPy rule of one array that rounds its argument to float32."""
    return lambda x: rule(np.asarray(x, np.float32)).astype(np.float64)


ITEMS: list[Item] = [
    Item(
        "mse: rule in bfloat16",
        "gradient",
        loss.mse,
        computed_in(jnp.bfloat16, loss.mse_grad),
        (normal(1, 12), normal(2, 12)),
        fault="cast: of a float32 rule to bfloat16",
        causes=CAST,
    ),
    Item(
        "linear: rule in bfloat16",
        "vjp",
        nn.linear,
        computed_in(jnp.bfloat16, nn.linear_vjp),
        (normal(3, 4, 5), normal(4, 5, 3), normal(5, 3)),
        fault="cast: of a float32 rule to bfloat16",
        causes=CAST,
    ),
    Item(
        "softmax: rule in float16",
        "vjp",
        nn.softmax,
        computed_in(jnp.float16, nn.softmax_vjp),
        (normal(6, 3, 5),),
        fault="cast: of a float32 rule to float16",
        causes=CAST,
    ),
    Item(
        "tanh: jvp's slope in float16",
        "jvp",
        fn.tanh,
        fn.slope_jvp(computed_in(jnp.float16, fn.d_tanh)),
        (normal(7, 6),),
        fault="cast: of a float32 slope to float16",
        causes=CAST,
    ),
    Item(
        "silu: custom rule's slope in bfloat16",
        "custom",
        fn.with_vjp(fn.silu, fn.slope_vjp(computed_in(jnp.bfloat16, fn.d_silu))),
        None,
        (normal(8, 6),),
        fault="cast: of a float32 slope to bfloat16",
        causes=CAST,
    ),
    Item(
        "logdet: rule in float32 for float64",
        "gradient",
        la.logdet,
        computed_in(jnp.float32, la.logdet_grad),
        (fn.regular(9, 4, dtype=np.float64),),
        fault="cast: of a float64 rule to float32",
        causes=CAST,
    ),
    Item(
        "gelu: custom jvp in float32 for float64",
        "custom",
        fn.with_jvp(fn.gelu, fn.slope_jvp(computed_in(jnp.float32, fn.d_gelu))),
        None,
        (normal(10, 6, dtype=np.float64),),
        fault="cast: of a float64 slope to float32",
        causes=CAST,
    ),
    Item(
        "numpy: energy in float32 for float64",
        "gradient",
        npf.np_energy,
        raw_rounded(npf.np_energy_grad),
        (normal(11, 6, dtype=np.float64),),
        fault="cast: of a float64 rule to float32",
        causes=CAST,
    ),
    Item(
        "cosine: cotangent rounded to bfloat16",
        "vjp",
        lambda x: jnp.cos(x),
        lambda ct, x: ((ct * -jnp.sin(x)).astype(jnp.bfloat16).astype(x.dtype),),
        (normal(12, 9),),
        fault="cast: of the result to bfloat16",
        causes=CAST,
    ),
    Item(
        "sigmoid: unshifted exp in the slope",
        "vjp",
        fn.sigmoid,
        fn.slope_vjp(lambda x: jnp.exp(x) / (1.0 + jnp.exp(x)) ** 2),
        (normal(13, 6),),
        fault="overflow: of an unshifted exp",
        causes=OVERFLOW,
    ),
    Item(
        "softmax: unshifted exp in the rule",
        "vjp",
        nn.softmax,
        raw_softmax_vjp,
        (normal(14, 3, 4),),
        fault="overflow: of an unshifted exp",
        causes=OVERFLOW,
    ),
    Item(
        "logsumexp: unshifted exp in the rule",
        "vjp",
        nn.logsumexp,
        lambda ct, x: (ct[..., None] * raw_softmax(x),),
        (normal(15, 3, 4),),
        fault="overflow: of an unshifted exp",
        causes=OVERFLOW,
    ),
    Item(
        "softplus: exp x / (1 + exp x), float64",
        "gradient",
        fn.total(fn.softplus),
        raw_sigmoid,
        (normal(16, 5, dtype=np.float64),),
        fault="overflow: of an unshifted exp",
        causes=OVERFLOW,
    ),
    Item(
        "tanh: custom rule by exp 2x",
        "custom",
        fn.with_vjp(fn.tanh, fn.slope_vjp(raw_tanh_slope)),
        None,
        (normal(17, 5),),
        fault="overflow: of an unshifted exp",
        causes=OVERFLOW,
    ),
    Item(
        "log-cosh: sinh / cosh",
        "gradient",
        fn.total(fn.log_cosh),
        lambda x: jnp.sinh(x) / jnp.cosh(x),
        (normal(18, 5),),
        fault="overflow: of sinh and cosh",
        causes=OVERFLOW,
    ),
    Item(
        "cross-entropy: unshifted exp in the gradient",
        "gradient",
        loss.cross_entropy,
        lambda z, labels: raw_softmax(z).at[jnp.arange(z.shape[0]), labels].add(-1.0) / z.shape[0],
        (normal(19, 4, 5), integers(20, 5, 4)),
        fault="overflow: of an unshifted exp",
        causes=OVERFLOW,
    ),
    Item(
        "binary cross-entropy: unshifted sigmoid, float16",
        "gradient",
        loss.binary_cross_entropy,
        lambda z, t: (raw_sigmoid(z) - t) / z.size,
        (normal(21, 5, dtype=np.float16), np.array([1, 0, 1, 1, 0], np.float16)),
        fault="overflow: of an unshifted exp",
        causes=OVERFLOW,
    ),
    Item(
        "log-softmax: custom jvp with an unshifted exp, within jit",
        "custom",
        jax.jit(
            fn.with_jvp(
                nn.log_softmax,
                lambda primals, d: d[0] - jnp.sum(raw_softmax(primals[0]) * d[0], axis=-1, keepdims=True),
            )
        ),
        None,
        (normal(22, 2, 4),),
        fault="overflow: of an unshifted exp",
        causes=OVERFLOW,
    ),
]
