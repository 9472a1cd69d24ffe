"""What users pass and can't: each is one line that says what is wrong."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from manual_vs_auto import SoftmaxRegression, SoftmaxRegressionCV
from manual_vs_auto.fit.validation import features_of, weights_of
from tests.fit.problems import drawn

INPUTS, LABELS = drawn(3)


def _with(value: float) -> np.ndarray:
    changed = INPUTS.copy()
    changed[5, 1] = value
    return changed


@pytest.mark.parametrize(
    ("inputs", "labels", "weights", "message"),
    [
        (_with(np.nan), LABELS, None, "Input X contains NaN"),
        (_with(np.inf), LABELS, None, "Input X contains infinity or a value too large for dtype"),
        (INPUTS[:, 0], LABELS, None, r"Expected 2D array, got 1D array instead. Reshape your data"),
        (INPUTS[None], LABELS, None, "Expected 2D array, got 3D array"),
        (INPUTS + 1j, LABELS, None, "Complex data not supported"),
        (INPUTS[:0], LABELS[:0], None, r"0 sample\(s\) \(shape=\(0, 4\)\) while a minimum of 1 is required"),
        (INPUTS[:, :0], LABELS, None, r"0 feature\(s\) \(shape=\(120, 0\)\)"),
        (INPUTS, LABELS[:-1], None, r"inconsistent numbers of samples: \[120, 119\]"),
        (INPUTS, None, None, "requires y to be passed, but the target y is None"),
        (INPUTS, LABELS + 0.5, None, "Unknown label type: continuous"),
        (INPUTS, np.where(LABELS == 0, np.nan, LABELS), None, "Input y contains NaN"),
        (INPUTS, LABELS.astype(object), None, "Unknown label type"),
        (INPUTS, np.stack([LABELS, LABELS], axis=1), None, "y should be a 1d array"),
        (
            INPUTS,
            0 * LABELS,
            None,
            "needs samples of at least 2 classes in the data, but the data has only one class: ",
        ),
        (INPUTS, LABELS, np.ones(119), "sample_weight.shape"),
        (INPUTS, LABELS, np.ones((120, 1)), "Sample weights must be 1D"),
        (INPUTS, LABELS, np.zeros(120), "at least one non-zero"),
        (INPUTS, LABELS, -np.ones(120), "Negative values"),
        (INPUTS, LABELS, np.full(120, np.nan), "Input sample_weight contains NaN"),
        (INPUTS, LABELS, (LABELS == 1).astype(float), "only one class: "),
    ],
)
def test_data_that_is_refused(inputs: Any, labels: Any, weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        SoftmaxRegression().fit(inputs, labels, weights)
    assert "\n" not in str(refused.value) or "array(" in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"C": 0}, "C must be a positive number where l2 is None, got 0"),
        ({"C": None}, "C must be a positive number"),
        ({"C": np.nan}, "C must be a positive number"),
        ({"l2": -1}, "l2 must be a number that is not negative, got -1"),
        ({"l2": np.nan}, "l2 must be"),
        ({"tol": 0}, "tol must be a positive number"),
        ({"max_iter": 0}, "max_iter must be a whole number of at least 1"),
        ({"max_iter": 2.5}, "max_iter must be a whole number"),
        ({"C": "1"}, "C must be a positive number where l2 is None, got '1'"),
        ({"C": [1.0]}, r"C must be a positive number where l2 is None, got \[1.0\]"),
        ({"l2": "0.1"}, "l2 must be a number that is not negative, got '0.1'"),
        ({"tol": None}, "tol must be a positive number, got None"),
        ({"max_iter": "many"}, "max_iter must be a whole number of at least 1, got 'many'"),
        ({"max_iter": np.inf}, "max_iter must be a whole number of at least 1, got inf"),
        ({"fit_intercept": "no"}, "fit_intercept must be True or False, got 'no'"),
        ({"warm_start": None}, "warm_start must be True or False, got None"),
        ({"loss": "hinge"}, r"loss must be one of \['cross_entropy', 'squared_distance'\], got 'hinge'"),
        ({"solver": "magic"}, "magic"),
        ({"device": "abacus"}, "abacus"),
        ({"class_weight": "fair"}, "class_weight must be 'balanced', a dict or None, got 'fair'"),
        ({"class_weight": {7: 1}}, r"\[7\], of class_weight are not in y"),
        ({"class_weight": [1, 2, 3]}, r"class_weight must be 'balanced', a dict or None, got \[1, 2, 3\]"),
        ({"class_weight": {0: -2}}, "class_weight must be finite and not negative, got {0: -2}"),
        ({"class_weight": {0: np.inf}}, "class_weight must be finite"),
        ({"class_weight": {1: np.nan}}, "class_weight must be finite"),
        ({"class_weight": dict.fromkeys(range(3), 0)}, "class_weight leaves no sample"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SoftmaxRegression(**settings).fit(INPUTS, LABELS)


@pytest.mark.parametrize("dates", ["M8[s]", "m8[ns]"])
def test_dates_are_no_numbers(dates: str) -> None:
    """They would be counted in nanoseconds, and a frame's other columns beside them."""
    times = np.arange(120).astype(dates)
    for inputs in (times[:, None], pd.DataFrame({"a": INPUTS[:, 0], "b": times})):
        with pytest.raises(TypeError, match=r"X has dates or durations, .*: make numbers of them first"):
            SoftmaxRegression().fit(inputs, LABELS)


def test_a_class_that_is_not_there_may_have_a_weight_where_all_have() -> None:
    """A fold may lack a class that is rare."""
    weights = {0: 1.0, 1: 2.0, 2: 3.0}
    found = SoftmaxRegression(class_weight={**weights, 9: 1.0}).fit(INPUTS, LABELS)
    np.testing.assert_array_equal(found.coef_, SoftmaxRegression(class_weight=weights).fit(INPUTS, LABELS).coef_)


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_label_that_is_missing_is_said(missing: Any) -> None:
    labels = np.array(list("abc"), object)[LABELS]
    labels[1] = missing
    with pytest.raises(ValueError, match="y contains NaN or None"):
        SoftmaxRegression().fit(INPUTS, labels)


def test_what_is_refused_leaves_the_estimator_as_it_was() -> None:
    more, wide = np.arange(4)[LABELS], np.column_stack([INPUTS, INPUTS])
    for make in (SoftmaxRegression, SoftmaxRegressionCV):
        model = make().fit(INPUTS, LABELS)
        right = model.predict_proba(INPUTS)
        with pytest.raises(ValueError, match="magic"):
            model.set_params(solver="magic").fit(wide, LABELS)
        np.testing.assert_array_equal(model.predict_proba(INPUTS), right)
    for wrong in ({"l2": -1.0}, {"class_weight": {0: -1}}):
        steps = SoftmaxRegression(**wrong)
        with pytest.raises(ValueError, match="negative"):
            steps.partial_fit(INPUTS, LABELS, classes=[0, 1, 2])
        assert not hasattr(steps, "coef_")
        steps.set_params(l2=0.1, class_weight=None).partial_fit(INPUTS, more, classes=[0, 1, 2, 3])


def test_labels_of_another_kind_are_not_all_wrong_but_refused() -> None:
    model = SoftmaxRegression().fit(INPUTS, LABELS)
    with pytest.raises(ValueError, match=r"y has labels of <U.*the classes of `fit` are of int64"):
        model.score(INPUTS, LABELS.astype(str))
    for kind in (np.float32, np.uint8):
        assert model.score(INPUTS, LABELS.astype(kind)) == model.score(INPUTS, LABELS)


def test_floats_are_not_copied_and_others_become_float64() -> None:
    for dtype in (np.float32, np.float64):
        features = INPUTS.astype(dtype)
        assert features_of(features, "it") is features
        assert features_of(features[::2, ::-1], "it").base is not None
    assert features_of(INPUTS.astype(np.float16), "it").dtype == np.float64
    assert features_of([[1, 2]], "it").dtype == np.float64
    swapped = features_of(INPUTS.astype(">f4"), "it")
    assert swapped.dtype == np.float32
    assert swapped.dtype.isnative
    # A sum that overflows is no sign of a number that is not finite.
    large = np.full((3, 2), 1.5e308)
    assert features_of(large, "it") is large


def test_a_weight_for_all() -> None:
    assert weights_of(None, 2).tolist() == [1, 1]
    assert weights_of(3, 2).tolist() == [3, 3]
    for weights in (None, 2.0):
        model = SoftmaxRegression(l2=0.1).fit(INPUTS, LABELS, weights)
        np.testing.assert_allclose(model.coef_, SoftmaxRegression(l2=0.1).fit(INPUTS, LABELS).coef_, rtol=1e-12)
