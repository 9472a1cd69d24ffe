"""A rule that is no number at a kink, where f and its slopes on both sides are numbers, is told so."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Verdict, check_gradient, check_jvp, check_vjp

AT, BESIDE = np.array([0.5, 0.0, 2.0]), np.array([0.5, -1.3, 2.0])


def ramp(xp: Any) -> Callable[[Any], Any]:
    return lambda x: xp.sum(xp.maximum(x, 0) + xp.abs(x))


def ramp_grad(xp: Any, at_0: float = np.nan) -> Callable[[Any], Any]:
    return lambda x: xp.where(x == 0, at_0, xp.where(x > 0, 2.0, -1.0))


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.5])
@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
def test_at_a_kink_of_the_sample_it_is_a_fault(xp: Any, value: float) -> None:
    report = check_gradient(ramp(xp), ramp_grad(xp, value), AT)
    assert (report.verdict, report.leaves[0].why) == (Verdict.DISAGREE, "kink")
    assert report.diagnosis is not None
    assert report.diagnosis.text.startswith("at the kink it ")
    assert (f"is {value:g}," in report.diagnosis.text) == (not np.isfinite(value))


@pytest.mark.parametrize(("special", "verdict"), [("report", Verdict.SPECIAL), ("fail", Verdict.DISAGREE)])
@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
def test_at_a_kink_beyond_the_sample_it_is_special_and_the_kink_is_named(
    xp: Any, special: Any, verdict: Verdict
) -> None:
    report = check_gradient(ramp(xp), ramp_grad(xp), BESIDE, special_points=special)
    assert report.verdict is verdict
    assert report.diagnosis is not None
    assert "it is nan where x[" in report.diagnosis.text
    assert "a kink of f" in report.diagnosis.text


def test_so_it_is_of_pullbacks_and_pushforwards() -> None:
    pulled = check_vjp(jnp.abs, lambda ct, x: (ct * x / jnp.abs(x),), AT)
    assert pulled.verdict is Verdict.DISAGREE
    pushed = check_jvp(jnp.abs, lambda x, t: t[0] * x[0] / jnp.abs(x[0]), AT)
    assert pushed.verdict is Verdict.DISAGREE


@pytest.mark.parametrize("value", [-1.0, 0.0, 2.0])
@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
def test_a_number_between_the_slopes_will_do(xp: Any, value: float) -> None:
    assert check_gradient(ramp(xp), ramp_grad(xp, value), AT).verdict is Verdict.AGREE


def test_what_autodiff_has_no_number_for_is_not_claimed() -> None:
    def norm(x: Any) -> Any:
        return jnp.sqrt(jnp.sum(x**2))

    assert check_gradient(norm, lambda x: x / norm(x), 0 * AT).verdict is Verdict.AGREE
