"""Rows that are sure, right or wrong, logits that are huge, classes that can't be, and narrow dtypes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.fused import linear_softmax_loss, linear_softmax_loss_and_grad
from tests.fused.reference import quick

pytestmark = pytest.mark.usefixtures("optimised")

LOSSES: Any = ("cross_entropy", "squared_distance")
MODES: Any = ("in_forward", "recompute")
Wide = np.longdouble


def exact(logits: Any, label: int, loss: str) -> tuple[Any, Any]:
    """Loss and gradient by the logits of one row, in extended precision and without a difference that cancels."""
    z = np.asarray(logits, Wide)
    e = np.exp(z - z.max())
    p = e / e.sum()
    other = np.arange(len(z)) != label
    u, q = p[other].sum(), (p[other] ** 2).sum()
    if loss == "cross_entropy":
        gradient = np.where(other, p, -u)
        return z.max() - z[label] + (np.log1p(e[other].sum()) if z[label] == z.max() else np.log(e.sum())), gradient
    gradient = np.where(other, 2 * p * (p + p[label] * u - q), -2 * p[label] * (u * u + q))
    return u * u + q, gradient


ROWS = {
    "sure and right": ([40.0, 0.0, -3.0, 1.0, 0.5], 0),
    "sure and wrong": ([30.0, 0.0, -3.0, 1.0, 0.5], 2),
    "+-1e4": ([1e4, -1e4, 9999.0, 0.0, 1e4], 2),
    "-1e4, all": ([-1e4, -1e4, -9999.0, -1e4, -10001.0], 0),
    "no class at first": ([-np.inf, -np.inf, 1.0, 2.0, -np.inf], 3),
    "two classes left": ([3.0, -np.inf, -np.inf, -np.inf, 1.0], 4),
    "flat": ([0.0, 0.0, 0.0, 0.0, 0.0], 1),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ROWS)
def test_a_hard_row_keeps_its_digits(name: str, loss: Any, mode: Any) -> None:
    logits, label = ROWS[name]
    # The logits are the bias; the gradient by it is the gradient by the logits. Chunks of 2 cut the row in three.
    bias, weight, inputs = (
        jnp.asarray(logits, jnp.float32),
        jnp.zeros((5, 1), jnp.float32),
        jnp.zeros((1, 1), jnp.float32),
    )
    value, (by_bias,) = quick(
        weight, inputs, jnp.array([label]), bias=bias, loss=loss, mode=mode, chunk_size=2 if mode == "recompute" else 1,
        wrt=("bias",),
    )  # fmt: skip
    right, expected = exact(logits, label, loss)
    # Every number by itself, relative to itself: some ulp of exp, and a handful of roundings. Below 1e-37 float32 ends.
    np.testing.assert_allclose(value, np.float64(right), rtol=3e-6, atol=1e-37)
    np.testing.assert_allclose(by_bias, expected.astype(np.float64), rtol=3e-6, atol=1e-37)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_label_that_cannot_be(loss: Any) -> None:
    bias = jnp.array([0.0, -jnp.inf, 1.0], jnp.float32)
    arguments: Any = (jnp.zeros((3, 1), jnp.float32), jnp.zeros((2, 1), jnp.float32), jnp.array([1, 0]))
    for mode in MODES:
        value, (by_bias,) = quick(*arguments, bias=bias, loss=loss, mode=mode, wrt=("bias",))
        assert jnp.isinf(value) == (loss == "cross_entropy")
        assert jnp.all(jnp.isfinite(by_bias))
        # Without a share it counts nothing, also where its loss is infinite.
        counted = linear_softmax_loss(*arguments, bias=bias, loss=loss, mode=mode, sample_weight=jnp.array([0.0, 1.0]))
        alone = linear_softmax_loss(arguments[0], arguments[1][1:], arguments[2][1:], bias=bias, loss=loss, mode=mode)
        np.testing.assert_allclose(counted, alone, rtol=1e-6)


def test_logits_computed_again_never_overflow() -> None:
    # Found by gradcheck: at logits of 1e10 another program rounds them by 1e3, and exp of that is infinite.
    generator = np.random.default_rng(0)
    weight, inputs = (jnp.asarray(1e5 * generator.normal(size=size), jnp.float32) for size in ((7, 4), (5, 4)))
    for loss in LOSSES:
        _, pullback = jax.vjp(
            lambda weight, inputs, loss=loss: linear_softmax_loss(
                weight, inputs, jnp.arange(5), loss=loss, mode="recompute", chunk_size=3, reduction="none"
            ),
            weight,
            inputs,
        )
        for grad in pullback(jnp.asarray(generator.normal(size=5), jnp.float32)):
            assert jnp.all(jnp.isfinite(grad))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_arguments_are_summed_wide(dtype: Any, loss: Any, mode: Any) -> None:
    generator = np.random.default_rng(0)
    weight, inputs = (jnp.asarray(generator.normal(size=size), dtype) for size in ((33, 8), (2048, 8)))
    labels = jnp.asarray(generator.integers(0, 33, 2048))
    options: dict[str, Any] = {"loss": loss, "mode": mode, "chunk_size": 8}
    value, grads = quick(weight, inputs, labels, **options)
    wide = quick(weight.astype(jnp.float64), inputs.astype(jnp.float64), labels, loss=loss)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, wide[0], rtol=1e-5)
    assert [grad.dtype for grad in grads] == [dtype, dtype]
    # A number of the gradient is a product of narrow numbers (bfloat16), summed wide and rounded once: two ulp of the
    # largest. Summed in bfloat16, 2,048 rows in chunks of 8 would be off by many.
    for grad, right in zip(grads, wide[1], strict=True):
        spacing = float(jnp.finfo(dtype).eps) * float(jnp.max(jnp.abs(right)))
        assert float(jnp.max(jnp.abs(grad.astype(jnp.float64) - right))) <= spacing


def test_mixed_arguments_keep_their_dtypes() -> None:
    weight, inputs = jnp.ones((5, 3), jnp.float32), jnp.ones((4, 3), jnp.bfloat16)
    value, grads = linear_softmax_loss_and_grad(weight, inputs, jnp.arange(4))
    assert (value.dtype, *(grad.dtype for grad in grads)) == (jnp.float32, jnp.float32, jnp.bfloat16)
    assert linear_softmax_loss(weight, inputs, jnp.arange(4), accumulate_dtype=jnp.float64).dtype == jnp.float64


@pytest.mark.parametrize("mode", MODES)
def test_a_scaled_loss_raises_what_float16_would_lose(mode: Any) -> None:
    weight, inputs = jnp.zeros((2, 3), jnp.float16), jnp.ones((1, 3), jnp.float16)

    def loss(weight: Any, scale: float) -> Any:
        counts = jnp.array([0.1 / scale], jnp.float32)
        return scale * linear_softmax_loss(
            weight, inputs, jnp.array([0]), sample_weight=counts, reduction="sum", mode=mode
        )

    for scale in (32768.0, 1e6):
        np.testing.assert_allclose(jax.grad(loss)(weight, scale)[0], np.full(3, -0.05), rtol=1e-3)
