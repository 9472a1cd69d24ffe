"""Cross-entropy from logits, what users expect beside the notes' squared distance.

With p = softmax(z), notes (6), and targets y:

    L       = -sum_k y_k log p_k = sum_k y_k (log sum_i exp(z_i) - z_k)
    dL/dz_i = sum_k y_k (p_i - [i = k]) = p_i sum_k y_k - y_i

which is p - y for a label. No product with p is left in it: unlike (9) it does not vanish where the
model is wrong and sure of it.
"""

from manual_vs_auto.rules.rule import Array
from manual_vs_auto.rules.samples import logits_and_labels
from manual_vs_auto.rules.scalar import loss_rule
from manual_vs_auto.rules.softmax import exponentials, surplus


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
    return CROSS_ENTROPY.fwd(logits, labels)[0]


def _formula(logits: Array, targets: Array) -> tuple[Array, Array, Array]:
    xp = logits.__array_namespace__()
    row, mass = exponentials(logits), xp.sum(targets, axis=-1, keepdims=True)
    surprise = xp.log1p(row.others) - row.differences  # -log p
    # A class of no mass adds nothing, also where its logit is -inf; where it is finite, -log p is still dL/dy.
    counted = xp.where((targets == 0) & (surprise == xp.inf), 0, surprise)
    return xp.sum(targets * counted, axis=-1), surplus(row, targets, mass), surprise


CROSS_ENTROPY = loss_rule(
    cross_entropy,
    _formula,
    equation="notes (6)",
    gradients="dL/dz = p sum(y) - y, dL/dy = -log p",
    samples=logits_and_labels,
)
cross_entropy_jacobian, cross_entropy_jvp = CROSS_ENTROPY.jacobian, CROSS_ENTROPY.jvp
cross_entropy_fwd, cross_entropy_bwd = CROSS_ENTROPY.fwd, CROSS_ENTROPY.bwd
