"""Softmax and squared distance in one step, notes (9): the form that training uses.

Put the squared distance's gradient (7) into the chain rule (3) with softmax's Jacobian (8), and write
S for softmax(z) and d for S - y:

    dL/dz = J_S^T 2 d                          (3) with (7)
          = 2 (diag(S) - S S^T) d              (8), which is its own transpose
          = 2 (S * d - S (S . d))              S S^T d is S times the number S . d
          = 2 S * (d - S . d)                  (9)

K numbers a row where the composition of the rules has the K x K Jacobian in between. The components of
dL/dz sum to zero, 2 (S . d - S . d): adding one number to every logit changes nothing. The code uses
that once, for the largest logit, whose own component would cancel in a row that is wrong and sure of it.
"""

import numpy as np

from manual_vs_auto.rules.floating import narrowed, widened
from manual_vs_auto.rules.rule import Array, Derivatives, Primals, Rule
from manual_vs_auto.rules.scalar import scaled, slope
from manual_vs_auto.rules.softmax import balanced, exponentials, surplus
from manual_vs_auto.rules.targets import is_labels, one_hot


def softmax_squared_distance(logits: Array, labels: Array) -> Array:
    """Squared distance of softmax(logits) to each example's target.

    Source:  notes (5) to (7). L = ||S(z) - y||^2.
    Args:    logits: floating [..., K]. labels: integer [...], or targets [..., K].
    Returns: loss per example [...], same dtype as the logits; at most 2 for labels.
    Raises:  TypeError if logits is not floating, ValueError if the shapes don't agree.
    Example:
        >>> softmax_squared_distance(np.array([0.0, 0.0]), np.array(1))
        np.float64(0.5)
    """
    return softmax_squared_distance_fwd(logits, labels)[0]


def softmax_squared_distance_jacobian(logits: Array, labels: Array) -> Derivatives:
    """Source: notes (9). dL/dz = 2 S * (d - S . d), dL/dy = -2 d: [..., K]."""
    gradients = softmax_squared_distance_fwd(logits, labels)[1]
    return tuple(None if g is None else narrowed(g, logits.dtype) for g in gradients)


def softmax_squared_distance_jvp(primals: Primals, tangents: Derivatives) -> Array:
    """Source: notes (9) in (1). The gradients times the tangents, summed: [...]."""
    return slope(softmax_squared_distance_jacobian(*primals), tangents)


def softmax_squared_distance_fwd(logits: Array, labels: Array) -> tuple[Array, Derivatives]:
    """Loss per example [...], and the gradients of (9) as residuals."""
    wide = widened("logits", logits)
    xp = wide.__array_namespace__()
    row = exponentials(wide)
    d = surplus(row, one_hot(labels, wide), xp.ones_like(row.others))
    gradient = 2 * row.probabilities * (d - xp.sum(row.probabilities * d, axis=-1, keepdims=True))
    loss = narrowed(xp.sum(d * d, axis=-1), logits.dtype)
    return loss, (balanced(gradient, row.top), None if is_labels(labels) else -2 * d)


def softmax_squared_distance_bwd(gradients: Derivatives, cotangent: Array) -> Derivatives:
    """Source: notes (9). The gradients times the cotangent [...] of each example's loss: [..., K]."""
    return scaled(gradients, cotangent)


def _samples(generator: np.random.Generator, batch: tuple[int, ...]) -> Primals:
    return 3 * generator.normal(size=(*batch, 4)), generator.integers(0, 4, size=batch)


SOFTMAX_SQUARED_DISTANCE = Rule(
    name="softmax_squared_distance",
    equation="notes (9)",
    primals=("logits", "labels"),
    primal=softmax_squared_distance,
    jacobian=softmax_squared_distance_jacobian,
    jvp=softmax_squared_distance_jvp,
    fwd=softmax_squared_distance_fwd,
    bwd=softmax_squared_distance_bwd,
    samples=_samples,
)
