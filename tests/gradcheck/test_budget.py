"""The budget bounds a check of a slow f: one look is taken whatever the time, and what is left out is said."""

from collections.abc import Callable
from functools import wraps
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Verdict, check_gradient, check_vjp
from manual_vs_auto.gradcheck.engines import clock

# Seconds that a call of f takes, by a clock that only f moves.
CALL, BUDGET = 0.1, 5.0
SWEEP = 42 * CALL
"""Twenty steps on either side, the point itself and the complex step."""


class _Slow:
    """A clock, and functions each of whose calls takes a while by it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(f)
        def slow(*args: Any) -> Any:
            self.now += CALL
            return f(*(np.asarray(a) for a in args))

        return slow


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> _Slow:
    made = _Slow()
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: made.now))
    return made


@pytest.mark.parametrize("size", [3, 100])
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, Verdict.AGREE), (1.3, Verdict.DISAGREE)])
def test_a_slow_function_ends_near_the_budget(slow: _Slow, size: int, factor: float, verdict: Verdict) -> None:
    x = np.linspace(-1, 1.5, size)
    report = check_gradient(slow(lambda x: np.sum(np.sin(x))), lambda x: factor * np.cos(x), x, budget_s=BUDGET)
    assert report.verdict is verdict
    assert slow.now < 2 * BUDGET + 5 * CALL  # five calls say whether f is a function
    assert "no time left to ask the whole panel more" in report.notes
    assert f"1 of {size} elements" in report.coverage[0]
    if verdict is Verdict.DISAGREE:
        assert report.diagnosis is not None
        assert "no time left" in report.diagnosis.text
        assert report.minimal is not None
        assert "nan" not in report.minimal.code


@pytest.mark.parametrize("budget", [1e-9, BUDGET])
@pytest.mark.parametrize("wrong", [None, "W", "x"])
def test_one_look_at_every_element_is_taken_whatever_the_time(slow: _Slow, wrong: str | None, budget: float) -> None:
    def rule(ct: Any, W: Any, x: Any) -> Any:
        return np.outer(ct, x) * (1 + (wrong == "W")), W.T @ ct * (1 + (wrong == "x"))

    W, x = np.arange(6.0).reshape(2, 3) + 0.5, np.array([0.3, -0.2, 0.7])
    report = check_vjp(slow(lambda W, x: W @ x), rule, W, x, budget_s=budget)
    assert report.verdict is (Verdict.AGREE if wrong is None else Verdict.DISAGREE)
    assert slow.now < budget + 2 * SWEEP + 20 * CALL
    if wrong is not None:
        mark = next(mark for mark in report.leaves if mark.verdict is Verdict.DISAGREE)
        assert mark.name in (wrong, "W, x")
        assert mark.manual != pytest.approx(mark.reference)
        said = [note for note in report.notes if "slopes along a random direction; no time left" in note]
        assert bool(said) == (mark.name == "W, x")


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, Verdict.AGREE), (1.1, Verdict.DISAGREE)])
def test_what_nobody_looked_at_is_as_exact_as_f(slow: _Slow, factor: float, verdict: Verdict) -> None:
    """An f that is exact to 1e-3 only, of which no element is looked at by itself."""
    f = slow(lambda x: np.sum(np.sin(x)) + 1e-4 * np.sum(x))
    x = np.array([0.3, 0.8, -1.2])
    report = check_gradient(f, lambda x: factor * np.cos(x), x, budget_s=1e-9, f_accuracy=1e-3)
    assert "0 of 3 elements" in report.coverage[0]
    assert report.verdict is verdict


def test_what_there_was_time_for_is_looked_at(slow: _Slow) -> None:
    f = slow(lambda x: np.sum(np.sin(x)))
    report = check_gradient(f, np.cos, np.array([0.3, 0.8, -1.2]), budget_s=100)
    assert "3 of 3 elements" in report.coverage[0]
    assert [probe.verdict for probe in report.probes if probe.label == "fresh numbers"] == [Verdict.AGREE]
    assert [probe.note for probe in report.probes if probe.label == "other shapes"] == ["no time left"]
    assert slow.now < 100 + 2 * CALL


def test_a_tie_is_no_fault_where_there_is_no_time_to_see_it(slow: _Slow) -> None:
    """The median of three that tie moves in no direction alone; autodiff's thirds are what others say."""
    f, x = slow(lambda x: np.median(x)), np.ones(3)
    assert check_gradient(f, lambda x: np.full(3, 1 / 3), x, budget_s=1e-9).verdict is not Verdict.DISAGREE


def test_what_nobody_had_time_to_be_asked_about_is_undecided() -> None:
    """At a kink autodiff says 0 and the rule 1: either will do, but only a look beside it says so."""

    def f(x: Any) -> Any:
        return jnp.sum(jnp.maximum(x, 0) ** 2 + jnp.where(x > 0, x, 0))

    def rule(x: Any) -> Any:
        return 2 * jnp.maximum(x, 0) + (x >= 0)

    x = np.array([0.0, 1.0, -2.0])
    hurried = check_gradient(f, rule, x, budget_s=1e-9)
    assert hurried.verdict is Verdict.INCONCLUSIVE
    assert "no time left to ask the panel about x[0]" in hurried.notes
    assert check_gradient(f, rule, x).verdict is Verdict.AGREE


def test_the_cause_takes_as_long_again_and_no_longer(slow: _Slow) -> None:
    x = np.array([0.3, 0.8, -1.2])
    report = check_gradient(slow(lambda x: np.sum(np.sin(x))), lambda x: 2 * np.cos(x), x, budget_s=60)
    assert report.verdict is Verdict.DISAGREE
    assert 90 < slow.now < 120 + 2 * CALL


def test_the_cause_of_a_fault_may_take_as_long_again() -> None:
    report = check_gradient(lambda x: jnp.sum(jnp.sin(x)), lambda x: 2 * jnp.cos(x), np.ones(3) / 3, budget_s=1e-9)
    assert report.verdict is Verdict.DISAGREE
    assert report.diagnosis is not None
    assert (report.diagnosis.kind, report.diagnosis.text[:28]) == ("unknown", "cause unknown: no time left ")
    assert "no time left to see whether it is right beside that input" in report.notes
    assert report.cost is not None
