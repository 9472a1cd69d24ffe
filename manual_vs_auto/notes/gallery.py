"""What a mistake does to training: MNIST by plain gradient descent, with the right line and with the wrong one."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from manual_vs_auto.data import load
from manual_vs_auto.model import Params, accuracy
from manual_vs_auto.notes.mistakes import MISTAKES, Mistake

BATCH, STEPS, EVERY = 64, 900, 30
# By the brightest pixel: the step, and how large the random weights are at first. Both steps are short enough that an
# ulp in a weight stays an ulp; at twice the larger one another processor's rounding would make another course.
RATES = {1.0: 0.5, 255.0: 5e-5}
SIZES = {1.0: 0.0, 255.0: 1 / 28}


class Course(NamedTuple):
    """accuracy: of the 10,000 test images, in 0..1, after each of `steps`, [n]. Weights that are NaN get none right."""

    steps: np.ndarray
    accuracy: np.ndarray


@cache
def courses(mistake: Mistake) -> tuple[Course, Course]:
    """The training with the right code, and with the mistake."""
    return _right(mistake.of, mistake.white), trained(mistake.by_weight, mistake.white)


@cache
def _right(code: Callable[..., Any], white: float) -> Course:
    return trained(next(m for m in MISTAKES if m.of is code).right_by_weight, white)


def trained(gradient: Callable[..., Any], white: float, dtype: Any = jnp.float32) -> Course:
    """One course. Source: notes (12). W <- W - rate dL/dW; pixels of 0..white; computed in dtype."""
    images, labels, *tests = _images()
    start = SIZES[white] * np.random.default_rng(0).normal(size=(10, images.shape[-1]))

    def step(weight: Array, batch: tuple[Array, Array]) -> tuple[Array, None]:
        pixels = batch[0].astype(dtype) * jnp.asarray(white / 255, dtype)
        return weight - RATES[white] * gradient(weight, pixels, batch[1]).astype(dtype), None

    @jax.jit
    def run(weight: Array, images: Array, labels: Array) -> Array:
        def block(weight: Array, batches: tuple[Array, Array]) -> tuple[Array, Array]:
            weight, _ = lax.scan(step, weight, batches)
            return weight, weight

        return jnp.concatenate([weight[None], lax.scan(block, weight, (images, labels))[1]])

    found = _accuracy(run(jnp.asarray(start, dtype), images, labels).astype(jnp.float32), *tests)
    return Course(np.arange(0, STEPS + 1, EVERY), np.asarray(found))


@jax.jit
def _accuracy(weights: Array, images: Array, labels: Array) -> Array:
    """The share of images that each of weights [n, K, D] gets right, [n]. How bright pixels are changes no decision."""
    right = jax.vmap(lambda weight: accuracy(Params(weight), images, labels))(weights)
    return jnp.where(jnp.all(jnp.isfinite(weights), axis=(1, 2)), right, 0)


@cache
def _images() -> tuple[Array, ...]:
    """Blocks of batches [STEPS / EVERY, EVERY, BATCH, D] with their labels, and the test images with theirs."""
    data = load()
    chosen = np.random.default_rng(0).permutation(len(data.train_labels))[: STEPS * BATCH].reshape(-1, EVERY, BATCH)
    return tuple(
        map(jnp.asarray, (data.train_images[chosen], data.train_labels[chosen], data.test_images, data.test_labels))
    )
