"""effort="quick": what is tried, what is left out, and that the report says so."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Report, Verdict, check_custom_rule, check_gradient, check_vjp
from manual_vs_auto.gradcheck.report.report import LEFT_OUT
from manual_vs_auto.gradcheck.search.changes import CHANGES
from manual_vs_auto.gradcheck.search.points import QUICK
from tests.gradcheck.test_assertions import carried

X = np.array([0.3, -0.7, 1.1])


def left_out(report: Report) -> set[str]:
    return {probe.label for probe in report.probes if probe.note == LEFT_OUT}


def test_nothing_is_left_out_of_a_full_check() -> None:
    full = check_custom_rule(carried(1.0), X)
    assert left_out(full) == set()
    assert "left out" not in str(full)


def test_what_a_quick_check_leaves_out_is_what_a_full_one_tries() -> None:
    quick, full = (check_custom_rule(carried(1.0), X, effort=effort) for effort in ("quick", "full"))
    tried = {probe.label for probe in full.probes}
    assert {"under vmap", "second order", "other shapes", "ties", "saturated"} <= left_out(quick)
    assert left_out(quick) & tried >= left_out(quick) - {"other shapes"}
    assert {probe.label for probe in quick.probes if probe.verdict} >= {"fresh numbers", "zeros", "some zeros"}
    said = next(line for line in str(quick).splitlines() if line.startswith("  probes"))
    assert "; left out by effort='quick': all positive, " in said
    assert said.endswith("under vmap, second order, other shapes")


def test_what_is_asked_for_by_name_is_done() -> None:
    report = check_custom_rule(carried(1.0), X, effort="quick", order=2, shapes=[[(5,)]])
    assert not {"second order", "other shapes"} & left_out(report)
    assert [probe for probe in report.probes if "(5,)" in probe.label and probe.verdict is Verdict.AGREE]
    assert [probe for probe in report.probes if "second order" in probe.label or "tangent" in probe.label]


HIDDEN: dict[str, Any] = {
    "a symmetric sample": lambda ct, W, x: (ct[:, None] * x, W @ ct),
    "ones": lambda ct, W, x: (ct[:, None] * x**2, W.T @ ct),
    "zero": lambda ct, W, x: (ct[:, None] * x * x / x, W.T @ ct),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_quick_check_finds_what_the_sample_hides(name: str) -> None:
    symmetric = np.array([[2.0, 1.0], [1.0, 3.0]])
    report = check_vjp(lambda W, x: W @ x, HIDDEN[name], symmetric, np.ones(2), effort="quick")
    assert report.verdict is (Verdict.SPECIAL if name == "zero" else Verdict.DISAGREE)
    assert report.hidden


def test_a_quick_check_finds_an_overflow() -> None:
    def grad(x: Any) -> Any:
        return jnp.exp(x) / (1 + jnp.exp(x))

    report = check_gradient(lambda x: jnp.sum(jnp.logaddexp(x, 0.0)), grad, np.linspace(-2, 2, 8), effort="quick")
    assert report.diagnosis
    assert report.diagnosis.kind == "overflow"


def test_the_names_in_the_table_are_points() -> None:
    """A name that no point has would leave it out in silence."""
    domain = check_gradient(
        lambda x, n: jnp.sum(jnp.log(x) * n), lambda x, n: n / x, np.abs(X), np.arange(3), domain=(0, None)
    )
    assert {probe.label for probe in domain.probes} >= QUICK
    assert set(CHANGES) - QUICK
