"""Small classification problems that nothing separates."""

from typing import Any

import numpy as np
import numpy.typing as npt

from manual_vs_auto.rules import softmax

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]


def drawn(classes: int, samples: int = 120, features: int = 4, seed: int = 0) -> tuple[Floats, Integers]:
    """Features of different sizes, and labels drawn from a softmax of them."""
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(samples, features)) * np.logspace(0, -1, features) + 0.3
    weight = 2 * generator.normal(size=(classes, features))
    chances = softmax(inputs @ weight.T + generator.normal(size=classes))
    return inputs, np.array([generator.choice(classes, p=row) for row in chances])


def objective(loss: str, weight: Any, bias: Any, inputs: Floats, labels: Integers, weights: Any) -> float:
    """The mean loss of rows [K, D] and [K], by the definition."""
    p = softmax(inputs @ weight.T + bias)
    if loss == "cross_entropy":
        losses = -np.log(p[np.arange(len(labels)), labels])
    else:
        losses = ((p - np.eye(len(weight))[labels]) ** 2).sum(axis=1)
    return float(np.average(losses, weights=weights))
