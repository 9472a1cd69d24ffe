"""How the losses bend: products with the Hessian in the logits, by hand.

Softmax's Jacobian at p is J = diag(p) - p p', notes (8): symmetric, and J 1 = 0. With d = p - y, notes (7), and a
direction u in the logits, everything here takes K numbers to K numbers, and no K x K matrix is formed:

    J u           = p * u - p (p . u)                                              notes (8)

    cross-entropy, whose gradient is p - y:
    H u           = J u                                                            p moves by J u, y does not

    squared distance, whose gradient is 2 J d, notes (9). Along u both factors move: p by q = J u, and d by q too.
    d/dp of  p * d - p (p . d)  along q  is  q * d - q (p . d) - p (q . d) + J q:
    H u           = 2 (q * d - q (p . d) - p (q . d) + J q)                        exact
    G u           = 2 J q = 2 J J u                                                Gauss-Newton: the model's own
                                                                                   bend left out, never negative

The terms of H that G leaves out carry the factor d: where the model is right they vanish, and where it is wrong and
sure of it they may make H negative in some directions. That is why squared distance has local optima.

The diagonals of these matrices say how much each class still asks of a row: by them the metric of `metric.py` weighs
the rows. Their sum over K - 1 is the mean of the eigenvalues over the directions that change p.
"""

from collections.abc import Callable

from manual_vs_auto.model import Loss
from manual_vs_auto.rules import Array


def through_softmax(probabilities: Array, direction: Array) -> Array:
    """Source: notes (8). J u = p * u - p (p . u) for each row: [..., K]."""
    return probabilities * (direction - _dot(probabilities, direction))


def cross_entropy_product(probabilities: Array, targets: Array, direction: Array) -> Array:
    """The Hessian of cross-entropy in the logits times a direction.

    Source:  the gradient p - y, of which only p moves with z: H u = J u, notes (8).
    Args:    probabilities, targets, direction: floating [..., K]; each row of the targets sums to 1.
    Returns: H u, [..., K].
    Example:
        >>> half = np.array([0.5, 0.5])
        >>> cross_entropy_product(half, np.array([0.0, 1.0]), np.array([1.0, 0.0]))
        array([ 0.25, -0.25])
    """
    del targets
    return through_softmax(probabilities, direction)


def squared_distance_product(probabilities: Array, targets: Array, direction: Array) -> Array:
    """The Hessian of softmax and squared distance in the logits times a direction.

    Source:  notes (9), once more along u: 2 (q * d - q (p . d) - p (q . d) + J q), q = J u, d = p - y.
    Args:    probabilities, targets, direction: floating [..., K].
    Returns: H u, [..., K].
    Example:
        >>> half = np.array([0.5, 0.5])
        >>> squared_distance_product(half, np.array([0.0, 1.0]), np.array([1.0, 0.0]))
        array([ 0.25, -0.25])
    """
    moved, distance = through_softmax(probabilities, direction), probabilities - targets
    bent = moved * (distance - _dot(probabilities, distance)) - probabilities * _dot(moved, distance)
    return 2 * (bent + through_softmax(probabilities, moved))


def gauss_newton_product(probabilities: Array, targets: Array, direction: Array) -> Array:
    """What is left of `squared_distance_product` where the model is taken as straight: 2 J J u, never negative.

    Source:  notes (8) and (9). The distance bends by 2 I in p, and p moves by J.
    Args:    probabilities, targets, direction: floating [..., K].
    Returns: G u, [..., K].
    """
    del targets
    return 2 * through_softmax(probabilities, through_softmax(probabilities, direction))


def cross_entropy_diagonal(probabilities: Array) -> Array:
    """The diagonal of J, p (1 - p): [..., K]."""
    return probabilities * (1 - probabilities)


def squared_distance_diagonal(probabilities: Array) -> Array:
    """The diagonal of 2 J J, 2 p^2 (1 - 2 p + p . p): [..., K]."""
    return 2 * probabilities**2 * (1 - 2 * probabilities + _dot(probabilities, probabilities))


Product = Callable[[Array, Array, Array], Array]

# By loss: the exact product, the one that is never negative, and the diagonal of that.
EXACT: dict[Loss, Product] = {
    "cross_entropy": cross_entropy_product,
    "squared_distance": squared_distance_product,
}
CONVEX: dict[Loss, Product] = {
    "cross_entropy": cross_entropy_product,
    "squared_distance": gauss_newton_product,
}
DIAGONAL: dict[Loss, Callable[[Array], Array]] = {
    "cross_entropy": cross_entropy_diagonal,
    "squared_distance": squared_distance_diagonal,
}


def _dot(left: Array, right: Array) -> Array:
    xp = left.__array_namespace__()
    return xp.sum(left * right, axis=-1, keepdims=True)
