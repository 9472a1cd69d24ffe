"""The difference yhat - y inside the squared distance, notes (7)."""

from manual_vs_auto.rules.floating import narrowed, widened
from manual_vs_auto.rules.rule import Array, Derivatives, Primals, Rule
from manual_vs_auto.rules.samples import probabilities_and_labels
from manual_vs_auto.rules.targets import is_labels, one_hot


def difference(probabilities: Array, labels: Array) -> Array:
    """What the prediction has too much of in each class.

    Source:  notes (7). d = yhat - y.
    Args:    probabilities: floating [..., K]. labels: integer [...], or targets [..., K].
    Returns: [..., K], the dtype of the probabilities.
    Raises:  TypeError and ValueError as `one_hot` does.
    Example:
        >>> difference(np.array([0.25, 0.75]), np.array(1))
        array([ 0.25, -0.25])
    """
    wide = widened("probabilities", probabilities)
    return narrowed(wide - one_hot(labels, wide), probabilities.dtype)


def difference_jacobian(probabilities: Array, labels: Array) -> Derivatives:
    """Source: notes (7). The identity for yhat, minus it for targets y: [..., K, K]."""
    xp = probabilities.__array_namespace__()
    classes = probabilities.shape[-1]
    identity = xp.broadcast_to(xp.eye(classes, dtype=probabilities.dtype), (*probabilities.shape, classes))
    return identity, None if is_labels(labels) else -identity


def difference_jvp(primals: Primals, tangents: Derivatives) -> Array:
    """Source: notes (7). The difference of the tangents: [..., K]."""
    tangent, targets_tangent = tangents
    if tangent is None:
        tangent = primals[0].__array_namespace__().zeros_like(primals[0])
    return tangent if targets_tangent is None else tangent - targets_tangent


def difference_fwd(probabilities: Array, labels: Array) -> tuple[Array, Array]:
    """The difference [..., K], and the labels as residuals: they tell whether y has a derivative."""
    return difference(probabilities, labels), labels


def difference_bwd(labels: Array, cotangent: Array) -> Derivatives:
    """Source: notes (7). The cotangent itself for yhat, minus it for targets y: [..., K]."""
    return cotangent, None if is_labels(labels) else -cotangent


DIFFERENCE = Rule(
    name="difference",
    equation="notes (7)",
    primals=("probabilities", "labels"),
    primal=difference,
    jacobian=difference_jacobian,
    jvp=difference_jvp,
    fwd=difference_fwd,
    bwd=difference_bwd,
    samples=probabilities_and_labels,
)
