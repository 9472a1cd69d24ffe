"""Right rules whose last digits differ, and sums and statistics that were taken in too little precision."""

from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from tests.corpus.functions import POSITIVE, normal, positive, slope_vjp
from tests.corpus.functions_layers import log_softmax, softmax, softmax_vjp
from tests.corpus.item import Item
from tests.corpus.reports.pair import Wrong, pair

BFLOAT16 = ml_dtypes.bfloat16


def _wide(x: Any) -> Any:
    """In float32 at least, as kernels compute."""
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _expm_vjp(ct: Any, a: Any) -> Any:
    """The upper right block of the exponential of [[A', ct], [0, A']]."""
    n, size = a.shape[0], jnp.max(jnp.abs(ct))
    size = jnp.where(size == 0, 1.0, size)
    blocks = jnp.block([[a.T, ct / size], [jnp.zeros_like(a), a.T]])
    return (size * jax.scipy.linalg.expm(blocks)[:n, n:],)


def _standard(x: Any) -> tuple[Any, Any]:
    """Of each row, and one over its deviation."""
    apart = x - jnp.mean(x, -1, keepdims=True)
    scale = jax.lax.rsqrt(jnp.mean(apart**2, -1, keepdims=True) + 1e-5)
    return apart * scale, scale


def group_norm(x: Any, g: Any, b: Any) -> Any:
    """Two groups of channels; x: [N, C]."""
    y, _ = _standard(x.reshape(x.shape[0], 2, -1))
    return y.reshape(x.shape) * g + b


def group_norm_vjp(ct: Any, x: Any, g: Any, b: Any, groups: int = 2, weight: bool = True) -> Any:
    y, scale = _standard(x.reshape(x.shape[0], 2, -1))
    inner = (ct * g if weight else ct).reshape(x.shape[0], groups, -1)
    z = y.reshape(inner.shape)
    inner = inner - jnp.mean(inner, -1, keepdims=True) - z * jnp.mean(inner * z, -1, keepdims=True)
    dx = (inner.reshape(y.shape) * scale).reshape(x.shape)
    return dx, jnp.sum(ct * y.reshape(x.shape), 0), jnp.sum(ct, 0)


def _rms(x: Any) -> Any:
    return jax.lax.rsqrt(jnp.mean(_wide(x) ** 2, -1, keepdims=True) + 1e-6)


def rms_norm(x: Any, g: Any) -> Any:
    return (_wide(x) * _rms(x) * _wide(g)).astype(x.dtype)


def rms_norm_vjp(ct: Any, x: Any, g: Any) -> Any:
    r = _rms(x)
    y, inner = _wide(x) * r, _wide(ct) * _wide(g)
    dx = r * (inner - y * jnp.mean(inner * y, -1, keepdims=True))
    return dx.astype(x.dtype), jnp.sum((_wide(ct) * y).reshape(-1, x.shape[-1]), 0).astype(g.dtype)


def _softmax_wide(x: Any) -> Any:
    return jax.nn.softmax(_wide(x), axis=-1).astype(x.dtype)


def _softmax_wide_vjp(ct: Any, x: Any) -> Any:
    y = jax.nn.softmax(_wide(x), axis=-1)
    inner = _wide(ct)
    return ((y * (inner - jnp.sum(y * inner, -1, keepdims=True))).astype(x.dtype),)


def ignoring(logits: Any, labels: Any) -> Any:
    """Cross-entropy averaged over the rows whose label is not -100."""
    kept = labels != -100
    picked = jnp.take_along_axis(log_softmax(logits), jnp.where(kept, labels, 0)[:, None], 1)[:, 0]
    return -jnp.sum(jnp.where(kept, picked, 0.0)) / jnp.maximum(jnp.sum(kept), 1)


def ignoring_grad(logits: Any, labels: Any, masked: bool = True, count: bool = True) -> Any:
    kept = labels != -100
    apart = softmax(logits) - jax.nn.one_hot(labels, logits.shape[1], dtype=logits.dtype)
    apart = jnp.where(kept[:, None], apart, 0.0) if masked else apart
    return apart / (jnp.maximum(jnp.sum(kept), 1) if count else logits.shape[0])


def _betaln(a: Any, b: Any) -> Any:
    return jax.scipy.special.betaln(a, b)


def _betaln_vjp(ct: Any, a: Any, b: Any) -> Any:
    psi = jax.scipy.special.digamma
    return ct * (psi(a) - psi(a + b)), ct * (psi(b) - psi(a + b))


def _logsf_slope(x: Any) -> Any:
    return -jnp.exp(-0.5 * x**2 - 0.5 * jnp.log(2 * jnp.pi) - jax.scipy.stats.norm.logsf(x))


def _rounded(x: Any) -> Any:
    return jnp.sin(jax.lax.reduce_precision(x, 5, 10))


def _inside(x: Any) -> Any:
    return jnp.sin(x.astype(jnp.bfloat16).astype(x.dtype))


def _inside_slope(x: Any) -> Any:
    return jnp.cos(x.astype(jnp.bfloat16).astype(x.dtype))


def _mean_square(x: Any) -> Any:
    return jnp.mean(x * x, 0)


ROWS, LABELS = normal(1, 4, 5), np.array([1, -100, 0, 4], np.int32)

ITEMS: list[Item] = [
    *pair("softmax at 1000, order 2", "custom vjp", softmax, softmax_vjp,
          (np.array([1000, 0, -1000], np.float32),), order=2),
    *pair("softmax at 1000, order 2 in float64", "vjp", softmax, softmax_vjp, (np.array([1000.0, 0, -1000]),), order=2),
    *pair(
        "matrix exponential", "vjp", jax.scipy.linalg.expm, _expm_vjp, (normal(2, 3, 3),),
        Wrong("as if all matrices commuted, diagonal sample", lambda ct, a: (jax.scipy.linalg.expm(a).T @ ct,), (),
              (0.5 * np.eye(3, dtype=np.float32),)),
    ),
    # JAX's own is good to 6e-8 where the norm is close below a power of two times 5.4.
    *pair("matrix exponential of norm 20", "vjp", jax.scipy.linalg.expm, _expm_vjp, (5 * normal(3, 3, 3),),
          f_accuracy=1e-6),
    *pair(
        "group norm", "vjp", group_norm, group_norm_vjp, (normal(4, 3, 6), positive(5, 6), normal(6, 6)),
        Wrong("means over the whole row", lambda ct, x, g, b: group_norm_vjp(ct, x, g, b, groups=1),
              ("statistics", "axis")),
        Wrong("weight forgotten in dx, weights of one", lambda ct, x, g, b: group_norm_vjp(ct, x, g, b, weight=False),
              ("weight", "term", "factor"), (normal(4, 3, 6), np.ones(6, np.float32), normal(6, 6))),
    ),
    *pair("group norm in bfloat16, computed wide", "custom vjp",
          lambda x, g, b: group_norm(_wide(x), _wide(g), _wide(b)).astype(x.dtype),
          lambda ct, x, g, b: tuple(a.astype(x.dtype) for a in group_norm_vjp(*map(_wide, (ct, x, g, b)))),
          (normal(4, 3, 6, dtype=BFLOAT16), positive(5, 6, dtype=BFLOAT16), normal(6, 6, dtype=BFLOAT16))),
    *pair("rms norm in bfloat16, float32 inside", "vjp", rms_norm, rms_norm_vjp,
          (normal(7, 3, 8, dtype=BFLOAT16), positive(8, 8, dtype=BFLOAT16))),
    *pair("rms norm: custom rule in bfloat16, float32 inside", "custom vjp", rms_norm, rms_norm_vjp,
          (normal(7, 2, 3, 8, dtype=BFLOAT16), positive(8, 8, dtype=BFLOAT16))),
    *pair("softmax in bfloat16, float32 inside", "custom vjp", _softmax_wide, _softmax_wide_vjp,
          (normal(9, 4, 6, dtype=BFLOAT16),)),
    *pair("softmax in float16, float32 inside", "vjp", _softmax_wide, _softmax_wide_vjp,
          (normal(9, 4, 6, dtype=np.float16),)),
    *pair(
        "bias over a batch", "vjp", lambda x, b: x + b, lambda ct, x, b: (ct, jnp.sum(ct, 0)), (normal(10, 64, 3),
              normal(11, 3)),
        Wrong("summed in bfloat16",
              lambda ct, x, b: (ct, jnp.sum(ct.astype(jnp.bfloat16), 0).astype(ct.dtype)), ("cast", "precision")),
        Wrong("summed in float16",
              lambda ct, x, b: (ct, jnp.sum(ct.astype(jnp.float16), 0).astype(ct.dtype)), ("cast", "precision")),
    ),
    *pair(
        "mean square over a batch", "vjp", _mean_square, lambda ct, x: (2.0 * ct * x / x.shape[0],),
              (normal(12, 16, 3),),
        Wrong("through bfloat16", lambda ct, x: ((2.0 * ct * x / x.shape[0]).astype(jnp.bfloat16).astype(x.dtype),),
              ("cast", "precision")),
    ),
    *pair("cross-entropy with ignored labels", "gradient", ignoring, ignoring_grad, (ROWS, LABELS)),
    *pair("beta function's logarithm, far out", "vjp", _betaln, _betaln_vjp,
          (np.array([0.5, 50, 300], np.float32), np.array([2, 60, 0.7], np.float32)), **POSITIVE),
    *pair("log of a normal's tail", "vjp", jax.scipy.stats.norm.logsf, slope_vjp(_logsf_slope),
          (np.array([-1, 0, 2, 8], np.float32),), domain=(-10.0, 20.0)),
    *pair("tanhshrink at tiny inputs", "vjp", lambda x: x - jnp.tanh(x), slope_vjp(lambda x: jnp.tanh(x) ** 2),
          (np.array([1e-6, -1e-3, 0.1, 1], np.float32),)),
    *pair("softshrink at tiny inputs", "vjp", lambda x: jnp.sign(x) * jnp.maximum(jnp.abs(x) - 0.5, 0.0),
          slope_vjp(lambda x: (jnp.abs(x) > 0.5).astype(x.dtype)), (np.array([1e-6, -1e-3, 0.7, -2], np.float32),)),
    *pair(
        "hardsigmoid in float64", "vjp", lambda x: jnp.clip(x / 6.0 + 0.5, 0.0, 1.0),
        slope_vjp(lambda x: jnp.where(jnp.abs(x) < 3.0, 1.0 / 6.0, 0.0)), (np.array([-4.0, -1.0, 0.3, 2.9, 5.0]),),
        Wrong("0.2 for a sixth, as another library's", slope_vjp(lambda x: jnp.where(jnp.abs(x) < 3.0, 0.2, 0.0)),
              ("variant", "factor")),
    ),
    *pair(
        "hardswish", "vjp", lambda x: x * jnp.clip(x / 6.0 + 0.5, 0.0, 1.0),
        slope_vjp(lambda x: jnp.where(x < -3.0, 0.0, jnp.where(x > 3.0, 1.0, x / 3.0 + 0.5))),
        (np.array([-4, -3, -1, 0.3, 3, 5], np.float32),),
        Wrong("0 beyond 3 too, sample within",
              slope_vjp(lambda x: jnp.where(jnp.abs(x) < 3.0, x / 3.0 + 0.5, 0.0)), ("one_side", "mask"),
              (normal(13, 5),)),
    ),
    *pair("sine of what float16 keeps", "vjp", _rounded,
          slope_vjp(lambda x: jnp.cos(jax.lax.reduce_precision(x, 5, 10))),
          (normal(14, 5, dtype=np.float16),)),
    *pair("sine of what bfloat16 keeps", "vjp", _inside, slope_vjp(_inside_slope), (normal(15, 5),),
          Wrong("first entry 5% more", slope_vjp(lambda x: _inside_slope(x).at[0].multiply(1.05)), ("entry", "mask"))),
]  # fmt: skip
