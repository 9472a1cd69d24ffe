"""Small problems, and the objective once more in NumPy float64, as the notes write it."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def made(rows: int, width: int, classes: int, seed: int = 0) -> tuple[Array, Array]:
    """Features whose spectrum decays, and labels drawn from a softmax of them."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(rows, width)) / (1 + np.arange(width)) ** 0.5
    logits = features @ draw.normal(size=(width, classes)) * 2
    return features, np.argmax(logits + draw.gumbel(size=logits.shape), axis=1)


def levelled(values: Any) -> Array:
    """Values whose sum over the classes is 0, as every solution's is."""
    return np.asarray(values - np.mean(values, axis=0))


def softmax(logits: Array) -> Array:
    terms = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(terms / terms.sum(axis=-1, keepdims=True))


def value(loss: str, features: Array, labels: Array, shares: Array, l2: float, weight: Array, bias: Array) -> float:
    """sum_i s_i L_i + l2/2 |W|^2."""
    p, y = softmax(features @ weight.T + bias), np.eye(len(weight))[labels]
    losses = -np.log(np.sum(p * y, axis=1)) if loss == "cross_entropy" else np.sum((p - y) ** 2, axis=1)
    return float(shares @ losses + l2 / 2 * np.sum(weight**2))


def gradient(loss: str, features: Array, labels: Array, shares: Array, l2: float, weight: Array, bias: Array) -> Array:
    """[K, D + 1], the bias last; notes (9) and (10)."""
    p = softmax(features @ weight.T + bias)
    d = p - np.eye(len(weight))[labels]
    by_logits = d if loss == "cross_entropy" else 2 * p * (d - np.sum(p * d, axis=1, keepdims=True))
    by_logits = by_logits * shares[:, None]
    return np.concatenate([by_logits.T @ features + l2 * weight, by_logits.sum(axis=0)[:, None]], axis=1)
