"""What a mistake does to training: MNIST by plain gradient descent, with the right line and with the wrong one."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from manual_vs_auto.data import load
from manual_vs_auto.model import Params, accuracy
from manual_vs_auto.notes.mistakes import MISTAKES, Mistake

BATCH, STEPS, EVERY = 64, 900, 30
# By the brightest pixel. Logits grow with its square: 1e-4 is the larger step of the two.
RATES = {1.0: 0.5, 255.0: 1e-4}


class Course(NamedTuple):
    """accuracy: of the 10,000 test images, in 0..1, after each of `steps`, [n]. Weights that are NaN get none right."""

    steps: np.ndarray
    accuracy: np.ndarray


@cache
def courses(mistake: Mistake) -> tuple[Course, Course]:
    """The training with the right code, and with the mistake."""
    return _right(mistake.of, mistake.white), _trained(mistake.by_weight, mistake.white)


@cache
def _right(code: Callable[..., Any], white: float) -> Course:
    return _trained(next(m for m in MISTAKES if m.of is code).right_by_weight, white)


@cache
def _images() -> tuple[np.ndarray, ...]:
    """The batches [STEPS, BATCH, D] with their labels, the same for all, and the test images with theirs."""
    data = load()
    chosen = np.random.default_rng(0).permutation(len(data.train_labels))[: STEPS * BATCH].reshape(STEPS, BATCH)
    return data.train_images[chosen], data.train_labels[chosen], data.test_images, data.test_labels


def _trained(gradient: Callable[..., Any], white: float) -> Course:
    """In float32 from weights of 0. Source: notes (12). W <- W - rate dL/dW; pixels of 0..white."""
    images, labels, test_images, test_labels = _images()

    def pixels(images: Any) -> Any:
        return images.astype(jnp.float32) * jnp.float32(white / 255)

    @jax.jit
    def block(weight: Any, images: Any, labels: Any) -> tuple[Any, Any]:
        def step(weight: Any, batch: Any) -> tuple[Any, None]:
            return weight - RATES[white] * gradient(weight, pixels(batch[0]), batch[1]).astype(weight.dtype), None

        weight, _ = lax.scan(step, weight, (images, labels))
        # How bright the pixels are changes no decision.
        return weight, jnp.where(jnp.all(jnp.isfinite(weight)), accuracy(Params(weight), test_images, test_labels), 0)

    weight, found = jnp.zeros((10, images.shape[-1]), jnp.float32), [0.1]
    for at in range(0, STEPS, EVERY):
        weight, share = block(weight, images[at : at + EVERY], labels[at : at + EVERY])
        found.append(float(share))
    return Course(np.arange(0, STEPS + 1, EVERY), np.array(found))
