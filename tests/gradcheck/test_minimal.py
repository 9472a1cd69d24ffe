"""The smallest failing input: small, and Python that can be pasted and run."""

import math
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Settings, check_custom_rule, check_gradient, check_jvp, check_vjp
from tests.corpus.functions import normal
from tests.gradcheck.pasted import pasted, wrong

ONCE: Settings = {"probes": False}


class Layer(NamedTuple):
    weight: Any
    bias: Any


def quadratic(x: Any, A: Any) -> Any:
    return x @ A @ x


def quadratic_grad(x: Any, A: Any) -> Any:
    """Right for a symmetric A only."""
    return 2 * A @ x


def affine(layer: Layer, x: Any) -> Any:
    return jnp.sum((x @ layer.weight + layer.bias) ** 2)


def affine_grad(layer: Layer, x: Any) -> Layer:
    """The gradient by the bias is that of a mean."""
    error = 2 * (x @ layer.weight + layer.bias)
    return Layer(x.T @ error, jnp.mean(error, 0))


@jax.custom_vjp
def leaky(x: Any) -> Any:
    return jnp.where(x > 0, x, 0.1 * x)


leaky.defvjp(lambda x: (leaky(x), x), lambda x, ct: (jnp.where(x > 0, ct, 0.2 * ct),))


def sizes(held: dict[str, Any], *names: str) -> list[tuple[int, ...]]:
    return [np.shape(held[name]) for name in names]


def test_a_gradient_needs_two_numbers() -> None:
    report = check_gradient(quadratic, quadratic_grad, normal(0, 6), normal(1, 6, 6), **ONCE)
    run = wrong(report, quadratic_grad=quadratic_grad)
    assert sizes(run.held, "x", "A") == [(2,), (2, 2)]
    assert set(np.ravel(run.held["x"])) | set(np.ravel(run.held["A"])) <= {0.0, 1.0}
    assert run.held["x"].dtype == run.held["A"].dtype == np.float32
    assert report.minimal
    assert report.minimal.short in str(report)
    assert "seed 0" in str(report)
    assert all(line in str(report) for line in report.minimal.code.splitlines())


def test_functions_of_a_module_are_imported() -> None:
    """Pasted into an empty file."""
    report = check_gradient(quadratic, quadratic_grad, normal(0, 3), normal(1, 3, 3), **ONCE)
    assert report.minimal
    done = subprocess.run([sys.executable, "-c", report.minimal.code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[")


def test_a_named_tuple_comes_with_its_import() -> None:
    layer = Layer(normal(0, 4, 3), normal(1, 3))
    run = wrong(check_gradient(affine, affine_grad, layer, normal(2, 5, 4), **ONCE))
    assert isinstance(run.held["layer"], Layer)
    assert np.shape(run.held["x"])[0] > 1  # with one row a mean is the sum
    assert np.size(run.held["layer"].weight) <= 4


def test_a_pullback_comes_with_its_cotangent() -> None:
    def rule(ct: Any, W: Any, x: Any) -> Any:
        return jnp.outer(ct, x), W @ ct

    run = wrong(check_vjp(jnp.dot, rule, normal(0, 5, 5), normal(1, 5), **ONCE), rule=rule)
    assert run.held["cotangent"].shape == (2,)
    assert len(run.value) == 2


def test_several_outputs_have_several_cotangents() -> None:
    def both(x: Any) -> Any:
        return {"sin": jnp.sin(x), "cos": jnp.cos(x)}

    def rule(ct: Any, x: Any) -> Any:
        return (ct["sin"] * jnp.cos(x) + ct["cos"] * jnp.sin(x),)

    wrong(check_vjp(both, rule, normal(0, 3), **ONCE), rule=rule)


def test_a_pushforward_comes_with_its_tangents() -> None:
    def rule(primals: Any, tangents: Any) -> Any:
        x, y, n = primals
        return tangents[0] * y**n + 1.01 * n * x * y ** (n - 1) * tangents[1]

    report = check_jvp(lambda x, y, n: x * y**n, rule, normal(0, 4, 4), normal(1, 4, 4), 2, **ONCE)
    run = wrong(report, rule=rule)
    assert run.held["n"] == 2
    assert run.held["tangents"][2] is None
    assert sizes(run.held, "x", "y") == [(1, 1), (1, 1)]


@pytest.mark.parametrize("f", [leaky, jax.jit(lambda x: 2 * leaky(x))], ids=["itself", "in jit"])
def test_a_rule_of_its_own_is_pulled_back_again(f: Any) -> None:
    report = check_custom_rule(f, normal(0, 7, scale=3.0))
    assert report.minimal
    run = pasted(report, **{name: f for name in ("f", "leaky") if f is not leaky})
    right = report.minimal.code.rpartition("# right: ")[2]
    assert right
    assert np.array2string(np.asarray(run.value[0]), floatmode="unique") != right


def test_trees_integers_and_choices_are_written_out() -> None:
    def loss(params: Any, labels: Any, mask: Any, mode: str, axis: int | None) -> Any:
        logits = params["w"][0] * params["b"]
        return -jnp.sum(jnp.where(mask, jax.nn.log_softmax(logits)[jnp.arange(labels.size), labels], 0.0))

    def rule(params: Any, labels: Any, mask: Any, mode: str, axis: int | None) -> Any:
        right = jax.grad(loss)(params, labels, mask, mode, axis)
        return {"w": [right["w"][0]], "b": -right["b"]}

    params = {"w": [normal(0, 4, 3)], "b": normal(1, 3)}
    labels, mask = np.array([0, 2, 1, 2], np.int32), np.array([True, False, True, True])
    run = wrong(check_gradient(loss, rule, params, labels, mask, "sum", None, **ONCE), rule=rule)
    assert run.held["mode"] == "sum"
    assert run.held["axis"] is None
    assert (run.held["labels"].dtype, run.held["mask"].dtype) == (np.int32, np.bool_)
    assert run.held["labels"].size == run.held["params"]["w"][0].shape[0]


def test_a_function_among_the_arguments() -> None:
    def rule(x: Any, slope: Any) -> Any:
        return -slope(x)

    report = check_gradient(
        lambda x, slope: jnp.sum(slope(x)) * 0 + jnp.sum(jnp.sin(x)), rule, normal(0, 3), jnp.cos, **ONCE
    )
    wrong(report, rule=rule, slope=jnp.cos)


def one_wrong(at: int, x: Any, factor: float = 0.0) -> Any:
    return (2 * x).at[at].multiply(factor)


@pytest.mark.parametrize("factor", [0.0, 1.001, -1.0])
def test_one_wrong_entry_among_100_000(factor: float) -> None:
    rule = partial(one_wrong, 70_001, factor=factor)
    report = check_gradient(lambda x: jnp.sum(x**2), rule, normal(0, 100_000), **ONCE)
    assert report.minimal
    assert len(report.minimal.code) < 500
    run = pasted(report, grad_fn=rule)
    assert np.flatnonzero(run.held["x"]).tolist() == [70_001]
    assert run.found[70_001] == pytest.approx(factor * 2 * float(run.held["x"][70_001]))
    assert "70001" in report.minimal.code


def test_numpy_alone() -> None:
    def f(x: Any) -> Any:
        return float(np.sum(np.asarray(x) ** 3))

    def rule(x: Any) -> Any:
        return 3 * np.asarray(x) ** 2 * (np.asarray(x) > 0)

    run = wrong(check_gradient(f, rule, normal(0, 5, dtype=np.float64), **ONCE), rule=rule)
    assert np.count_nonzero(run.held["x"]) == 1
    assert np.min(run.held["x"]) < 0


WITHIN: dict[str, tuple[Callable[..., Any], Callable[..., Any], Any, dict[str, Any]]] = {
    "domain": (lambda x: jnp.sum(jnp.log(x)), lambda x: 1.1 / x, normal(0, 4) ** 2 + 2.5, {"domain": (2.0, None)}),
    "symmetric": (
        lambda x: jnp.sum(x @ x @ x), lambda x: 2 * x @ x, normal(0, 3, 3) + normal(0, 3, 3).T,
        {"structure": {"x": "symmetric"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WITHIN)
def test_it_stays_where_inputs_may_lie(name: str) -> None:
    f, rule, x, options = WITHIN[name]
    run = pasted(check_gradient(f, rule, x, **options, **ONCE), grad_fn=rule)
    x = run.held["x"]
    assert np.all(x > 2) if name == "domain" else np.allclose(x, x.T)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_the_dtype_is_kept(dtype: str) -> None:
    run = wrong(check_gradient(lambda x: jnp.sum(jnp.sin(x)), lambda x: 2 * jnp.cos(x), jnp.ones(3, dtype), **ONCE),
                grad_fn=lambda x: 2 * jnp.cos(x))  # fmt: skip
    assert str(run.held["x"].dtype) == dtype


def test_python_numbers_may_be_used_as_such() -> None:
    def rule(x: Any, n: Any) -> Any:
        return -math.cos(x) * n

    run = wrong(check_gradient(lambda x, n: math.sin(x) * n, rule, 0.5, 3, **ONCE), rule=rule)
    assert isinstance(run.held["n"], int)
