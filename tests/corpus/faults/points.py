"""Faults of a Jacobian's diagonal taken for the whole, and of slopes at the wrong point."""

import jax.numpy as jnp
import numpy as np

from tests.corpus import functions as fn
from tests.corpus import functions_algebra as la
from tests.corpus import functions_layers as nn
from tests.corpus import functions_losses as loss
from tests.corpus import functions_numpy as npf
from tests.corpus.functions import normal, positive, slope_jvp, slope_vjp
from tests.corpus.item import Item

DIAGONAL = ("diagonal",)
MATRIX = normal(0, 4, 4)

ITEMS: list[Item] = [
    Item(
        "softmax: y (1 - y) ct",
        "vjp",
        nn.softmax,
        lambda ct, x: ((y := nn.softmax(x)) * (1.0 - y) * ct,),
        (normal(1, 3, 5),),
        fault="diagonal: of the Jacobian",
        causes=DIAGONAL,
    ),
    Item(
        "log-softmax: custom rule (1 - y) ct",
        "custom",
        fn.with_vjp(nn.log_softmax, lambda ct, x: ((1.0 - nn.softmax(x)) * ct,)),
        None,
        (normal(2, 3, 5),),
        fault="diagonal: of the Jacobian",
        causes=DIAGONAL,
    ),
    Item(
        "cumsum: ct alone",
        "vjp",
        la.cumsum,
        lambda ct, x: (ct,),
        (normal(3, 6),),
        fault="diagonal: of the Jacobian",
        causes=(*DIAGONAL, "term"),
    ),
    Item(
        "cumprod: its own factor only",
        "vjp",
        la.cumprod,
        lambda ct, x: (ct * jnp.diagonal(jnp.cumprod(la.without_each(x), axis=1)),),
        (normal(4, 5),),
        fault="diagonal: of the Jacobian",
        causes=(*DIAGONAL, "term"),
    ),
    Item(
        "matmul of a square matrix: jvp by the diagonal",
        "jvp",
        lambda x: jnp.asarray(MATRIX, jnp.asarray(x).dtype) @ x,
        lambda primals, d: jnp.diagonal(jnp.asarray(MATRIX, jnp.asarray(d[0]).dtype)) * d[0],
        (normal(5, 4),),
        fault="diagonal: of the Jacobian",
        causes=DIAGONAL,
    ),
    Item(
        "numpy: softmax by its diagonal",
        "vjp",
        npf.np_softmax,
        lambda ct, x: ((y := npf.np_softmax(x)) * (1.0 - y) * np.asarray(ct),),
        (normal(6, 4, dtype=np.float64),),
        fault="diagonal: of the Jacobian",
        causes=DIAGONAL,
    ),
    Item(
        "sigmoid: slope at y for x",
        "vjp",
        fn.sigmoid,
        slope_vjp(lambda x: fn.d_sigmoid(fn.sigmoid(x))),
        (normal(7, 6),),
        fault="point: evaluated at y",
        causes=("slope",),
    ),
    Item(
        "tanh: jvp with the slope at y",
        "jvp",
        fn.tanh,
        slope_jvp(lambda x: fn.d_tanh(jnp.tanh(x))),
        (normal(8, 6),),
        fault="point: evaluated at y",
        causes=("slope",),
    ),
    Item(
        "tanh: custom rule with the slope at y, small sample",
        "custom",
        fn.with_vjp(fn.tanh, slope_vjp(lambda x: fn.d_tanh(jnp.tanh(x)))),
        None,
        (normal(9, 6, scale=1e-3),),
        fault="point: evaluated at y, sample where x and y agree",
        causes=("slope",),
    ),
    Item(
        "sum of bumps: slope at y",
        "gradient",
        fn.total(fn.bump),
        lambda x: fn.d_bump(fn.bump(x)),
        (normal(10, 5),),
        fault="point: evaluated at y",
        causes=("slope",),
    ),
    Item(
        "cosine: gradient by the first at the second",
        "gradient",
        loss.cosine,
        lambda x, y: loss.cosine_grads(y, x)[0],
        (normal(11, 5), normal(12, 5)),
        fault="point: evaluated at the arguments exchanged",
        causes=("swapped",),
    ),
    Item(
        "elu: slope at y, float64 and mostly positive",
        "vjp",
        fn.elu,
        slope_vjp(lambda x: fn.d_elu(fn.elu(x))),
        (positive(13, 6, dtype=np.float64),),
        fault="point: evaluated at y, sample where x and y agree",
        causes=("one_side", "mask", "slope"),
    ),
]
