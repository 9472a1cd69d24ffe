"""The smallest failing input of faults that are not in the formula: in its digits, its range, its shape, its slope."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Report, Settings, check_custom_rule, check_gradient, check_jvp, check_vjp
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
    wrong(report, grad_fn=slope)
    _is_right(report, grad_fn=jnp.cos)


def scaled(x: Any, n: Any, y: Any) -> Any:
    return {"power": x**n * y, "sum": jnp.sum(x * y)}


def scaled_vjp(ct: Any, x: Any, n: Any, y: Any) -> Any:
    """Right, but its own derivative by x is not."""
    held = jax.lax.stop_gradient(x)
    return ct["power"] * n * held ** (n - 1) * y + ct["sum"] * y, None, ct["power"] * x**n + ct["sum"] * x


def scaled_jvp(primals: Any, tangents: Any) -> Any:
    x, n, y = primals
    held, (dx, _, dy) = jax.lax.stop_gradient(x), tangents
    return {"power": n * held ** (n - 1) * y * dx + x**n * dy, "sum": jnp.sum(y * dx + x * dy)}


def scaled_fwd(x: Any, n: Any, y: Any) -> Any:
    return scaled(x, n, y), (x, n, y)


def scaled_bwd(kept: Any, ct: Any) -> Any:
    return scaled_vjp(ct, *kept)


carrying_vjp = jax.custom_vjp(scaled)
carrying_vjp.defvjp(scaled_fwd, scaled_bwd)
carrying_jvp = jax.custom_jvp(scaled)
carrying_jvp.defjvp(lambda primals, tangents: (scaled(*primals), scaled_jvp(primals, tangents)))


@jax.jit
def within(x: Any, n: Any, y: Any) -> Any:
    return carrying_vjp(x, n, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["a vjp", "a pair", "a jvp", "custom_vjp", "custom_jvp", "in jit"])
def test_a_rule_whose_own_derivative_is_wrong_is_differentiated_again(kind: str, dtype: Any) -> None:
    """Beside numbers that do not move, and of several outputs."""
    held: Any = None
    sample = (normal(0, 3, dtype=dtype), np.array(3), normal(1, 3, dtype=dtype))
    if kind == "a vjp":
        report = check_vjp(scaled, scaled_vjp, *sample, order=2)
    elif kind == "a pair":
        report = check_vjp(scaled, Paired(scaled_fwd, scaled_bwd), *sample, order=2)
    elif kind == "a jvp":
        report = check_jvp(scaled, scaled_jvp, *sample, order=2)
    else:
        held = {"custom_vjp": carrying_vjp, "custom_jvp": carrying_jvp, "in jit": within}[kind]
        report = check_custom_rule(held, *sample)
    assert report.diagnosis
    assert report.diagnosis.kind == "second_order"
    assert report.minimal
    assert " along x=[" in report.minimal.short
    wrong(report, scaled=held)

    def right_vjp(ct: Any, x: Any, n: Any, y: Any) -> Any:
        found: Any = jax.vjp(lambda x, y: scaled(x, n, y), x, y)[1](ct)
        return found[0], None, found[1]

    def right_jvp(primals: Any, tangents: Any) -> Any:
        x, n, y = primals
        return jax.jvp(lambda x, y: scaled(x, n, y), (x, y), tangents[::2])[1]

    _is_right(report, scaled=scaled, within=scaled, scaled_vjp=right_vjp, scaled_fwd=scaled_fwd,
              scaled_bwd=lambda kept, ct: right_vjp(ct, *kept), scaled_jvp=right_jvp)  # fmt: skip


def _is_right(report: Report, **held: Any) -> None:
    """With the right functions in place of the wrong ones, the paste prints what its remark says."""
    assert report.minimal
    lines = [line for line in report.minimal.code.splitlines() if not line.startswith("from ")]
    report.minimal = replace(report.minimal, code="\n".join(lines))
    run = pasted(report, **held)
    np.testing.assert_allclose(run.found, run.right, rtol=1e-4, atol=1e-5)


def test_a_rule_that_is_right_but_for_its_cotangent_s_share_is_differentiated_again() -> None:
    f = jax.custom_vjp(jnp.sin)
    f.defvjp(lambda x: (jnp.sin(x), x), lambda x, ct: (jax.lax.stop_gradient(ct) * jnp.cos(x),))
    report = check_custom_rule(f, normal(0, 3))
    wrong(report, sin=f)
    _is_right(report, sin=jnp.sin)


@jax.custom_batching.custom_vmap
def doubled(t: Any) -> Any:
    return 2 * t


@doubled.def_vmap
def _(axis_size: int, in_batched: Any, t: Any) -> Any:
    return 2 * t[::-1], True


@pytest.mark.parametrize("kind", ["custom_vjp", "custom_jvp"])
def test_a_fault_under_vmap_is_shown_under_vmap(kind: str) -> None:
    def f(x: Any, n: Any) -> Any:
        return 2 * x + n

    twice: Any = (jax.custom_vjp if kind == "custom_vjp" else jax.custom_jvp)(f)
    if kind == "custom_vjp":
        twice.defvjp(lambda x, n: (f(x, n), None), lambda _, ct: (doubled(ct), None))
    else:
        twice.defjvp(lambda primals, tangents: (f(*primals), doubled(tangents[0])))
    report = check_custom_rule(twice, normal(0, 3), np.arange(3))
    assert report.diagnosis
    assert report.diagnosis.kind == "vmap"
    run = wrong(report, f=twice)
    assert run.held["x"].shape == run.held["n"].shape == (2, 3)
    np.testing.assert_allclose(run.found.reshape(2, 3)[::-1].ravel(), run.right, rtol=1e-6)
    _is_right(report, f=f)


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
