"""What others' code refuses is told apart from an error of the checker's own, which never becomes a verdict."""

import importlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Verdict, check_custom_rule, check_gradient, check_vjp
from manual_vs_auto.gradcheck.claims.errors import Refused, asked, refusing

X = np.array([0.3, -0.7, 1.1], np.float32)

# One place on every floor, and more where probes are made: an error in it must come out.
PLACES = [
    "numerics.differences:central", "numerics.differences:_settled", "numerics.taylor:remainder",
    "numerics.tolerance:units", "claims.domain:Domain.holds", "claims.claim:_matched", "engines.jax.engine:moved",
    "engines.jax.engine:JaxEngine.sweep", "engines.jax.engine:JaxEngine.complex_step", "engines.jax.stripped:run",
    "engines.jax.engine:JaxEngine.autodiff", "engines.numpy:NumpyEngine.sweep", "witnesses.reference:reference",
    "witnesses.panel:finite_differences", "witnesses.vote:Poll.reverse",
    "witnesses.rounding:judge_rounding", "search.points:fresh", "search.points:points", "search.points:resized",
    "search.cotangents:Cotangents.random", "search.shapes:other_shapes", "search.properties:called_twice",
    "search.draws:Draws._accepts", "report.wording:coverage_of",
]  # fmt: skip


def broken(*_: Any, **__: Any) -> Any:
    """Planted."""
    raise NameError("planted")


def _plant(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Everybody who has imported the name gets the broken one."""
    module, name = place.split(":")
    owner: Any = importlib.import_module(f"manual_vs_auto.gradcheck.{module}")
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original = getattr(owner, last)
    monkeypatch.setattr(owner, last, broken)
    if path:
        return
    import sys

    for other in [m for n, m in sys.modules.items() if n.startswith("manual_vs_auto.gradcheck.")]:
        if getattr(other, last, None) is original:
            monkeypatch.setattr(other, last, broken)


def _one_of_each_engine() -> None:
    """Right at the sample, where all is positive, and wrong beyond it: what is swallowed would agree."""
    check_vjp(lambda x: jnp.sum(x * jnp.abs(x)), lambda ct, x: (ct * 2 * x,), np.abs(X))
    check_vjp(lambda x: np.sum(np.asarray(x) ** 2), lambda ct, x: (ct * 2 * x,), X)


@pytest.mark.parametrize("place", PLACES)
def test_an_error_of_the_checker_comes_out(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, place)
    with pytest.raises(NameError, match="planted"):
        _one_of_each_engine()


@pytest.mark.parametrize("place", ["explain.diagnose:observation", "explain.shrink:size", "explain.paste:code_of"])
def test_an_error_in_explaining_comes_out(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, place)
    with pytest.raises(NameError, match="planted"):
        check_gradient(lambda x: jnp.sum(x**2), lambda x: x, X)


def test_what_a_user_wrote_is_refused_whatever_it_raises() -> None:
    for error in (NameError("n"), KeyError("k"), TypeError("t"), AssertionError("first\nsecond")):

        def f(_: Any, error: Exception = error) -> Any:
            raise error

        with pytest.raises(Refused) as refused:
            asked(f, 1)
        assert refused.value.error is error
        assert "\n" not in str(refused.value)


def test_what_a_library_refuses_is_told_from_our_own_slips() -> None:
    loop = jax.grad(lambda x: jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * x), (0, x))[1])
    with pytest.raises(Refused, match=r"(?i)reverse"), refusing():
        loop(2.0)
    for error in (NameError("n"), AttributeError("a"), KeyError("k"), AssertionError("a"), IndexError("i")):
        with pytest.raises(type(error)), refusing():
            raise error


def test_the_author_sees_his_own_error_where_nothing_can_be_asked() -> None:
    def broken_rule(x: Any) -> Any:
        return x * undefined  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(NameError, match="undefined"):
        check_gradient(lambda x: jnp.sum(x**2), broken_rule, X)
    filtering = jax.config.jax_traceback_filtering  # type: ignore[attr-defined]
    square = jax.custom_vjp(lambda x: x**2)
    square.defvjp(lambda x: (x**2, x), lambda x, ct: (ct * undefined,))  # type: ignore[name-defined]  # noqa: F821
    with pytest.raises(NameError, match="undefined"):
        check_custom_rule(square, X)
    assert jax.config.jax_traceback_filtering == filtering  # type: ignore[attr-defined]


def test_a_rule_that_refuses_a_probe_is_not_wrong_for_that() -> None:
    def picky(x: Any) -> Any:
        if np.any(np.asarray(x) == 0):
            raise KeyError("no zeros please")
        return 2 * x

    report = check_gradient(lambda x: np.sum(np.asarray(x) ** 2), picky, X.astype(np.float64))
    assert report.verdict is Verdict.AGREE
    assert any("no zeros please" in probe.note for probe in report.probes)
