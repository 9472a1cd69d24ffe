"""Near 0 all functions are alike: what a cause is called there must hold for ordinary numbers, too."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from manual_vs_auto.gradcheck import Verdict, check_vjp
from tests.corpus.functions import normal

CAP = 30.0
# f, the slope that stands there, and what it may be called: nothing, where it is none that has a name.
WRONG: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "softcap, the cap forgotten": (lambda x: CAP * jnp.tanh(x / CAP), jnp.ones_like, "the factor of tanh"),
    "softcap, not scaled": (
        lambda x: CAP * jnp.tanh(x / CAP),
        lambda x: 1 - jnp.tanh(x) ** 2,
        "another function: tanh",
    ),
    "tanh is 1": (jnp.tanh, jnp.ones_like, "the factor of tanh"),
    "sinh is 1": (jnp.sinh, jnp.ones_like, "the factor of sinh"),
    "sinh is of sin": (jnp.sinh, jnp.cos, "the slope of sin"),
    "sinh by a series": (jnp.sinh, lambda x: 1 + x**2, ""),
    "arcsin by a series": (jnp.arcsin, lambda x: 1 + x**2, ""),
    "exp by a series": (jnp.exp, lambda x: 1 + x, ""),
    "sigmoid at 0": (jax.nn.sigmoid, lambda x: 0.25 * jnp.ones_like(x), "it does not depend on x"),
}


@pytest.mark.parametrize("shape", [(), (4,)])
@pytest.mark.parametrize("scale", [1e-1, 1e-2, 1e-4])
@pytest.mark.parametrize("name", WRONG)
def test_small_numbers_give_no_wrong_names(name: str, scale: float, shape: tuple[int, ...]) -> None:
    f, slope, cause = WRONG[name]
    report = check_vjp(lambda x: f(x), lambda ct, x: (ct * slope(x),), normal(0, *shape, scale=scale))
    assert report.verdict is Verdict.DISAGREE
    assert report.diagnosis is not None
    assert cause in report.diagnosis.text
    assert cause or report.diagnosis.kind == "unknown"


def test_what_is_wrong_beyond_a_threshold_is_called_so() -> None:
    """Also where the fault begins with nothing at 0."""
    x = normal(0, 8)
    jumps = check_vjp(jnp.sin, lambda ct, x: (ct * jnp.cos(x) * (1 + 0.1 * (x > 0.5)),), x)
    begins = check_vjp(jnp.sin, lambda ct, x: (ct * jnp.cos(jnp.maximum(x, 0.3 * x)),), x)
    for report, where in ((jumps, "x > 0.499"), (begins, "x < 0")):
        assert report.diagnosis is not None
        assert where in report.diagnosis.text
