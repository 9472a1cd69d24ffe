"""Loops that do not end on every input: a check ends all the same, and what they make of the others is judged."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Verdict, check_custom_rule, check_vjp
from manual_vs_auto.gradcheck.claims.arguments import inputs_of
from manual_vs_auto.gradcheck.claims.claim import vjp_claim
from manual_vs_auto.gradcheck.engines.jax import stripped
from manual_vs_auto.gradcheck.engines.jax.engine import JaxEngine

pytestmark = pytest.mark.newest
X = np.array([1.3, 2.0, 3.1])


def root(a: Any) -> Any:
    """The square root by Newton's steps, which never settle where a is negative."""
    step = jax.jit(lambda s: (0.5 * (s[0] + a / s[0]), s[0]))
    going = lambda s: jnp.max(jnp.abs(s[0] - s[1])) > 1e-12 * jnp.max(jnp.abs(s[0]))  # noqa: E731
    return jax.lax.while_loop(going, step, (a, 2 * a))[0]


def with_rule(factor: float) -> Any:
    f = jax.custom_vjp(root)
    f.defvjp(lambda a: (root(a), root(a)), lambda y, ct: (factor * ct / y,))
    return f


def test_a_loop_that_does_not_end_has_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripped, "STEPS", 100)
    with jax.enable_x64(True):
        for f in (stripped.stripped(root), stripped.ending(root), jax.jit(stripped.stripped(jax.jit(root)))):
            np.testing.assert_allclose(f(X), np.sqrt(X), rtol=1e-12)
            assert np.all(np.isnan(f(-X)))
        assert stripped.may_go_on(jax.jit(root), X)
        assert not stripped.may_go_on(jnp.sin, X)


def test_a_loop_in_a_loop_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripped, "STEPS", 100)
    with jax.enable_x64(True):
        f = stripped.stripped(lambda x: jax.lax.map(root, x))
        np.testing.assert_allclose(f(X), np.sqrt(X), rtol=1e-12)
        assert np.isnan(f(X * np.array([1, 1, -1]))[2])


def test_of_rows_that_are_mapped_those_that_end_have_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripped, "STEPS", 100)
    with jax.enable_x64(True):
        f = stripped.stripped(jax.vmap(root))
        np.testing.assert_allclose(f(X), np.sqrt(X), rtol=1e-12)
        np.testing.assert_allclose(f(X * np.array([1, -1, 1])), [np.sqrt(1.3), np.nan, np.sqrt(3.1)], rtol=1e-12)


def test_a_check_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripped, "STEPS", 200)
    assert check_custom_rule(with_rule(0.5), X).verdict is Verdict.AGREE
    assert check_custom_rule(with_rule(0.6), X, effort="quick").verdict is Verdict.DISAGREE
    assert check_vjp(root, lambda ct, a: (0.5 * ct / jnp.sqrt(a),), X, effort="quick").verdict is Verdict.AGREE


def test_a_loop_in_a_derivative_that_jax_wrote_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # The derivative of expn(2, x) is -expn(1, x), a series.
    monkeypatch.setattr(stripped, "STEPS", 2)

    def f(x: Any) -> Any:
        return jax.scipy.special.expn(2, x)

    claim = vjp_claim(f, lambda ct, x: (ct,), inputs_of(f, (X,), None))
    assert np.all(np.isnan(JaxEngine(claim).autodiff([0.1 * X], [np.ones(3)])[0]))
