"""The three losses: known values, saturation, and what they refuse."""

import importlib
import inspect
import pickle
from collections.abc import Callable
from decimal import Decimal, getcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from manual_vs_auto.rules import (
    CROSS_ENTROPY,
    RULES,
    SOFTMAX,
    SOFTMAX_SQUARED_DISTANCE,
    SQUARED_DISTANCE,
    Array,
    Rule,
    compose,
    cross_entropy,
    one_hot,
    softmax_squared_distance,
    squared_distance,
)
from tests.haste import hastily
from tests.rules.tester import EPS

FROM_LOGITS = [SOFTMAX_SQUARED_DISTANCE, CROSS_ENTROPY]


def _gradient(rule: Rule, logits: Array, labels: Array) -> Array:
    return rule.jacobian(logits, labels)[0]


def test_known_values() -> None:
    third = np.zeros(3)
    # p = 1/3 each: (2/3)^2 + 2 (1/3)^2 = 2/3; dL/dz = 2/3 (d - S.d), d = (-2, 1, 1)/3, S.d = 0
    np.testing.assert_allclose(softmax_squared_distance(third, np.array(0)), 2 / 3, rtol=2 * EPS)
    np.testing.assert_allclose(
        _gradient(SOFTMAX_SQUARED_DISTANCE, third, np.array(0)), [-4 / 9, 2 / 9, 2 / 9], rtol=4 * EPS
    )
    np.testing.assert_allclose(cross_entropy(third, np.array(0)), np.log(3), rtol=2 * EPS)
    np.testing.assert_allclose(_gradient(CROSS_ENTROPY, third, np.array(0)), [-2 / 3, 1 / 3, 1 / 3], rtol=2 * EPS)
    np.testing.assert_allclose(squared_distance(np.array([0.5, 0.25, 0.25]), np.array(2)), 0.875, rtol=0)


def test_zero_at_the_optimum() -> None:
    targets = np.random.default_rng(0).dirichlet(np.ones(4), size=5)
    assert np.all(squared_distance(targets, targets) == 0)
    # log rounds each logit once, softmax gives the targets back to a few ulp
    gradient = _gradient(SOFTMAX_SQUARED_DISTANCE, np.log(targets), targets)
    np.testing.assert_allclose(gradient, 0, atol=20 * EPS)
    np.testing.assert_allclose(_gradient(CROSS_ENTROPY, np.log(targets), targets), 0, atol=20 * EPS)


@pytest.mark.parametrize("rule", FROM_LOGITS, ids=lambda r: r.name)
def test_the_gradient_sums_to_zero(rule: Rule) -> None:
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(200, 6)) * np.logspace(-3, 3, 200)[:, None]
    gradient = _gradient(rule, logits, generator.integers(0, 6, size=200))
    assert np.all(np.abs(gradient.sum(-1)) <= 12 * EPS * np.abs(gradient).sum(-1))


def test_cross_entropy_is_optax_s() -> None:
    generator = np.random.default_rng(2)
    logits, labels = 5 * generator.normal(size=(50, 9)), generator.integers(0, 9, size=50)
    expected = optax.softmax_cross_entropy_with_integer_labels(jnp.asarray(logits), jnp.asarray(labels))
    # the largest logit is about 20, and optax rounds at that size
    np.testing.assert_allclose(cross_entropy(logits, labels), np.asarray(expected), atol=40 * EPS)


def test_the_simplified_form_is_the_composition() -> None:
    """(9) against (3) with (7) and (8), to the last few ulp of the largest p, which is what (7) subtracts from."""
    composed = compose(SQUARED_DISTANCE, SOFTMAX)
    generator = np.random.default_rng(3)
    logits, labels = 3 * generator.normal(size=(200, 5)), generator.integers(0, 5, size=200)
    np.testing.assert_allclose(softmax_squared_distance(logits, labels), composed.primal(logits, labels), atol=8 * EPS)
    simplified, chained = (_gradient(rule, logits, labels) for rule in (SOFTMAX_SQUARED_DISTANCE, composed))
    np.testing.assert_allclose(simplified, chained, rtol=0, atol=8 * EPS)


def _exact(logits: list[float], label: int) -> tuple[list[Decimal], list[Decimal]]:
    """(9) and p - y in 2,000 digits: enough for a difference of 1 and exp(-1400)."""
    getcontext().prec = 2000
    terms = [Decimal(z).exp() for z in logits]
    p = [term / sum(terms) for term in terms]
    d = [value - (at == label) for at, value in enumerate(p)]
    mean = sum(a * b for a, b in zip(p, d, strict=True))
    return [2 * a * (b - mean) for a, b in zip(p, d, strict=True)], d


SATURATED = {
    "right and sure": ([40.0, 0.0, -3.0], 0),
    "wrong and sure": ([40.0, 0.0, -3.0], 1),
    "wrong and sure, the truth last": ([40.0, 0.0, -30.0], 2),
    "right, far away": ([300.0, 0.0, 0.0], 0),
    "wrong, far away": ([300.0, 0.0, 0.0, 1.0], 2),
    "two classes, wrong": ([0.0, 300.0], 0),
    "two classes, right": ([0.0, 300.0], 1),
    "all equal": ([5.0, 5.0, 5.0], 1),
}


def _by_hand(rule: Rule) -> Callable[[Array, Array], Array]:
    return lambda logits, labels: _gradient(rule, logits, labels)


def _by_autodiff(rule: Rule) -> Callable[[Array, Array], Array]:
    return lambda logits, labels: hastily(jax.grad(rule.primal), logits, labels)


@pytest.mark.parametrize("way", [_by_hand, _by_autodiff], ids=["by hand", "by autodiff"])
@pytest.mark.parametrize("name", SATURATED)
def test_a_saturated_row_keeps_its_digits(name: str, way: Any) -> None:
    """Every element to a few ulp, from 1 down to exp(-300), where 1 - p would be 0."""
    logits, label = SATURATED[name]
    for rule, expected in zip(FROM_LOGITS, _exact(logits, label), strict=True):
        found = way(rule)(np.array(logits), np.array(label))
        np.testing.assert_allclose(found, [float(value) for value in expected], rtol=24 * EPS, atol=0)


@pytest.mark.parametrize("rule", FROM_LOGITS, ids=lambda r: r.name)
def test_edges(rule: Rule) -> None:
    one_class = rule.jacobian(np.full((3, 1), 9.0), np.zeros(3, int))[0]
    np.testing.assert_array_equal(one_class, 0)
    assert rule.primal(np.zeros((0, 4)), np.zeros(0, int)).shape == (0,)
    masked = _gradient(rule, np.array([1.0, -np.inf, 0.0]), np.array(0))
    assert masked[1] == 0
    assert np.all(np.isfinite(masked))
    outside = rule.primal(np.zeros(2), np.array(7))
    # no class is selected: ||S||^2 is left of the distance, nothing of the cross-entropy
    np.testing.assert_allclose(outside, 0.5 if rule is SOFTMAX_SQUARED_DISTANCE else 0.0)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_any_integer_is_a_label(dtype: str) -> None:
    labels = np.array([0, 299, 127], dtype="int64").astype(dtype)
    assert one_hot(labels, np.zeros((3, 300))).argmax(-1).tolist() == [0, int(labels[1]) % 300, 127]


@pytest.mark.parametrize("label", [-1, 3, 2**32 + 1, -(2**32) + 1])
def test_a_label_out_of_range_selects_no_class(label: int) -> None:
    for xp in (np, jnp):
        assert not one_hot(xp.asarray([label], dtype=xp.int64), xp.zeros((1, 3))).any()


@pytest.mark.parametrize("loss", [squared_distance, cross_entropy, softmax_squared_distance])
def test_refusals(loss: Callable[..., Array]) -> None:
    scores = np.full((2, 3), 1 / 3)
    with pytest.raises(ValueError, match=r"labels \(3,\) .* scores \(2, 3\)"):
        loss(scores, np.zeros(3, int))
    with pytest.raises(ValueError, match=r"targets \(2,\) .* scores \(2, 3\)"):
        loss(scores, np.zeros(2))
    with pytest.raises(TypeError, match="targets must be floating"):
        loss(scores, np.zeros((2, 3), bool))
    with pytest.raises(TypeError, match="must be floating"):
        loss(np.zeros((2, 3), int), np.zeros(2, int))


def test_softmax_is_part_of_the_loss() -> None:
    assert SOFTMAX.primals == ("logits",)
    assert compose(SQUARED_DISTANCE, SOFTMAX).primals == SOFTMAX_SQUARED_DISTANCE.primals


def test_autodiff_sees_the_classes_of_no_mass() -> None:
    """dL/dy = -log p also where y is 0: what has no mass yet has a slope."""
    z, y = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 0.0])
    expected = CROSS_ENTROPY.jacobian(z, y)[1]
    np.testing.assert_allclose(expected, np.log(np.exp(z).sum()) - z, rtol=4 * EPS)
    np.testing.assert_allclose(
        jax.grad(CROSS_ENTROPY.primal, argnums=1)(jnp.asarray(z), jnp.asarray(y)), expected, rtol=4 * EPS
    )


@pytest.mark.parametrize("rule", [SQUARED_DISTANCE, *FROM_LOGITS], ids=lambda r: r.name)
def test_a_cotangent_or_tangent_of_another_shape_is_refused(rule: Rule) -> None:
    scores, labels = np.full((2, 3), 1 / 3), np.zeros(2, int)
    with pytest.raises(ValueError, match=r"cotangent \(3,\) must have the shape \(2,\)"):
        rule.bwd(rule.fwd(scores, labels)[1], np.ones(3))
    with pytest.raises(ValueError, match=r"tangent \(1, 3\) must have the shape \(2, 3\)"):
        rule.jvp((scores, labels), (np.ones((1, 3)), None))


@pytest.mark.parametrize("rule", RULES[:6], ids=lambda r: r.name)
def test_a_part_is_its_module_s_own(rule: Rule) -> None:
    """Named, documented, found again where it says it is: for `help`, for pickle, for a reader of a traceback."""
    home = importlib.import_module(f"manual_vs_auto.rules.{rule.name}")
    parts = {"": rule.primal, "_jacobian": rule.jacobian, "_jvp": rule.jvp, "_fwd": rule.fwd, "_bwd": rule.bwd}
    for suffix, part in parts.items():
        assert getattr(home, rule.name + suffix) is part
        assert pickle.loads(pickle.dumps(part)) is part
        assert part.__doc__
        assert "..." in part.__doc__, "its shapes"


@pytest.mark.parametrize("rule", [SQUARED_DISTANCE, *FROM_LOGITS], ids=lambda r: r.name)
def test_a_primal_takes_its_arguments_by_name(rule: Rule) -> None:
    assert tuple(inspect.signature(rule.primal).parameters) == rule.primals
    assert rule.primal(**dict(zip(rule.primals, (np.full(2, 0.5), np.array(1)), strict=True))) > 0


@pytest.mark.parametrize("rule", [SQUARED_DISTANCE, *FROM_LOGITS], ids=lambda r: r.name)
def test_a_tangent_for_each_primal(rule: Rule) -> None:
    with pytest.raises(ValueError, match="shorter"):
        rule.jvp((np.full(2, 0.5), np.array(1)), (np.ones(2),))


@pytest.mark.parametrize("labels", [np.array(0), np.array(0.5)], ids=["label", "target"])
@pytest.mark.parametrize("loss", [squared_distance, cross_entropy, softmax_squared_distance])
def test_scores_without_classes_are_refused(loss: Callable[..., Array], labels: Array) -> None:
    with pytest.raises(ValueError, match=r"\(\).* last axis|last axis.* \(\)"):
        loss(np.array(0.5), labels)


@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
def test_a_class_that_can_not_be(xp: Any) -> None:
    """A logit of -inf costs nothing where it has no mass, and all where it is the truth."""
    logits = xp.asarray([1.0, -xp.inf, 0.0])
    np.testing.assert_allclose(cross_entropy(logits, xp.asarray(0)), np.log1p(np.exp(-1)), rtol=4 * EPS)
    assert cross_entropy(logits, xp.asarray(1)) == np.inf
    np.testing.assert_allclose(
        cross_entropy(logits, xp.asarray([0.5, 0.0, 0.5])), np.log1p(np.exp(-1)) + 0.5, rtol=4 * EPS
    )


def test_integer_one_hot_targets_are_told_what_to_be() -> None:
    with pytest.raises(ValueError, match="one-hot targets, which must be floating"):
        cross_entropy(np.zeros((3, 2)), np.eye(2, dtype=int)[[0, 1, 1]])
