"""`partial_fit`: its step can't go up, its bound holds, and batches lead where `fit` leads."""

import numpy as np
import pytest

from manual_vs_auto import SoftmaxRegression
from manual_vs_auto.fit.incremental import STEEPEST
from manual_vs_auto.model import LOSSES, Loss
from tests.fit.problems import drawn, objective

BOTH = pytest.mark.parametrize("loss", ["cross_entropy", "squared_distance"])


@BOTH
def test_no_curvature_is_above_the_bound(loss: Loss) -> None:
    """Of the Hessian by the logits, by central differences of the hand-written gradient."""
    rule, generator, h = LOSSES[loss], np.random.default_rng(0), 1e-5
    steepest = 0.0
    for classes in (2, 3, 5):
        logits = generator.normal(size=(400, classes)) * generator.uniform(0, 5, size=(400, 1))
        labels = generator.integers(classes, size=400)
        columns = []
        for direction in np.eye(classes):
            ends = [rule.bwd(rule.fwd(logits + s * h * direction, labels)[1], np.ones(400))[0] for s in (1, -1)]
            columns.append((ends[0] - ends[1]) / (2 * h))
        steepest = max(steepest, float(np.linalg.eigvalsh(np.stack(columns, axis=-1)).max()))
    # Differences of gradients of size 1 keep about eps / h = 2e-11, and h^2 of their own.
    assert steepest <= STEEPEST[loss] + 1e-8
    # A bound that is far too large would be a step that is far too small.
    assert steepest > STEEPEST[loss] / 3


@BOTH
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("penalty", [0.0, 0.1, 100.0])
def test_a_batch_that_is_always_the_same_never_goes_up(loss: Loss, classes: int, penalty: float) -> None:
    inputs, labels = drawn(classes)
    inputs = inputs * [1, 10, 100, 1000]
    weights = np.linspace(0.1, 2, 120)
    model = SoftmaxRegression(loss=loss, l2=penalty)
    values = []
    for _ in range(12):
        model.partial_fit(inputs, labels, np.arange(classes), weights)
        coef, intercept = model.coef_, model.intercept_
        if classes == 2:
            coef, intercept = np.concatenate([0 * coef, coef]), np.append(0, intercept)
        mean = objective(loss, coef, intercept, inputs, labels, weights)
        values.append(mean + penalty / 2 * (model.coef_**2).sum())
    at_zero = objective(loss, np.zeros((classes, 4)), np.zeros(classes), inputs, labels, weights)
    # Rounding of a mean of 120 numbers of size 1.
    assert np.all(np.diff([at_zero, *values]) < 1e-13)
    assert values[-1] < at_zero
    assert model.n_iter_ == 12


def test_the_first_step_is_newton_s_with_boehning_s_curvature() -> None:
    """By hand: with one feature x = 1, no bias and no penalty, W = -G / (1/2), G = 1/K - share of the class."""
    model = SoftmaxRegression(l2=0, fit_intercept=False)
    model.partial_fit(np.ones((4, 1)), [0, 1, 2, 2], [0, 1, 2])
    np.testing.assert_allclose(model.coef_[:, 0], [2 * (s - 1 / 3) for s in (1 / 4, 1 / 4, 1 / 2)], rtol=1e-8)


@pytest.mark.parametrize("classes", [2, 4])
def test_batches_lead_near_the_optimum(classes: int) -> None:
    inputs, labels = drawn(classes, samples=1000)
    model, generator = SoftmaxRegression(l2=1e-3), np.random.default_rng(3)
    for _ in range(40):
        for rows in np.array_split(generator.permutation(1000), 20):
            model.partial_fit(inputs[rows], labels[rows], np.arange(classes))
    fitted = SoftmaxRegression(l2=1e-3).fit(inputs, labels)
    reached = [
        -np.average(each.predict_log_proba(inputs)[np.arange(1000), labels]) + 1e-3 / 2 * (each.coef_**2).sum()
        for each in (model, fitted)
    ]
    # Of the way from zero weights, whose loss is log K, a hundredth at most is left.
    assert 0 < reached[0] - reached[1] < 0.01 * (np.log(classes) - reached[1])


@pytest.mark.parametrize(("far", "size"), [(1000.0, 1.0), (1e4, 1.0), (1000.0, 100.0), (0.0, 1e6)])
def test_features_that_are_not_scaled_take_no_longer(far: float, size: float) -> None:
    """The bias must move with the weights, a thousand times as far: without a penalty, W is that of scaled ones."""
    inputs, labels = drawn(3, samples=1000)
    plain, other = (SoftmaxRegression(l2=0) for _ in range(2))
    for _ in range(3):
        for rows in np.array_split(np.arange(1000), 20):
            plain.partial_fit(inputs[rows], labels[rows], np.arange(3))
            other.partial_fit(far + size * inputs[rows], labels[rows], np.arange(3))
    found, right = other.predict_log_proba(far + size * inputs), plain.predict_log_proba(inputs)
    # Each step is the same but for the ridge: 1e-12 of (far / size)^2, over 60 steps.
    np.testing.assert_allclose(found, right, rtol=1e-9 + 60 * 1e-12 * (far / size) ** 2)


def test_a_step_after_fit_goes_on_from_there_and_forgets_what_fit_said() -> None:
    inputs, labels = drawn(3)
    model = SoftmaxRegression().fit(inputs, labels)
    coef, steps = model.coef_.copy(), model.n_iter_
    model.partial_fit(inputs, labels)
    np.testing.assert_allclose(model.coef_, coef, atol=1e-2)
    assert model.n_iter_ == steps + 1
    assert not hasattr(model, "objective_")
    assert not hasattr(model, "converged_")
    np.testing.assert_array_equal(model.fit(inputs, labels).coef_, coef)
    # What the steps knew is forgotten, too: the next is as after a fit of its own.
    fresh = SoftmaxRegression().fit(inputs, labels).partial_fit(inputs[:50], labels[:50])
    np.testing.assert_array_equal(model.partial_fit(inputs[:50], labels[:50]).coef_, fresh.coef_)


def test_balanced_is_by_what_came_so_far() -> None:
    inputs, labels = drawn(3)
    balanced, by_hand = SoftmaxRegression(class_weight="balanced"), SoftmaxRegression()
    balanced.partial_fit(inputs, labels, [0, 1, 2])
    held = np.bincount(labels)
    by_hand.partial_fit(inputs, labels, [0, 1, 2], (120 / 3 / held)[labels])
    np.testing.assert_allclose(balanced.coef_, by_hand.coef_, rtol=1e-12)


def test_a_batch_need_not_have_every_class() -> None:
    inputs, labels = drawn(3)
    few = labels < 2
    model = SoftmaxRegression().partial_fit(inputs[few], labels[few], [2, 0, 1])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.predict_proba(inputs)[:, 2].max() < 1 / 3
    model.partial_fit(inputs, labels)


def test_what_a_step_refuses() -> None:
    inputs, labels = drawn(3)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        SoftmaxRegression().partial_fit(inputs, labels)
    model = SoftmaxRegression().partial_fit(inputs, labels, [0, 1, 2])
    with pytest.raises(ValueError, match="not the same as on the last call"):
        model.partial_fit(inputs, labels, [0, 1])
    with pytest.raises(ValueError, match=r"none of the classes: \[7\]"):
        model.partial_fit(inputs, np.where(labels == 0, 7, labels))
    with pytest.raises(ValueError, match="expecting 4 features"):
        model.partial_fit(inputs[:, :2], labels)
    with pytest.raises(ValueError, match="at least 2 classes"):
        SoftmaxRegression().partial_fit(inputs, np.zeros(120), [0])
    with pytest.raises(ValueError, match="loss must be one of"):
        SoftmaxRegression(loss="hinge").partial_fit(inputs, labels, [0, 1, 2])  # type: ignore[arg-type]


@pytest.mark.parametrize("before", [True, False])
def test_an_intercept_does_not_come_or_go_between_steps(before: bool) -> None:
    inputs, labels = drawn(3)
    model = SoftmaxRegression(fit_intercept=before).partial_fit(inputs, labels, np.unique(labels))
    with pytest.raises(ValueError, match="fit_intercept has changed since the last call of partial_fit: fit anew"):
        model.set_params(fit_intercept=not before).partial_fit(inputs, labels)
