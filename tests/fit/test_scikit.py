"""The estimators are scikit-learn's own kind: all of its checks, its tools around them, its tables' names."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_class_weight_balanced_linear_classifier

from manual_vs_auto import SoftmaxRegression, SoftmaxRegressionCV
from tests.fit.problems import drawn

# One of the checks runs only where SciPy was told of the array API before it is imported: a process of its own.
CHECKS = """
import sys
from sklearn.utils.estimator_checks import check_estimator
from manual_vs_auto import SoftmaxRegression, SoftmaxRegressionCV

for estimator in (
    SoftmaxRegression(),
    SoftmaxRegression(loss="squared_distance"),
    SoftmaxRegression(C=None, l2=0.01, class_weight="balanced", warm_start=True, max_iter=500),
    SoftmaxRegressionCV(Cs=[0.1, 1.0], cv=2),
    SoftmaxRegressionCV(Cs=2, cv=0.3, scoring="neg_log_loss", loss="squared_distance"),
):
    results = check_estimator(estimator, on_fail=None)
    print(type(estimator).__name__, len(results) > 60, *sorted({result["status"] for result in results}))
    for result in results:
        if result["status"] != "passed":
            print(result["check_name"], repr(result["exception"]), file=sys.stderr)
"""


def test_every_check_of_scikit_learn_passes() -> None:
    told = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECKS], capture_output=True, text=True, check=False, env=told
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["SoftmaxRegression True passed"] * 3 + ["SoftmaxRegressionCV True passed"] * 2


def test_balanced_is_what_linear_classifiers_mean_by_it() -> None:
    """A check that scikit-learn keeps to its own classes."""
    check_class_weight_balanced_linear_classifier("SoftmaxRegression", SoftmaxRegression())


def test_it_is_a_classifier_that_is_cloned_and_shown() -> None:
    model = SoftmaxRegression(C=3.0, l2=0.1)
    assert is_classifier(model)
    assert clone(model).get_params() == model.get_params()
    assert repr(model) == "SoftmaxRegression(C=3.0, l2=0.1)"
    assert "SoftmaxRegression" in model._repr_html_()  # type: ignore[attr-defined]
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model.predict_proba([[1.0]])


@pytest.mark.parametrize("estimator", [SoftmaxRegression(), SoftmaxRegressionCV(Cs=[0.1, 1.0], cv=2)])
def test_pickled_it_answers_the_same(estimator: SoftmaxRegression | SoftmaxRegressionCV) -> None:
    inputs, labels = drawn(3)
    estimator.fit(inputs, labels)
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict_proba(inputs), estimator.predict_proba(inputs))
    assert vars(again).keys() == vars(estimator).keys()


def test_steps_go_on_where_they_were_pickled() -> None:
    inputs, labels = drawn(3)
    model = SoftmaxRegression().partial_fit(inputs[:60], labels[:60], [0, 1, 2])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        again.partial_fit(inputs[60:], labels[60:]).coef_, model.partial_fit(inputs[60:], labels[60:]).coef_
    )


def test_a_grid_over_a_pipeline_chooses_as_with_logistic_regression() -> None:
    inputs, labels = drawn(3)
    names = np.array(["ant", "bee", "cat"])[labels]
    chosen = []
    for last in (SoftmaxRegression(tol=1e-7), LogisticRegression(tol=1e-7, max_iter=1000)):
        search = GridSearchCV(
            make_pipeline(StandardScaler(), last), {f"{type(last).__name__.lower()}__C": [0.01, 1.0]}, cv=3
        )
        search.fit(inputs, names)
        chosen.append((search.cv_results_["mean_test_score"].tolist(), search.predict(inputs).tolist()))
    assert chosen[0] == chosen[1]
    assert cross_val_score(SoftmaxRegression(), inputs, names, scoring="neg_log_loss", cv=3).mean() > -np.log(3)


def test_weights_are_routed() -> None:
    inputs, labels = drawn(2)
    weights = np.linspace(0.1, 3, 120)
    with sklearn.config_context(enable_metadata_routing=True):
        model = SoftmaxRegression().set_fit_request(sample_weight=True)  # type: ignore[attr-defined]
        routed = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        routed.fit(inputs, labels, sample_weight=weights)
    by_hand = SoftmaxRegression().fit(StandardScaler().fit_transform(inputs), labels, weights)
    np.testing.assert_array_equal(routed[-1].coef_, by_hand.coef_)


def test_a_table_s_names_are_kept_and_held_to() -> None:
    inputs, labels = drawn(3)
    table, names = pd.DataFrame(inputs, columns=list("abcd")), pd.Series(labels).map({0: "x", 1: "y", 2: "z"})
    model = SoftmaxRegression().fit(table, names)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(model.predict_proba(table), model.predict_proba(table))
    assert model.predict(table)[0] in ("x", "y", "z")
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        model.predict(table[list("badc")])
    with pytest.raises(
        ValueError, match="unseen at fit time:\n- e\nFeature names seen at fit time, yet now missing:\n- d"
    ):
        model.predict(table.rename(columns={"d": "e"}))
    with pytest.warns(UserWarning, match="X does not have valid feature names, but SoftmaxRegression was fitted with"):
        model.predict(inputs)
    with pytest.raises(TypeError, match="Feature names are only supported if all input features have string names"):
        model.fit(table.rename(columns={"d": 4}), names)
    assert not hasattr(model.fit(inputs, names), "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names, but SoftmaxRegression was fitted without feature names"):
        model.predict(table)
    scaled = make_pipeline(StandardScaler(), SoftmaxRegression()).set_output(transform="pandas").fit(table, names)
    assert scaled[-1].feature_names_in_.tolist() == ["a", "b", "c", "d"]
    stepped = SoftmaxRegression().partial_fit(table, names, ["x", "y", "z"])
    assert stepped.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    chosen = SoftmaxRegressionCV(Cs=[1.0], cv=2).fit(table, names)
    assert chosen.feature_names_in_.tolist() == ["a", "b", "c", "d"]


def test_tables_of_other_types() -> None:
    """Nullable integers, categories, whole numbers that pandas keeps as floats."""
    inputs, labels = drawn(3)
    whole = pd.DataFrame((10 * inputs).astype(int)).astype("Int64")
    model = SoftmaxRegression().fit(whole, pd.Series(labels).astype("category"))
    # The table is laid out by columns: the same sums in another order.
    again = SoftmaxRegression().fit(np.trunc(10 * inputs), labels)
    np.testing.assert_allclose(model.coef_, again.coef_, rtol=1e-9)
    assert SoftmaxRegression().fit(inputs, labels.astype(float)).classes_.dtype == np.float64
    assert SoftmaxRegression().fit(inputs, labels > 0).classes_.tolist() == [False, True]
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.fit(whole.mask(whole > 5), labels)


@pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, scipy.sparse.csr_array, scipy.sparse.coo_array])
def test_sparse_features_are_refused(make: type) -> None:
    inputs, labels = drawn(3)
    with pytest.raises(
        TypeError, match=r"Sparse data was passed for X, but dense data is required. Use '.toarray\(\)'"
    ):
        SoftmaxRegression().fit(make(inputs), labels)
