"""Right derivatives of functions that only NumPy can run."""

import numpy as np

from tests.corpus import functions_numpy as npf
from tests.corpus.functions import definite, normal, positive, regular
from tests.corpus.item import Item

F64 = np.float64

ITEMS: list[Item] = [
    Item("numpy: energy", "gradient", npf.np_energy, npf.np_energy_grad, (normal(1, 6, dtype=F64),)),
    Item("numpy: energy, float32", "gradient", npf.np_energy, npf.np_energy_grad, (normal(2, 6),)),
    Item("numpy: energy of 2,000", "gradient", npf.np_energy, npf.np_energy_grad, (normal(3, 2000, dtype=F64),)),
    Item("numpy: logdet", "gradient", npf.np_logdet, npf.np_logdet_grad, (regular(4, 3, F64),)),
    Item("numpy: logdet of a definite", "gradient", npf.np_logdet, npf.np_logdet_grad, (definite(5, 3, F64),)),
    Item(
        "numpy: least squares",
        "gradient",
        npf.np_least_squares,
        npf.np_least_squares_grad,
        (normal(6, 3, dtype=F64), normal(7, 6, 3, dtype=F64), normal(8, 6, dtype=F64)),
    ),
    Item("numpy: softmax", "vjp", npf.np_softmax, npf.np_softmax_vjp, (normal(9, 2, 4, dtype=F64),)),
    Item(
        "numpy: softmax, saturated", "vjp", npf.np_softmax, npf.np_softmax_vjp, (normal(10, 2, 4, dtype=F64, scale=50),)
    ),
    Item(
        "numpy: linear",
        "vjp",
        npf.np_linear,
        npf.np_linear_vjp,
        (normal(11, 4, 3, dtype=F64), normal(12, 3, 2, dtype=F64), normal(13, 2, dtype=F64)),
    ),
    Item(
        "numpy: linear, float32",
        "vjp",
        npf.np_linear,
        npf.np_linear_vjp,
        (normal(14, 4, 3), normal(15, 3, 2), normal(16, 2)),
    ),
    Item("numpy: solve", "vjp", npf.np_solve, npf.np_solve_vjp, (regular(17, 3, F64), normal(18, 3, dtype=F64))),
    Item("numpy: neighbours' average", "vjp", npf.np_smooth, npf.np_smooth_vjp, (normal(19, 6, dtype=F64),)),
    Item("numpy: rosenbrock", "gradient", npf.np_rosenbrock, npf.np_rosenbrock_grad, (normal(20, 4, dtype=F64),)),
    Item("numpy: rosenbrock at its least", "gradient", npf.np_rosenbrock, npf.np_rosenbrock_grad, (np.ones(4),)),
    Item(
        "numpy: distance",
        "gradient",
        npf.np_distance,
        npf.np_distance_grad,
        (normal(21, 4, dtype=F64), normal(22, 4, dtype=F64)),
    ),
    Item(
        "numpy: tanh layer",
        "vjp",
        npf.np_tanh_layer,
        npf.np_tanh_layer_vjp,
        (normal(23, 3, 4, dtype=F64), normal(24, 4, dtype=F64)),
    ),
    Item(
        "numpy: tanh layer, jvp",
        "jvp",
        npf.np_tanh_layer,
        npf.np_tanh_layer_jvp,
        (normal(25, 3, 4, dtype=F64), normal(26, 4, dtype=F64)),
    ),
    Item(
        "numpy: interpolation",
        "vjp",
        npf.np_interpolate,
        npf.np_interpolate_vjp,
        (normal(27, 5, dtype=F64), positive(28, 6, dtype=F64)),
    ),
    Item("numpy: variance", "gradient", npf.np_variance, npf.np_variance_grad, (normal(29, 8, dtype=F64),)),
]
