"""In a test: an assertion for each form, whose error is the report; and the keywords that an editor knows."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto import gradcheck
from manual_vs_auto.gradcheck import (
    Settings,
    UsageError,
    assert_custom_rule,
    assert_gradients,
    assert_jvp,
    assert_vjp,
    check_gradient,
)
from manual_vs_auto.gradcheck.options import Options

X = np.array([0.3, -0.7, 1.1], np.float32)


def total(x: Any) -> Any:
    return jnp.sum(jnp.sin(x))


def carried(factor: float) -> Any:
    f = jax.custom_vjp(jnp.sin)
    f.defvjp(lambda x: (jnp.sin(x), x), lambda x, ct: (factor * ct * jnp.cos(x),))
    return f


ASSERTIONS: dict[str, Callable[[float], None]] = {
    "gradient": lambda k: assert_gradients(total, lambda x: k * jnp.cos(x), X, probes=False),
    "vjp": lambda k: assert_vjp(jnp.sin, lambda ct, x: (k * ct * jnp.cos(x),), X, probes=False),
    "jvp": lambda k: assert_jvp(jnp.sin, lambda p, t: k * t[0] * jnp.cos(p[0]), X, probes=False),
    "custom_vjp": lambda k: assert_custom_rule(carried(k), X, probes=False),
}


@pytest.mark.parametrize("kind", ASSERTIONS)
def test_the_error_is_the_report(kind: str) -> None:
    ASSERTIONS[kind](1.0)
    with pytest.raises(AssertionError, match=rf"^DISAGREE  \S+  {kind} ?[\s\S]*cause .*it is 1.5 times the right one"):
        ASSERTIONS[kind](1.5)


def test_what_can_not_be_decided_is_not_asserted() -> None:
    report = check_gradient(lambda x: jnp.sum(jnp.log(x)), lambda x: 1 / x, -np.abs(X), probes=False)
    with pytest.raises(AssertionError, match=r"^INCONCLUSIVE"):
        report.assert_agrees()


def test_an_assertion_is_no_use_error() -> None:
    with pytest.raises(UsageError, match="no option 'tolerance'"):
        assert_custom_rule(carried(1.0), X, tolerance=1e-3)  # type: ignore[call-arg]


def test_every_option_is_a_typed_keyword() -> None:
    """mypy refuses the call above; the keywords are those of the options, and every check has them."""
    options = {field.name: field for field in fields(Options)}
    assert list(get_type_hints(Settings)) == list(options)
    assert Settings.__total__ is False
    checks = [getattr(gradcheck, name) for name in gradcheck.__all__ if name.startswith(("check", "assert"))]
    assert len(checks) == 8
    for check in checks:
        kinds = {p.name: p.kind for p in inspect.signature(check).parameters.values()}
        assert kinds["argnums"] is inspect.Parameter.KEYWORD_ONLY
        assert "Settings" in str(inspect.signature(check).parameters["options"].annotation)


def test_every_option_is_explained() -> None:
    said = inspect.getdoc(Options) or ""
    for field in fields(Options):
        assert f"{field.name}:" in said or f"{field.name}, " in said, field.name
