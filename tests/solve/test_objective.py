"""The objective in chunks against the whole in NumPy, at sizes that do not divide."""

from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest

from manual_vs_auto.model import Loss
from manual_vs_auto.rules import softmax
from manual_vs_auto.solve import objective as module
from manual_vs_auto.solve.curvature import DIAGONAL
from manual_vs_auto.solve.objective import Objective
from tests.solve.problems import Array, gradient, levelled, made, value

EPS = np.finfo(np.float64).eps
CPU = jax.devices("cpu")[0]


def _objective(features: Array, labels: Array, loss: Loss = "cross_entropy", **options: Any) -> Objective:
    options = {"l2": 0.1, "weights": None, "intercept": True, "device": CPU} | options
    return Objective(features, labels, int(labels.max()) + 1, loss=loss, **options)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_distance"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("rows", "device"), [(203, None), (50, CPU), (64, CPU), (203, CPU)])
def test_value_gradient_and_product(
    loss: Loss, intercept: bool, rows: int, device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 1)  # the least: 64 rows
    features, labels = made(rows, 5, 4)
    draw = np.random.default_rng(1)
    weights = draw.uniform(size=rows)
    shares = weights / weights.sum()
    weight, bias = levelled(draw.normal(size=(4, 5))), levelled(draw.normal(size=4)) * intercept
    ours = _objective(features, labels, loss, weights=weights, intercept=intercept, device=device)
    assert ours.compiled == (device is not None)
    theta = ours.joined(weight, bias)

    # A sum of `rows` terms, each of some dozen roundings of numbers of about 10.
    near = 10 * 50 * EPS
    there = ours.at(theta)
    assert there.norm == np.abs(there.gradient).max()
    np.testing.assert_allclose(ours.parts(theta)[0], weight, rtol=0, atol=4 * EPS)
    expected = gradient(loss, features, labels, shares, 0.1, weight, bias)[:, : theta.shape[1]]
    assert there.value == pytest.approx(value(loss, features, labels, shares, 0.1, weight, bias), rel=50 * EPS)
    np.testing.assert_allclose(there.gradient, expected, rtol=0, atol=near)

    # A central difference of the NumPy gradient along a direction: exact to step^2 and eps / step.
    direction = levelled(draw.normal(size=theta.shape))
    step = 1e-5
    sides: list[Array] = []
    for sign in (1.0, -1.0):
        at = ours.parts(theta + (sign * step) * direction)
        sides.append(gradient(loss, features, labels, shares, 0.1, *at)[:, : theta.shape[1]])
    np.testing.assert_allclose(ours.product(theta, direction), (sides[0] - sides[1]) / (2 * step), rtol=0, atol=1e-8)
    assert ours.passes == 2


def test_float32_is_as_near_as_float32_can_be() -> None:
    features, labels = made(500, 6, 3)
    ours = _objective(features, labels)
    theta = np.random.default_rng(0).normal(size=ours.shape)
    exact, near = ours.at(theta), ours.at(theta, np.float32)
    # Rounded features, weights and logits of about 10, and what follows from them in a dozen operations.
    assert 0 < abs(exact.value - near.value) < 20 * float(np.finfo(np.float32).eps)
    assert 0 < np.abs(exact.gradient - near.gradient).max() < 20 * float(np.finfo(np.float32).eps)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
def test_narrow_features_are_widened_not_rounded_again(dtype: Any) -> None:
    features, labels = made(70, 4, 3)
    narrow = features.astype(dtype)
    theta = np.random.default_rng(0).normal(size=(3, 5))
    wide = _objective(narrow.astype(np.float64), labels).at(theta)
    found = _objective(narrow, labels).at(theta)
    assert found.value == wide.value
    np.testing.assert_array_equal(found.gradient, wide.gradient)


def test_the_gram_matrix_is_the_mean_hessian_at_zero() -> None:
    """At theta = 0 every row is as unsure as can be: c = 1 / K, and M is the Hessian's own block."""
    features, labels = made(90, 4, 3)
    ours = _objective(features, labels, l2=0.0)
    zero = np.zeros(ours.shape)
    # A direction that changes p: the classes' sum is 0.
    along = np.outer([1.0, -1.0, 0.0], np.random.default_rng(2).normal(size=5))
    (gram,) = np.asarray(ours.gram(zero), np.float64)
    # The Gram matrix is a sum in float32.
    near = 50 * float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(ours.product(zero, along), along @ gram, rtol=0, atol=near)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_distance"])
@pytest.mark.parametrize("device", [None, CPU])
def test_a_matrix_for_each_class_is_of_its_most_uncertain_rows(
    loss: Loss, device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("manual_vs_auto.solve.passes._ROWS_A_CLASS", 30)
    jax.clear_caches()  # or one that was compiled with the other number is found
    features, labels = made(91, 4, 3)
    ours = _objective(features, labels, loss, l2=0.0, intercept=False, device=device)
    theta = 2 * np.random.default_rng(1).normal(size=ours.shape)
    (shared,) = np.asarray(ours.gram(theta), np.float64)
    found = np.asarray(ours.gram(theta, by_class=True), np.float64)
    assert found.shape == (3, 4, 4)
    p = softmax(features @ theta.T)
    for bends, each in zip(DIAGONAL[loss](p).T / 91, found, strict=True):
        rows = np.argsort(bends)[-30:]
        own = features[rows].T @ (features[rows] * bends[rows, None])
        all_of_it = bends @ (features**2).sum(axis=1)
        rest = all_of_it - 0.9 * np.trace(own)
        near = 50 * float(np.finfo(np.float32).eps)
        np.testing.assert_allclose(each, 0.9 * own + rest / np.trace(shared) * shared, rtol=0, atol=near)
        assert np.trace(each) == pytest.approx(all_of_it, rel=near)


@pytest.mark.parametrize("device", [None, CPU])
def test_rows_that_are_sure_say_nothing_and_spoil_nothing(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second row is looked at for what all classes share, and just these are sure."""
    for name, rows in (("_ROWS", 45), ("_ROWS_A_COLUMN", 0), ("_ROWS_A_CLASS", 30)):
        monkeypatch.setattr(f"manual_vs_auto.solve.passes.{name}", rows)
    jax.clear_caches()  # or one that was compiled with other numbers is found
    features, labels = made(90, 4, 3)
    features[::2, 0] = 1e4
    features[1::2] = 1e3 * np.clip(features[1::2], -1, 1) * [0, 1, 1, 1]
    ours = _objective(features, labels, l2=0.0, intercept=False, device=device)
    theta = np.zeros(ours.shape)
    theta[:, 0] = [1, 0, -1]
    assert not np.asarray(ours.gram(theta)).any()
    found = np.asarray(ours.gram(theta, by_class=True))
    assert np.isfinite(found).all()
    assert found.any()


def test_a_matrix_by_class_is_for_problems_of_some_classes_and_enough_rows() -> None:
    assert _objective(*made(90, 4, 3)).by_class
    assert not _objective(*made(90, 4, 2)).by_class
    assert not _objective(*made(20, 30, 3)).by_class


def test_the_scale_of_the_gradient_is_of_the_rows_that_count() -> None:
    features, labels = made(3000, 4, 3)
    features[:2900] = 0
    weights = np.where(np.arange(3000) < 2900, 0.0, 1.0)
    ours = _objective(1e4 * features, labels, weights=weights)
    rows = 1e4 * np.abs(features[2900:])
    assert 0.5 * rows.mean(axis=0).max() < ours.scale < rows.max()


@pytest.mark.parametrize("device", [None, CPU])
def test_the_metric_inverts_what_cannot_be_inverted(device: Any) -> None:
    """A column that is 0, one that is there twice, a class that nothing is asked of: a ridge keeps it finite."""
    features, labels = made(91, 4, 3)
    features[:, 1], features[:, 3] = 0, features[:, 2]
    ours = _objective(features, labels, l2=0.0, device=device)
    sure = np.zeros(ours.shape)
    sure[:, -1] = [0, 0, -1e4]
    for theta, by_class in ((np.zeros(ours.shape), False), (np.zeros(ours.shape), True), (sure, True)):
        inverse = ours.inverse(ours.gram(theta, by_class), 0.0)
        step = ours.times(np.random.default_rng(0).normal(size=ours.shape), inverse)
        assert np.isfinite(step).all()
        for each in np.asarray(inverse, np.float64):
            sizes = np.sqrt(np.diag(each))  # some 1e9 times the others where a column is 0
            assert np.linalg.eigvalsh((each + each.T) / 2 / np.outer(sizes, sizes))[0] > 0


def test_far_columns_are_moved_and_nobody_sees_it() -> None:
    """Temperatures in kelvin, years: float32 keeps three digits of what is in them, unless they are moved first."""
    features, labels = made(300, 4, 3)
    offset = np.array([0, 1e4, 0, -1e6])
    far = features + offset
    draw = np.random.default_rng(1)
    weight = levelled(draw.normal(size=(3, 4)) * 1e-2)
    bias = levelled(draw.normal(size=3)) - weight @ offset
    ours = _objective(far, labels)
    theta = ours.joined(weight, bias)
    there = ours.at(theta)
    back = ours.parts(theta)
    np.testing.assert_allclose(back[0], weight, rtol=0, atol=EPS)
    # b + W c - W c, with W c of about 1e4.
    np.testing.assert_allclose(back[1], bias, rtol=0, atol=1e4 * 8 * EPS)
    whole = far, labels, np.full(300, 1 / 300), 0.1, weight, bias
    assert there.value == pytest.approx(value("cross_entropy", *whole), rel=1e-9)
    slope = gradient("cross_entropy", *whole)
    assert there.norm == pytest.approx(np.abs(slope).max(), rel=1e-9)
    # Near the optimum of the bias the rows' own differences decide, and float32 must see them.
    fitted = ours.joined(weight * 0, np.log(np.bincount(labels) / 300))
    narrow, exact = ours.at(fitted, np.float32), ours.at(fitted)
    assert np.abs(narrow.gradient - exact.gradient).max() < 20 * float(np.finfo(np.float32).eps)


def test_the_sample_is_drawn_without_putting_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS_A_COLUMN", 0)
    monkeypatch.setattr(module, "_LEAST_ROWS", 50)
    features, labels = made(200, 3, 2)
    ours = _objective(features, labels, weights=np.arange(200.0))
    rows, shares = ours._sample, ours._sample_shares
    assert rows.shape == (50, 3)
    assert len({tuple(row) for row in np.asarray(rows).tolist()}) == 50
    assert float(shares.sum()) == pytest.approx(1, rel=1e-12)
