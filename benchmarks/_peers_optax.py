"""optax's losses and projections, differentiated by JAX; and those that carry a rule of their own, by name.

Left out: make_perturbed_fun, whose gradient is an estimate of another function's than the one that it returns.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import losses, projections

from benchmarks._peers_item import Item, lines
from benchmarks._peers_jax import both

_NAMESPACE: dict[str, Any] = {
    "ol": losses, "op": projections, "optax": optax, "jnp": jnp, "jax": jax,
}  # fmt: skip


def optax_items() -> Iterator[Item]:
    """Backward, every other one forward, too, and by name."""
    for at, line in enumerate(lines(_TABLE)):
        yield from list(both("optax", line, _NAMESPACE))[: 1 + at % 2]
    for line in lines(_CUSTOM):
        f, args = line.function(_NAMESPACE), tuple(map(jnp.asarray, line.args(np.float32)))
        yield Item("optax by name", line.name, "custom", f, None, args, line.options)


_CUSTOM = """
ol.safe_softmax_cross_entropy(x, y) | n34 q34
op.projection_simplex(x) | n5
op.projection_l1_ball(x, 1.0) | n5
ol.multiclass_sparsemax_loss(x, y) | n34 k3
"""

_TABLE = """
ol.binary_dice_loss(x, y) | n34 b34
ol.dice_loss(x, y) | n234 q234 | argnums=0
ol.multiclass_generalized_dice_loss(x, y) | n234 q234 | argnums=0
ol.kl_divergence(x, y) | n34 q34 | domain=[None, (0, None)]
ol.convex_kl_divergence(x, y) | n34 q34 | domain=[None, (0, None)]
ol.generalized_kl_divergence(x, y) | n34 q34 | domain=[None, (0, None)]
ol.kl_divergence_with_log_targets(x, y) | n34 n34
ol.cosine_distance(x, y) | n34 n34
ol.cosine_similarity(x, y, epsilon=1e-3) | n34 n34
ol.hinge_loss(x, 2.0 * y - 1) | n5 b5
ol.perceptron_loss(x, 2.0 * y - 1) | n5 b5
ol.huber_loss(x, y) | n34 n34
ol.huber_loss(x, y, delta=0.5) | w5 n5
ol.l2_loss(x, y) | n34 n34
ol.squared_error(x, y) | n34 n34
ol.log_cosh(x, y) | n34 n34
ol.log_cosh(x) | w5
ol.multiclass_hinge_loss(x, y) | n34 k3
ol.multiclass_perceptron_loss(x, y) | n34 k3
ol.multiclass_sparsemax_loss(x, y) | n34 k3
ol.sparsemax_loss(x, y) | n5 b5
ol.ntxent(x, y) | n63 k6
ol.poly_loss_cross_entropy(x, y) | n34 q34 | argnums=0
ol.ranking_softmax_loss(x, y) | n34 p34
ol.safe_softmax_cross_entropy(x, y) | n34 q34
ol.softmax_cross_entropy(x, y) | n34 q34
ol.softmax_cross_entropy(x, y) | w34 q34
ol.softmax_cross_entropy_with_integer_labels(x, y) | n34 k3
ol.softmax_cross_entropy_with_integer_labels(x, y) | w34 k3
ol.sigmoid_binary_cross_entropy(x, y) | n34 u34
ol.sigmoid_binary_cross_entropy(x, y) | w34 b34
ol.sigmoid_focal_loss(x, y) | n34 b34
ol.smooth_labels(x, 0.1) | q34
ol.triplet_margin_loss(x, y, z) | n34 n34 n34
ol.make_fenchel_young_loss(jax.nn.logsumexp)(x, y) | n5 q5
ol.ctc_loss(x, jnp.zeros((2, 6)), 1 + y, jnp.zeros((2, 3))) | n264 k23
op.projection_box(x, -0.5, 0.8) | n34
op.projection_halfspace(x, jnp.arange(1.0, 6.0), 0.3) | n5
op.projection_hypercube(x, 0.7) | n34
op.projection_hyperplane(x, jnp.arange(1.0, 6.0), 0.3) | n5
op.projection_l1_ball(x, 1.0) | n5
op.projection_l1_sphere(x, 1.0) | n5
op.projection_l2_ball(x, 1.0) | n5
op.projection_l2_sphere(x, 1.0) | n5
op.projection_linf_ball(x, 0.6) | n5
op.projection_non_negative(x) | n34
op.projection_simplex(x) | n5
op.projection_simplex(x, 2.0) | n6
optax.safe_norm(x, 1e-3) | n5
optax.global_norm([x, y]) | n5 n34
"""
