"""Cross-entropy from logits, what users expect beside the notes' squared distance.

With p = softmax(z), notes (6), and targets y:

    L       = -sum_k y_k log p_k = sum_k y_k (log sum_i exp(z_i) - z_k)
    dL/dz_i = sum_k y_k (p_i - [i = k]) = p_i sum_k y_k - y_i

which is p - y for a label. No product with p is left in it: unlike (9) it does not vanish where the
model is wrong and sure of it.
"""

import numpy as np

from manual_vs_auto.rules.floating import narrowed, widened
from manual_vs_auto.rules.rule import Array, Derivatives, Primals, Rule
from manual_vs_auto.rules.scalar import scaled, slope
from manual_vs_auto.rules.softmax import exponentials, surplus
from manual_vs_auto.rules.targets import is_labels, one_hot


def cross_entropy(logits: Array, labels: Array) -> Array:
    """Cross-entropy of softmax(logits) against each example's target, in nats.

    Source:  notes (6). L = sum_k y_k (log sum_i exp(z_i - m) - (z_k - m)), m = max(z).
    Args:    logits: floating [..., K]. labels: integer [...], or targets [..., K].
    Returns: loss per example [...], same dtype as the logits.
    Raises:  TypeError if logits is not floating, ValueError if the shapes don't agree.
    Example:
        >>> cross_entropy(np.array([0.0, 0.0]), np.array(1))
        np.float64(0.6931471805599453)
    """
    return cross_entropy_fwd(logits, labels)[0]


def cross_entropy_jacobian(logits: Array, labels: Array) -> Derivatives:
    """Source: notes (6). dL/dz = p sum(y) - y, dL/dy = -log p: [..., K]."""
    gradients = cross_entropy_fwd(logits, labels)[1]
    return tuple(None if g is None else narrowed(g, logits.dtype) for g in gradients)


def cross_entropy_jvp(primals: Primals, tangents: Derivatives) -> Array:
    """Source: notes (6) in (1). The gradients times the tangents, summed: [...]."""
    return slope(cross_entropy_jacobian(*primals), tangents)


def cross_entropy_fwd(logits: Array, labels: Array) -> tuple[Array, Derivatives]:
    """Loss per example [...], and the gradients as residuals."""
    wide = widened("logits", logits)
    xp = wide.__array_namespace__()
    row, targets = exponentials(wide), one_hot(labels, wide)
    mass = xp.sum(targets, axis=-1, keepdims=True)
    surprise = xp.log1p(row.others) - row.differences  # -log p
    # A class of no mass adds nothing, also where its logit is -inf; where it is finite, -log p is still dL/dy.
    counted = xp.where((targets == 0) & (surprise == xp.inf), 0, surprise)
    loss = xp.sum(targets * counted, axis=-1)
    gradient = surplus(row, targets, mass)
    return narrowed(loss, logits.dtype), (gradient, None if is_labels(labels) else surprise)


def cross_entropy_bwd(gradients: Derivatives, cotangent: Array) -> Derivatives:
    """Source: notes (6). The gradients times the cotangent [...] of each example's loss: [..., K]."""
    return scaled(gradients, cotangent)


def _samples(generator: np.random.Generator, batch: tuple[int, ...]) -> Primals:
    return 3 * generator.normal(size=(*batch, 4)), generator.integers(0, 4, size=batch)


CROSS_ENTROPY = Rule(
    name="cross_entropy",
    equation="notes (6)",
    primals=("logits", "labels"),
    primal=cross_entropy,
    jacobian=cross_entropy_jacobian,
    jvp=cross_entropy_jvp,
    fwd=cross_entropy_fwd,
    bwd=cross_entropy_bwd,
    samples=_samples,
)
