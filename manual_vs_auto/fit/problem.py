"""One fit as the solver has it, [K, D] rows and a mean loss, from what scikit-learn's users say: `C` and `coef_`."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from manual_vs_auto.fit.validation import Floats, Integers, balance_of, features_of, is_number, labels_of, weights_of

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Examples to fit, all of a weight above zero.

    features: floating [N, D]. labels: integer [N], which of the classes. classes: the labels' own names [K], sorted.
    weights:  [N], the samples' weights, times their classes' where `balanced` did that.
    rows:     integer [N], which of the user's samples these are.
    """

    features: Floats
    labels: Integers
    classes: npt.NDArray[Any]
    weights: Doubles
    rows: Integers

    def held(self) -> Doubles:
        """The weights of each class, summed: [K]."""
        return np.bincount(self.labels, self.weights, len(self.classes)).astype(np.float64, copy=False)

    def balanced(self, class_weight: Any, held: Doubles) -> "Problem":
        """The same problem, each class counting what `class_weight` says where the classes hold these weights [K]."""
        weights = self.weights * balance_of(class_weight, self.classes, held)[self.labels]
        if not np.any(weights):
            raise ValueError("class_weight leaves no sample whose weight is above zero")
        return replace(self, weights=weights)

    def part(self, at: Integers) -> "Problem":
        """The same problem with some of its examples only, and all its classes."""
        return Problem(self.features[at], self.labels[at], self.classes, self.weights[at], self.rows[at])


def problem_of(X: Any, y: Any, sample_weight: Any, who: str) -> Problem:
    """What `fit` was given, checked. A sample of weight zero is as one that is not there.

    Raises: TypeError and ValueError as in `validation`, and ValueError for fewer than two classes.
    """
    features = features_of(X, who)
    named = labels_of(y, len(features), who)
    weights = weights_of(sample_weight, len(features))
    counts = weights > 0
    if not counts.all():
        features, named, weights = features[counts], named[counts], weights[counts]
    classes, labels = np.unique(named, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"{who} needs samples of at least 2 classes in the data, but the data has only one class: "
            f"{classes.tolist()[0]!r}"
        )
    return Problem(features, labels, classes, weights, np.flatnonzero(counts))


def batch_of(X: Any, y: Any, classes: npt.NDArray[Any], sample_weight: Any, who: str) -> Problem:
    """What `partial_fit` was given, checked: not every one of the classes [K] needs to be there.

    Raises: TypeError and ValueError as in `validation`, and ValueError for a label that is none of the classes.
    """
    features = features_of(X, who)
    named = labels_of(y, len(features), who)
    weights = weights_of(sample_weight, len(features))
    if unknown := sorted(set(named.tolist()) - set(classes.tolist())):
        raise ValueError(f"y has labels that are none of the classes: {unknown[:5]}")
    if len(classes) < 2:
        raise ValueError(f"{who} needs at least 2 classes, but classes has only one: {classes.tolist()[0]!r}")
    labels = np.searchsorted(classes, named)
    return Problem(features, labels, classes, weights, np.arange(len(labels)))


def penalty_of(C: float | None, l2: float | None, total: float) -> float:
    """The factor of |W|^2 / 2 beside the mean loss: `l2` where it is given, else 1 / (C * the sum of the weights).

    So `C` is that of LogisticRegression: C * sum_i w_i L_i + |W|^2 / 2 has the same optimum.

    Raises: ValueError if neither is given, `l2` is negative or `C` not positive. An infinite `C` is no penalty.
    """
    if l2 is not None:
        if not (is_number(l2) and 0 <= l2 < np.inf):
            raise ValueError(f"l2 must be a number that is not negative, got {l2!r}")
        return float(l2)
    if C is None or not (is_number(C) and C > 0):
        raise ValueError(f"C must be a positive number where l2 is None, got {C!r}")
    return float(1 / (C * total))


def rows_penalty(l2: float, classes: int) -> float:
    """The factor for the solver's rows.

    Two classes are one row c = W_1 - W_0 to users. Of all W with that difference W_1 = -W_0 = c / 2 is smallest, and
    there |W|^2 = |c|^2 / 2: twice the factor on the rows is the factor on c.
    """
    return 2 * l2 if classes == 2 else l2


def rows_of(coef: Floats, intercept: Floats) -> tuple[Doubles, Doubles]:
    """The solver's weight [K, D] and bias [K] of users' coefficients: [1, D] and [1] for two classes."""
    weight, bias = np.asarray(coef, np.float64), np.asarray(intercept, np.float64)
    if len(weight) == 1:
        return np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias


def coefficients_of(weight: Doubles, bias: Doubles, dtype: Any) -> tuple[Floats, Floats]:
    """Users' coefficients of the solver's rows, in the features' dtype: [1, D] and [1] for two classes.

    The same number added to every bias changes no probability: their mean is made 0.
    """
    if len(weight) == 2:
        weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
    else:
        bias = bias - bias.mean()
    return weight.astype(dtype), bias.astype(dtype)
