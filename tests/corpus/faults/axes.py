"""Faults of transposition, of axes and of sums for means; wrong shapes."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus import functions as fn
from tests.corpus import functions_algebra as la
from tests.corpus import functions_layers as nn
from tests.corpus import functions_losses as loss
from tests.corpus import functions_numpy as npf
from tests.corpus.functions import definite, integers, normal, symmetric
from tests.corpus.item import Item

TRANSPOSE = ("transpose", "untransposed")
AXIS = ("axis", "reduction", "cotangent", "factor")

ITEMS: list[Item] = [
    Item(
        "matvec: W ct for W.T ct, symmetric sample",
        "vjp",
        la.matmul,
        lambda ct, a, b: (jnp.outer(ct, b), a @ ct),
        (symmetric(1, 4), normal(2, 4)),
        fault="transpose: forgotten, sample symmetric",
        causes=TRANSPOSE,
    ),
    Item(
        "matvec: W ct for W.T ct, square sample",
        "vjp",
        nn.matvec,
        lambda ct, w, x: (jnp.outer(ct, x), w @ ct),
        (normal(3, 4, 4), normal(4, 4)),
        fault="transpose: forgotten, sample square",
        causes=TRANSPOSE,
    ),
    Item(
        "matvec: outer product the wrong way round, square sample",
        "vjp",
        nn.matvec,
        lambda ct, w, x: (jnp.outer(x, ct), w.T @ ct),
        (normal(5, 3, 3), normal(6, 3)),
        fault="transpose: of an outer product",
        causes=TRANSPOSE,
    ),
    Item(
        "linear: ct W for ct W.T, symmetric sample and batch of one",
        "vjp",
        nn.linear,
        lambda ct, x, w, b: (ct @ w, x.T @ ct, ct.sum(0)),
        (normal(7, 1, 3), symmetric(8, 3), normal(9, 3)),
        fault="transpose: forgotten, sample symmetric",
        causes=TRANSPOSE,
    ),
    Item(
        "logdet: inverse without the transpose, symmetric sample",
        "gradient",
        la.logdet,
        lambda A: jnp.linalg.inv(A),
        (definite(10, 3),),
        fault="transpose: of the gradient, sample symmetric",
        causes=TRANSPOSE,
    ),
    Item(
        "trace of a product: B for B.T",
        "gradient",
        la.trace_product,
        lambda A, B: B,
        (normal(11, 3, 3), normal(12, 3, 3)),
        fault="transpose: of the gradient",
        causes=TRANSPOSE,
    ),
    Item(
        "inverse: -inv ct inv without transposes, symmetric sample",
        "vjp",
        la.inverse,
        lambda ct, A: (-la.inverse(A) @ ct @ la.inverse(A),),
        (definite(13, 3, dtype="float64"),),
        fault="transpose: forgotten, sample symmetric",
        causes=TRANSPOSE,
    ),
    Item(
        "solve: solves with A for A.T, symmetric sample",
        "vjp",
        la.solve,
        lambda ct, A, b: (-jnp.outer(la.solve(A, ct), la.solve(A, b)), la.solve(A, ct)),
        (definite(14, 4), normal(15, 4)),
        fault="transpose: forgotten, sample symmetric",
        causes=TRANSPOSE,
    ),
    Item(
        "quadratic form: gradient of A transposed by two vectors",
        "vjp",
        lambda x, A, y: x @ A @ y,
        lambda ct, x, A, y: (ct * (A @ y), ct * jnp.outer(y, x), ct * (x @ A)),
        (normal(16, 3), normal(17, 3, 3), normal(18, 3)),
        fault="transpose: of an outer product",
        causes=TRANSPOSE,
    ),
    Item(
        "rnn: W for W.T going back, symmetric sample",
        "vjp",
        nn.rnn,
        lambda ct, w, u, xs: nn.rnn_vjp(ct, w.T, u, xs),
        (symmetric(19, 3) * np.float32(0.3), normal(20, 3, 2), normal(21, 4, 2)),
        fault="transpose: weights transposed in the rule, sample symmetric",
        causes=TRANSPOSE,
    ),
    Item(
        "matmul: custom jvp with dB.T, sample square",
        "custom",
        fn.with_jvp(la.matmul, lambda primals, d: d[0] @ primals[1] + primals[0] @ d[1].T),
        None,
        (normal(22, 3, 3), normal(23, 3, 3)),
        fault="transpose: of a tangent",
        causes=TRANSPOSE,
    ),
    Item(
        "tanh layer: custom rule with W for W.T, symmetric sample",
        "custom",
        jax.jit(
            fn.with_vjp(
                lambda w, x: jnp.tanh(w @ x),
                lambda ct, w, x: (jnp.outer(d := ct * fn.d_tanh(w @ x), x), w @ d),
            )
        ),
        None,
        (symmetric(24, 3), normal(25, 3)),
        fault="transpose: forgotten, sample symmetric",
        causes=TRANSPOSE,
    ),
    Item(
        "numpy: linear without the transpose, symmetric sample",
        "vjp",
        npf.np_linear,
        lambda ct, x, w, b: (np.asarray(ct) @ w, *npf.np_linear_vjp(ct, x, w, b)[1:]),
        (normal(26, 2, 3, dtype="float64"), symmetric(27, 3, dtype="float64"), normal(28, 3, dtype="float64")),
        fault="transpose: forgotten, sample symmetric",
        causes=TRANSPOSE,
    ),
    Item(
        "linear: bias takes the mean over the batch",
        "vjp",
        nn.linear,
        lambda ct, x, w, b: (ct @ w.T, x.T @ ct, ct.mean(0)),
        (normal(29, 4, 3), normal(30, 3, 2), normal(31, 2)),
        fault="axis: mean for sum of one leaf",
        causes=AXIS,
    ),
    Item(
        "linear: bias takes the mean, batch of one",
        "vjp",
        nn.linear,
        lambda ct, x, w, b: (ct @ w.T, x.T @ ct, ct.mean(0)),
        (normal(32, 1, 3), normal(33, 3, 2), normal(34, 2)),
        fault="axis: mean for sum of one leaf, batch of one",
        causes=AXIS,
    ),
    Item(
        "linear: bias summed over the wrong axis, square sample",
        "vjp",
        nn.linear,
        lambda ct, x, w, b: (ct @ w.T, x.T @ ct, ct.sum(1)),
        (normal(35, 3, 3), normal(36, 3, 3), normal(37, 3)),
        fault="axis: wrong axis of one leaf",
        causes=AXIS,
    ),
    Item(
        "linear: bias of the first example only, batch of one",
        "vjp",
        nn.linear,
        lambda ct, x, w, b: (ct @ w.T, x.T @ ct, ct[0]),
        (normal(38, 1, 4), normal(39, 4, 2), normal(40, 2)),
        fault="axis: batch axis lost: first example only, batch of one",
        causes=AXIS,
    ),
    Item(
        "softmax: sum over the batch, square sample",
        "vjp",
        nn.softmax,
        lambda ct, x: ((y := nn.softmax(x)) * (ct - jnp.sum(ct * y, axis=0, keepdims=True)),),
        (normal(41, 4, 4),),
        fault="axis: wrong axis",
        causes=(*AXIS, "term"),
    ),
    Item(
        "cross-entropy: sum for the mean over the batch, batch of one",
        "gradient",
        loss.cross_entropy,
        lambda z, labels: loss.cross_entropy_grad(z, labels) * labels.shape[0],
        (normal(42, 1, 5), integers(43, 5, 1)),
        fault="axis: sum for mean, batch of one",
        causes=AXIS,
    ),
    Item(
        "mse: divided by the rows only, one column",
        "gradient",
        loss.mse,
        lambda p, t: 2.0 * (p - t) / p.shape[0],
        (normal(44, 5, 1), normal(45, 5, 1)),
        fault="axis: mean over one axis for both, sample of one column",
        causes=AXIS,
    ),
    Item(
        "layer norm: means over the whole batch, batch of one",
        "vjp",
        nn.standardise,
        lambda ct, x: (nn.standardise_vjp(ct, x)[0] + jnp.mean(ct, axis=-1, keepdims=True) - jnp.mean(ct),),
        (normal(46, 1, 6),),
        fault="axis: wrong axis of a mean, batch of one",
        causes=(*AXIS, "term"),
    ),
]
