"""Faults of other kinds: swapped gradients, a changed primal, wrong shapes, noise, diagonals, wrong points."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus import functions as fn
from tests.corpus import functions_algebra as la
from tests.corpus import functions_layers as nn
from tests.corpus import functions_losses as loss
from tests.corpus.functions import Rule, edited, normal, positive, slope_vjp
from tests.corpus.item import Item

NOISE = np.random.default_rng(0)


def with_forward(f: Rule, forward: Rule, rule: Rule) -> Any:
    """Give f a custom_vjp whose forward pass computes something else."""
    g = jax.custom_vjp(f)
    g.defvjp(lambda *args: (forward(*args), args), lambda args, ct: tuple(rule(ct, *args)))
    return g


def swapped(rule: Rule) -> Rule:
    return lambda *args: rule(*args)[::-1]


def noisy(rule: Rule) -> Rule:
    return edited(rule, lambda g: g * np.float32(1.0 + 0.05 * NOISE.normal()))


ITEMS: list[Item] = [
    Item(
        "dot: ct x and ct y exchanged",
        "vjp",
        la.dot,
        swapped(la.dot_vjp),
        (normal(1, 5), normal(2, 5)),
        fault="swapped: two gradients",
        causes=("swapped",),
    ),
    Item(
        "outer: gradients exchanged, square sample",
        "vjp",
        la.outer,
        swapped(la.outer_vjp),
        (normal(3, 4), normal(4, 4)),
        fault="swapped: two gradients",
        causes=("swapped",),
    ),
    Item(
        "squared distance: gradients exchanged",
        "gradient",
        loss.squared_distance,
        swapped(loss.squared_distance_grads),
        (normal(5, 6), normal(6, 6)),
        {"argnums": (0, 1)},
        fault="swapped: two gradients",
        causes=("swapped", "sign"),
    ),
    Item(
        "matmul: custom rule with gradients exchanged, square sample",
        "custom",
        fn.with_vjp(la.matmul, swapped(la.matmul_vjp)),
        None,
        (normal(7, 3, 3), normal(8, 3, 3)),
        fault="swapped: two gradients",
        causes=("swapped",),
    ),
    Item(
        "layer norm: gain and shift exchanged",
        "vjp",
        nn.layer_norm,
        lambda ct, x, g, b: (lambda dx, dg, db: (dx, db, dg))(*nn.layer_norm_vjp(ct, x, g, b)),
        (normal(9, 3, 4), normal(10, 4), normal(11, 4)),
        fault="swapped: two gradients",
        causes=("swapped",),
    ),
    Item(
        "kl: gradients exchanged",
        "gradient",
        loss.kl,
        swapped(loss.kl_grads),
        (positive(12, 5, dtype=np.float64), positive(13, 5, dtype=np.float64)),
        {**fn.POSITIVE, "argnums": (0, 1)},
        fault="swapped: two gradients",
        causes=("swapped",),
    ),
    Item(
        "sigmoid: forward pass 1.01 times the primal",
        "custom",
        with_forward(fn.sigmoid, lambda x: 1.01 * fn.sigmoid(x), slope_vjp(fn.d_sigmoid)),
        None,
        (normal(14, 5),),
        fault="primal: 1.01 times in the forward pass",
        causes=("primal",),
    ),
    Item(
        "softplus: forward pass is relu, large sample",
        "custom",
        with_forward(fn.softplus, fn.relu, slope_vjp(fn.sigmoid)),
        None,
        (normal(15, 5) + np.float32(20),),
        fault="primal: relu in the forward pass, large sample",
        causes=("primal",),
    ),
    Item(
        "standardise: forward pass adds 0.01",
        "custom",
        jax.jit(with_forward(nn.standardise, lambda x: nn.standardise(x) + 1e-2, nn.standardise_vjp)),
        None,
        (normal(16, 3, 5),),
        fault="primal: 0.01 added in the forward pass",
        causes=("primal",),
    ),
    Item(
        "linear: bias keeps the batch",
        "vjp",
        nn.linear,
        lambda ct, x, w, b: (ct @ w.T, x.T @ ct, ct),
        (normal(17, 4, 3), normal(18, 3, 2), normal(19, 2)),
        fault="shape: bias not summed over the batch",
        causes=("shape", "reduction"),
    ),
    Item(
        "sum of squares: gradient as a column",
        "gradient",
        fn.sum_of_squares,
        lambda x: 2.0 * x[:, None],
        (normal(20, 5),),
        fault="shape: a column",
        causes=("shape",),
    ),
    Item(
        "matvec: weights' gradient transposed, sample not square",
        "vjp",
        nn.matvec,
        edited(nn.matvec_vjp, jnp.transpose, 0),
        (normal(21, 3, 5), normal(22, 5)),
        fault="shape: transposed",
        causes=("shape", "transpose"),
    ),
    Item(
        "mlp: leaves as a list for the tree",
        "vjp",
        nn.mlp,
        lambda ct, params, x: (jax.tree.leaves((g := nn.mlp_vjp(ct, params, x))[0]), g[1]),
        ({"in": (normal(23, 3, 4), normal(24, 4)), "out": (normal(25, 4, 2), normal(26, 2))}, normal(27, 5, 3)),
        fault="shape: another structure",
        causes=("shape",),
    ),
    Item(
        "norm: noise of five percent",
        "gradient",
        la.norm,
        noisy(la.norm_grad),
        (normal(28, 6),),
        fault="nondeterministic: noise",
        causes=("nondeterministic",),
    ),
    Item(
        "tanh: vjp with noise of five percent",
        "vjp",
        fn.tanh,
        noisy(slope_vjp(fn.d_tanh)),
        (normal(29, 6),),
        fault="nondeterministic: noise",
        causes=("nondeterministic",),
    ),
]
