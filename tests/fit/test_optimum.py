"""The optimum is LogisticRegression's, what was reached is told, and nothing stops in silence."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from manual_vs_auto import SoftmaxRegression
from manual_vs_auto.model import Loss
from tests.fit.problems import drawn, objective

# Of 120 samples and 1 for their weights, so that a mean that forgets the weights is seen.
WEIGHTS = np.random.default_rng(1).uniform(0.2, 3, size=120)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    ("weights", "class_weight"), [(None, None), (WEIGHTS, None), (WEIGHTS, "balanced"), (None, {0: 3.0})]
)
def test_the_coefficients_are_logistic_regression_s(
    classes: int, fit_intercept: bool, weights: np.ndarray | None, class_weight: str | dict[int, float] | None
) -> None:
    inputs, labels = drawn(classes)
    ours = SoftmaxRegression(C=0.7, fit_intercept=fit_intercept, class_weight=class_weight, tol=1e-10)
    theirs = LogisticRegression(
        C=0.7, fit_intercept=fit_intercept, class_weight=class_weight, tol=1e-10, solver="newton-cg", max_iter=1000
    )
    ours.fit(inputs, labels, weights)
    theirs.fit(inputs, labels, weights)
    # The issue's: 1e-5, relative to the largest coefficient.
    scale = np.abs(theirs.coef_).max()
    assert ours.coef_.shape == theirs.coef_.shape
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=1e-5 * scale)
    assert ours.intercept_.shape == theirs.intercept_.shape or not fit_intercept
    np.testing.assert_allclose(ours.intercept_, np.broadcast_to(theirs.intercept_, ours.intercept_.shape), atol=1e-5)
    np.testing.assert_allclose(ours.decision_function(inputs), theirs.decision_function(inputs), atol=1e-4)
    np.testing.assert_array_equal(ours.predict(inputs), theirs.predict(inputs))


@pytest.mark.parametrize("classes", [2, 4])
def test_the_objective_is_that_of_the_coefficients(classes: int) -> None:
    inputs, labels = drawn(classes)
    ours = SoftmaxRegression(C=0.5, tol=1e-10).fit(inputs, labels, WEIGHTS)
    coef, intercept = ours.coef_, ours.intercept_
    if classes == 2:
        coef, intercept = np.concatenate([0 * coef, coef]), np.append(0, intercept)
    mean = objective("cross_entropy", coef, intercept, inputs, labels, WEIGHTS)
    penalty = (ours.coef_**2).sum() / (2 * 0.5 * WEIGHTS.sum())
    assert ours.objective_ == pytest.approx(mean + penalty, abs=1e-7)
    assert ours.gradient_norm_ <= 1e-10
    assert ours.converged_
    assert ours.n_iter_ > 1


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_distance"])
@pytest.mark.parametrize("classes", [2, 4])
def test_no_step_from_the_optimum_goes_down(loss: Loss, classes: int) -> None:
    inputs, labels = drawn(classes)
    ours = SoftmaxRegression(loss=loss, l2=0.01, tol=1e-9).fit(inputs, labels)
    generator = np.random.default_rng(2)
    for size in (1e-3, 1e-2):
        for _ in range(10):
            coef = ours.coef_ + size * generator.normal(size=ours.coef_.shape)
            intercept = ours.intercept_ + size * generator.normal(size=ours.intercept_.shape)
            penalty = 0.01 / 2 * (coef**2).sum()
            if classes == 2:
                coef, intercept = np.concatenate([0 * coef, coef]), np.append(0, intercept)
            assert objective(loss, coef, intercept, inputs, labels, np.ones(120)) + penalty > ours.objective_


def test_l2_is_c_beside_the_mean() -> None:
    inputs, labels = drawn(3)
    by_l2 = SoftmaxRegression(C=None, l2=1 / (0.7 * 120), tol=1e-9).fit(inputs, labels)
    by_c = SoftmaxRegression(C=0.7, tol=1e-9).fit(inputs, labels)
    np.testing.assert_allclose(by_l2.coef_, by_c.coef_, rtol=0, atol=1e-12)
    # Without a penalty the gradient of the mean loss alone is zero: larger coefficients.
    free = SoftmaxRegression(C=np.inf, tol=1e-9).fit(inputs, labels)
    assert np.abs(free.coef_).max() > np.abs(by_c.coef_).max()


@pytest.mark.parametrize("classes", [2, 3])
def test_a_warm_start_at_the_optimum_takes_no_step(classes: int) -> None:
    inputs, labels = drawn(classes)
    model = SoftmaxRegression(warm_start=True, tol=1e-6).fit(inputs, labels)
    before = model.coef_.copy()
    assert model.fit(inputs, labels).n_iter_ == 0
    np.testing.assert_allclose(model.coef_, before, rtol=1e-14)
    assert model.set_params(warm_start=False).fit(inputs, labels).n_iter_ > 0
    # Other classes, or another number of features: from zero again, and no error.
    model.set_params(warm_start=True)
    assert model.fit(inputs[:, :2], labels).coef_.shape[1] == 2
    assert model.fit(inputs[:, :2], labels + 1).n_iter_ > 0


def test_a_solver_that_stops_early_says_so() -> None:
    inputs, labels = drawn(3)
    model = SoftmaxRegression(max_iter=1, tol=1e-8)
    with pytest.warns(ConvergenceWarning, match=r"^SoftmaxRegression stopped after 1 iterations \(max_iter=1\)"):
        model.fit(inputs, labels)
    assert not model.converged_
    assert model.n_iter_ == 1
    assert model.gradient_norm_ > 1e-8


def test_float32_stays_float32_and_is_near_float64() -> None:
    inputs, labels = drawn(3)
    narrow, wide = (SoftmaxRegression(tol=1e-5).fit(inputs.astype(dtype), labels) for dtype in ("f4", "f8"))
    assert narrow.coef_.dtype == narrow.intercept_.dtype == np.float32
    assert narrow.predict_proba(inputs.astype("f4")).dtype == np.float32
    assert narrow.predict_proba(inputs).dtype == wide.predict_proba(inputs).dtype == np.float64
    assert SoftmaxRegression().fit((10 * inputs).astype(int), labels).coef_.dtype == np.float64
    # Both are within tol of a gradient of zero; the least curvature is at least l2 = 1 / 120.
    np.testing.assert_allclose(narrow.coef_, wide.coef_, atol=4 * 1e-5 * 120)
    for dtype in (np.float32, np.float64):
        rows = wide.predict_proba(inputs.astype(dtype)).sum(axis=1)
        np.testing.assert_allclose(rows, 1, rtol=4 * np.finfo(rows.dtype).eps)


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_hold_where_rows_are_sure(classes: int) -> None:
    inputs, labels = drawn(classes)
    model = SoftmaxRegression().fit(inputs, labels)
    far = 1e4 * inputs
    chances, logarithms = model.predict_proba(far), model.predict_log_proba(far)
    assert np.isfinite(logarithms).all()
    assert logarithms.min() < -1000
    np.testing.assert_allclose(np.exp(logarithms), chances, rtol=1e-12)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-15)


def test_a_weight_of_zero_is_a_sample_that_is_not_there() -> None:
    inputs, labels = drawn(3)
    weights = (labels < 2).astype(float)
    with_zeros = SoftmaxRegression().fit(inputs, labels, weights)
    without = SoftmaxRegression().fit(inputs[labels < 2], labels[labels < 2])
    assert with_zeros.classes_.tolist() == [0, 1]
    np.testing.assert_array_equal(with_zeros.coef_, without.coef_)


def test_the_score_is_the_weighted_share_that_is_right() -> None:
    inputs, labels = drawn(3)
    model = SoftmaxRegression().fit(inputs, labels)
    right = model.predict(inputs) == labels
    assert 0 < right.mean() < 1
    assert model.score(inputs, labels) == right.mean()
    assert model.score(inputs, labels, WEIGHTS) == pytest.approx(WEIGHTS[right].sum() / WEIGHTS.sum(), rel=1e-15)
