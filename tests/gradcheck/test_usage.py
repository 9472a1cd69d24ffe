"""What has no answer is refused at once, in a sentence that says what to give instead."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import (
    Report,
    UsageError,
    Verdict,
    check_custom_rule,
    check_gradient,
    check_jvp,
    check_vjp,
)
from manual_vs_auto.gradcheck.claims.paired import Paired
from tests.corpus.functions import normal

X = normal(0, 3)
MATRIX = normal(0, 3, 3)


def squares(x: Any) -> Any:
    return jnp.sum(x**2)


def squares_grad(x: Any) -> Any:
    return 2 * x


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": (
        {"tolerance": 1e-3},
        "no option 'tolerance'; there are argnums, atol, budget_s, cache, complex_convention, ",
    ),
    "order 3": ({"order": 3}, "order=3: 1 or 2"),
    "order 0": ({"order": 0}, "order=0"),
    "order in words": ({"order": "second"}, "order"),
    "another referee": ({"dtype": "float32"}, "the referee computes in float64"),
    "no budget": ({"budget_s": 0}, "budget_s=0: more than 0"),
    "negative budget": ({"budget_s": -1.0}, "budget_s"),
    "budget that is no number": ({"budget_s": float("nan")}, "budget_s"),
    "budget in words": ({"budget_s": "1 min"}, "budget_s"),
    "negative seed": ({"seed": -1}, "seed"),
    "seed in words": ({"seed": "lucky"}, "seed"),
    "half a seed": ({"seed": 0.5}, "seed"),
    "no such effort": ({"effort": "some"}, "effort='some': 'quick' or 'full'"),
    "a negative limit": ({"rtol": -1e-3}, "rtol=-0.001: a number, 0 or more"),
    "a limit that is no number": ({"atol": float("nan")}, "atol=nan"),
    "a limit in words": ({"rtol": "small"}, "rtol='small'"),
    "a limit for each": ({"rtol": [1e-3]}, "rtol"),
    "an unknown precision": ({"dtypes": ["float32", "float8"]}, "dtypes=.*: float64, float32, bfloat16, float16, or a"),
    "a precision of whole numbers": ({"dtypes": np.int32}, "dtypes"),
    "no precision": ({"dtypes": []}, "dtypes=\\[\\]"),
    "a precision by number": ({"dtypes": 32}, "dtypes=32"),
    "a cache that is no path": ({"cache": 3}, "cache=3: the path of a folder"),
    "a cache in no place": ({"cache": ""}, "cache='': the path of a folder"),
    "a cache below a file": (
        {"cache": Path(__file__) / "below"},
        "cache='.*below': no folder that can be written: Not a dir",
    ),
    "an empty domain": ({"domain": (1.0, 1.0)}, "domain=.*expected"),
    "a domain upside down": ({"domain": (1.0, 0.0)}, "domain"),
    "one end": ({"domain": 3.0}, "domain"),
    "three ends": ({"domain": [(0.0, 1.0, 2.0)]}, "domain"),
    "no end": ({"domain": []}, "domain"),
    "ends in words": ({"domain": ("low", "high")}, "domain"),
    "an end that is no number": ({"domain": (float("nan"), 1.0)}, "domain"),
    "a domain that the sample is not in": ({"domain": (10.0, 11.0)}, "domain"),
    "a convention upside down": ({"convention": (1.0, 0.0)}, "convention"),
    "a convention in words": ({"convention": "left"}, "convention"),
    "three conventions": ({"convention": (0.0, 0.5, 1.0)}, "convention"),
    "a structure alone": ({"structure": "symmetric"}, "structure"),
    "an unknown structure": ({"structure": {"x": "round"}}, "structure 'round' of x: expected one of symmetric"),
    "a structure of nothing": ({"structure": {"B": "symmetric"}}, "structure names 'B'; the arguments are x"),
    "the structure of a vector": ({"structure": {"x": "symmetric"}}, "is not square"),
    "an unknown convention": ({"complex_convention": "torch"}, '"jax" or "conjugate"'),
    "a surrogate that is none": ({"surrogate": 3}, "surrogate"),
    "one shape too deep": ({"shapes": [(2,)]}, "shapes"),
    "shapes of too many": ({"shapes": [[(2,), (2,)]]}, "shapes: 2 given"),
    "a negative shape": ({"shapes": [[(-2,)]]}, "shapes"),
    "no shapes": ({"shapes": 3}, "shapes"),
    "beyond the arguments": ({"argnums": 1}, "argnums=1 with 1 argument"),
    "below the arguments": ({"argnums": -2}, "argnums"),
    "no argument": ({"argnums": ()}, "argnums"),
    "arguments by name": ({"argnums": "x"}, "argnums"),
    "half an argument": ({"argnums": 0.5}, "argnums"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_without_a_meaning(name: str) -> None:
    options, expected = OPTIONS[name]
    with pytest.raises(UsageError, match=expected) as refused:
        check_gradient(squares, squares_grad, X, **options)
    assert "\n" not in str(refused.value)


DRAWN = np.random.default_rng(0)
QUESTIONS: dict[str, tuple[Callable[[], Report], str]] = {
    "no arguments": (lambda: check_gradient(lambda: 1.0, lambda: 0.0), "argnums=0 with 0 arguments"),
    "integers": (lambda: check_gradient(squares, squares_grad, np.arange(3)), "nothing to differentiate"),
    "an integer": (lambda: check_vjp(squares, squares_grad, 3), "nothing to differentiate"),
    "a word": (lambda: check_jvp(squares, squares_grad, "three"), "nothing to differentiate"),
    "an empty tree": (lambda: check_vjp(squares, squares_grad, {}), "nothing to differentiate"),
    "argnums of an integer": (
        lambda: check_gradient(lambda x, n: squares(x), squares_grad, X, 3, argnums=1), "nothing to differentiate",
    ),
    "a complex loss": (
        lambda: check_gradient(squares, squares_grad, X + 1j), "its output is complex: take its real part",
    ),
    "a complex loss of real numbers": (
        lambda: check_gradient(lambda x: jnp.sum(1j * x), squares_grad, X), "or judge the derivative by check_vjp",
    ),
    "a convention that JAX has not": (
        lambda: check_custom_rule(jax.nn.relu, X, complex_convention="conjugate"), "in its own convention",
    ),
    "a vector": (lambda: check_gradient(lambda x: 2 * x, squares_grad, X), r"returns \(3,\)"),
    "a matrix": (lambda: check_gradient(lambda x: jnp.outer(x, x), squares_grad, X), r"returns \(3, 3\)"),
    "two numbers": (lambda: check_gradient(lambda x: (x[0], x[1]), squares_grad, X), r"returns \(\), \(\)"),
    "a whole number": (lambda: check_gradient(lambda x: jnp.argmax(x), squares_grad, X), "returns no floating numbers"),
    "a vector of NumPy": (lambda: check_gradient(lambda x: np.sin(np.array(x)), np.cos, X), r"returns \(3,\)"),
    "nothing floating comes out": (lambda: check_vjp(lambda x: jnp.argmax(x), lambda ct, x: (x,), X), "float"),
    "not finite": (lambda: check_gradient(squares, squares_grad, np.array([1.0, np.nan])), "not finite"),
    "dropout that draws by itself": (
        lambda: check_vjp(lambda x: np.array(x) * (DRAWN.random(3) > 0.5), lambda ct, x: (-ct,), X), "another one each",
    ),
    "noise": (
        lambda: check_gradient(lambda x: float(np.sum(x + DRAWN.normal(size=3))), np.ones_like, X), "it is called",
    ),
    "no rule in it": (lambda: check_custom_rule(squares, X), "no custom_vjp and no custom_jvp in squares"),
    "not even JAX": (lambda: check_custom_rule(lambda x: float(np.sum(x)), X), "no custom_vjp and no custom_jvp"),
}  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_questions_without_an_answer(name: str) -> None:
    ask, expected = QUESTIONS[name]
    with pytest.raises(UsageError, match=expected):
        ask()


def test_a_usage_error_is_a_value_error() -> None:
    assert issubclass(UsageError, ValueError)


def test_what_the_functions_raise_at_the_sample_is_theirs() -> None:
    with pytest.raises(KeyError, match="bias"):
        check_gradient(lambda params: squares(params["bias"]), squares_grad, {"weight": X})
    with pytest.raises(ZeroDivisionError):
        check_gradient(squares, lambda x: 1 / 0, X)


DOMAINS: dict[str, Any] = {
    "both ends": (0.0, 5.0), "an open end": (0.0, float("inf")), "None for an open end": (0.0, None),
    "one an argument": [(0.0, None)], "whole numbers": (0, 5), "NumPy numbers": tuple(np.array([0.0, 5.0])),
}  # fmt: skip


@pytest.mark.parametrize("name", DOMAINS)
def test_domains(name: str) -> None:
    """Every probe stays inside, and those that would not are said to be skipped."""
    report = check_gradient(lambda x: jnp.sum(jnp.log(x)), lambda x: 1 / x, np.abs(X) + 0.1, domain=DOMAINS[name])
    assert report.verdict is Verdict.AGREE
    assert [probe.note for probe in report.probes if probe.label == "all negative"] == ["outside the domain"]
    assert "all negative (outside the domain)" in str(report)


@pytest.mark.parametrize("domain", [(0.0, None), None])
def test_a_function_may_raise_where_it_has_no_value(domain: Any) -> None:
    """A difference of two values never needs those beyond the edge."""

    def f(x: Any) -> Any:
        if np.any(np.real(x) <= 0):
            raise ValueError("math domain error")
        return np.sum(np.log(np.asarray(x)))

    x = np.array([0.02, 0.5, 3.0])
    assert check_gradient(f, lambda x: 1 / np.asarray(x), x, domain=domain).verdict is Verdict.AGREE
    assert check_gradient(f, lambda x: 2 / np.asarray(x), x, domain=domain).verdict is Verdict.DISAGREE


OPEN: dict[str, Any] = {"nothing said": None, "two open ends": (None, None), "one open pair": [None]}


@pytest.mark.parametrize("domain", OPEN.values(), ids=OPEN)
@pytest.mark.parametrize("xp", [jnp, np], ids=["JAX", "NumPy"])
def test_where_the_function_has_no_value_nothing_is_judged(xp: Any, domain: Any) -> None:
    """Left of 0 the logarithm is not a number, though autodiff says 1 / x there: the rule may say what it likes."""

    def f(x: Any) -> Any:
        return xp.sum(xp.log(xp.asarray(x)))

    report = check_gradient(f, lambda x: 1 / abs(x), np.abs(X) + 0.1, domain=domain)
    assert report.verdict is Verdict.AGREE, report
    assert {probe.note for probe in report.probes if probe.label == "all negative"} == {
        "the function is not finite there"
    }


def relu_with(slope: float) -> Callable[[Any], Any]:
    return lambda x: jnp.where(x > 0, 1.0, jnp.where(x < 0, 0.0, slope)).astype(x.dtype)


@pytest.mark.parametrize(
    ("convention", "slope", "verdict"),
    [
        (0.0, 0.0, Verdict.AGREE),
        (0.0, 0.5, Verdict.DISAGREE),
        (1, 1.0, Verdict.AGREE),
        ((0.0, 1.0), 0.5, Verdict.AGREE),
        ([0.0, 1.0], 0.5, Verdict.AGREE),
        ((0.25, 0.75), 1.0, Verdict.DISAGREE),
        (None, 0.5, Verdict.AGREE),
        (None, 1.5, Verdict.DISAGREE),
    ],
)
def test_conventions(convention: Any, slope: float, verdict: Verdict) -> None:
    x = np.array([-1.0, 0.0, 2.0])
    report = check_gradient(lambda x: jnp.sum(jnp.maximum(x, 0.0)), relu_with(slope), x, convention=convention)
    assert report.verdict is verdict
    if verdict is Verdict.DISAGREE:
        assert report.diagnosis
        assert report.diagnosis.kind == "kink"


def test_shapes_that_are_asked_for_are_tried() -> None:
    report = check_gradient(squares, squares_grad, X, shapes=[[(7,)], [(2, 2)]])
    tried = [probe.label for probe in report.probes if probe.verdict is Verdict.AGREE]
    assert [label for label in tried if "(7,)" in label]
    assert [label for label in tried if "(2, 2)" in label]
    report = check_gradient(squares, lambda x: 2 * x if x.ndim == 1 else 3 * x, X, shapes=[[(2, 2)]])
    assert report.verdict is Verdict.DISAGREE


def test_a_random_key_is_skipped() -> None:
    def f(x: Any, key: Any) -> Any:
        return jnp.sum(x * jax.random.normal(key, x.shape, x.dtype))

    def rule(x: Any, key: Any) -> Any:
        return jax.random.normal(key, x.shape, x.dtype)

    assert check_gradient(f, rule, X, jax.random.key(0), probes=False).verdict is Verdict.AGREE


def test_the_budget_is_kept() -> None:
    """Probes that there is no time for are said to be left out."""

    def slow(x: Any) -> Any:
        time.sleep(0.01)
        return float(np.sum(np.array(x) ** 2))

    began = time.perf_counter()
    report = check_gradient(slow, lambda x: 2 * np.array(x), X, budget_s=0.5)
    assert time.perf_counter() - began < 10
    assert "no time left" in str(report)
    assert report.verdict is not Verdict.DISAGREE


def test_jax_set_to_stop_at_nan_will_do() -> None:
    """Left of 0 there are some, which are the checker's own affair."""
    with jax.debug_nans(True), jax.debug_infs(True):
        assert check_gradient(lambda x: jnp.sum(jnp.log(x)), lambda x: 1 / x, np.abs(X)).verdict is Verdict.AGREE


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "AGREE"), (2.0, "DISAGREE")])
def test_a_rule_of_numpy_beside_a_function_that_jax_traces(factor: float, verdict: str) -> None:
    given = set[type]()

    def f(x: Any) -> Any:
        return x.__array_namespace__().tanh(x)

    def f_vjp(ct: Any, x: Any) -> Any:
        slope = 1 - np.tanh(x) ** 2
        given.add(type(x))
        return (np.multiply(ct, slope) * factor,)

    report = check_vjp(f, f_vjp, np.array([0.3, -1.0]))
    assert str(report.verdict) == verdict
    assert given == {np.ndarray}, "of JAX's arrays, each operation is compiled"
    assert any("outside jit only" in note for note in report.notes)
    # What can't be traced was neither mapped nor traced twice, and nothing was skipped because of it.
    assert not [probe for probe in report.probes if probe.verdict is None and "Tracer" in probe.note]


def test_where_a_function_of_numpy_overflows_its_gradient_may() -> None:
    x = np.array([0.1, -0.5, 1.0], np.float32)
    assert str(check_gradient(lambda x: np.sum(np.exp(x)), lambda x: np.exp(x), x).verdict) == "AGREE"
    # Where it does not, the gradient must not.
    report = check_gradient(lambda x: np.sum(np.tanh(x)), lambda x: np.exp(x) / np.exp(x) - np.tanh(x) ** 2, x)
    assert str(report.verdict) == "DISAGREE"


def test_a_rule_that_exits_is_not_called_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from manual_vs_auto.gradcheck.__main__ import main

    file = tmp_path / "exits.py"
    file.write_text("import sys\ndef f(x):\n    return (x * x).sum()\ndef f_grad(x):\n    sys.exit(0)\n")
    assert main([str(file)]) == 3
    assert "called sys.exit" in capsys.readouterr().err


@pytest.mark.parametrize(("factor", "verdict"), [(2.0, "AGREE"), (3.0, "DISAGREE")])
def test_a_rule_of_numpy_may_write_into_what_it_makes(factor: float, verdict: str) -> None:
    def grad(x: Any) -> Any:
        g = x.copy()
        g[:] = factor * x
        return g

    report = check_gradient(lambda x: (x * x).sum(), grad, np.array([0.3, -1.0]))
    assert str(report.verdict) == verdict
    assert not any("second order" in probe.label for probe in report.probes)


def test_second_order_is_tried_of_what_a_function_carries_and_where_it_is_asked_for() -> None:
    """A rule that stands apart from f is differentiated by nobody; the report says that it was not tried."""

    def held(x: Any) -> Any:
        return 2 * jax.lax.stop_gradient(x)

    def f(x: Any) -> Any:
        return jnp.sum(x * x)

    carrying = jax.custom_vjp(f)
    carrying.defvjp(lambda x: (f(x), x), lambda x, ct: (ct * held(x),))
    x = np.array([0.3, -1.0])
    apart = check_gradient(f, held, x)
    assert apart.verdict is Verdict.AGREE
    assert "second order (a rule apart from f: order=2 tries it)" in str(apart)
    for report in (check_gradient(f, held, x, order=2), check_custom_rule(carrying, x)):
        assert report.verdict is Verdict.DISAGREE
        assert report.diagnosis
        assert report.diagnosis.kind == "second_order"


def test_a_rule_apart_from_f_is_not_mapped() -> None:
    """What f does not carry nobody maps or differentiates."""

    def jvp(primals: Any, tangents: Any) -> Any:
        return jnp.sin(primals[0]), jnp.cos(primals[0]) * tangents[0]

    pair = Paired(lambda x: (jnp.sin(x), x), lambda x, ct: (jnp.cos(x) * ct,))
    for report in (check_jvp(jnp.sin, jvp, X), check_vjp(jnp.sin, pair, X)):
        assert report.verdict is Verdict.AGREE
        tried = [probe.label for probe in report.probes if probe.verdict is not None]
        assert "fresh numbers" in tried
        assert not {"under vmap", "second order"} & set(tried)
