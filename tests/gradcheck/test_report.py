"""What a report says: coverage, probes, ulp, budget, what the sample hides, and the same again for the same seed."""

import json
import re
from typing import Any
from unittest.mock import Mock

import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Verdict, check_gradient, check_vjp

X = np.random.default_rng(0).normal(size=6).astype(np.float32)


def _energy(x: Any) -> Any:
    return jnp.sum(jnp.sin(x) * x)


def _energy_grad(x: Any) -> Any:
    return jnp.cos(x) * x + jnp.sin(x)


def _matvec(W: Any, x: Any) -> Any:
    return W @ x


def test_the_error_is_told_in_ulp_with_its_bound() -> None:
    report = check_gradient(_energy, _energy_grad, X)
    assert report.worst is not None
    assert 0 <= report.worst.ulp < report.worst.bound < 100
    assert re.search(r"x  AGREE     worst [\d.]+ ulp \(bound \d+\)", str(report))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_no_precision_needs_a_tolerance(dtype: str) -> None:
    x = jnp.asarray(X, jnp.dtype(dtype))
    assert check_gradient(_energy, _energy_grad, x).verdict is Verdict.AGREE
    assert check_gradient(_energy, lambda x: _energy_grad(x) * 0.999, x).verdict is Verdict.DISAGREE


def test_what_was_covered_and_what_may_escape_is_said() -> None:
    report = check_vjp(_matvec, lambda ct, W, x: (ct[:, None] * x, W.T @ ct), np.ones((4, 6), np.float32), X)
    assert any("30 of 30 elements" in line for line in report.coverage)
    assert any("escapes with a chance" in line for line in report.coverage)


def test_one_wrong_entry_of_two_hundred_thousand_is_found() -> None:
    x = np.random.default_rng(1).normal(size=200_000).astype(np.float32)
    report = check_gradient(lambda x: jnp.sum(x**3), lambda x: (3 * x * x).at[123_456].multiply(0.99), x, probes=False)
    assert report.verdict is Verdict.DISAGREE
    assert report.worst is not None
    assert report.worst.index == (123_456,)


def test_a_large_numpy_function_says_what_it_did_not_compare() -> None:
    x = np.random.default_rng(1).normal(size=5000)
    report = check_gradient(lambda x: float(np.sum(np.asarray(x) ** 2)), lambda x: 2 * np.asarray(x), x, probes=False)
    assert report.verdict is Verdict.AGREE
    assert any("escapes with a chance of" in line for line in report.coverage)


def test_what_the_sample_hides_is_named() -> None:
    symmetric = np.array([[2.0, 1.0], [1.0, 3.0]], np.float32)
    report = check_vjp(_matvec, lambda ct, W, x: (ct[:, None] * x, W @ ct), symmetric, np.ones(2, np.float32))
    assert report.verdict is Verdict.DISAGREE
    assert report.hidden is not None
    assert "W is symmetric" in report.hidden
    assert "hidden" in str(report)


def test_without_probes_only_the_sample_is_judged() -> None:
    symmetric = np.array([[2.0, 1.0], [1.0, 3.0]], np.float32)
    report = check_vjp(
        _matvec, lambda ct, W, x: (ct[:, None] * x, W @ ct), symmetric, np.ones(2, np.float32), probes=False
    )
    assert report.verdict is Verdict.AGREE
    assert report.probes == []


def test_a_probe_that_leaves_the_domain_is_skipped_and_said_to_be() -> None:
    report = check_gradient(lambda x: jnp.sum(jnp.log(x)), lambda x: 1 / x, np.abs(X), domain=(0, None))
    assert report.verdict is Verdict.AGREE
    skipped = {probe.label: probe.note for probe in report.probes if probe.verdict is None}
    assert skipped["all negative"] == "outside the domain"
    assert "all negative (outside the domain)" in str(report)
    undeclared = check_gradient(lambda x: jnp.sum(jnp.log(x)), lambda x: 1 / x, np.abs(X))
    notes = {probe.label: probe.note for probe in undeclared.probes if probe.verdict is None}
    assert notes["all negative"] == "the function is not finite there"


def test_the_budget_ends_the_probes_and_says_so() -> None:
    report = check_gradient(_energy, _energy_grad, X, budget_s=1e-6)
    assert report.verdict is Verdict.AGREE
    assert {probe.note for probe in report.probes if probe.label != "second order"} == {"no time left"}


def test_the_same_seed_repeats_the_report_and_another_does_not() -> None:
    def text(seed: int) -> str:
        report = check_gradient(_energy, lambda x: 1.5 * _energy_grad(x), X, seed=seed)
        return str(report)

    assert text(3) == text(3)
    assert text(3) != text(4)


def test_where_the_function_has_no_value_there_is_no_verdict() -> None:
    report = check_gradient(lambda x: jnp.sum(jnp.log(x)), lambda x: 1 / x, -np.abs(X))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert any("not finite" in note for note in report.notes)


def test_the_cost_is_measured_when_it_is_asked_for_and_told_from_then_on() -> None:
    report = check_gradient(_energy, _energy_grad, X)
    report.measure = Mock(wraps=report.measure)
    assert "\n  cost " not in str(report) + report._repr_html_()
    assert json.loads(report.to_json())["cost"] is None
    assert report.measure.call_count == 0
    assert report.cost is not None
    assert report.cost.manual_seconds > 0
    assert report.cost.auto_temporary_bytes >= 0
    assert "x the time of autodiff" in str(report)
    assert "x the time of autodiff" in report._repr_html_()
    assert json.loads(report.to_json())["cost"]["manual_seconds"] == report.cost.manual_seconds
    assert report.measure.call_count == 1


def test_a_rule_s_residuals_are_counted() -> None:
    import jax

    from manual_vs_auto.gradcheck import check_custom_rule

    f = jax.custom_vjp(lambda x: jnp.sin(x))
    f.defvjp(lambda x: (jnp.sin(x), (x, jnp.cos(x))), lambda kept, ct: (ct * kept[1],))
    report = check_custom_rule(f, X)
    assert report.cost is not None
    assert report.cost.residual_bytes is not None
    assert 4 * X.size <= report.cost.residual_bytes <= 8 * X.size
