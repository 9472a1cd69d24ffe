"""Losses, each with its right gradient beside it; where f takes two arguments the gradient is of the first."""

from typing import Any

import jax
import jax.numpy as jnp

from tests.corpus.functions import huber, softplus
from tests.corpus.functions_layers import log_softmax, softmax


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Return the mean over the rows."""
    return -jnp.mean(jax.vmap(lambda row, label: row[label])(log_softmax(logits), labels))


def cross_entropy_grad(logits: Any, labels: Any) -> Any:
    n = labels.shape[0]
    return softmax(logits).at[jnp.arange(n), labels].add(-1.0) / n


def soft_cross_entropy(logits: Any, targets: Any) -> Any:
    return -jnp.sum(targets * log_softmax(logits))


def soft_cross_entropy_grads(logits: Any, targets: Any) -> Any:
    return softmax(logits) * jnp.sum(targets, axis=-1, keepdims=True) - targets, -log_softmax(logits)


def mse(prediction: Any, target: Any) -> Any:
    return jnp.mean((prediction - target) ** 2)


def mse_grad(prediction: Any, target: Any) -> Any:
    return 2.0 * (prediction - target) / prediction.size


def squared_distance(x: Any, y: Any) -> Any:
    return jnp.sum((x - y) ** 2)


def squared_distance_grads(x: Any, y: Any) -> Any:
    return 2.0 * (x - y), 2.0 * (y - x)


def binary_cross_entropy(logits: Any, target: Any) -> Any:
    return jnp.mean(softplus(logits) - target * logits)


def binary_cross_entropy_grad(logits: Any, target: Any) -> Any:
    return (jax.nn.sigmoid(logits) - target) / logits.size


def huber_loss(prediction: Any, target: Any) -> Any:
    return jnp.mean(huber(prediction - target))


def huber_loss_grad(prediction: Any, target: Any) -> Any:
    return jnp.clip(prediction - target, -1.0, 1.0) / prediction.size


def hinge(scores: Any, target: Any) -> Any:
    return jnp.mean(jnp.maximum(0.0, 1.0 - target * scores))


def hinge_grad(scores: Any, target: Any) -> Any:
    return jnp.where(target * scores < 1.0, -target, jnp.zeros_like(target)) / scores.size


def focal(logits: Any) -> Any:
    """Return the focal loss (gamma 2) where every target is 1."""
    return jnp.sum(jax.nn.sigmoid(-logits) ** 2 * softplus(-logits))


def focal_grad(logits: Any) -> Any:
    q = jax.nn.sigmoid(-logits)
    return -2.0 * q**2 * jax.nn.sigmoid(logits) * softplus(-logits) - q**3


def kl(p: Any, q: Any) -> Any:
    return jnp.sum(p * (jnp.log(p) - jnp.log(q)))


def kl_grads(p: Any, q: Any) -> Any:
    return jnp.log(p) - jnp.log(q) + 1.0, -p / q


def entropy(p: Any) -> Any:
    return -jnp.sum(p * jnp.log(p))


def entropy_grad(p: Any) -> Any:
    return -jnp.log(p) - 1.0


def cosine(x: Any, y: Any) -> Any:
    return jnp.dot(x, y) / (jnp.sqrt(jnp.dot(x, x)) * jnp.sqrt(jnp.dot(y, y)))


def cosine_grads(x: Any, y: Any) -> Any:
    a, b = jnp.sqrt(jnp.dot(x, x)), jnp.sqrt(jnp.dot(y, y))
    c = jnp.dot(x, y) / (a * b)
    return (y / b - c * x / a) / a, (x / a - c * y / b) / b


def gaussian_nll(x: Any, mean: Any, log_sigma: Any) -> Any:
    z = (x - mean) * jnp.exp(-log_sigma)
    return jnp.sum(0.5 * z**2 + log_sigma)


def gaussian_nll_grads(x: Any, mean: Any, log_sigma: Any) -> Any:
    z = (x - mean) * jnp.exp(-log_sigma)
    return z * jnp.exp(-log_sigma), -z * jnp.exp(-log_sigma), 1.0 - z**2


def triplet(anchor: Any, near: Any, far: Any) -> Any:
    return jnp.maximum(0.0, squared_distance(anchor, near) - squared_distance(anchor, far) + 1.0)


def triplet_grads(anchor: Any, near: Any, far: Any) -> Any:
    on = jnp.where(triplet(anchor, near, far) > 0, 2.0, 0.0).astype(anchor.dtype)
    return on * (far - near), on * (near - anchor), on * (anchor - far)


def ridge(w: Any, x: Any, y: Any) -> Any:
    return 0.5 * jnp.sum((x @ w - y) ** 2) + 0.05 * jnp.sum(w**2)


def ridge_grad(w: Any, x: Any, y: Any) -> Any:
    return x.T @ (x @ w - y) + 0.1 * w
