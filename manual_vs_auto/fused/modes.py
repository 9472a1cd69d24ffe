"""The fused loss in each of its modes, as functions with sample arguments, for whoever wants to judge it."""

from functools import partial
from typing import Any

import jax
import numpy as np

from manual_vs_auto.fused.loss import linear_softmax_loss


def _mode(weight: jax.Array, inputs: jax.Array, labels: jax.Array, **choices: Any) -> jax.Array:
    # Chunks that do not divide the rows or the classes.
    loss: jax.Array = linear_softmax_loss(weight, inputs, labels, chunk_size=3, **choices)
    return loss


def _samples() -> tuple[Any, ...]:
    generator = np.random.default_rng(0)
    weight, inputs = (generator.normal(size=size).astype(np.float32) for size in ((7, 4), (5, 4)))
    return weight, inputs, generator.integers(0, 7, 5)


# Name, equation, function of (weight, inputs, labels), and its primals.
MODES: tuple[tuple[str, str, Any, Any], ...] = tuple(
    (f"{loss} {mode}", equation, partial(_mode, loss=loss, mode=mode, reduction=reduction), _samples())
    for loss, equation in (("squared_distance", "notes (5)-(10)"), ("cross_entropy", "notes (6)(10)"))
    for mode, reduction in (("in_forward", "mean"), ("recompute", "none"))
)
