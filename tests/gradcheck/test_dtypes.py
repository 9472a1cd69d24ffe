"""dtypes=: the sample is cast to each in turn, and the report is that of the worst."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import UsageError, Verdict, check_custom_rule, check_gradient, check_vjp
from tests.gradcheck.test_assertions import carried

X = np.array([0.3, -0.7, 1.1])


def total(x: Any, scale: Any) -> Any:
    return jnp.sum(jnp.sin(x) * scale)


def test_the_functions_are_given_each_precision() -> None:
    seen = set()

    def grad(x: Any, scale: Any) -> Any:
        seen.add((str(x.dtype), str(scale.dtype)))
        return jnp.cos(x) * scale

    scale = np.array(2.0)
    report = check_gradient(total, grad, X, scale, dtypes=["float32", jnp.bfloat16, np.float16], effort="quick")
    assert report.verdict is Verdict.AGREE, report
    assert report.dtype == "float32, bfloat16, float16"
    # The formula is compared in float64, each cast to its own precision first.
    assert {("float32",) * 2, ("bfloat16",) * 2, ("float16",) * 2} <= seen <= {
        (name, name) for name in ("float64", "float32", "bfloat16", "float16")
    }  # fmt: skip
    assert X.dtype == np.float64


def narrow(x: Any) -> Any:
    """Right, but computed in bfloat16 where the argument has more digits."""
    return jnp.cos(x.astype(jnp.bfloat16)).astype(x.dtype)


def test_the_worst_is_reported_and_named() -> None:
    report = check_gradient(lambda x: jnp.sum(jnp.sin(x)), narrow, X, dtypes=["bfloat16", "float32"], probes=False)
    assert report.verdict is Verdict.DISAGREE
    assert report.dtype == "float32"
    assert report.diagnosis
    assert report.diagnosis.kind == "cast"
    first, *lines = str(report).splitlines()
    assert first.endswith("gradient wrt x  in float32")
    assert [line for line in lines if line.startswith("  note     in bfloat16: AGREE")]
    assert [line for line in lines if line.startswith("  note     in float32: DISAGREE")]


def test_probes_are_named_with_their_precision() -> None:
    wrong = check_vjp(
        lambda x: x * x, lambda ct, x: (jnp.where(x < 0, 3, 2) * x * ct,), np.abs(X), dtypes="bfloat16", effort="quick"
    )
    assert wrong.verdict is Verdict.DISAGREE
    assert wrong.hidden
    assert wrong.hidden.endswith(", in bfloat16")
    assert {probe.label.rpartition(", ")[2] for probe in wrong.probes if probe.verdict} == {"in bfloat16"}


def test_a_rule_that_a_function_carries() -> None:
    report = check_custom_rule(carried(1.0), X, dtypes=["float32", "bfloat16"], effort="quick")
    assert report.verdict is Verdict.AGREE, report
    assert {probe.label.rpartition(", ")[2] for probe in report.probes if probe.verdict} == {
        "in float32", "in bfloat16",
    }  # fmt: skip


def test_numpy_alone() -> None:
    report = check_gradient(
        lambda x: np.sum(np.asarray(x) ** 2),
        lambda x: 2 * np.asarray(x),
        X,
        dtypes=("float32", "float64"),
        probes=False,
    )
    assert report.verdict is Verdict.AGREE, report


@pytest.mark.parametrize("dtype", ["float32", np.float32, jnp.float32, np.dtype("float32"), "f4", ["float32", "f4"]])
def test_a_precision_by_any_name(dtype: Any) -> None:
    report = check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, X, dtypes=dtype, probes=False)
    assert report.dtype == "float32"


def test_what_the_precision_can_not_hold() -> None:
    with pytest.raises(UsageError, match="the sample of x is not finite in float16"):
        check_gradient(lambda x: jnp.sum(x**2), lambda x: 2 * x, 1e6 * X, dtypes=["float32", "float16"], probes=False)


def test_what_a_function_refuses_of_a_precision_is_its_own_error() -> None:
    """It says in which."""

    def f(x: Any) -> Any:
        if x.dtype == jnp.bfloat16:
            raise TypeError("no bfloat16 here")
        return jnp.sum(x**2)

    with pytest.raises(TypeError, match="no bfloat16 here") as error:
        check_gradient(f, lambda x: f(x) * 0 + 2 * x, X, dtypes=["float32", "bfloat16"], probes=False)
    assert error.value.__notes__ == ["with the sample in bfloat16, as dtypes= asks for"]
