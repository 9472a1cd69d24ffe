"""Right derivatives of linear algebra and of reductions."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus import functions as fn
from tests.corpus import functions_algebra as la
from tests.corpus.functions import POSITIVE, definite, integers, normal, positive, regular, symmetric
from tests.corpus.item import Item

ITEMS: list[Item] = [
    Item("outer: vjp", "vjp", la.outer, la.outer_vjp, (normal(1, 3), normal(2, 4))),
    Item("dot: vjp", "vjp", la.dot, la.dot_vjp, (normal(3, 5), normal(4, 5))),
    Item("dot: a vector with itself", "vjp", lambda x: x @ x, lambda ct, x: (2.0 * ct * x,), (normal(5, 5),)),
    Item("matmul: vjp", "vjp", la.matmul, la.matmul_vjp, (normal(6, 2, 3), normal(7, 3, 4))),
    Item("matmul: symmetric sample", "vjp", la.matmul, la.matmul_vjp, (symmetric(8, 3), symmetric(9, 3))),
    Item(
        "matmul: custom vjp",
        "custom",
        fn.with_vjp(la.matmul, la.matmul_vjp),
        None,
        (normal(10, 2, 3), normal(11, 3, 4)),
    ),
    Item(
        "matmul: custom jvp",
        "custom",
        fn.with_jvp(la.matmul, lambda primals, d: d[0] @ primals[1] + primals[0] @ d[1]),
        None,
        (normal(12, 2, 3), normal(13, 3, 4)),
    ),
    Item(
        "quadratic form: both",
        "gradient",
        la.quadratic,
        la.quadratic_grads,
        (normal(14, 4, 4), normal(15, 4)),
        {"argnums": (0, 1)},
    ),
    Item(
        "quadratic form: 2 A x for a symmetric A",
        "gradient",
        la.quadratic,
        lambda A, x: 2.0 * A @ x,
        (symmetric(16, 4), normal(17, 4)),
        {"argnums": 1, "structure": {"A": "symmetric"}},
    ),
    Item(
        "quadratic form: 2 A x for a symmetric A, order 2",
        "gradient",
        lambda x, A: la.quadratic(A, x),
        lambda x, A: 2.0 * A @ x,
        (normal(18, 4), symmetric(19, 4)),
        {"structure": {"A": "symmetric"}, "order": 2},
    ),
    Item(
        "matvec: W ct for a symmetric W",
        "vjp",
        lambda W, x: W @ x,
        lambda ct, W, x: ((jnp.outer(ct, x) + jnp.outer(x, ct)) / 2.0, W @ ct),
        (symmetric(20, 4), normal(21, 4)),
        {"structure": {"W": "symmetric"}},
    ),
    Item(
        "trace of a product: both",
        "gradient",
        la.trace_product,
        la.trace_product_grads,
        (normal(22, 2, 3), normal(23, 3, 2)),
        {"argnums": (0, 1)},
    ),
    Item("logdet: any matrix", "gradient", la.logdet, la.logdet_grad, (regular(24, 4),)),
    Item(
        "logdet: order 2, float64", "gradient", la.logdet, la.logdet_grad, (regular(25, 3, np.float64),), {"order": 2}
    ),
    Item(
        "logdet: inverse for a symmetric matrix",
        "gradient",
        la.logdet,
        lambda A: jnp.linalg.inv(A),
        (definite(26, 4),),
        {"structure": {"A": "symmetric"}},
    ),
    Item(
        "logdet: by Cholesky",
        "gradient",
        lambda A: 2.0 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(A)))),
        lambda A: jnp.linalg.inv(A),
        (definite(27, 4, np.float64),),
        {"structure": {"A": "positive_definite"}},
    ),
    Item(
        "logdet: by Cholesky, float32",
        "gradient",
        lambda A: 2.0 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(A)))),
        lambda A: jnp.linalg.inv(A),
        (definite(28, 3),),
        {"structure": {"A": "positive_definite"}},
    ),
    Item("inverse: vjp", "vjp", la.inverse, la.inverse_vjp, (regular(29, 3),)),
    Item("inverse: vjp, symmetric sample", "vjp", la.inverse, la.inverse_vjp, (definite(30, 3, np.float64),)),
    Item("solve: vjp", "vjp", la.solve, la.solve_vjp, (regular(31, 4), normal(32, 4))),
    Item("solve: jvp", "jvp", la.solve, la.solve_jvp, (regular(33, 4), normal(34, 4))),
    Item(
        "solve: custom vjp, float64",
        "custom",
        fn.with_vjp(la.solve, la.solve_vjp),
        None,
        (regular(35, 3, np.float64), normal(36, 3, dtype=np.float64)),
    ),
    Item(
        "bilinear: einsum of three",
        "vjp",
        la.bilinear,
        la.bilinear_vjp,
        (normal(37, 2, 3), normal(38, 3, 4), normal(39, 2, 4)),
    ),
    Item("cross product: vjp", "vjp", la.cross, la.cross_vjp, (normal(40, 3), normal(41, 3))),
    Item(
        "cross product: custom vjp", "custom", fn.with_vjp(la.cross, la.cross_vjp), None, (normal(42, 3), normal(43, 3))
    ),
    Item(
        "kalman: two outputs", "vjp", la.kalman, la.kalman_vjp, tuple(positive(i, 3) for i in range(44, 48)), POSITIVE
    ),
    Item(
        "kalman: custom vjp of two outputs",
        "custom",
        fn.with_vjp(la.kalman, la.kalman_vjp),
        None,
        tuple(positive(i, 3) for i in range(48, 52)),
        POSITIVE,
    ),
    Item("norm: gradient", "gradient", la.norm, la.norm_grad, (normal(53, 6),)),
    Item("norm: near 0", "gradient", la.norm, la.norm_grad, (normal(54, 6, scale=1e-6),)),
    Item("norm: at 0, a subgradient", "gradient", la.norm, la.norm_grad, (np.zeros(4, np.float32),)),
    Item(
        "norm: custom jvp",
        "custom",
        fn.with_jvp(la.norm, lambda primals, d: jnp.sum(la.norm_grad(primals[0]) * d[0])),
        None,
        (normal(55, 5),),
    ),
    Item("variance: gradient", "gradient", la.variance, la.variance_grad, (normal(56, 8),)),
    Item(
        "variance: about 100, float64",
        "gradient",
        la.variance,
        la.variance_grad,
        (normal(57, 8, dtype=np.float64) + 100,),
    ),
    Item("variance: of one value, 0", "gradient", la.variance, la.variance_grad, (normal(58, 1),)),
    Item("mean of the rows: vjp", "vjp", la.mean_rows, la.mean_rows_vjp, (normal(59, 4, 3),)),
    Item("cumsum: vjp", "vjp", la.cumsum, la.cumsum_vjp, (normal(60, 6),)),
    Item(
        "cumprod: zeros among the inputs", "vjp", la.cumprod, la.cumprod_vjp, (np.array([2, 0, 3, 0, 5], np.float32),)
    ),
    Item("cumprod: float64", "vjp", la.cumprod, la.cumprod_vjp, (normal(61, 5, dtype=np.float64),)),
    Item("prod: one zero", "gradient", la.prod, la.prod_grad, (np.array([2, 0, 3, -1], np.float32),)),
    Item("prod: two zeros", "gradient", la.prod, la.prod_grad, (np.array([2, 0, 3, 0], np.float32),)),
    Item("max: gradient", "gradient", la.maximum, la.maximum_grad, (normal(62, 6),)),
    Item("max: ties share evenly", "gradient", la.maximum, la.maximum_grad, (np.array([1, 3, 3, 2, 3], np.float32),)),
    Item("max over rows: vjp", "vjp", la.row_max, la.row_max_vjp, (normal(63, 3, 4),)),
    Item("max over rows: all equal", "vjp", la.row_max, la.row_max_vjp, (np.ones((2, 3), np.float32),)),
    Item("sort: vjp", "vjp", la.sort, la.sort_vjp, (normal(64, 6),)),
    Item(
        "scatter-add: repeated places",
        "vjp",
        la.scatter_add,
        la.scatter_add_vjp,
        (normal(65, 5), np.array([1, 1, 4]), normal(66, 3)),
    ),
    Item(
        "gather of a matrix: vjp",
        "vjp",
        lambda x, ids: jnp.take(x, ids, axis=1),
        lambda ct, x, ids: (jnp.zeros_like(x).at[:, ids].add(ct),),
        (normal(67, 3, 5), integers(68, 5, 4)),
    ),
    Item("interpolation in a circle", "vjp", la.blend, la.blend_vjp, (normal(69, 5), positive(70, 6) * np.float32(2))),
    Item("horner: both", "vjp", la.horner, la.horner_vjp, (normal(71, 4), normal(72, 5))),
    Item("horner: a constant polynomial", "vjp", la.horner, la.horner_vjp, (normal(73, 1), normal(74, 5))),
    Item(
        "einsum: contraction to a scalar within jit",
        "gradient",
        jax.jit(lambda x, A, y: jnp.sum(la.bilinear(x, A, y))),
        lambda x, A, y: la.bilinear_vjp(jnp.ones(x.shape[0], x.dtype), x, A, y),
        (normal(75, 2, 3), normal(76, 3, 4), normal(77, 2, 4)),
        {"argnums": (0, 1, 2)},
    ),
]
