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

from manual_vs_auto.rules.rule import Array
from manual_vs_auto.rules.samples import logits_and_labels
from manual_vs_auto.rules.scalar import loss_rule
from manual_vs_auto.rules.softmax import balanced, exponentials, surplus


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
    return SOFTMAX_SQUARED_DISTANCE.fwd(logits, labels)[0]


def _formula(logits: Array, targets: Array) -> tuple[Array, Array, Array]:
    xp = logits.__array_namespace__()
    row = exponentials(logits)
    d = surplus(row, targets, xp.ones_like(row.others))
    gradient = 2 * row.probabilities * (d - xp.sum(row.probabilities * d, axis=-1, keepdims=True))
    return xp.sum(d * d, axis=-1), balanced(gradient, row.top), -2 * d


SOFTMAX_SQUARED_DISTANCE = loss_rule(
    softmax_squared_distance,
    _formula,
    equation="notes (9)",
    gradients="dL/dz = 2 S * (d - S . d), dL/dy = -2 d",
    samples=logits_and_labels,
)
softmax_squared_distance_jacobian, softmax_squared_distance_jvp = (
    SOFTMAX_SQUARED_DISTANCE.jacobian,
    SOFTMAX_SQUARED_DISTANCE.jvp,
)
softmax_squared_distance_fwd, softmax_squared_distance_bwd = SOFTMAX_SQUARED_DISTANCE.fwd, SOFTMAX_SQUARED_DISTANCE.bwd
