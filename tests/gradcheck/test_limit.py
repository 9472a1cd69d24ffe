"""rtol and atol: an upper limit beside the derived bound, at the sample, which the report shows."""

import json
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Settings, Verdict, check_gradient, check_jvp, check_vjp

# Near 0 both lose half of their digits to cancellation, each in its own way: the derived bound knows it.
ILL = np.array([1e-4, 3e-4])


def cancelling(x: Any) -> Any:
    return jnp.sum(jnp.expm1(x) / x**2 - 1 / x)


def cancelling_grad(x: Any) -> Any:
    """Right, and as ill-conditioned as the function."""
    return (x * jnp.exp(x) - 2 * jnp.expm1(x) + x) / x**3


def smooth(x: Any) -> Any:
    return jnp.sum(jnp.sin(x))


LIMITS: dict[str, tuple[Settings, Verdict]] = {
    "none": ({}, Verdict.AGREE),
    "loose": ({"rtol": 0.5}, Verdict.AGREE),
    "loose in both": ({"rtol": 1e-3, "atol": 1e3}, Verdict.AGREE),
    "a wide atol alone": ({"atol": 1e6}, Verdict.AGREE),
    "strict": ({"rtol": 1e-18}, Verdict.DISAGREE),
    "a strict atol alone": ({"atol": 1e-12}, Verdict.DISAGREE),
    "nothing at all": ({"rtol": 0, "atol": 0.0}, Verdict.DISAGREE),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_held_beside_the_bound(name: str) -> None:
    options, verdict = LIMITS[name]
    once: Settings = {**options, "probes": False}
    report = check_gradient(cancelling, cancelling_grad, ILL, **once)
    assert report.verdict is verdict, report
    assert ("limit" in str(report)) is bool(options)
    if verdict is Verdict.DISAGREE:
        assert report.worst
        assert report.worst.why == "limit"
        assert report.diagnosis
        assert report.diagnosis.kind == "limit"
        assert "within rounding, but beyond the limit that was given" in str(report)
        assert "apart: beyond the limit" in str(report)


def test_the_limit_is_shown() -> None:
    report = check_gradient(smooth, jnp.cos, ILL, rtol=1e-3, probes=False)
    assert "\n  limit    rtol 0.001, atol 0, at the sample\n" in str(report)
    assert json.loads(report.to_json())["limit"] == {"rtol": 1e-3, "atol": 0.0}
    assert "\n  limit    rtol 0, atol 1e-06, at the sample\n" in str(
        check_gradient(smooth, jnp.cos, ILL, atol=1e-6, probes=False)
    )


@pytest.mark.parametrize("rtol", [1, np.float32(0.25), jnp.float32(0.25), np.array(0.25)])
def test_a_limit_is_any_number(rtol: Any) -> None:
    report = check_gradient(smooth, jnp.cos, ILL, rtol=rtol, probes=False)
    assert f"rtol {float(rtol):g}, " in str(report)


def test_a_loose_limit_allows_nothing() -> None:
    """What is beyond the derived bound is wrong by as little as it likes."""
    report = check_gradient(smooth, lambda x: 1.0001 * jnp.cos(x), ILL, rtol=0.5, atol=10.0, probes=False)
    assert report.verdict is Verdict.DISAGREE
    assert report.worst
    assert report.worst.why == "formula"


@pytest.mark.parametrize(("rtol", "verdict"), [(1e-6, Verdict.AGREE), (1e-9, Verdict.DISAGREE)])
def test_the_sample_s_own_precision_is_held_to_it(rtol: float, verdict: Verdict) -> None:
    """In float64 the two are the same; in float32 they differ in the eighth digit."""
    x = np.linspace(0.1, 2.0, 20, dtype=np.float32)
    found = [
        check_gradient(smooth, lambda x: jnp.sin(x + np.pi / 2).astype(x.dtype), x, rtol=rtol * 10, probes=False),
        check_vjp(jnp.sin, lambda ct, x: (ct * jnp.cos(x),), x, rtol=rtol, probes=False),
        check_jvp(jnp.sin, lambda p, t: t[0] * jnp.cos(p[0]), x, rtol=rtol, probes=False),
    ]
    assert [report.verdict for report in found] == [verdict] * 3


def test_the_probes_are_not_held_to_it() -> None:
    """The limit is for the numbers that matter to the author, not for those near 0."""
    report = check_gradient(cancelling, cancelling_grad, np.array([0.25, 3.0]), rtol=1e-6)
    assert report.verdict is Verdict.AGREE, report


def test_where_differences_are_all_there_is_their_own_error_is_no_fault() -> None:
    report = check_gradient(lambda x: float(np.sum(np.exp(np.asarray(x, np.float64)))), np.exp, ILL, rtol=1e-13)
    assert report.verdict is Verdict.AGREE, report


def test_at_a_kink_any_slope_between_the_two_will_do() -> None:
    x = np.array([0.0, 1.0])
    report = check_gradient(lambda x: jnp.sum(jnp.abs(x)), lambda x: jnp.where(x > 0, 1.0, -1.0), x, rtol=1e-6)
    assert report.verdict is Verdict.AGREE, report
