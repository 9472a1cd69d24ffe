"""The squared distance of a prediction to the truth, notes (7)."""

from manual_vs_auto.rules.rule import Array
from manual_vs_auto.rules.samples import probabilities_and_labels
from manual_vs_auto.rules.scalar import loss_rule


def squared_distance(probabilities: Array, labels: Array) -> Array:
    """Squared distance of each example's prediction to its target.

    Source:  notes (7). L = ||yhat - y||^2.
    Args:    probabilities: floating [..., K]. labels: integer [...], or targets [..., K].
    Returns: loss per example [...], same dtype as the probabilities.
    Raises:  TypeError and ValueError as `one_hot` does.
    Example:
        >>> squared_distance(np.array([0.25, 0.75]), np.array(1))
        np.float64(0.125)
    """
    return SQUARED_DISTANCE.fwd(probabilities, labels)[0]


def _formula(probabilities: Array, targets: Array) -> tuple[Array, Array, Array]:
    d = probabilities - targets
    return d.__array_namespace__().sum(d * d, axis=-1), 2 * d, -2 * d


SQUARED_DISTANCE = loss_rule(
    squared_distance,
    _formula,
    equation="notes (7)",
    gradients="dL/dyhat = 2 (yhat - y), dL/dy = -2 (yhat - y)",
    samples=probabilities_and_labels,
)
squared_distance_jacobian, squared_distance_jvp = SQUARED_DISTANCE.jacobian, SQUARED_DISTANCE.jvp
squared_distance_fwd, squared_distance_bwd = SQUARED_DISTANCE.fwd, SQUARED_DISTANCE.bwd
