"""A row that counts nothing reaches nothing, whatever it holds: it is selected away, not multiplied by 0."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.fused import linear_softmax_loss, linear_softmax_loss_and_grad
from tests.haste import HASTY, hastily

ROOT = np.random.default_rng(13)
WEIGHT, INPUTS, BIAS = (jnp.asarray(ROOT.normal(size=size)) for size in ((5, 3), (6, 3), (5,)))
LABELS = jnp.asarray(ROOT.integers(1, 5, 6)).at[2].set(0)  # class 0 is that of the row in question alone
KEPT = np.delete(np.arange(6), 2)
COUNTS = jnp.asarray(ROOT.random(6) + 0.5).at[2].set(0)
LOSSES: Any = ("cross_entropy", "squared_distance")
MODES: Any = ("in_forward", "recompute")
PAIRS = [("cross_entropy", "in_forward"), ("squared_distance", "recompute")]
HELD = {"nan": jnp.nan, "inf": jnp.inf, "-inf": -jnp.inf, "huge": 3e38, "1e200": 1e200, "largest": 1.7e308}
CLOSE: dict[str, Any] = {"rtol": 1e-13, "atol": 1e-15}  # sums of a dozen terms
# How a row is said not to count, and the same without that row.
MASKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "weight": ({"sample_weight": COUNTS}, {"sample_weight": COUNTS[KEPT]}),
    "mask": ({"sample_weight": COUNTS != 0}, {}),
    "ignored": ({"ignore_label": 0}, {}),
    "class": ({"class_weight": jnp.ones(5).at[0].set(0)}, {}),
    "class and weight": (
        {"class_weight": jnp.ones(5).at[0].set(0), "sample_weight": COUNTS + 1},
        {"sample_weight": COUNTS[KEPT] + 1},
    ),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("loss", "mode"), PAIRS)
def test_value_and_gradient(loss: Any, mode: Any, mask: str) -> None:
    chosen, without = MASKS[mask]
    options: Any = {"loss": loss, "mode": mode, "z_loss": 0.1, "bias": BIAS, "chunk_size": 2}
    right, expected = hastily(
        lambda: linear_softmax_loss_and_grad(
            WEIGHT, INPUTS[KEPT], LABELS[KEPT], **options, **without, wrt=("weight", "inputs", "bias")
        )
    )

    @partial(jax.jit, compiler_options=HASTY)
    def run(held: Any) -> Any:
        inputs, wrt = INPUTS.at[2].set(held), ("weight", "inputs", "bias", *("sample_weight",) * (mask == "weight"))
        return linear_softmax_loss_and_grad(WEIGHT, inputs, LABELS, **options, **chosen, wrt=wrt)

    for held in HELD.values():
        value, (by_weight, by_inputs, by_bias, *by_counts) = run(held)
        np.testing.assert_allclose(value, right, **CLOSE)
        np.testing.assert_allclose(by_weight, expected[0], **CLOSE)
        np.testing.assert_allclose(by_inputs[KEPT], expected[1], **CLOSE)
        np.testing.assert_array_equal(by_inputs[2], 0)
        np.testing.assert_allclose(by_bias, expected[2], **CLOSE)
        assert all(bool(jnp.all(jnp.isfinite(grad))) for grad in by_counts)


@pytest.mark.parametrize(
    ("loss", "mode", "mask"),
    [
        ("cross_entropy", "in_forward", "weight"),
        ("squared_distance", "recompute", "weight"),
        ("squared_distance", "in_forward", "mask"),
        ("cross_entropy", "recompute", "ignored"),
    ],
)
def test_second_order(loss: Any, mode: Any, mask: str) -> None:
    chosen, without = MASKS[mask]

    def of(inputs: Any, labels: Any, options: Any) -> Any:
        return lambda bias: linear_softmax_loss(
            WEIGHT, inputs, labels, bias=bias, loss=loss, mode=mode, chunk_size=2, **options
        )

    right = hastily(jax.hessian(of(INPUTS[KEPT], LABELS[KEPT], without)), BIAS)

    @partial(jax.jit, compiler_options=HASTY)
    def run(held: Any) -> Any:
        f = of(INPUTS.at[2].set(held), LABELS, chosen)
        return jax.hessian(f)(BIAS), jax.jacrev(jax.grad(f))(BIAS)

    for name in ("nan", "huge", "1e200"):
        for found in run(HELD[name]):
            np.testing.assert_allclose(found, right, **CLOSE, err_msg=name)


@pytest.mark.parametrize("mode", MODES)
def test_targets_of_a_row_that_does_not_count(mode: Any) -> None:
    y = jax.nn.one_hot(LABELS, 5)
    for loss in LOSSES:
        options: Any = {"loss": loss, "mode": mode, "chunk_size": 2}
        run = partial(linear_softmax_loss_and_grad, WEIGHT, **options)
        right, expected = hastily(run, INPUTS[KEPT], y[KEPT])
        for counts in (COUNTS != 0, (COUNTS != 0).astype(float)):
            held = INPUTS.at[2, 1].set(jnp.nan), y.at[2].set(jnp.nan)
            value, grads = hastily(partial(run, sample_weight=counts), *held)
            np.testing.assert_allclose(value, right, **CLOSE)
            np.testing.assert_allclose(grads[0], expected[0], **CLOSE)
            np.testing.assert_array_equal(grads[1][2], 0)


@pytest.mark.parametrize("mode", MODES)
def test_the_label_of_a_row_that_does_not_count_may_be_none(mode: Any) -> None:
    right, expected = linear_softmax_loss_and_grad(WEIGHT, INPUTS[KEPT], LABELS[KEPT], mode=mode)
    run = jax.jit(
        lambda labels, counts: linear_softmax_loss_and_grad(WEIGHT, INPUTS, labels, sample_weight=counts, mode=mode),
        compiler_options=HASTY,
    )
    for label in (-100, 5, 2**31 - 1):
        labels = LABELS.at[2].set(label)
        for counts in (COUNTS != 0, (COUNTS != 0).astype(float)):
            assert linear_softmax_loss(WEIGHT, INPUTS, labels, sample_weight=counts) == pytest.approx(right)
            value, grads = run(labels, counts)
            np.testing.assert_allclose(value, right, **CLOSE)
            np.testing.assert_allclose(grads[0], expected[0], **CLOSE)
        with pytest.raises(ValueError, match=r"1 of labels \(6,\) are outside"):
            linear_softmax_loss(WEIGHT, INPUTS, labels, sample_weight=jnp.ones(6))


@pytest.mark.parametrize(("loss", "mode"), PAIRS)
def test_a_weight_of_zero_has_the_rows_loss_as_its_derivative(loss: Any, mode: Any) -> None:
    rows = linear_softmax_loss(WEIGHT, INPUTS, LABELS, loss=loss, reduction="none")
    _, (by_counts,) = linear_softmax_loss_and_grad(
        WEIGHT, INPUTS, LABELS, loss=loss, mode=mode, sample_weight=COUNTS, reduction="sum", wrt=("sample_weight",)
    )
    np.testing.assert_allclose(by_counts, rows, **CLOSE)


def test_a_case_by_hand() -> None:
    for held in (jnp.nan, 3e38):
        loss, (by_weight, by_inputs) = linear_softmax_loss_and_grad(
            jnp.ones((3, 2), jnp.float32), jnp.array([[1, 2], [held, 0]], jnp.float32), jnp.array([0, 1]),
            sample_weight=jnp.array([1, 0], jnp.float32),
        )  # fmt: skip
        assert loss == pytest.approx(np.log(3))
        # p = 1/3, so dL/dz = (-2/3, 1/3, 1/3), times x = (1, 2).
        np.testing.assert_allclose(by_weight, np.outer([-2 / 3, 1 / 3, 1 / 3], [1, 2]), rtol=1e-6)
        np.testing.assert_allclose(by_inputs, np.zeros((2, 2)), atol=1e-7)
