"""The smallest failing input of faults that are not in the formula: in its digits, its range, its shape, its slope."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Settings, check_custom_rule, check_gradient, check_jvp, check_vjp
from manual_vs_auto.gradcheck.claims.paired import Paired
from tests.corpus.functions import normal
from tests.gradcheck.pasted import pasted, wrong

ONCE: Settings = {"probes": False}


def test_the_remark_shows_a_fault_of_few_digits() -> None:
    def rule(x: Any) -> Any:
        return jnp.cos(x.astype(jnp.float32)).astype(x.dtype)

    run = pasted(check_gradient(lambda x: jnp.sum(jnp.sin(x)), rule, normal(0, 3, dtype=np.float64), **ONCE), rule=rule)
    np.testing.assert_allclose(run.right, np.cos(np.ravel(run.held["x"])), rtol=1e-10)


def test_a_fault_that_is_not_finite_can_be_pasted() -> None:
    def rule(x: Any) -> Any:
        return jnp.exp(x) / (1 + jnp.exp(x))

    f, sample = lambda x: jnp.sum(jnp.logaddexp(x, 0.0)), normal(0, 4)
    run = wrong(check_gradient(f, rule, sample), rule=rule)
    assert not np.all(np.isfinite(run.found))


def test_a_wrong_shape_can_be_pasted() -> None:
    def rule(x: Any) -> Any:
        return jnp.sum(x)

    run = pasted(check_gradient(lambda x: jnp.sum(x**2), rule, normal(0, 3)), rule=rule)
    assert np.shape(run.value) == ()
    assert run.held["x"].shape == (3,)


def test_a_second_order_fault_can_be_pasted() -> None:
    @jax.custom_jvp
    def slope(x: Any) -> Any:
        return jnp.cos(x)

    slope.defjvp(lambda primals, tangents: (slope(*primals), 0.5 * tangents[0]))
    report = check_gradient(lambda x: jnp.sum(jnp.sin(x)), lambda x: slope(x), normal(0, 3), order=2)
    assert report.diagnosis
    assert report.diagnosis.kind == "second_order"
    pasted(report, grad_fn=slope)


def test_a_fault_at_a_kink_can_be_pasted() -> None:
    def rule(x: Any) -> Any:
        return jnp.where(x >= 0, 1.0, 0.0)

    report = check_gradient(lambda x: jnp.sum(jnp.maximum(x, 0.0)), rule, np.array([1.0, 0.0]), convention=0.0)
    run = pasted(report, rule=rule)
    assert 0.0 in run.held["x"]
    assert run.found[np.flatnonzero(run.held["x"] == 0)[0]] == 1.0


def sine_fwd(x: Any) -> Any:
    return jnp.sin(x) + 0.5, x


def sine_bwd(x: Any, ct: Any) -> Any:
    return (ct * jnp.cos(x),)


def sine_jvp(primals: Any, tangents: Any) -> Any:
    return jnp.sin(primals[0]) + 0.5, tangents[0] * jnp.cos(primals[0])


@pytest.mark.parametrize("kind", ["custom_vjp", "custom_jvp", "a pair", "a jvp"])
def test_a_forward_that_returns_something_else_is_what_is_shown(kind: str) -> None:
    """Not its derivative, which is right."""
    sample = normal(0, 3)
    if kind == "a pair":
        report = check_vjp(jnp.sin, Paired(sine_fwd, sine_bwd), sample)
        run = pasted(report, sine_fwd=sine_fwd, sine_bwd=sine_bwd)
    elif kind == "a jvp":
        run = pasted(check_jvp(jnp.sin, sine_jvp, sample), sine_jvp=sine_jvp)
    else:
        f: Any = (jax.custom_vjp if kind == "custom_vjp" else jax.custom_jvp)(lambda x: jnp.sin(x))
        _ = f.defvjp(sine_fwd, sine_bwd) if kind == "custom_vjp" else f.defjvp(sine_jvp)
        f.__name__ = "f"
        run = pasted(check_custom_rule(f, sample), f=f)
    np.testing.assert_allclose(run.found, run.right + 0.5, rtol=1e-6)
    np.testing.assert_allclose(run.right, np.sin(np.ravel(run.held["x"])), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("factor", [1.0, -2.0])
def test_a_pair_can_be_pasted(factor: float) -> None:
    def forward(x: Any) -> Any:
        return jnp.sin(x), x

    def backward(x: Any, ct: Any) -> Any:
        return (factor * ct * jnp.sin(x),)

    run = wrong(check_vjp(jnp.sin, Paired(forward, backward), normal(0, 3)), forward=forward, backward=backward)
    assert np.all(np.isfinite(run.found))
