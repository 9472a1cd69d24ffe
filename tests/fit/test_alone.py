"""The estimators without scikit-learn: nothing of it is imported, and nothing of theirs is missing."""

import subprocess
import sys

PROGRAM = """
import pickle, sys, warnings

sys.modules["sklearn"] = sys.modules["pandas"] = None  # importing either is an error
import numpy as np
from manual_vs_auto import SoftmaxRegression, SoftmaxRegressionCV
from manual_vs_auto.fit.scikit import ConvergenceWarning, DataConversionWarning, NotFittedError

line = np.linspace(-1, 1, 40)[:, None]
labels = np.where(line[:, 0] > 0.3, "high", "low")
model = SoftmaxRegression(C=100.0)
try:
    model.predict(line)
except NotFittedError as error:
    print(error)
print(model.fit(line, labels).score(line, labels) > 0.9, model.classes_.tolist())
print(pickle.loads(pickle.dumps(model)).predict_proba(line).shape, model.partial_fit(line, labels).coef_.shape)
print(model)
print(sorted(model.get_params())[:3], model.set_params(C=1.0))
try:
    model.set_params(depth=3)
except ValueError as error:
    print(error)
print(SoftmaxRegressionCV(Cs=[0.1, 10], cv=4).fit(line, labels).C_)
for warning, call in [
    (ConvergenceWarning, lambda: SoftmaxRegression(max_iter=1, tol=1e-9).fit(line, labels)),
    (DataConversionWarning, lambda: model.fit(line, labels[:, None])),
]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    print([each.category is warning and issubclass(warning, UserWarning) for each in caught])
"""


def test_without_scikit_learn() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "This SoftmaxRegression instance is not fitted yet. Call 'fit' with appropriate arguments before using it.",
        "True ['high', 'low']",
        "(40, 2) (1, 1)",
        "SoftmaxRegression(C=100.0)",
        "['C', 'class_weight', 'device'] SoftmaxRegression()",
        "Invalid parameter 'depth' for estimator SoftmaxRegression(). Valid parameters are: ['C', 'class_weight', "
        "'device', 'fit_intercept', 'l2', 'loss', 'max_iter', 'solver', 'tol', 'warm_start'].",
        "10.0",
        "[True]",
        "[True]",
    ]
