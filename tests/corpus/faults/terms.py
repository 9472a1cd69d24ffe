"""Faults of a term: dropped, or with a wrong sign or factor; and of a path that was taken to be constant."""

import jax.numpy as jnp
import numpy as np

from tests.corpus import functions as fn
from tests.corpus import functions_algebra as la
from tests.corpus import functions_layers as nn
from tests.corpus import functions_losses as loss
from tests.corpus.functions import normal, positive, regular
from tests.corpus.item import Item

TERM = ("term", "sign", "factor")
DETACHED = ("detached", "term")

ITEMS: list[Item] = [
    Item(
        "softmax: y ct alone",
        "vjp",
        nn.softmax,
        lambda ct, x: (nn.softmax(x) * ct,),
        (normal(1, 3, 5),),
        fault="term: dropped",
        causes=(*TERM, "diagonal", "reduction"),
    ),
    Item(
        "log-softmax: the sum over the row dropped",
        "vjp",
        nn.log_softmax,
        lambda ct, x: (ct,),
        (normal(2, 3, 5),),
        fault="term: dropped",
        causes=TERM,
    ),
    Item(
        "softmax: + for - before the sum",
        "vjp",
        nn.softmax,
        lambda ct, x: ((y := nn.softmax(x)) * (ct + jnp.sum(ct * y, axis=-1, keepdims=True)),),
        (normal(3, 3, 5),),
        fault="term: with the wrong sign",
        causes=TERM,
    ),
    Item(
        "standardise: the variance's term dropped",
        "vjp",
        nn.standardise,
        lambda ct, x: ((ct - jnp.mean(ct, -1, keepdims=True)) / jnp.sqrt(jnp.var(x, -1, keepdims=True) + 1e-5),),
        (normal(4, 3, 6),),
        fault="term: dropped",
        causes=TERM,
    ),
    Item(
        "batch norm: the mean's term dropped",
        "vjp",
        nn.batch_norm,
        lambda ct, x, g, b: (
            (gs := nn.batch_norm_vjp(ct, x, g, b))[0] + jnp.mean(ct * g, axis=0) / jnp.sqrt(jnp.var(x, 0) + 1e-5),
            *gs[1:],
        ),
        (normal(5, 6, 3), normal(6, 3), normal(7, 3)),
        fault="term: dropped",
        causes=TERM,
    ),
    Item(
        "rms norm: second term half",
        "vjp",
        lambda x: nn.rms_norm(x, jnp.ones_like(x[0])),
        lambda ct, x: (
            0.5 * nn.rms_norm_vjp(ct, x, jnp.ones_like(x[0]))[0]
            + 0.5 * ct / jnp.sqrt(jnp.mean(x**2, -1, keepdims=True) + 1e-6),
        ),
        (normal(8, 3, 5),),
        fault="term: with factor 0.5",
        causes=TERM,
    ),
    Item(
        "gelu: third power's slope without its 3",
        "vjp",
        fn.gelu,
        fn.slope_vjp(lambda x: fn.d_gelu(x) - 0.0713544 * x**3 * fn.d_tanh(0.797884561 * (x + 0.044715 * x**3)) * 0.5),
        (normal(9, 7),),
        fault="term: with factor 1/3",
        causes=TERM,
    ),
    Item(
        "silu: s + x s for s + x s (1 - s)",
        "vjp",
        fn.silu,
        fn.slope_vjp(lambda x: fn.sigmoid(x) * (1.0 + x)),
        (normal(10, 6),),
        fault="term: without a factor",
        causes=(*TERM, "variant"),
    ),
    Item(
        "cosine: projection dropped",
        "gradient",
        loss.cosine,
        lambda x, y: y / (la.norm(x) * la.norm(y)),
        (normal(11, 5), normal(12, 5)),
        fault="term: dropped",
        causes=TERM,
    ),
    Item(
        "cosine: projection dropped, orthogonal sample",
        "gradient",
        loss.cosine,
        lambda x, y: y / (la.norm(x) * la.norm(y)),
        (np.array([1, 2, 0, 0], np.float32), np.array([0, 0, 3, 1], np.float32)),
        fault="term: dropped, sample orthogonal",
        causes=TERM,
    ),
    Item(
        "entropy: the 1 dropped",
        "gradient",
        loss.entropy,
        lambda p: -jnp.log(p),
        (positive(13, 5),),
        fn.POSITIVE,
        fault="term: dropped",
        causes=(*TERM, "offset"),
    ),
    Item(
        "focal: modulation's term dropped",
        "gradient",
        loss.focal,
        lambda z: -(fn.sigmoid(-z) ** 3),
        (normal(14, 6),),
        fault="term: dropped",
        causes=TERM,
    ),
    Item(
        "ridge: penalty with the wrong sign",
        "gradient",
        loss.ridge,
        lambda w, x, y: x.T @ (x @ w - y) - 0.1 * w,
        (normal(15, 3), normal(16, 6, 3), normal(17, 6)),
        fault="term: with the wrong sign",
        causes=TERM,
    ),
    Item(
        "ridge: penalty dropped, small weights",
        "gradient",
        loss.ridge,
        lambda w, x, y: x.T @ (x @ w - y),
        (normal(18, 3, scale=1e-6), normal(19, 6, 3), normal(20, 6)),
        fault="term: dropped, sample where it is small",
        causes=TERM,
    ),
    Item(
        "cubic: the constant slope dropped",
        "jvp",
        fn.cubic,
        fn.slope_jvp(lambda x: 3.0 * x**2 - 4.0 * x),
        (normal(21, 5),),
        fault="term: dropped",
        causes=(*TERM, "offset"),
    ),
    Item(
        "solve: jvp without dA",
        "jvp",
        la.solve,
        lambda primals, d: jnp.linalg.solve(primals[0], d[1]),
        (regular(22, 3, dtype="float64"), normal(23, 3, dtype="float64")),
        fault="term: dropped",
        causes=(*TERM, "detached"),
    ),
    Item(
        "kalman: custom rule without the gain's slope",
        "custom",
        fn.with_vjp(
            la.kalman,
            lambda ct, x, p, z, r: (
                (g := la.kalman_vjp(ct, x, p, z, r))[0],
                g[1] - ct[0] * (z - x) * r / (p + r) ** 2,
                *g[2:],
            ),
        ),
        None,
        (positive(24, 3), positive(25, 3), positive(26, 3), positive(27, 3)),
        fn.POSITIVE,
        fault="term: dropped of one leaf",
        causes=(*DETACHED, "cotangent"),
    ),
    Item(
        "attention: softmax's sum dropped",
        "vjp",
        nn.attention,
        lambda ct, q, k, v: (
            (ds := (p := nn.softmax(q @ k.T * (c := q.shape[-1] ** -0.5))) * (ct @ v.T) * c) @ k,
            ds.T @ q,
            p.T @ ct,
        ),
        (normal(28, 3, 4), normal(29, 5, 4), normal(30, 5, 2)),
        fault="term: dropped",
        causes=TERM,
    ),
    Item(
        "rnn: the state's path through time dropped, sample of two steps",
        "vjp",
        nn.rnn,
        lambda ct, w, u, xs: (
            jnp.outer(d := ct * (1.0 - nn.rnn(w, u, xs) ** 2), nn.rnn(w, u, xs[:-1])),
            jnp.outer(d, xs[-1]),
            jnp.zeros_like(xs).at[-1].set(d @ u),
        ),
        (normal(31, 3, 3), normal(32, 3, 2), normal(33, 2, 2)),
        fault="detached: the state's path through time",
        causes=DETACHED,
    ),
]
