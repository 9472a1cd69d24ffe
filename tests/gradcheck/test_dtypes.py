"""dtypes=: the sample is cast to each in turn, and the report is that of the worst."""

from typing import Any

import jax
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


_ROOT = np.float32(np.sqrt(2 / np.pi))


def gelu_vjp(ct: Any, x: Any, root: Any = _ROOT) -> Any:
    tanh = jnp.tanh(root * (x + 0.044715 * x**3))
    return ct * (0.5 * (1 + tanh) + 0.5 * x * (1 - tanh**2) * root * (1 + 3 * 0.044715 * x**2))


CONSTANTS: dict[str, tuple[Any, Any]] = {
    "exp2": (jnp.exp2, lambda ct, x: ct * np.float32(np.log(2)) * jnp.exp2(x)),
    "log10": (lambda x: jnp.log10(4 + x), lambda ct, x: ct * np.float32(1 / np.log(10)) / (4 + x)),
    "weights": (lambda x: x * np.arange(1, 7) / 7, lambda ct, x: ct * (np.arange(1, 7) / 7).astype(np.float32)),
    "gelu": (jax.nn.gelu, gelu_vjp),  # far out little is left of the derivative, and a constant is more of it
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_is_as_exact_as_the_inputs(name: str) -> None:
    """The rule is run in float64, too, and there a constant in float32 is off by half an ulp of that."""
    f, vjp = CONSTANTS[name]
    x = np.array([2.04, -2.55, 0.42, -0.56, -0.45, -0.21], np.float32)
    assert check_vjp(f, vjp, x, effort="quick").verdict is Verdict.AGREE
    assert check_vjp(f, vjp, x.astype(np.float64), effort="quick").verdict is Verdict.DISAGREE
    off = check_vjp(f, lambda ct, x: vjp(ct, x) * (1 + 1e-6), x, effort="quick")
    assert off.verdict is Verdict.DISAGREE or name == "gelu"


@pytest.mark.parametrize("f", [jnp.exp2, jax.nn.gelu, lambda x: jnp.sin(1e9 * x)])
def test_that_excuses_no_fault(f: Any) -> None:
    x = np.array([2.04, -2.55, 0.42, -0.56, -0.45, -0.21], np.float32)
    for factor in (0.0, 1.001):
        wrong = check_vjp(f, lambda ct, x, by=factor: by * jax.vjp(f, x)[1](ct)[0], x, effort="quick")
        assert wrong.verdict is Verdict.DISAGREE


@pytest.mark.parametrize("steep", [1e4, 1e6, 1e9])
def test_nor_where_the_derivative_hangs_on_the_last_digits_of_the_input(steep: float) -> None:
    """There a constant would be most of it, and nothing would be a fault."""
    x = np.array([2.04, -2.55, 0.42], np.float32)
    wrong = check_vjp(
        lambda x: jnp.sin(steep * x), lambda ct, x: 1.01 * ct * steep * jnp.cos(steep * x), x, probes=False
    )
    assert wrong.verdict is Verdict.DISAGREE
