"""The functions whose derivatives the exercises ask for.

They are written against the Python array API, so that an answer may be in NumPy or in JAX.
"""

from typing import Any

EPSILON = 1e-5
"""Added to the variance in `layer_norm`."""


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), each number by itself."""
    xp = x.__array_namespace__()
    return 1 / (1 + xp.exp(-x))


def relu(x: Any) -> Any:
    """max(x, 0), each number by itself."""
    return x.__array_namespace__().maximum(x, 0 * x)


def distance(p: Any, y: Any) -> Any:
    """||p - y||^2 of each row."""
    return p.__array_namespace__().sum((p - y) ** 2, axis=-1)


def bilinear(A: Any, B: Any, x: Any) -> Any:
    """(A x) . (B x)."""
    return A.__array_namespace__().sum((A @ x) * (B @ x))


def matvec(W: Any, x: Any) -> Any:
    """W x."""
    return W @ x


def softmax(z: Any) -> Any:
    """Notes (6), along the last axis."""
    xp = z.__array_namespace__()
    terms = xp.exp(z - xp.max(z, axis=-1, keepdims=True))
    return terms / xp.sum(terms, axis=-1, keepdims=True)


def cross_entropy(z: Any, y: Any) -> Any:
    """-sum_k y_k log softmax(z)_k of each row."""
    xp = z.__array_namespace__()
    centred = z - xp.max(z, axis=-1, keepdims=True)
    log_p = centred - xp.log(xp.sum(xp.exp(centred), axis=-1, keepdims=True))
    return -xp.sum(y * log_p, axis=-1)


def affine(W: Any, b: Any, X: Any) -> Any:
    """X W^T + b for a batch X."""
    xp = X.__array_namespace__()
    return X @ W.T + xp.broadcast_to(b, (X.shape[0], b.shape[0]))


def layer_norm(x: Any, scale: Any, shift: Any) -> Any:
    """Each row less its mean, by its standard deviation (of variance + 1e-5), times scale, plus shift."""
    xp = x.__array_namespace__()
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    normal = centred / xp.sqrt(xp.mean(centred**2, axis=-1, keepdims=True) + EPSILON)
    return normal * xp.broadcast_to(scale, x.shape) + xp.broadcast_to(shift, x.shape)


def attention(Q: Any, K: Any, V: Any) -> Any:
    """softmax(Q K^T / sqrt(D)) V."""
    return softmax(Q @ K.T / Q.shape[-1] ** 0.5) @ V
