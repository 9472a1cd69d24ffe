"""The squared distance of a prediction to the truth, notes (7)."""

import numpy as np

from manual_vs_auto.rules.difference import difference
from manual_vs_auto.rules.floating import narrowed, widened
from manual_vs_auto.rules.rule import Array, Derivatives, Primals, Rule
from manual_vs_auto.rules.scalar import scaled, slope
from manual_vs_auto.rules.targets import is_labels


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
    return squared_distance_fwd(probabilities, labels)[0]


def squared_distance_jacobian(probabilities: Array, labels: Array) -> Derivatives:
    """Source: notes (7). dL/dyhat = 2 (yhat - y), dL/dy = -2 (yhat - y): [..., K]."""
    return _gradients(difference(probabilities, labels), labels)


def squared_distance_jvp(primals: Primals, tangents: Derivatives) -> Array:
    """Source: notes (7) in (1). 2 (yhat - y) . (t - t_y): [...]."""
    return slope(squared_distance_jacobian(*primals), tangents)


def squared_distance_fwd(probabilities: Array, labels: Array) -> tuple[Array, Derivatives]:
    """Loss per example [...], and the gradients as residuals."""
    d = difference(widened("probabilities", probabilities), labels)
    loss = d.__array_namespace__().sum(d * d, axis=-1)
    return narrowed(loss, probabilities.dtype), _gradients(d, labels)


def squared_distance_bwd(gradients: Derivatives, cotangent: Array) -> Derivatives:
    """Source: notes (7). The gradients times the cotangent [...] of each example's loss: [..., K]."""
    return scaled(gradients, cotangent)


def _gradients(d: Array, labels: Array) -> Derivatives:
    return 2 * d, None if is_labels(labels) else -2 * d


def _samples(generator: np.random.Generator, batch: tuple[int, ...]) -> Primals:
    return generator.dirichlet(np.ones(4), size=batch), generator.integers(0, 4, size=batch)


SQUARED_DISTANCE = Rule(
    name="squared_distance",
    equation="notes (7)",
    primals=("probabilities", "labels"),
    primal=squared_distance,
    jacobian=squared_distance_jacobian,
    jvp=squared_distance_jvp,
    fwd=squared_distance_fwd,
    bwd=squared_distance_bwd,
    samples=_samples,
)
