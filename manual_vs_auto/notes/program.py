"""The program that the notes print, notes (11), by the rules: `python -m manual_vs_auto.notes.program`.

Ten steps of gradient descent on ||W x - y||^2 from W of ones. Each step takes 0.1 * 2 (W x - y) x^T from W,
so it multiplies the error W x - y by 1 - 2 * 0.1 * (x . x) = 1 - 0.2 * 3 = 0.4, and the loss by 0.16.
"""

from collections.abc import Iterator

import numpy as np

from manual_vs_auto import command
from manual_vs_auto.rules import LINEAR, SQUARED_DISTANCE, Array, compose


def losses(weight: Array, x: Array, y: Array, steps: int = 10, learning_rate: float = 0.1) -> Iterator[float]:
    """The loss before each step.

    Source: notes (11). loss = ||W x - y||^2, W <- W - learning_rate * outer(2 (W x - y), x).
    Args:   weight: floating [K, D]. x: floating [D]. y: floating [K].
    """
    rule = compose(SQUARED_DISTANCE, LINEAR)
    for _ in range(steps):
        loss, residuals = rule.fwd(weight, x, y)
        yield float(loss)
        gradient = rule.bwd(residuals, np.ones_like(loss))[0]
        weight = weight - learning_rate * gradient


def main() -> None:
    """Print the losses of the notes' own W, x and y."""
    for loss in losses(np.ones((2, 3)), np.array([-1.0, 1.0, 1.0]), np.array([1.0, 2.0])):
        print(loss)


if __name__ == "__main__":
    command.run(main)
