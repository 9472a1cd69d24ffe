"""Layers of networks, each with its right vjp beside it."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from tests.corpus.functions import d_tanh


def linear(x: Any, w: Any, b: Any) -> Any:
    return x @ w + b


def linear_vjp(ct: Any, x: Any, w: Any, b: Any) -> Any:
    return ct @ w.T, x.T @ ct, ct.sum(0)


def linear_jvp(primals: Any, tangents: Any) -> Any:
    (x, w, _), (dx, dw, db) = primals, tangents
    return dx @ w + x @ dw + db


def matvec(w: Any, x: Any) -> Any:
    return w @ x


def matvec_vjp(ct: Any, w: Any, x: Any) -> Any:
    return jnp.outer(ct, x), w.T @ ct


def softmax(x: Any) -> Any:
    e = jnp.exp(x - jax.lax.stop_gradient(jnp.max(x, axis=-1, keepdims=True)))
    return e / jnp.sum(e, axis=-1, keepdims=True)


def softmax_vjp(ct: Any, x: Any) -> Any:
    y = softmax(x)
    return (y * (ct - jnp.sum(ct * y, axis=-1, keepdims=True)),)


def softmax_jvp(primals: Any, tangents: Any) -> Any:
    y, dx = softmax(primals[0]), tangents[0]
    return y * (dx - jnp.sum(dx * y, axis=-1, keepdims=True))


def log_softmax(x: Any) -> Any:
    z = x - jax.lax.stop_gradient(jnp.max(x, axis=-1, keepdims=True))
    return z - jnp.log(jnp.sum(jnp.exp(z), axis=-1, keepdims=True))


def log_softmax_vjp(ct: Any, x: Any) -> Any:
    return (ct - softmax(x) * jnp.sum(ct, axis=-1, keepdims=True),)


def logsumexp(x: Any) -> Any:
    m = jax.lax.stop_gradient(jnp.max(x, axis=-1))
    return m + jnp.log(jnp.sum(jnp.exp(x - m[..., None]), axis=-1))


def logsumexp_vjp(ct: Any, x: Any) -> Any:
    return (ct[..., None] * softmax(x),)


def standardise(x: Any) -> Any:
    """Shift and scale each row to mean 0 and variance 1."""
    c = x - jnp.mean(x, axis=-1, keepdims=True)
    return c / jnp.sqrt(jnp.mean(c**2, axis=-1, keepdims=True) + 1e-5)


def standardise_vjp(ct: Any, x: Any) -> Any:
    y = standardise(x)
    inner = ct - jnp.mean(ct, axis=-1, keepdims=True) - y * jnp.mean(ct * y, axis=-1, keepdims=True)
    return (inner / jnp.sqrt(jnp.var(x, axis=-1, keepdims=True) + 1e-5),)


def layer_norm(x: Any, g: Any, b: Any) -> Any:
    return g * standardise(x) + b


def layer_norm_vjp(ct: Any, x: Any, g: Any, b: Any) -> Any:
    return (*standardise_vjp(ct * g, x), jnp.sum(ct * standardise(x), axis=0), jnp.sum(ct, axis=0))


def batch_norm(x: Any, g: Any, b: Any) -> Any:
    return g * standardise(x.T).T + b


def batch_norm_vjp(ct: Any, x: Any, g: Any, b: Any) -> Any:
    (dx,) = standardise_vjp((ct * g).T, x.T)
    return dx.T, jnp.sum(ct * standardise(x.T).T, axis=0), jnp.sum(ct, axis=0)


def rms_norm(x: Any, g: Any) -> Any:
    return x / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6) * g


def rms_norm_vjp(ct: Any, x: Any, g: Any) -> Any:
    r = 1.0 / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6)
    y = x * r
    dy = ct * g
    return r * (dy - y * jnp.mean(dy * y, axis=-1, keepdims=True)), jnp.sum(ct * y, axis=0)


def attention(q: Any, k: Any, v: Any) -> Any:
    return softmax(q @ k.T / math.sqrt(q.shape[-1])) @ v


def attention_vjp(ct: Any, q: Any, k: Any, v: Any) -> Any:
    scale = 1.0 / math.sqrt(q.shape[-1])
    p = softmax(q @ k.T * scale)
    dp = ct @ v.T
    ds = p * (dp - jnp.sum(dp * p, axis=-1, keepdims=True)) * scale
    return ds @ k, ds.T @ q, p.T @ ct


def conv1d(x: Any, w: Any) -> Any:
    """Correlate (batch, channels, length) with (filters, channels, width), without padding."""
    return jax.lax.conv_general_dilated(x, w, (1,), "VALID")


def conv1d_vjp(ct: Any, x: Any, w: Any) -> Any:
    width, length = w.shape[-1], ct.shape[-1]
    dx = jnp.zeros_like(x)
    for i in range(width):
        dx = dx.at[:, :, i : i + length].add(jnp.einsum("bol,oc->bcl", ct, w[:, :, i]))
    dw = [jnp.einsum("bol,bcl->oc", ct, x[:, :, i : i + length]) for i in range(width)]
    return dx, jnp.stack(dw, axis=-1)


def embedding(table: Any, ids: Any) -> Any:
    return jnp.asarray(table)[ids]


def embedding_vjp(ct: Any, table: Any, ids: Any) -> Any:
    return (jnp.zeros_like(table).at[ids].add(ct),)


def rnn(w: Any, u: Any, xs: Any) -> Any:
    """Return the last state of h = tanh(w h + u x)."""
    start = jnp.zeros_like(w[:, 0])
    return jax.lax.scan(lambda h, x: (jnp.tanh(w @ h + u @ x), None), start, xs)[0]


def rnn_vjp(ct: Any, w: Any, u: Any, xs: Any) -> Any:
    def forward(h: Any, x: Any) -> Any:
        a = w @ h + u @ x
        return jnp.tanh(a), (h, a)

    _, (before, inner) = jax.lax.scan(forward, jnp.zeros_like(w[:, 0]), xs)

    def backward(dh: Any, a: Any) -> Any:
        da = dh * d_tanh(a)
        return w.T @ da, da

    _, das = jax.lax.scan(backward, jnp.asarray(ct), inner, reverse=True)
    return das.T @ before, das.T @ xs, das @ u


def mlp(params: Any, x: Any) -> Any:
    """Apply two layers with a tanh between; params is {"in": (w, b), "out": (w, b)}."""
    return linear(jnp.tanh(linear(x, *params["in"])), *params["out"])


def mlp_vjp(ct: Any, params: Any, x: Any) -> Any:
    a = linear(x, *params["in"])
    dh, *out = linear_vjp(ct, jnp.tanh(a), *params["out"])
    dx, *inner = linear_vjp(dh * d_tanh(a), x, *params["in"])
    return {"in": tuple(inner), "out": tuple(out)}, dx
