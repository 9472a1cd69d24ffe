"""The transformations of JAX, and what they may ask for."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto import gradcheck
from manual_vs_auto.fused import MODES, linear_softmax_loss
from manual_vs_auto.fused.preferred import preferred
from tests.fused.reference import defined
from tests.haste import hastily

ROOT = np.random.default_rng(9)
WEIGHT, INPUTS = (jnp.asarray(ROOT.normal(size=size)) for size in ((7, 3), (5, 3)))
LABELS = jnp.asarray(ROOT.integers(0, 7, 5))
CASES = [(loss, mode) for loss in ("cross_entropy", "squared_distance") for mode in ("in_forward", "recompute")]
CLOSE: dict[str, Any] = {"rtol": 0, "atol": 1e-14}  # numbers of 0.1 after some dozen roundings


def function(loss: Any, mode: Any) -> Any:
    return lambda weight: linear_softmax_loss(weight, INPUTS, LABELS, loss=loss, mode=mode, chunk_size=2)


def plain(loss: str) -> Any:
    arrays = {"inputs": INPUTS, "bias": jnp.zeros(7), "sample_weight": jnp.ones(5)}
    return lambda weight: defined({"weight": weight, **arrays}, LABELS, {"loss": loss}, xp=jnp)


@pytest.mark.parametrize(("loss", "mode"), CASES)
def test_the_second_derivative(loss: str, mode: str) -> None:
    f = function(loss, mode)
    right = hastily(jax.hessian(plain(loss)), WEIGHT)
    for found in hastily(lambda weight: (jax.hessian(f)(weight), jax.jacrev(jax.grad(f))(weight)), WEIGHT):
        np.testing.assert_allclose(found, right, **CLOSE)


@pytest.mark.parametrize(("loss", "mode"), CASES[::3])
def test_jit_vmap_and_checkpoint(loss: str, mode: str) -> None:
    f = function(loss, mode)
    weights = jnp.stack([WEIGHT, 2 * WEIGHT, WEIGHT + 1])
    expected = hastily(jax.vmap(jax.grad(plain(loss))), weights)
    for run in (jax.vmap(jax.grad(f)), jax.vmap(jax.grad(jax.checkpoint(f))),
                jax.grad(lambda weights: jnp.sum(jax.vmap(f)(weights)))):  # fmt: skip
        np.testing.assert_allclose(hastily(run, weights), expected, **CLOSE)
    np.testing.assert_allclose(jax.grad(f)(WEIGHT), expected[0], **CLOSE)  # outside jit


def scanned(f: Any) -> Any:
    return lambda *args: jax.lax.scan(lambda carry, _: (carry + f(*args), None), 0.0, length=1)[0]


@pytest.mark.parametrize(("loss", "mode", "reduction", "route"), [
    ("cross_entropy", "in_forward", "mean", jax.checkpoint), ("cross_entropy", "recompute", "none", jax.checkpoint),
    ("squared_distance", "in_forward", "sum", scanned), ("squared_distance", "recompute", "mean", scanned),
])  # fmt: skip
def test_what_was_asked_for_before_changes_nothing(loss: Any, mode: Any, reduction: Any, route: Any) -> None:
    """JAX finds a rule's traces again by what is asked for, and reads all their residuals by the last one's tree."""

    def f(weight: Any, inputs: Any, bias: Any, softcap: Any) -> Any:  # as many rows as classes: one's 0 fits another
        choices = {"loss": loss, "mode": mode, "reduction": reduction, "softcap": softcap}
        return jnp.sum(linear_softmax_loss(weight, inputs, jnp.arange(7), bias=bias, **choices))

    args = WEIGHT, WEIGHT[::-1] + 1, jnp.linspace(0.0, 1.0, 7), jnp.asarray(3.0)
    right = jax.jit(jax.grad(f, (0, 1, 2, 3)))(*args)
    for way in (f, route(f), f):
        for asked in ((0,), (1,), (0, 1), (2, 3), (0, 1, 2, 3)):
            for which, found in zip(asked, jax.grad(way, asked)(*args), strict=True):
                np.testing.assert_allclose(found, right[which], **CLOSE, err_msg=f"{asked} {which}")


def test_forward_mode_says_what_to_use() -> None:
    for loss, mode in CASES:
        with pytest.raises(TypeError, match="none for forward mode"):
            jax.jvp(function(loss, mode), (WEIGHT,), (WEIGHT,))


def test_the_primal_alone_computes_no_gradient() -> None:
    for loss, mode in CASES:
        program = jax.jit(function(loss, mode)).lower(WEIGHT).as_text()
        assert program.count("dot_general") == 1
        assert jax.jit(jax.grad(function(loss, mode))).lower(WEIGHT).as_text().count("dot_general") > 1


@pytest.mark.parametrize(("name", "equation", "f", "primals"), MODES, ids=[name for name, *_ in MODES])
def test_every_mode_is_proved(name: str, equation: str, f: Any, primals: Any) -> None:
    report = gradcheck.check_custom_rule(f, *primals, probes=False)
    assert str(report.verdict) == "AGREE"


def test_a_kernel_is_for_cuda_and_its_derivatives_are_plain() -> None:
    def kernel(x: Any) -> Any:
        raise AssertionError("traced for a GPU, never run on a CPU")

    def stand_in(x: Any) -> Any:
        return x * 0

    either = preferred(stand_in, jnp.sin)
    x = jnp.linspace(0, 1, 5)
    np.testing.assert_array_equal(either(x), jnp.sin(x))
    np.testing.assert_allclose(jax.vmap(either)(x[:, None])[:, 0], jnp.sin(x), **CLOSE)
    np.testing.assert_allclose(jax.vmap(jax.grad(either))(x), jnp.cos(x), **CLOSE)
    np.testing.assert_allclose(jax.hessian(lambda x: jnp.sum(either(x)))(x), -jnp.diag(jnp.sin(x)), **CLOSE)
    with pytest.raises(AssertionError, match="never run"):
        jax.jit(preferred(kernel, jnp.sin)).lower(x)
