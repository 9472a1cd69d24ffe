"""`SoftmaxRegressionCV`: the penalty chosen by how well held-out samples are predicted, along one warm path."""

from typing import Any, Literal, Self

import numpy as np

from manual_vs_auto.fit.folds import splits_of
from manual_vs_auto.fit.optimum import Optimum
from manual_vs_auto.fit.problem import Doubles, Problem, penalty_of, problem_of
from manual_vs_auto.fit.validation import Integers
from manual_vs_auto.model import Loss
from manual_vs_auto.rules import cross_entropy
from manual_vs_auto.solve import Solution


class SoftmaxRegressionCV(Optimum):
    """SoftmaxRegression with the `C` of the best score on samples that it was not fitted to.

    In each fold the fits go from the strongest penalty to the weakest, each from where the last one ended. Then all
    samples are fitted with the best `C`, from the mean of the folds' coefficients.

    Args:
        Cs:      the values of `C` to try, or how many, evenly spread in their logarithms from 1e-4 to 1e4.
        cv:      folds: an integer, that many, stratified as StratifiedKFold's; a number in 0..1, that share of each
                 class held out once; a splitter of scikit-learn's; or pairs of rows to fit and rows to score.
        scoring: "accuracy", or "neg_log_loss": minus the mean cross-entropy, in nats.

        The others are SoftmaxRegression's.
    Attributes, after `fit`:
        C_:      the best, the smallest of those with the best mean score over the folds.
        Cs_:     those tried, ascending: [S].
        scores_: of each fold and C: [F, S], samples counting their weight.

        And all of SoftmaxRegression's, of the fit to all samples.
    Raises: ValueError for a parameter or data that can't be, TypeError for sparse features.

    Example:
        >>> features = np.linspace(-1, 1, 40)[:, None]
        >>> model = SoftmaxRegressionCV(Cs=[0.01, 1, 100], cv=4).fit(features, features[:, 0] > 0.3)
        >>> model.C_, model.scores_.shape
        (100.0, (4, 3))
    """

    C_: float
    Cs_: Doubles
    scores_: Doubles

    def __init__(
        self,
        *,
        Cs: Any = 10,
        cv: Any = 5,
        scoring: Literal["accuracy", "neg_log_loss"] = "accuracy",
        loss: Loss = "cross_entropy",
        fit_intercept: bool = True,
        class_weight: Any = None,
        tol: float = 1e-4,
        max_iter: int = 1000,
        solver: str = "auto",
        device: str = "auto",
    ) -> None:
        self.Cs = Cs
        self.cv = cv
        self.scoring = scoring
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.solver = solver
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Choose `C` and find its optimum for features X [N, D] and labels y [N], counting sample_weight [N].

        Warns: ConvergenceWarning (scikit-learn's where it is installed) if the solver stopped before `tol`.
        """
        self._check()
        if self.scoring not in ("accuracy", "neg_log_loss"):
            raise ValueError(f"scoring must be 'accuracy' or 'neg_log_loss', got {self.scoring!r}")
        tried = _tried(self.Cs)
        problem = problem_of(X, y, sample_weight, type(self).__name__)
        splits = splits_of(self.cv, X, y, problem.labels, problem.rows)
        paths = [self._fold(problem, fit, tried) for fit, _ in splits]
        scores = [
            [_score(solution, problem.part(held), self.scoring) for solution in solutions]
            for solutions, (_, held) in zip(paths, splits, strict=True)
        ]
        with self._whole():
            self._remember(X, problem.features)
            self.Cs_, self.scores_ = tried, np.array(scores)
            best = int(self.scores_.mean(axis=0).argmax())
            self.C_ = float(tried[best])
            self._warn([solution for solutions in paths for solution in solutions], 2)
            problem = problem.balanced(self.class_weight, problem.held())
            near = [(solutions[best].weight, solutions[best].bias) for solutions in paths]
            start = np.mean([weight for weight, _ in near], axis=0), np.mean([bias for _, bias in near], axis=0)
            self._keep(self._minimised(problem, penalty_of(self.C_, None, problem.weights.sum()), start), problem)
        return self

    def _fold(self, problem: Problem, fit: Integers, tried: Doubles) -> list[Solution]:
        """The optimum for each C in one fold, ascending: the strongest penalty first."""
        part = problem.part(fit)
        part = part.balanced(self.class_weight, part.held())
        return self._path(part, [penalty_of(C, None, part.weights.sum()) for C in tried])


def _tried(Cs: Any) -> Doubles:
    """The values of C, ascending. ValueError if they are none, or not all positive."""
    if isinstance(Cs, (int, np.integer)) and not isinstance(Cs, bool):
        Cs = np.logspace(-4, 4, Cs) if Cs > 0 else []
    listed = np.ravel(np.asarray(Cs))
    values: Doubles = np.unique(listed.astype(np.float64)) if listed.dtype.kind in "iuf" else np.zeros(0)
    if len(values) == 0 or not np.all(values > 0):
        raise ValueError(f"Cs must be positive numbers, or how many to try, got {Cs!r}")
    return values


def _score(solution: Solution, part: Problem, scoring: str) -> float:
    """How well a solution predicts the examples of a part, by their weights: larger is better."""
    weight, bias = (rows.astype(part.features.dtype) for rows in (solution.weight, solution.bias))
    logits = part.features @ weight.T + bias
    if scoring == "accuracy":
        return float(np.average(logits.argmax(axis=1) == part.labels, weights=part.weights))
    return -float(np.average(cross_entropy(logits, part.labels), weights=part.weights))
