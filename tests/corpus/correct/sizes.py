"""Right derivatives at sizes and magnitudes that are hard to check: many elements, none, one; huge and tiny."""

import jax.numpy as jnp
import numpy as np

from tests.corpus import functions as fn
from tests.corpus.functions import normal, slope_vjp
from tests.corpus.item import Item

ITEMS: list[Item] = [
    Item("sum of squares: 1,000 elements", "gradient", fn.sum_of_squares, fn.d_sum_of_squares, (normal(1, 1000),)),
    Item("sum of squares: 300,000 elements", "gradient", fn.sum_of_squares, fn.d_sum_of_squares, (normal(2, 300_000),)),
    Item(
        "sum of squares: 200,000 in a matrix",
        "vjp",
        fn.sum_of_squares,
        slope_vjp(fn.d_sum_of_squares),
        (normal(3, 400, 500),),
    ),
    Item("sum of squares: none", "gradient", fn.sum_of_squares, fn.d_sum_of_squares, (normal(4, 0),)),
    Item("sum of squares: a scalar", "gradient", fn.sum_of_squares, fn.d_sum_of_squares, (np.float32(1.5),)),
    Item(
        "sum of squares: values of 1e6", "gradient", fn.sum_of_squares, fn.d_sum_of_squares, (normal(5, 6, scale=1e6),)
    ),
    Item(
        "sum of squares: values of 1e-6",
        "gradient",
        fn.sum_of_squares,
        fn.d_sum_of_squares,
        (normal(6, 6, scale=1e-6),),
    ),
    Item("sum of squares: zeros", "gradient", fn.sum_of_squares, fn.d_sum_of_squares, (np.zeros(5, np.float32),)),
    Item("sum of squares: order 2", "gradient", fn.sum_of_squares, fn.d_sum_of_squares, (normal(7, 5),), {"order": 2}),
    Item(
        "sum of squares: bfloat16",
        "gradient",
        fn.sum_of_squares,
        fn.d_sum_of_squares,
        (normal(8, 6, dtype=jnp.bfloat16),),
    ),
    Item("tanh of nothing", "vjp", fn.tanh, slope_vjp(fn.d_tanh), (normal(9, 0),)),
    Item("sigmoid of a scalar", "vjp", fn.sigmoid, slope_vjp(fn.d_sigmoid), (np.float64(0.3),)),
    Item("sigmoid of a Python float", "gradient", fn.sigmoid, fn.d_sigmoid, (0.3,)),
    Item("cubic of a jax scalar", "gradient", fn.cubic, fn.d_cubic, (jnp.float32(1.5),)),
]
