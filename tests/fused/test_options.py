"""What each option does at its edges, and what a row that does not count may hold."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto import fused, manual
from manual_vs_auto.fused import linear_softmax_loss, linear_softmax_loss_and_grad
from manual_vs_auto.fused.chunks import Cut
from manual_vs_auto.model import Batch, Params
from tests.fused.reference import quick
from tests.haste import hastily

LOSSES = ("cross_entropy", "squared_distance")
MODES = ("in_forward", "recompute")
ROOT = np.random.default_rng(5)
WEIGHT, INPUTS, BIAS = (jnp.asarray(ROOT.normal(size=size)) for size in ((11, 3), (7, 3), (11,)))
LABELS = jnp.asarray(ROOT.integers(0, 11, 7))
# Sums of at most 11 x 7 terms, and exp's few ulp
CLOSE: dict[str, Any] = {"rtol": 1e-13, "atol": 1e-15}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mode", MODES)
def test_an_ignored_row_reaches_nothing_whatever_it_holds(loss: Any, mode: Any) -> None:
    labels, held = LABELS.at[2].set(-7), INPUTS.at[2].set(jnp.array([jnp.nan, jnp.inf, 0.0]))
    kept = np.delete(np.arange(7), 2)
    value, grads = quick(WEIGHT, held, labels, ignore_label=-7, loss=loss, mode=mode, chunk_size=3)
    right, expected = quick(WEIGHT, INPUTS[kept], LABELS[kept], loss=loss, mode=mode)
    np.testing.assert_allclose(value, right, **CLOSE)
    np.testing.assert_allclose(grads[0], expected[0], **CLOSE)
    np.testing.assert_allclose(grads[1][kept], expected[1], **CLOSE)
    np.testing.assert_array_equal(grads[1][2], 0)


@pytest.mark.parametrize("mode", MODES)
def test_where_no_row_counts_all_is_zero(mode: Any) -> None:
    for options in ({"ignore_label": -1}, {"sample_weight": jnp.zeros(7)}):
        labels = jnp.full_like(LABELS, -1) if "ignore_label" in options else LABELS
        value, grads = quick(WEIGHT, INPUTS, labels, mode=mode, **options)
        assert value == 0
        assert all(bool(jnp.all(grad == 0)) for grad in grads)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("mode", ["auto", "recompute"])
def test_an_empty_batch(reduction: Any, mode: Any) -> None:
    empty, labels = jnp.zeros((0, 3)), jnp.zeros((0,), jnp.int32)
    value, pullback = jax.vjp(
        lambda weight, inputs: linear_softmax_loss(weight, inputs, labels, reduction=reduction, mode=mode),
        WEIGHT,
        empty,
    )
    assert value.shape == ((0,) if reduction == "none" else ())
    assert jnp.sum(value) == 0
    by_weight, by_inputs = pullback(jnp.ones_like(value))
    np.testing.assert_array_equal(by_weight, np.zeros((11, 3)))
    assert by_inputs.shape == (0, 3)


def test_leading_axes_are_rows() -> None:
    shaped = linear_softmax_loss(WEIGHT, INPUTS[:6].reshape(2, 3, 3), LABELS[:6].reshape(2, 3), reduction="none")
    flat = linear_softmax_loss(WEIGHT, INPUTS[:6], LABELS[:6], reduction="none")
    np.testing.assert_array_equal(shaped, flat.reshape(2, 3))
    one = linear_softmax_loss(WEIGHT, INPUTS[0], LABELS[0])
    np.testing.assert_allclose(one, flat[0], **CLOSE)


def test_the_notes_own_numbers() -> None:
    # Source: notes (9) and (10) by hand: W = 0, so p = 1/2, d = (1/2, -1/2), S . d = 0, dL/dz = 2 S d = (1/2, -1/2).
    loss, (by_weight,) = quick(
        jnp.zeros((2, 3)), jnp.array([[-1.0, 1.0, 1.0]]), jnp.array([1]), loss="squared_distance", wrt=("weight",)
    )
    assert loss == 0.5
    np.testing.assert_array_equal(by_weight, [[-0.5, 0.5, 0.5], [0.5, -0.5, -0.5]])


@pytest.mark.parametrize("loss", LOSSES)
def test_the_seam_is_manuals(loss: Any) -> None:
    modules, generator = (fused, manual), np.random.default_rng(1)
    params = Params(jnp.asarray(generator.normal(size=(5, 9)) / 9))
    images = jnp.asarray(generator.integers(0, 256, (4, 9)), jnp.uint8)
    for weights in (None, jnp.asarray([1.0, 0.0, 2.0, 0.5])):
        batch = Batch(images, jnp.asarray(generator.integers(0, 5, 4)), weights)
        (value, grads), (right, expected) = (hastily(module.value_and_grad(loss), params, batch) for module in modules)
        np.testing.assert_allclose(value, right, **CLOSE)
        np.testing.assert_allclose(grads.weight, expected.weight, **CLOSE)
    soft = Batch(images, jnp.asarray(generator.dirichlet(np.ones(5), 4)))
    (value, grads), (right, expected) = (hastily(module.value_and_grad(loss), params, soft) for module in modules)
    np.testing.assert_allclose(value, right, **CLOSE)
    np.testing.assert_allclose(grads.weight, expected.weight, **CLOSE)


def test_an_ignored_label_is_compared_as_a_number() -> None:
    # In uint8, 254 and -2 are the same.
    weight, labels = jnp.zeros((255, 3)), jnp.array([254], jnp.uint8)
    assert linear_softmax_loss(weight, INPUTS[:1], labels, ignore_label=-2) == pytest.approx(np.log(255))
    assert linear_softmax_loss(weight, INPUTS[:1], labels, ignore_label=254) == 0
    for far in (2**40, -1):
        assert linear_softmax_loss(weight, INPUTS[:1], labels.astype(jnp.uint32), ignore_label=far) > 5


def test_labels_of_every_integer_dtype() -> None:
    wide = jnp.asarray(np.random.default_rng(0).normal(size=(300, 3)))
    labels = np.array([0, 127, 5, 100, 1, 2, 3])
    right = linear_softmax_loss(wide, INPUTS, jnp.asarray(labels))
    for dtype in (jnp.int8, jnp.uint8, jnp.int16, jnp.uint32, jnp.int64):
        assert linear_softmax_loss(wide, INPUTS, jnp.asarray(labels, dtype)) == right


@pytest.mark.parametrize("mode", MODES)
def test_a_traced_label_outside_makes_all_that_depends_on_it_nan(mode: Any) -> None:
    run = jax.jit(lambda labels: linear_softmax_loss_and_grad(WEIGHT, INPUTS, labels, mode=mode))
    for label in (-1, 11, 2**32 + 1):
        value, (by_weight, by_inputs) = run(LABELS.at[3].set(label))
        assert jnp.isnan(value)
        assert jnp.all(jnp.isnan(by_weight))
        assert jnp.all(jnp.isnan(by_inputs[3]))
    by_counts = jax.jit(
        jax.grad(lambda counts, labels: linear_softmax_loss(WEIGHT, INPUTS, labels, sample_weight=counts, mode=mode))
    )
    assert jnp.isnan(by_counts(jnp.ones(7), LABELS.at[3].set(-1))[3])


def test_gradients_come_in_the_order_asked_for() -> None:
    arrays = {"bias": BIAS, "sample_weight": jnp.arange(7.0)}
    forward = quick(WEIGHT, INPUTS, LABELS, wrt=("weight", "bias"), **arrays)[1]
    backward = quick(WEIGHT, INPUTS, LABELS, wrt=["bias", "weight"], **arrays)[1]
    assert [grad.shape for grad in forward] == [(11, 3), (11,)]
    for one, other in zip(forward, reversed(backward), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_plan_says_what_happens() -> None:
    assert fused.plan(4096, 256, 32768).mode == "in_forward"
    assert fused.plan(4096, 256, 32768, reduction="none").mode == "recompute"
    assert fused.plan(4096, 64, 262144).mode == "recompute"  # 256 rows of logits are 256 MiB, the weight 64
    assert fused.plan(4096, 64, 65536).mode == "in_forward"  # 256 rows of logits are just 64 MiB
    assert fused.plan(4096, 64, 65537).mode == "recompute"
    assert fused.plan(255, 64, 65537).mode == "in_forward"  # fewer rows than that, and they fit
    assert fused.plan(60000, 784, 10).chunks == 1
    assert fused.plan(8192, 2304, 256000).chunk_size == 2304  # as many logits as the weight has numbers
    assert fused.plan(13, 5, 17, chunk_size=4) == fused.Plan("in_forward", 4, 4, False, 4 * (4 * 17 + 17 * 5))
    assert fused.plan(0, 5, 17).chunk_size == 1


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_a_chunk_has_its_share_of_every_block(groups: int) -> None:
    cut, at, block = Cut(12, groups, 3), jnp.int32(1), 12 // groups
    right = np.array([start + 1 + i for start in range(0, 12, block) for i in range(3)])
    np.testing.assert_array_equal(cut.indices(at), right)
    array = np.arange(1, 25).reshape(12, 2)
    held = np.zeros_like(array)
    held[right] = array[right]
    for axis, given, kept in ((0, array, held), (1, array.T, held.T)):
        chunk = cut.take(jnp.asarray(given), at, axis)
        np.testing.assert_array_equal(chunk, np.take(given, right, axis))
        np.testing.assert_array_equal(cut.put(jnp.zeros_like(given), chunk, at, axis), kept)
    place = np.asarray(cut.place(jnp.arange(12, dtype=jnp.int32), at))
    np.testing.assert_array_equal(place[right], np.arange(len(right)))
    others = np.delete(place, right)
    assert np.all((others < 0) | (others >= len(right)))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("label_smoothing", (0.0, 1.0), (-1e-9, 1 + 1e-9)),
        ("softcap", (1e-9, 3.4e38), (0.0, 3.5e38)),
        ("z_loss", (0.0, 3.4e38), (-1e-9, 3.5e38)),
        ("temperature", (1e-9, 3.4e38), (0.0, 3.5e38)),
    ],
)
def test_a_number_may_be_at_the_edge_of_what_it_may_be(name: str, good: Any, bad: Any) -> None:
    for value in good:
        fused.plan(4, 3, 5, **{name: value})
    for value in bad:
        with pytest.raises(ValueError, match=f"{name} must be"):
            fused.plan(4, 3, 5, **{name: value})
