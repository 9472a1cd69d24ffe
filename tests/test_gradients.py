"""manual against auto against NumPy float64: one model, one loss, three ways to its gradient."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manual_vs_auto import auto, manual, model
from manual_vs_auto.model import LOSSES, Batch, Loss, Params, ValueAndGrad
from manual_vs_auto.rules import LINEAR, RULES, SOFTMAX, SQUARED_DISTANCE, compose
from manual_vs_auto.train.agreement import compare, rounding_bound
from tests.haste import HASTY

pytestmark = [pytest.mark.newest, pytest.mark.usefixtures("optimised")]

SHAPES = [(7, 10, 20), (1, 2, 3), (5, 1, 4), (3, 10, 1), (0, 4, 3)]  # B, K, D
KINDS = ["random", "saturated", "hopeless", "tied", "equal classes", "zero weights", "black images", "padded"]
WAYS: dict[str, Any] = {"manual": manual.value_and_grad, "auto": auto.value_and_grad}


class Case(NamedTuple):
    params: Params
    batch: Batch


def case(kind: str, shape: tuple[int, int, int], dtype: str, seed: int = 0) -> Case:
    """Parameters and a batch of one kind, in NumPy."""
    examples, classes, features = shape
    generator = np.random.default_rng((seed, KINDS.index(kind)))
    scale = {"saturated": 30.0, "hopeless": 1e4, "zero weights": 0.0}.get(kind, 1.0)
    weight = scale * generator.normal(size=(classes, features))
    images = generator.integers(0, 256, size=(examples, features)).astype(np.uint8)
    if kind == "tied":
        weight = np.round(weight)
        images = np.where(images > 127, 255, 0).astype(np.uint8)
    if kind == "equal classes":
        weight[:] = weight[:1]
    if kind == "black images":
        images[:] = 0
    labels = generator.integers(0, classes, size=examples).astype(np.int32)
    weights = generator.integers(0, 2, size=examples).astype(np.float32) if kind == "padded" else None
    return Case(Params(weight.astype(dtype)), Batch(images, labels, weights))


def test_what_is_compiled_here_is_as_a_user_has_it() -> None:
    assert not jax.config.read("jax_disable_most_optimizations")


@cache
def jitted(way: str, loss: Loss) -> ValueAndGrad:
    return jax.jit(WAYS[way](loss), compiler_options=HASTY)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_float64_manual_is_auto_is_numpy(loss: Loss, kind: str, shape: tuple[int, int, int]) -> None:
    params, batch = case(kind, shape, "float64")
    (value, by_hand), (auto_value, by_machine) = (jitted(way, loss)(params, batch) for way in WAYS)
    in_numpy_value, in_numpy = manual.value_and_grad(loss)(params, batch)
    size = np.abs(in_numpy.weight).max(initial=0.0)
    # Relative to the largest element, of whatever size that is: also where all of it is 1e-200.
    assert np.abs(by_hand.weight - by_machine.weight).max(initial=0.0) <= 1e-12 * size
    assert abs(value - auto_value) <= 1e-12 * abs(value)
    # NumPy sums W x in another order, and a logit of 1e4 is then another by 1e-12: the bound knows.
    bound = rounding_bound(params, batch, loss)
    assert np.all(np.abs(by_hand.weight - in_numpy.weight) <= bound)
    assert np.all(np.abs(by_machine.weight - in_numpy.weight) <= bound)
    np.testing.assert_allclose(value, in_numpy_value, rtol=1e-10, atol=1e-14)


@settings(deadline=None, max_examples=60)
@given(
    loss=st.sampled_from(list(LOSSES)),
    kind=st.sampled_from(KINDS),
    shape=st.sampled_from(SHAPES),
    seed=st.integers(0, 2**32 - 1),
)
def test_float32_within_the_derived_bound(loss: Loss, kind: str, shape: tuple[int, int, int], seed: int) -> None:
    params, batch = case(kind, shape, "float32", seed)
    bound = rounding_bound(params, batch, loss)
    gradients = [jitted(way, loss)(params, batch)[1] for way in WAYS] + [manual.value_and_grad(loss)(params, batch)[1]]
    for a in gradients:
        assert a.weight.dtype == jnp.float32
        for b in gradients:
            assert np.all(np.abs(np.asarray(a.weight) - np.asarray(b.weight)) <= bound)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["random", "zero weights", "padded", "tied"])
def test_low_precision_against_float64(dtype: str, loss: Loss, kind: str) -> None:
    """The same weights, rounded first, then in NumPy float64: what differs is the arithmetic alone."""
    params, batch = case(kind, SHAPES[0], "float64")
    low = Params(jnp.asarray(params.weight, dtype))
    exact = Params(np.asarray(low.weight, np.float64))
    expected = manual.value_and_grad(loss)(exact, batch)[1].weight
    bound = np.asarray(rounding_bound(low, jax.tree.map(jnp.asarray, batch), loss), np.float64)
    for way in WAYS:
        value, gradient = jitted(way, loss)(low, batch)
        assert gradient.weight.dtype == jnp.dtype(dtype)
        assert value.dtype == jnp.float32
        assert np.all(np.abs(np.asarray(gradient.weight, np.float64) - expected) <= bound)


@pytest.mark.parametrize(("dtype", "factor"), [("float32", 1.0001), ("float16", 1.01)])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_bound_is_not_generous(loss: Loss, dtype: str, factor: float) -> None:
    """Where weights are zero a gradient that is wrong by this factor is refused, and by an element of 1e-5 too."""
    params, batch = case("zero weights", (64, 10, 784), dtype)
    bound = rounding_bound(params, batch, loss)
    right, other = (Params(np.asarray(jitted(way, loss)(params, batch)[1].weight)) for way in WAYS)
    assert compare(right, other, bound).ratio <= 1
    wrong = Params((right.weight * np.float64(factor)).astype(dtype))
    assert compare(wrong, other, bound).ratio > 1
    smallest = np.unravel_index(np.argmin(np.abs(right.weight)), right.weight.shape)
    wrong.weight[:] = right.weight
    wrong.weight[smallest] += 1e-5
    assert compare(wrong, other, bound).ratio > 1


def test_a_nan_is_no_agreement() -> None:
    found = compare(Params(np.array([[0.0, np.nan]])), Params(np.zeros((1, 2))), np.ones((1, 2)))
    assert not found.ratio <= 1
    assert (found.label, found.pixel) == (0, 1)


def test_training_s_form_is_the_composition() -> None:
    """(9) and (10) against compose(squared_distance, compose(softmax, linear)), summed over the batch."""
    whole = compose(SQUARED_DISTANCE, compose(SOFTMAX, LINEAR))
    assert whole.name in {rule.name for rule in RULES}
    params, batch = case("random", SHAPES[0], "float64")
    inputs = batch.images / 255
    losses, residuals = whole.fwd(params.weight, inputs, batch.labels)
    expected = whole.bwd(residuals, np.full(7, 1 / 7))[0]
    value, gradient = manual.value_and_grad()(params, batch)
    np.testing.assert_allclose(value, losses.mean(), rtol=8 * np.finfo(float).eps)
    np.testing.assert_allclose(gradient.weight, expected, rtol=0, atol=8 * np.finfo(float).eps)


@pytest.mark.parametrize("loss", LOSSES)
def test_finite_differences_of_the_loss(loss: Loss) -> None:
    params, batch = case("random", (5, 3, 4), "float64")
    step = 1e-5
    gradient = manual.value_and_grad(loss)(params, batch)[1].weight
    for index in np.ndindex(params.weight.shape):
        moved = np.zeros_like(params.weight)
        moved[index] = step
        up, down = (model.loss(Params(params.weight + sign * moved), batch, loss) for sign in (1, -1))
        # truncation step^2 / 6 times a third derivative below 10, and rounding of a loss of 2 over the step
        assert abs((up - down) / (2 * step) - gradient[index]) <= 10 * step**2 / 6 + 4e-16 / step


@pytest.mark.parametrize("examples", [0, 1, 2, 5])
def test_without_weights_examples_count_alike(examples: int) -> None:
    batch = Batch(np.zeros((examples, 3)), np.zeros(examples, np.int32))
    np.testing.assert_array_equal(model.shares(batch, np.float64), np.full(examples, 1 / max(1, examples)))
    np.testing.assert_allclose(
        model.shares(batch._replace(weights=np.ones(examples)), np.float64), model.shares(batch, np.float64)
    )


def test_weights_are_how_often_an_example_counts() -> None:
    params, batch = case("random", SHAPES[0], "float64")
    twice = Batch(*(np.concatenate([a, a[:2]]) for a in batch[:2]))
    weighted = Batch(batch.images, batch.labels, np.array([2, 2, 1, 1, 1, 1, 1], np.float32))
    for way in (manual.value_and_grad(), jax.jit(auto.value_and_grad())):
        a, b = way(params, twice), way(params, weighted)
        np.testing.assert_allclose(a[0], b[0], rtol=1e-14)
        np.testing.assert_allclose(np.asarray(a[1].weight), np.asarray(b[1].weight), rtol=0, atol=1e-15)


@pytest.mark.parametrize("way", WAYS)
def test_no_example_that_counts_has_no_gradient(way: str) -> None:
    params, batch = case("random", SHAPES[0], "float64")
    value, gradient = jitted(way, "squared_distance")(params, Batch(*batch[:2], np.zeros(7, np.float32)))
    assert value == 0
    np.testing.assert_array_equal(gradient.weight, 0)


def test_targets_are_as_good_as_labels() -> None:
    params, batch = case("random", SHAPES[0], "float64")
    targets = np.eye(10)[batch.labels]
    for way in WAYS:
        a, b = (jitted(way, "cross_entropy")(params, batch._replace(labels=y)) for y in (batch.labels, targets))
        np.testing.assert_array_equal(a[1].weight, b[1].weight)


def test_floating_images_are_taken_as_they_are() -> None:
    params, batch = case("random", SHAPES[0], "float64")
    scaled = batch._replace(images=batch.images * (1 / 255))
    np.testing.assert_array_equal(model.logits(params, scaled.images), model.logits(params, batch.images))


def test_accuracy() -> None:
    params = Params(np.eye(3))
    assert model.accuracy(params, np.eye(3, dtype=np.uint8), np.array([0, 1, 0])) == np.float32(2 / 3)
    np.testing.assert_array_equal(model.predictions(params, np.zeros((2, 3), np.uint8)), [0, 0])


@pytest.mark.parametrize("way", [manual.value_and_grad(), auto.value_and_grad()], ids=["manual", "auto"])
def test_shapes_that_do_not_agree_are_named(way: ValueAndGrad) -> None:
    params = Params(jnp.zeros((10, 784)))
    with pytest.raises(ValueError, match=r"weight \(10, 784\) .* inputs \(2, 783\)"):
        way(params, Batch(jnp.zeros((2, 783)), jnp.zeros(2, int)))
    with pytest.raises(ValueError, match=r"labels \(3,\) .* \(2, 10\)"):
        way(params, Batch(jnp.zeros((2, 784)), jnp.zeros(3, int)))
    with pytest.raises(TypeError, match=r"floating|real- or complex-valued"):  # ours, or jax.value_and_grad's own
        way(Params(np.zeros((10, 784), int)), Batch(np.zeros((2, 784)), np.zeros(2, int)))
