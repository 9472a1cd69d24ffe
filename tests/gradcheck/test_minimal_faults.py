"""The smallest failing input of faults that are not in the formula: in its digits, its range, its shape, its slope."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto.gradcheck import Settings, check_gradient
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
