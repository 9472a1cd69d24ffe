"""A rule that is right in float64 alone: rounding costs digits there, too; another program for float32 does not."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Verdict, check_gradient, check_vjp

X = np.array([0.5, 1.3, -0.7, 2.1], np.float32)


def only_float32(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """The slope of the sine, changed in a kernel for float32."""
    return lambda ct, x: ((change if x.dtype == jnp.float32 else lambda a: a)(ct * jnp.cos(x)),)


@pytest.mark.parametrize(
    "change", [lambda a: 1.1 * a, lambda a: -a, lambda a: 0 * a, lambda a: a + 0.01, lambda a: a[::-1]],
    ids=["a factor", "the sign", "nothing", "an offset", "backwards"],
)  # fmt: skip
def test_another_program_for_float32_is_no_loss_of_digits(change: Callable[[Any], Any]) -> None:
    report = check_vjp(jnp.sin, only_float32(change), X)
    assert report.verdict is Verdict.DISAGREE
    assert report.diagnosis is not None
    assert (report.diagnosis.kind, "rounding is no reason" in report.diagnosis.text) == ("unknown", True)


@pytest.mark.parametrize("scale", [1e-6, 1e-7, 1e-9])
def test_digits_that_cancel_are_called_so(scale: float) -> None:
    report = check_gradient(
        lambda x: jnp.sum(jnp.cosh(x)), lambda x: (jnp.exp(x) - jnp.exp(-x)) / 2, np.float32(scale) * X, probes=False
    )
    assert report.verdict is Verdict.DISAGREE
    assert report.diagnosis is not None
    assert report.diagnosis.kind == "digits"
