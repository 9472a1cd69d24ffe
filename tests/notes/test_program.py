"""The printed program, notes (11): the losses are 0.16^k."""

from fractions import Fraction

import numpy as np

from manual_vs_auto.notes.program import losses


def test_losses_are_powers_of_16_hundredths() -> None:
    found = list(losses(np.ones((2, 3)), np.array([-1.0, 1.0, 1.0]), np.array([1.0, 2.0])))
    assert len(found) == 10
    for k, loss in enumerate(found):
        # The error is a difference of numbers near 2 that halves and more at each step: its own rounding is
        # an ulp of 2 a step, and the loss is its square, 2 * error * rounding to first order.
        error, rounding = 0.4**k, (k + 1) * 2 * np.finfo(np.float64).eps
        assert abs(loss - 0.16**k) <= 2 * error * rounding + rounding**2


def test_the_program_as_printed_is_exact_in_fractions() -> None:
    """The notes' own lines, in arithmetic that does not round: the closed form is not a coincidence of floats."""
    one, tenth = Fraction(1), Fraction(1, 10)
    W = np.full((2, 3), one)
    x = np.array([-one, one, one])
    y = np.array([one, 2 * one])
    for k in range(10):
        y_hat = W @ x
        assert ((y_hat - y) ** 2).sum() == Fraction(16, 100) ** k
        W = W - tenth * np.outer(2 * (y_hat - y), x)
