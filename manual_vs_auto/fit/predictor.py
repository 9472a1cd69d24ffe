"""What a fitted softmax(Wx + b) answers: scores, probabilities, classes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from manual_vs_auto.fit.scikit import Classifier, NotFittedError
from manual_vs_auto.fit.validation import Floats, expect_names, features_of, labels_of, names_of, weights_of
from manual_vs_auto.rules.softmax import Exponentials, exponentials


class Predictor(Classifier):
    """The half of the estimators that needs `coef_`, `intercept_` and `classes_`, not how they were found."""

    coef_: Floats
    intercept_: Floats
    classes_: npt.NDArray[Any]
    n_features_in_: int
    feature_names_in_: npt.NDArray[np.object_]

    def decision_function(self, X: Any) -> Floats:
        """The logits W x + b: [N, K]; for two classes that of the second minus that of the first, [N].

        Args:   X: features [N, D].
        Raises: NotFittedError before `fit`; ValueError and TypeError for features that are not those of `fit`.
        """
        who = type(self).__name__
        if not hasattr(self, "coef_"):
            raise NotFittedError(
                f"This {who} instance is not fitted yet. Call 'fit' with appropriate arguments before using it."
            )
        expect_names(names_of(X), getattr(self, "feature_names_in_", None), who)
        scores: Floats = self._expected(features_of(X, who)) @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class of the largest logit, the first of ties: [N] of `classes_`."""
        scores = self.decision_function(X)
        chosen = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        named: npt.NDArray[Any] = self.classes_[chosen]
        return named

    def predict_proba(self, X: Any) -> Floats:
        """softmax(W x + b), notes (6): [N, K], each row sums to 1. Of the dtype of X and `coef_`."""
        probabilities: Floats = self._exponentials(X).probabilities
        return probabilities

    def predict_log_proba(self, X: Any) -> Floats:
        """The probabilities' logarithms [N, K], made of the logits: none is -inf where a probability is too small."""
        row = self._exponentials(X)
        logarithms: Floats = row.differences - np.log1p(row.others)
        return logarithms

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of samples, by weight, whose predicted class is theirs: 0..1.

        Raises: ValueError as `predict`, and where y has texts and the classes are numbers, or the other way round.
        """
        predicted = self.predict(X)
        labels = labels_of(y, len(predicted), type(self).__name__)
        if (labels.dtype.kind in "OUS") != (predicted.dtype.kind in "OUS"):
            raise ValueError(f"y has labels of {labels.dtype}, and the classes of `fit` are of {predicted.dtype}.")
        return float(np.average(predicted == labels, weights=weights_of(sample_weight, len(predicted))))

    def _exponentials(self, X: Any) -> Exponentials:
        scores = self.decision_function(X)
        return exponentials(np.stack([np.zeros_like(scores), scores], axis=1) if scores.ndim == 1 else scores)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """All that is learned within, or nothing: what fails leaves the estimator as it was."""
        before = vars(self).copy()
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    def _expected(self, features: Floats) -> Floats:
        """The features, if they are as many as those of `fit`."""
        if features.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {features.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                "features as input"
            )
        return features

    def _remember(self, X: Any, features: Floats) -> None:
        """Keep how many features there are, and their names where they have some."""
        names = names_of(X)
        self.n_features_in_ = features.shape[1]
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
