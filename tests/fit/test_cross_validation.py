"""`SoftmaxRegressionCV`: its folds, its path, its choice and its scores are those that single fits give."""

from typing import Any, Literal

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, StratifiedKFold

from manual_vs_auto import SoftmaxRegression, SoftmaxRegressionCV
from manual_vs_auto.fit.folds import splits_of
from tests.fit.problems import drawn

CS = [0.01, 0.1, 1.0, 10.0]


@pytest.mark.parametrize("weights", [None, np.linspace(0.1, 3, 120)])
@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_each_score_is_that_of_a_fit_of_its_own(
    scoring: Literal["accuracy", "neg_log_loss"], weights: np.ndarray | None
) -> None:
    inputs, labels = drawn(3)
    each = np.ones(120) if weights is None else weights
    model = SoftmaxRegressionCV(Cs=CS[::-1], cv=3, scoring=scoring, tol=1e-8).fit(inputs, labels, weights)
    assert model.Cs_.tolist() == CS
    assert model.scores_.shape == (3, 4)
    for fold, (fit, held) in enumerate(StratifiedKFold(3).split(inputs, labels)):
        for at, C in enumerate(CS):
            alone = SoftmaxRegression(C=C, tol=1e-8).fit(inputs[fit], labels[fit], each[fit])
            if scoring == "accuracy":
                expected = alone.score(inputs[held], labels[held], each[held])
            else:
                expected = -log_loss(labels[held], alone.predict_proba(inputs[held]), sample_weight=each[held])
            assert model.scores_[fold, at] == pytest.approx(expected, abs=1e-6)
    means = model.scores_.mean(axis=0)
    assert CS[int(means.argmax())] == model.C_
    refit = SoftmaxRegression(C=model.C_, tol=1e-8).fit(inputs, labels, weights)
    np.testing.assert_allclose(model.coef_, refit.coef_, atol=1e-5)
    assert model.objective_ == pytest.approx(refit.objective_, abs=1e-10)
    assert model.converged_


def test_the_choice_is_logistic_regression_cv_s() -> None:
    inputs, labels = drawn(3)
    ours = SoftmaxRegressionCV(Cs=CS, cv=4, class_weight={1: 2.0}, scoring="neg_log_loss", tol=1e-8)
    theirs = LogisticRegressionCV(
        Cs=CS,
        cv=4,
        class_weight={1: 2.0},
        scoring="neg_log_loss",
        tol=1e-8,
        l1_ratios=(0,),
        use_legacy_attributes=False,
    )
    ours.fit(inputs, labels)
    theirs.fit(inputs, labels)
    np.testing.assert_allclose(ours.scores_, np.reshape(theirs.scores_, ours.scores_.shape), atol=1e-6)
    assert ours.C_ == theirs.C_


def test_of_equal_scores_the_strongest_penalty_is_chosen() -> None:
    line = np.linspace(-1, 1, 40)[:, None]
    model = SoftmaxRegressionCV(Cs=CS, cv=2).fit(line, line[:, 0] > 0)
    means = model.scores_.mean(axis=0)
    assert np.count_nonzero(means == means.max()) > 1
    assert model.Cs_[np.flatnonzero(means == means.max())[0]] == model.C_


def test_how_many_cs() -> None:
    inputs, labels = drawn(2)
    model = SoftmaxRegressionCV(Cs=3, cv=0.25).fit(inputs, labels)
    np.testing.assert_allclose(model.Cs_, [1e-4, 1, 1e4], rtol=1e-12)
    assert model.scores_.shape == (1, 3)
    assert model.coef_.shape == (1, 4)


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_are_stratified_k_fold_s(folds: int) -> None:
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.repeat([0, 1, 2, 4], [11, 7, 30, 5]))
    ours = splits_of(folds, labels, labels, labels, np.arange(len(labels)))
    theirs = list(StratifiedKFold(folds).split(labels, labels))
    for (fit, held), (their_fit, their_held) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(fit, their_fit)
        np.testing.assert_array_equal(held, their_held)


def test_a_share_is_held_out_of_each_class() -> None:
    labels = np.repeat([0, 1], [40, 20])
    ((fit, held),) = splits_of(0.25, labels, labels, labels, np.arange(60))
    assert np.bincount(labels[held]).tolist() == [10, 5]
    np.testing.assert_array_equal(np.sort(np.concatenate([fit, held])), np.arange(60))
    ((_, few),) = splits_of(0.3, labels[:42], labels[:42], labels[:42], np.arange(42))
    assert np.bincount(labels[few]).tolist() == [12, 1], "0.3 of 2 rows is nearer to 1 than to 0"
    # Spread over the rows, not their end: what is sorted by something else is held out evenly, too.
    assert held[0] < 4
    assert np.diff(held[:10]).max() == 4


def test_pairs_of_rows_count_samples_whose_weight_is_zero_too() -> None:
    inputs, labels = drawn(3)
    weights = np.ones(120)
    weights[:30] = 0
    pairs = list(KFold(3).split(inputs))
    with_zeros = SoftmaxRegressionCV(Cs=CS, cv=pairs).fit(inputs, labels, weights)
    kept = [(fit[fit >= 30] - 30, held[held >= 30] - 30) for fit, held in pairs]
    without = SoftmaxRegressionCV(Cs=CS, cv=kept).fit(inputs[30:], labels[30:])
    np.testing.assert_array_equal(with_zeros.scores_, without.scores_)
    np.testing.assert_array_equal(with_zeros.coef_, without.coef_)
    by_splitter = SoftmaxRegressionCV(Cs=CS, cv=KFold(3)).fit(inputs, labels, weights)
    np.testing.assert_array_equal(by_splitter.scores_, with_zeros.scores_)
    masks = [(np.isin(np.arange(120), fit), np.isin(np.arange(120), held)) for fit, held in pairs]
    by_mask = SoftmaxRegressionCV(Cs=CS, cv=masks).fit(inputs, labels, weights)
    np.testing.assert_array_equal(by_mask.scores_, with_zeros.scores_)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cv": 1}, "cv=1 must be at least 2"),
        ({"cv": 121}, "not above the number of members"),
        ({"cv": 1.5}, "between 0 and 1"),
        ({"cv": 0.001}, "leaves no samples to fit or to score"),
        ({"cv": "five"}, "cv must be a number of folds"),
        ({"cv": None}, "cv must be a number of folds"),
        ({"cv": []}, "leaves no samples"),
        ({"Cs": 0}, "Cs must be positive numbers"),
        ({"Cs": [1, -1]}, "Cs must be positive numbers"),
        ({"Cs": "auto"}, "Cs must be positive numbers, or how many to try, got 'auto'"),
        ({"Cs": ["1"]}, "Cs must be positive numbers"),
        ({"scoring": "f1"}, "scoring must be"),
        ({"loss": "hinge"}, "loss must be one of"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], message: str) -> None:
    inputs, labels = drawn(3)
    with pytest.raises(ValueError, match=message):
        SoftmaxRegressionCV(**settings).fit(inputs, labels)


def test_a_class_of_few_members_is_told() -> None:
    inputs, labels = drawn(2)
    labels[:2] = 2
    with pytest.warns(UserWarning, match="has only 2 members, which is less than cv=3"):
        SoftmaxRegressionCV(Cs=[0.1], cv=3).fit(inputs, labels)


def test_a_path_that_stops_early_says_where() -> None:
    inputs, labels = drawn(3)
    model = SoftmaxRegressionCV(Cs=CS, cv=2, max_iter=1, tol=1e-9)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(inputs, labels)
    told = [str(each.message) for each in caught]
    assert any("in 8 of 8 fits of its path" in each for each in told)
    assert len(told) == 2
    assert not model.converged_
