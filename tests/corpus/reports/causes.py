"""Faults of layers and losses that reports name by their cause: weights, scales, sums, variants, masks, arguments."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus import functions as fn
from tests.corpus import functions_layers as nn
from tests.corpus.functions import normal, positive, slope_vjp
from tests.corpus.item import Item
from tests.corpus.reports.pair import Wrong, pair

Vjp = tuple[Any, ...]
X, ROWS, OTHER = normal(1, 6), normal(2, 4, 3), normal(3, 4, 3)
LABELS = np.array([0, 2, 1, 1], np.int32)
FIRST = ("axis", "cotangent", "first")
SCALE = ("scale", "factor", "term")
SWAPPED = ("sign", "swapped")


def gelu(x: Any) -> Any:
    return 0.5 * x * (1.0 + jax.scipy.special.erf(x * 2**-0.5))


def d_gelu(x: Any) -> Any:
    density = jnp.exp(-0.5 * x**2) * 0.3989422804014327
    return 0.5 * (1.0 + jax.scipy.special.erf(x * 2**-0.5)) + x * density


def layer_norm_vjp(ct: Any, x: Any, g: Any, b: Any) -> Vjp:
    """Without the weight in dx."""
    return (*nn.standardise_vjp(ct, x), *nn.layer_norm_vjp(ct, x, g, b)[1:])


def rms_norm_vjp(ct: Any, x: Any, g: Any, outer: bool = True, inner: bool = True) -> Vjp:
    """With the weight outside the mean, inside, or in both, where it belongs."""
    r = jax.lax.rsqrt(jnp.mean(x**2, -1, keepdims=True) + 1e-6)
    y = x * r
    out, within = (ct * g if at else ct for at in (outer, inner))
    return r * (out - y * jnp.mean(within * y, -1, keepdims=True)), jnp.sum(ct * y, 0)


def masked(z: Any, mask: Any) -> Any:
    """Softmax over where the mask is not 0, and 0 elsewhere."""
    return jnp.where(mask != 0, nn.softmax(jnp.where(mask != 0, z, -1e9)), 0.0)


def masked_vjp(ct: Any, z: Any, mask: Any) -> Vjp:
    y = masked(z, mask)
    return (y * (ct - jnp.sum(ct * y, -1, keepdims=True)),)


def _masked_late(ct: Any, z: Any, mask: Any) -> Vjp:
    return (jnp.where(mask != 0, nn.softmax_vjp(ct, z)[0], 0.0),)


def capped(z: Any) -> Any:
    """Softmax of logits capped at 5."""
    return nn.softmax(5.0 * jnp.tanh(z / 5.0))


def capped_vjp(ct: Any, z: Any, slope: Any = lambda z: 1.0 - jnp.tanh(z / 5.0) ** 2) -> Vjp:
    return (nn.softmax_vjp(ct, 5.0 * jnp.tanh(z / 5.0))[0] * slope(z),)


def warmed(z: Any, t: Any) -> Any:
    """Softmax of temperature t."""
    return nn.softmax(z / t)


def warmed_vjp(ct: Any, z: Any, t: Any, scaled: bool = True) -> Vjp:
    (g,) = nn.softmax_vjp(ct, z / t)
    return g / t if scaled else g, -jnp.sum(g * z) / t**2


def smoothed(z: Any, labels: Any) -> Any:
    """Cross-entropy with a tenth of the target spread evenly, and a penalty of 0.01 logsumexp^2."""
    hot = jax.nn.one_hot(labels, z.shape[-1], dtype=z.dtype)
    lse = jax.nn.logsumexp(z, axis=-1)
    return jnp.mean(lse - jnp.sum((0.9 * hot + 0.1 / z.shape[-1]) * z, -1) + 0.01 * lse**2)


def smoothed_grad(z: Any, labels: Any, spread: Any = lambda k: 0.1 / k, penalty: float = 0.02) -> Any:
    hot = jax.nn.one_hot(labels, z.shape[-1], dtype=z.dtype)
    lse = jax.nn.logsumexp(z, axis=-1, keepdims=True)
    return (nn.softmax(z) * (1.0 + penalty * lse) - 0.9 * hot - spread(z.shape[-1])) / z.shape[0]


def distance(x: Any, y: Any, w: Any) -> Any:
    return jnp.sum(w * (x - y) ** 2)


def interleaved(x: Any) -> Any:
    """Neighbours turned together, by an angle for each pair."""
    first, second = x[..., ::2], x[..., 1::2]
    angle = 1.0 / (1.0 + jnp.arange(first.shape[-1], dtype=x.dtype))
    turned = (first * jnp.cos(angle) - second * jnp.sin(angle), first * jnp.sin(angle) + second * jnp.cos(angle))
    return jnp.stack(turned, -1).reshape(x.shape)


def interleaved_vjp(ct: Any, x: Any) -> Vjp:
    first, second = ct[..., ::2], ct[..., 1::2]
    angle = 1.0 / (1.0 + jnp.arange(first.shape[-1], dtype=x.dtype))
    turned = (first * jnp.cos(angle) + second * jnp.sin(angle), second * jnp.cos(angle) - first * jnp.sin(angle))
    return (jnp.stack(turned, -1).reshape(x.shape),)


def _by_halves(ct: Any, x: Any) -> Vjp:
    first, second = jnp.split(ct, 2, -1)
    angle = 1.0 / (1.0 + jnp.arange(first.shape[-1], dtype=x.dtype))
    return (jnp.concatenate([first * jnp.cos(angle) + second * jnp.sin(angle),
                             second * jnp.cos(angle) - first * jnp.sin(angle)], -1),)  # fmt: skip


def gated(a: Any, b: Any) -> Any:
    return a * jax.nn.silu(b)


def gated_vjp(ct: Any, a: Any, b: Any) -> Vjp:
    return ct * jax.nn.silu(b), ct * a * fn.d_silu(b)


def contrast(a: Any, b: Any) -> Any:
    """How well each row of a finds its own among those of b, and the other way."""
    z = a @ b.T
    return jnp.mean(jax.nn.logsumexp(z, 1) + jax.nn.logsumexp(z, 0) - 2.0 * jnp.diagonal(z))


def contrast_grads(a: Any, b: Any, back: float = 1.0) -> Vjp:
    z, eye = a @ b.T, jnp.eye(a.shape[0], dtype=a.dtype)
    by_z = (nn.softmax(z) - eye + back * (nn.softmax(z.T).T - eye)) / a.shape[0]
    return by_z @ b, by_z.T @ a


def unit(x: Any) -> Any:
    """x over its norm, or over 0.01 if that is more."""
    return x / jnp.maximum(jnp.sqrt(jnp.sum(x * x)), 0.01)


def unit_vjp(ct: Any, x: Any, floor: bool = True) -> Vjp:
    square = jnp.sum(x * x)
    short = (square <= 1e-4) & floor
    norm = jnp.where(short, 1.0, jnp.sqrt(square))
    return (jnp.where(short, ct / 0.01, (ct - x * (jnp.sum(ct * x) / norm / norm)) / norm),)


def robust(x: Any, delta: Any) -> Any:
    size = jnp.abs(x)
    return jnp.sum(jnp.where(size <= delta, 0.5 * x * x, delta * (size - 0.5 * delta)))


def robust_grad(x: Any, delta: Any, limit: Any = lambda delta: delta) -> Any:
    return jnp.clip(x, -limit(delta), limit(delta))


def gru(h: Any, z: Any, n: Any) -> Any:
    """The gate of a recurrent unit between the old state and the new."""
    gate = jax.nn.sigmoid(z)
    return (1.0 - gate) * jnp.tanh(n) + gate * h


def gru_vjp(ct: Any, h: Any, z: Any, n: Any, new: Any = jnp.tanh, swap: float = 1.0) -> Vjp:
    gate = jax.nn.sigmoid(z)
    return ct * gate, swap * ct * (h - new(n)) * gate * (1.0 - gate), ct * (1.0 - gate) * fn.d_tanh(n)


def biased(rule: Any) -> Any:
    """The mean of x + b, where the sum has a rule of its own: every row's cotangent is the same."""
    add = fn.with_vjp(lambda x, b: x + b, rule)
    return lambda x, b: jnp.mean(add(x, b))


def _first_row(ct: Any) -> Any:
    return jnp.broadcast_to(ct[:1], ct.shape)


def rms_norm(x: Any) -> Any:
    return x * jax.lax.rsqrt(jnp.mean(x**2, -1, keepdims=True) + 0.01)


def plain_rms_norm_vjp(ct: Any, x: Any, eps: float = 0.01) -> Vjp:
    r = jax.lax.rsqrt(jnp.mean(x**2, -1, keepdims=True) + eps)
    return (r * (ct - x * r**2 * jnp.mean(ct * x, -1, keepdims=True)),)


def smooth_l1(x: Any, t: Any) -> Any:
    """With a beta of 1/2."""
    far = jnp.abs(x - t)
    return jnp.mean(jnp.where(far < 0.5, far**2, far - 0.25))


def smooth_l1_grad(x: Any, t: Any, beta: float = 0.5) -> Any:
    return jnp.where(jnp.abs(x - t) < 0.5, (x - t) / beta, jnp.sign(x - t)) / x.size


def pooled(x: Any, ids: Any) -> Any:
    return jax.ops.segment_sum(x, ids, 3)


MASK = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1], [1, 0, 0]], np.int32)
NORM = (ROWS, positive(4, 3), normal(5, 3))
ITEMS: list[Item] = [
    *pair("gelu by erf", "vjp", gelu, slope_vjp(d_gelu), (X,),
          Wrong("slope of the tanh's variant", slope_vjp(fn.d_gelu), ("variant",)),
          Wrong("slope of x sigmoid(1.702 x)", slope_vjp(lambda x: fn.d_silu(1.702 * x)), ("variant",)),
          Wrong("density forgotten", slope_vjp(lambda x: 0.5 * (1.0 + jax.scipy.special.erf(x * 2**-0.5))), ("term",))),
    *pair("gelu by tanh", "custom vjp", lambda x: fn.gelu(x), slope_vjp(fn.d_gelu), (X,),
          Wrong("slope of erf's variant", slope_vjp(d_gelu), ("variant",))),
    *pair("layer norm with a weight", "vjp", nn.layer_norm, nn.layer_norm_vjp, NORM,
          Wrong("weight forgotten in dx", layer_norm_vjp, ("weight", "term")),
          Wrong("weight forgotten in dx, weights of one", layer_norm_vjp, ("weight", "term"),
                (ROWS, np.ones(3, np.float32), normal(5, 3))),
          Wrong("first row's cotangent for all", lambda ct, *a: nn.layer_norm_vjp(_first_row(ct), *a), FIRST)),
    *pair("rms norm with a weight", "vjp", nn.rms_norm, rms_norm_vjp, NORM[:2],
          Wrong("weight only outside the mean", partial(rms_norm_vjp, inner=False), ("weight", "term")),
          Wrong("weight only inside, weights of one", partial(rms_norm_vjp, outer=False), ("weight", "term"),
                (ROWS, np.ones(3, np.float32)))),
    *pair("masked softmax", "vjp", masked, masked_vjp, (ROWS, MASK),
          Wrong("masked after instead of before", _masked_late, ("mask", "order")),
          Wrong("masked after instead of before, all ones", _masked_late, ("mask", "order"),
                (ROWS, np.ones_like(MASK)))),
    *pair("softmax with capped logits", "vjp", capped, capped_vjp, (2.0 * ROWS,),
          Wrong("the cap's slope forgotten, small sample", lambda ct, z: capped_vjp(ct, z, jnp.ones_like), ("term",),
                (1e-3 * ROWS,)),
          Wrong("1 - tanh for 1 - tanh^2", lambda ct, z: capped_vjp(ct, z, lambda z: 1.0 - jnp.tanh(z / 5.0)),
                ("variant",))),
    *pair("softmax with temperature", "vjp", warmed, warmed_vjp, (ROWS, np.float32(0.5)),
          Wrong("temperature forgotten", partial(warmed_vjp, scaled=False), SCALE),
          Wrong("temperature forgotten, temperature 1", partial(warmed_vjp, scaled=False), SCALE,
                (ROWS, np.float32(1))), domain=[None, (0.05, 20.0)]),
    *pair("cross-entropy, smoothed and with a penalty", "gradient", smoothed, smoothed_grad, (ROWS, LABELS),
          Wrong("smoothed over the others alone", lambda z, y: smoothed_grad(z, y, lambda k: 0.1 / (k - 1)),
                ("variant", "offset")),
          Wrong("penalty's factor 2 forgotten", lambda z, y: smoothed_grad(z, y, penalty=0.01), ("term",)),
          Wrong("penalty held constant", lambda z, y: smoothed_grad(z, y, penalty=0.0), ("term", "path"))),
    *pair("weighted squared distance", "gradient", distance,
          lambda x, y, w: (2.0 * w * (x - y), 2.0 * w * (y - x)), (ROWS, OTHER, positive(6, 3)),
          Wrong("arguments of the subtraction swapped", lambda x, y, w: (2.0 * w * (y - x), 2.0 * w * (x - y)),
                SWAPPED),
          Wrong("weight forgotten", lambda x, y, w: (2.0 * (x - y), 2.0 * (y - x)), ("weight", "term")), argnums=(0,
                1)),
    *pair("sine", "vjp", jnp.sin, slope_vjp(jnp.cos), (X,),
          Wrong("slope at x + 0.01", slope_vjp(lambda x: jnp.cos(x + 0.01)), ("shift",)),
          Wrong("slope of degrees", slope_vjp(lambda x: jnp.cos(x) * (np.pi / 180)), ("factor", "scale"))),
    *pair("exp", "vjp", jnp.exp, slope_vjp(jnp.exp), (X,),
          Wrong("slope at x + 0.01", slope_vjp(lambda x: jnp.exp(x + 0.01)), ("shift",))),
    *pair("rotary embedding of neighbours", "vjp", interleaved, interleaved_vjp, (normal(7, 3, 4),),
          Wrong("by halves, sample of two", _by_halves, ("variant",), (normal(7, 3, 2),)),
          Wrong("turned forwards", lambda ct, x: (interleaved(ct),), ("untransposed",))),
    *pair("gated unit", "vjp", gated, gated_vjp, (ROWS, OTHER),
          Wrong("halves exchanged", lambda ct, a, b: gated_vjp(ct, a, b)[::-1], ("swapped",)),
          Wrong("slope of the sigmoid for silu's", lambda ct, a, b: (ct * jax.nn.silu(b), ct * a * fn.d_sigmoid(b)),
                ("variant", "term"))),
    *pair("contrastive loss", "gradient", contrast, contrast_grads, (ROWS, OTHER),
          Wrong("the way back forgotten", lambda a, b: contrast_grads(a, b, 0.0), ("term",)), argnums=(0, 1)),
    *pair("unit vector with a floor", "vjp", unit, unit_vjp, (X,),
          Wrong("floor forgotten", lambda ct, x: unit_vjp(ct, x, False), ("one_side", "mask", "division"))),
    *pair("huber loss with delta", "gradient", robust, robust_grad, (2.0 * X, np.float32(0.7)),
          Wrong("1 for delta, delta of 1", lambda x, d: robust_grad(x, d, lambda _: 1.0), ("clip", "one_side", "scale"),
                (2.0 * X, np.float32(1))), argnums=0, domain=[None, (0.1, 10.0)]),
    *pair("gate of a recurrent unit", "vjp", gru, gru_vjp, (X, normal(8, 6), normal(9, 6)),
          Wrong("subtraction swapped in the gate's gradient", partial(gru_vjp, swap=-1.0), SWAPPED),
          Wrong("the new state before its tanh, small sample", partial(gru_vjp, new=lambda n: n), ("term", "slope"),
                (X, normal(8, 6), 1e-3 * normal(9, 6)))),
    *pair("rms norm with an epsilon", "vjp", rms_norm, plain_rms_norm_vjp, (ROWS,),
          Wrong("epsilon forgotten", partial(plain_rms_norm_vjp, eps=0.0), ("value",))),
    *pair("smooth L1 with a beta", "gradient", smooth_l1, smooth_l1_grad, (X, normal(13, 6)),
          Wrong("beta forgotten", partial(smooth_l1_grad, beta=1.0), ("one_side", "term")), argnums=0),
    *pair("tanh of NumPy", "vjp", np.tanh, slope_vjp(lambda x: 1.0 - np.tanh(x) ** 2), (X,),
          Wrong("1 - x^2", slope_vjp(lambda x: 1.0 - x**2), ("slope",))),
    *pair("sums of groups", "vjp", pooled, lambda ct, x, ids: (ct[ids],), (X, np.array([0, 2, 1, 0, 2, 2], np.int32)),
          Wrong("as if they were sorted", lambda ct, x, ids: (ct[jnp.sort(ids)],), ("index",))),
    *pair("linear layer", "vjp", nn.linear, nn.linear_vjp, (ROWS, normal(10, 3, 2), normal(11, 2)),
          Wrong("first row's cotangent for all", lambda ct, *a: nn.linear_vjp(_first_row(ct), *a), FIRST)),
    Item("mean of rows with a bias", "custom", biased(lambda ct, x, b: (ct, ct.sum(0))), None, (ROWS, normal(12, 3))),
    # All rows have the same cotangent, whatever x and b are: this is f's gradient.
    Item("mean of rows with a bias: the first row's cotangent times their number", "custom",
         biased(lambda ct, x, b: (ct, ct[0] * x.shape[0])), None, (ROWS, normal(12, 3))),
]  # fmt: skip
