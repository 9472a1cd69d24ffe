"""What shows at other sizes than the sample's: strides, windows, groups of heads, borders, sequences and kernels."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus.functions import normal
from tests.corpus.functions_layers import softmax
from tests.corpus.item import Item
from tests.corpus.reports.pair import Wrong, pair

Vjp = tuple[Any, ...]


def strided(x: Any, w: Any) -> Any:
    """Correlate [B, C, N] with [F, C, K] at every second place, without padding."""
    return jax.lax.conv_general_dilated(x, w, (2,), "VALID")


def strided_vjp(ct: Any, x: Any, w: Any, at_end: bool = False) -> Vjp:
    length, width = ct.shape[-1], w.shape[-1]
    rest = (x.shape[-1] - width) % 2 if at_end else 0
    places = [slice(rest + i, rest + i + 2 * length - 1, 2) for i in range(width)]
    dx = jnp.zeros_like(x)
    for i, place in enumerate(places):
        dx = dx.at[:, :, place].add(jnp.einsum("bfl,fc->bcl", ct, w[:, :, i]))
    dw = [jnp.einsum("bfl,bcl->fc", ct, x[:, :, i : i + 2 * length - 1 : 2]) for i in range(width)]
    return dx, jnp.stack(dw, -1)


def convolved(x: Any, w: Any) -> Any:
    return jnp.convolve(x, w, "full")


def convolved_vjp(ct: Any, x: Any, w: Any, flip: Any = lambda w: w) -> Vjp:
    return jnp.correlate(ct, flip(w), "valid"), jnp.correlate(ct, x, "valid")


def within(x: Any, w: Any) -> Any:
    """The places where the shorter lies wholly within the longer."""
    return jnp.convolve(x, w, "valid")


def within_vjp(ct: Any, x: Any, w: Any) -> Vjp:
    if x.shape[0] < w.shape[0]:
        return tuple(reversed(_within_longer(ct, w, x)))
    return _within_longer(ct, x, w)


def _within_longer(ct: Any, x: Any, w: Any) -> Vjp:
    return jnp.convolve(ct, w[::-1], "full"), jnp.correlate(x, ct, "valid")[::-1]


def grouped(q: Any, k: Any, v: Any) -> Any:
    """Attention of H heads [H, T, d] to keys and values of G, a divisor of H."""
    k, v = (jnp.repeat(a, q.shape[0] // k.shape[0], axis=0) for a in (k, v))
    return softmax(q @ k.swapaxes(1, 2) / q.shape[-1] ** 0.5) @ v


def grouped_vjp(ct: Any, q: Any, k: Any, v: Any, join: Any = lambda a: jnp.sum(a, 1), scale: Any = None) -> Vjp:
    heads = k.shape[0]
    k, v = (jnp.repeat(a, q.shape[0] // heads, axis=0) for a in (k, v))
    s = q.shape[-1] ** -0.5
    p = softmax(q @ k.swapaxes(1, 2) * s)
    dp = ct @ v.swapaxes(1, 2)
    ds = p * (dp - jnp.sum(dp * p, -1, keepdims=True))
    dk, dv = ds.swapaxes(1, 2) @ q * s, p.swapaxes(1, 2) @ ct
    dk, dv = (join(a.reshape(heads, -1, *a.shape[1:])) for a in (dk, dv))
    return ds @ k * (s if scale is None else scale), dk, dv


def pooled(x: Any) -> Any:
    """The means of three windows, which overlap where the length has no third."""
    n = x.shape[0]
    return jnp.stack([jnp.mean(x[i * n // 3 : -(-(i + 1) * n // 3)]) for i in range(3)])


def pooled_vjp(ct: Any, x: Any) -> Vjp:
    n = x.shape[0]
    dx = jnp.zeros_like(x)
    for i in range(3):
        window = slice(i * n // 3, -(-(i + 1) * n // 3))
        dx = dx.at[window].add(ct[i] / (window.stop - window.start))
    return (dx,)


def _pooled_evenly(ct: Any, x: Any) -> Vjp:
    size = x.shape[0] // 3
    return (jnp.zeros_like(x).at[: 3 * size].set(jnp.repeat(ct / size, size)),)


def mirrored(x: Any) -> Any:
    return jnp.pad(x, 2, "reflect")


def mirrored_vjp(ct: Any, x: Any) -> Vjp:
    return (jnp.zeros_like(x).at[np.pad(np.arange(x.shape[0]), 2, "reflect")].add(ct),)


def differences(x: Any) -> Any:
    """Second differences, the ends held."""
    return jnp.diff(jnp.concatenate([x[:1], x, x[-1:]]), n=2)


def differences_vjp(ct: Any, x: Any) -> Vjp:
    """The matrix is symmetric."""
    return (differences(ct),)


def upsampled(x: Any) -> Any:
    """Each row and column twice."""
    return jnp.repeat(jnp.repeat(x, 2, 0), 2, 1)


def upsampled_vjp(ct: Any, x: Any) -> Vjp:
    return (jnp.sum(ct.reshape(x.shape[0], 2, x.shape[1], 2), (1, 3)),)


def lagged(a: Any, xs: Any) -> Any:
    """h_t = a h_(t-1) + x_t, all of them; a: [], xs: [T]."""
    return jax.lax.scan(lambda h, x: (a * h + x, a * h + x), jnp.zeros_like(xs[0]), xs)[1]


def lagged_vjp(ct: Any, a: Any, xs: Any, before: int = 1) -> Vjp:
    hs = lagged(a, xs)
    dxs = lagged(a, ct[::-1])[::-1]
    return jnp.sum(dxs * jnp.concatenate([jnp.zeros_like(xs[:1]), hs])[1 - before : 1 - before + len(xs)]), dxs


def hidden_path(a: Any, xs: Any) -> Any:
    """The logarithm of the sum over all paths of a chain; a: [S, S] and xs: [T, S] in logarithms."""

    def step(alpha: Any, x: Any) -> Any:
        alpha = jax.nn.logsumexp(alpha[:, None] + a, axis=0) + x
        return alpha, alpha

    return jax.nn.logsumexp(jax.lax.scan(step, xs[0], xs[1:])[0])


def hidden_path_grad(a: Any, xs: Any, smooth: bool = True) -> Any:
    """By xs: how likely each state is at each time, given all of xs, or what came until then."""

    def forward(alpha: Any, x: Any) -> Any:
        alpha = jax.nn.logsumexp(alpha[:, None] + a, axis=0) + x
        return alpha, alpha

    def backward(beta: Any, x: Any) -> Any:
        beta = jax.nn.logsumexp(a + (x + beta)[None, :], axis=1)
        return beta, beta

    alphas = jnp.concatenate([xs[:1], jax.lax.scan(forward, xs[0], xs[1:])[1]])
    last = jnp.zeros_like(xs[:1])
    betas = jnp.concatenate([jax.lax.scan(backward, last[0], xs[1:], reverse=True)[1], last])
    return jax.nn.softmax(alphas + betas if smooth else alphas, axis=-1)


Q, K, V = normal(1, 4, 3, 2), normal(2, 2, 3, 2), normal(3, 2, 3, 2)
ITEMS: list[Item] = [
    *pair("convolution with stride 2", "vjp", strided, strided_vjp, (normal(4, 2, 2, 8), normal(5, 3, 2, 3)),
          Wrong("what is left over at the front, nothing left in the sample",
                lambda ct, x, w: strided_vjp(ct, x, w, True), ("roll", "shift"), (normal(4, 2, 2, 7),
                      normal(5, 3, 2, 3)))),
    *pair("convolution", "vjp", convolved, convolved_vjp, (normal(6, 5), normal(7, 3)),
          Wrong("kernel flipped, symmetric sample", lambda ct, x, w: convolved_vjp(ct, x, w, lambda w: w[::-1]),
                ("flip",), (normal(6, 5), np.array([0.25, 0.5, 0.25], np.float32)))),
    *pair("convolution within", "vjp", within, within_vjp, (normal(8, 3), normal(9, 5)),
          Wrong("as if the kernel were never longer", _within_longer, ("shape",), (normal(8, 6), normal(9, 3)))),
    *pair("attention with groups of heads", "vjp", grouped, grouped_vjp, (Q, K, V),
          Wrong("the first head of each group alone", partial(grouped_vjp, join=lambda d: d[:, 0]), ("group", "axis")),
          Wrong("the mean of each group", partial(grouped_vjp, join=lambda d: jnp.mean(d, 1)),
                ("reduction", "group", "factor")),
          Wrong("the first head of each group, groups of one", partial(grouped_vjp, join=lambda d: d[:, 0]),
                ("group", "axis"), (Q[:2], K, V)),
          Wrong("scale forgotten in the queries' gradient, heads of one", partial(grouped_vjp, scale=1.0),
                ("factor", "scale", "term"), (Q[..., :1], K[..., :1], V[..., :1]))),
    *pair("pooling into three", "vjp", pooled, pooled_vjp, (normal(10, 7),),
          Wrong("as if a third were whole, sample of 6", _pooled_evenly, (), (normal(10, 6),))),
    *pair("padding by reflection", "vjp", mirrored, mirrored_vjp, (normal(11, 5),),
          Wrong("the border cut off", lambda ct, x: (ct[2:-2],), ("term", "mask"))),
    *pair("second differences, ends held", "vjp", differences, differences_vjp, (normal(12, 5),),
          Wrong("as on a circle", lambda ct, x: (jnp.roll(ct, 1) - 2.0 * ct + jnp.roll(ct, -1),))),
    *pair("upsampling", "vjp", upsampled, upsampled_vjp, (normal(13, 2, 3),),
          Wrong("the mean of each block", lambda ct, x: (upsampled_vjp(ct, x)[0] / 4.0,), ("reduction", "factor")),
          Wrong("every second entry", lambda ct, x: (ct[::2, ::2],), ("cotangent", "axis", "group"))),
    *pair("leaky integrator", "vjp", lagged, lagged_vjp, (np.float32(0.8), normal(14, 5)),
          Wrong("the state after for the state before", lambda ct, a, xs: lagged_vjp(ct, a, xs, 0), ("shift",)),
          Wrong("not carried back, one step", lambda ct, a, xs: (lagged_vjp(ct, a, xs)[0], ct), ("term", "diagonal"),
                (np.float32(0.8), normal(14, 1)))),
    *pair("sum over the paths of a chain", "gradient", hidden_path, hidden_path_grad, (normal(15, 3, 3),
          normal(16, 4, 3)),
          Wrong("what comes later is forgotten, one step", lambda a, xs: hidden_path_grad(a, xs, False), ("term",),
                (normal(15, 3, 3), normal(16, 1, 3))), argnums=1),
]  # fmt: skip
