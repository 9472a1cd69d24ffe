"""What must be taken at all: every way in which JAX lets a rule be given, others' rules by name, and -inf."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.corpus.functions import POSITIVE, normal, positive, slope_vjp, with_vjp
from tests.corpus.functions_layers import log_softmax, logsumexp, logsumexp_vjp, softmax, softmax_vjp
from tests.corpus.item import Item
from tests.corpus.reports.pair import Wrong, pair

INF = np.float32(np.inf)
MASKED = np.array([[0.5, -INF, 1.0, -2.0], [-INF, 0.3, -INF, -INF]], np.float32)
X = normal(1, 5)


def _by_custom_gradient(slope: Any) -> Any:
    def f(x: Any) -> Any:
        return jnp.log1p(jnp.exp(x)), lambda ct: ct * slope(x)

    return jax.custom_gradient(f)


def _many_by_custom_gradient(sign: float) -> Any:
    def f(tree: Any, y: Any) -> Any:
        x = tree["x"]
        return x * y, lambda ct: ({"x": ct * y}, sign * ct * x)

    return jax.custom_gradient(f)


def _put_onto(function: Any, slope: Any) -> Any:
    """A rule put onto one of JAX's own functions, as jax.scipy.special does."""
    ruled = jax.custom_jvp(function)
    ruled.defjvps(lambda t, y, x: t * slope(x, y))
    return ruled


def _put_onto_both(by_second: Any) -> Any:
    """No rule for the first argument's tangent would be a zero: each has its own."""
    ruled = jax.custom_jvp(jnp.hypot)
    ruled.defjvps(lambda t, h, x, y: t * x / h, lambda t, h, x, y: t * by_second(h, x, y))
    return ruled


def _power(exponent: int, lost: float) -> Any:
    """The exponent is nondiff_argnums."""
    ruled = jax.custom_vjp(lambda n, x: x**n, nondiff_argnums=(0,))
    ruled.defvjp(lambda n, x: (x**n, x), lambda n, x, ct: (ct * n * x ** (n - 1) * lost,))
    return lambda x: ruled(exponent, x)


def _symbolic(slope: Any) -> Any:
    """With symbolic_zeros, arguments and cotangent come wrapped."""
    ruled = jax.custom_vjp(lambda x, y: x * jnp.sin(y))

    def forward(x: Any, y: Any) -> Any:
        return x.value * jnp.sin(y.value), (x.value, y.value)

    def backward(kept: Any, ct: Any) -> Any:
        x, y = kept
        return ct * jnp.sin(y), ct * x * slope(y)

    ruled.defvjp(forward, backward, symbolic_zeros=True)
    return ruled


def _early(lost: float) -> Any:
    """With optimize_remat."""
    ruled = jax.custom_vjp(jnp.sinh)
    ruled.defvjp(lambda x: (jnp.sinh(x), x), lambda x, ct: (lost * ct * jnp.cosh(x),), optimize_remat=True)
    return ruled


def _closed_over(scale: Any, rule: Any) -> Any:
    """A custom rule under jit, vmap and checkpoint at once."""
    inner = with_vjp(lambda x: scale * x**2, rule)
    return jax.checkpoint(jax.jit(jax.vmap(inner)))


def masked_entropy(z: Any) -> Any:
    p = softmax(z)
    return -jnp.sum(p * jnp.where(p > 0, log_softmax(z), 0.0))


def masked_entropy_grad(z: Any, safe: bool = True) -> Any:
    p, logs = softmax(z), log_softmax(z)
    logs = jnp.where(p > 0, logs, 0.0) if safe else logs
    return -p * (logs - jnp.sum(p * logs, -1, keepdims=True))


def attended(q: Any, k: Any, v: Any, bias: Any) -> Any:
    """bias: [T, T], -inf where a query must not look."""
    return softmax(q @ k.T / q.shape[-1] ** 0.5 + bias) @ v


def attended_vjp(ct: Any, q: Any, k: Any, v: Any, bias: Any, scale: float | None = None) -> Any:
    s = q.shape[-1] ** -0.5
    p = softmax(q @ k.T * s + bias)
    dp = ct @ v.T
    ds = p * (dp - jnp.sum(dp * p, -1, keepdims=True))
    return ds @ k * s, ds.T @ q * (s if scale is None else scale), p.T @ ct


def _custom(
    name: str, f: Any, args: tuple[Any, ...], fault: str | None = None, causes: tuple[str, ...] = (),
    options: Mapping[str, Any] = {},
) -> Item:  # fmt: skip
    """A function that brings its rule."""
    return Item(name, "custom", f, None, args, options, fault, causes)


NARROW = {"domain": (-30.0, 30.0)}
CAUSAL = np.where(np.tri(3, dtype=bool), 0.0, -INF).astype(np.float32)
QKV = (normal(2, 3, 2), normal(3, 3, 2), normal(4, 3, 2))
BY_NAME = [
    _custom("by name: jax.nn.relu", jax.nn.relu, (X,)),
    _custom("by name: jax.nn.relu6", jax.nn.relu6, (3.0 * X,)),
    _custom("by name: jax.nn.silu of jnp.logaddexp", lambda x, y: jax.nn.silu(jnp.logaddexp(x, y)), (X, normal(9, 5))),
    _custom("by name: jnp.logaddexp", jnp.logaddexp, (X, normal(9, 5))),
    _custom("by name: jnp.sinc", jnp.sinc, (np.array([0.0, 0.3, -2.0], np.float32),)),
    _custom("by name: xlogy", jax.scipy.special.xlogy, (positive(10, 4), positive(11, 4)), options=POSITIVE),
    _custom("by name: xlog1py", jax.scipy.special.xlog1py, (positive(10, 4), positive(11, 4)), options=POSITIVE),
    _custom("by name: optax's projection onto a simplex", optax.projections.projection_simplex, (X,)),
    _custom(
        "by name: optax's sparsemax loss",
        optax.losses.multiclass_sparsemax_loss,
        (normal(12, 2, 4), np.array([2, 0], np.int32)),
    ),
]


def _carries(item: Item) -> bool:
    """Which functions of JAX's carry a rule is each release's own affair."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return "custom_" in str(jax.make_jaxpr(item.f)(*item.args))


ITEMS: list[Item] = [
    _custom("custom_gradient: softplus", _by_custom_gradient(lambda x: jax.nn.sigmoid(x)), (X,), options=NARROW),
    _custom("custom_gradient: slope of the tanh", _by_custom_gradient(lambda x: 1.0 - jnp.tanh(x) ** 2), (X,),
            "slope of another function", ("variant",), options=NARROW),
    _custom("custom_gradient: a tree and an array", _many_by_custom_gradient(1.0), ({"x": X}, normal(5, 5))),
    _custom("custom_gradient: second sign", _many_by_custom_gradient(-1.0), ({"x": X}, normal(5, 5)), "sign",
          ("sign",)),
    _custom("defjvps on jnp.tanh", _put_onto(jnp.tanh, lambda x, y: 1.0 - y**2), (X,)),
    _custom("defjvps on jnp.tanh: 1 - y", _put_onto(jnp.tanh, lambda x, y: 1.0 - y), (X,), "not squared", ("variant",)),
    _custom("defjvps on jax.scipy.special.erf", _put_onto(jax.scipy.special.erf,
            lambda x, y: 2.0 / jnp.sqrt(jnp.pi).astype(x.dtype) * jnp.exp(-(x**2))), (X,)),
    _custom("defjvps on jax.scipy.special.erf: the root for pi", _put_onto(jax.scipy.special.erf,
            lambda x, y: 2.0 / np.pi * jnp.exp(-(x**2))), (X,), "factor", ("factor",)),
    _custom("defjvps on jnp.hypot", _put_onto_both(lambda h, x, y: y / h), (positive(6, 4), positive(7, 4)),
          options=POSITIVE),
    _custom("defjvps on jnp.hypot: x for y", _put_onto_both(lambda h, x, y: x / h), (positive(6, 4), positive(7, 4)),
            "the other argument's slope", ("swapped",), options=POSITIVE),
    _custom("nondiff_argnums", _power(3, 1.0), (X,)),
    _custom("nondiff_argnums: exponent's factor", _power(3, 1.0 / 3.0), (X,), "factor", ("factor",)),
    _custom("symbolic_zeros", _symbolic(jnp.cos), (X, normal(8, 5))),
    _custom("symbolic_zeros: sine for the cosine", _symbolic(jnp.sin), (X, normal(8, 5)), "slope of another function",
            ("variant",)),
    _custom("optimize_remat", _early(1.0), (X,)),
    _custom("optimize_remat: 1.01 times", _early(1.01), (X,), "factor", ("factor",)),
    _custom("jit, vmap and checkpoint", _closed_over(3.0, lambda ct, x: (6.0 * ct * x,)), (X,)),
    _custom("jit, vmap and checkpoint: constant forgotten", _closed_over(3.0, lambda ct, x: (2.0 * ct * x,)), (X,),
            "weight forgotten", ("factor", "scale", "weight", "term")),
    *(item for item in BY_NAME if _carries(item)),
    *pair("softmax of masked logits", "vjp", softmax, softmax_vjp, (MASKED,),
          Wrong("the sum forgotten", lambda ct, z: (softmax(z) * ct,), ("term",))),
    *pair("softmax of masked logits: custom rule", "custom vjp", softmax, softmax_vjp, (MASKED,)),
    *pair("logsumexp of masked logits", "vjp", logsumexp, logsumexp_vjp, (MASKED,),
          Wrong("as if none were masked", lambda ct, z: (ct[..., None] * jnp.ones_like(z) / z.shape[-1],), ("axis",))),
    *pair("entropy of masked logits", "gradient", masked_entropy, masked_entropy_grad, (MASKED,),
          Wrong("0 times -inf", lambda z: masked_entropy_grad(z, False), ("mask", "division", "special"))),
    *pair("causal attention with a bias of -inf", "vjp", attended, attended_vjp, (*QKV, CAUSAL),
          Wrong("scale forgotten in the keys' gradient", partial(attended_vjp, scale=1.0),
                ("factor", "scale", "term")), argnums=(0, 1, 2)),
    *pair("exp of -inf", "vjp", jnp.exp, slope_vjp(jnp.exp), (np.array([0.0, -INF, 1.0], np.float32),)),
]  # fmt: skip
