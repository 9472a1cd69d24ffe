"""`SoftmaxRegression`: softmax(Wx + b) at its optimum, with scikit-learn's interface."""

from typing import Any, Self

import numpy as np

from manual_vs_auto.fit.incremental import Progress, started, step
from manual_vs_auto.fit.optimum import Optimum
from manual_vs_auto.fit.problem import Problem, batch_of, coefficients_of, penalty_of, problem_of, rows_of, rows_penalty
from manual_vs_auto.fit.validation import expect_names, names_of
from manual_vs_auto.model import Batch, Loss


class SoftmaxRegression(Optimum):
    """softmax(Wx + b), fitted to the optimum of its mean loss by hand-derived gradients and curvature.

    Source: notes (5) to (10), and the bias beside them. `fit` finds the least of

            sum_i w_i L(softmax(W x_i + b), y_i) / sum_i w_i  +  l2 / 2 |W|^2

        The bias b is not penalised. With cross-entropy this is convex, and with `l2 = 1 / (C sum_i w_i)` it is
        scikit-learn's LogisticRegression. The squared distance is not convex: what is found is a local optimum.
    Args:
        loss:          "cross_entropy" or the notes' "squared_distance".
        C:             the inverse of the penalty's strength, as LogisticRegression's. Infinite is no penalty.
        l2:            the penalty's factor beside the mean loss. Where it is given, `C` is not looked at.
        fit_intercept: whether there is a bias.
        class_weight:  what each class counts, {class: weight}, or "balanced": inversely to its share of the samples.
        warm_start:    whether `fit` begins where the last one ended, if the classes and features are as many.
        tol:           what the largest component of the objective's gradient is to come down to.
        max_iter:      iterations at most.
        solver:        "auto", or one that `manual_vs_auto.solve.minimise` names.
        device:        "auto", or one that `manual_vs_auto.solve.minimise` names.
    Attributes, after `fit`:
        coef_, intercept_: [K, D] and [K], in the features' dtype; [1, D] and [1] for two classes.
        classes_:          the labels' classes, sorted: [K].
        objective_, gradient_norm_: where the solver ended, and the gradient's largest component there.
        n_iter_, converged_: iterations taken, and whether `tol` was reached. Where it was not, `fit` warns.
        n_features_in_, feature_names_in_: D, and the columns' names where a data frame has some.
    Raises: ValueError for a parameter or data that can't be, TypeError for sparse features.

    Example:
        >>> model = SoftmaxRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> model.predict([[-1.0], [4.0]]).tolist()
        ['no', 'yes']
        >>> model.predict_proba([[1.5]]).round(3)
        array([[0.5, 0.5]])
    """

    _progress: Progress | None = None

    def __init__(
        self,
        *,
        loss: Loss = "cross_entropy",
        C: float | None = 1.0,
        l2: float | None = None,
        fit_intercept: bool = True,
        class_weight: Any = None,
        warm_start: bool = False,
        tol: float = 1e-4,
        max_iter: int = 1000,
        solver: str = "auto",
        device: str = "auto",
    ) -> None:
        self.loss = loss
        self.C = C
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.tol = tol
        self.max_iter = max_iter
        self.solver = solver
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Find the optimum for features X [N, D] and labels y [N], each sample counting sample_weight [N].

        Warns: ConvergenceWarning (scikit-learn's where it is installed) if the solver stopped before `tol`.
        """
        self._check()
        problem = problem_of(X, y, sample_weight, type(self).__name__)
        problem = problem.balanced(self.class_weight, problem.held())
        with self._whole():
            start = self._start(problem)
            self._remember(X, problem.features)
            self._progress = None
            self._keep(self._minimised(problem, penalty_of(self.C, self.l2, problem.weights.sum()), start), problem)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Take one step towards the optimum of a batch: features X [N, D], labels y [N].

        Source: `incremental.step`. The penalty is `l2`, or 1 / (C * the weights of all the samples so far); "balanced"
                is by the samples so far.
        Args:   classes: all that will come, at the first call; not needed after `fit`. y may lack some of them.
        Raises: ValueError as `fit`, and for classes that are missing at first or change.
        """
        self._check()
        who = type(self).__name__
        first = not hasattr(self, "coef_")
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        known = np.unique(classes) if first else self.classes_
        if classes is not None and not np.array_equal(np.unique(classes), known):
            raise ValueError(f"classes={classes!r} is not the same as on the last call to partial_fit, {known!r}")
        batch = batch_of(X, y, known, sample_weight, who)
        with self._whole():
            if first:
                self._begin(X, batch)
            expect_names(names_of(X), getattr(self, "feature_names_in_", None), who)
            self._expected(batch.features)
            self._step(batch)
        return self

    def _begin(self, X: Any, batch: Problem) -> None:
        """Zero coefficients for a batch's features and classes."""
        self._remember(X, batch.features)
        classes, dtype = len(batch.classes), batch.features.dtype
        zeros = np.zeros((classes, self.n_features_in_)), np.zeros(classes)
        self.classes_ = batch.classes
        self.coef_, self.intercept_ = coefficients_of(*zeros, dtype)
        self.n_iter_ = 0

    def _step(self, batch: Problem) -> None:
        """Go one step, and forget what was true of the optimum that `fit` found."""
        weight, bias = rows_of(self.coef_, self.intercept_)
        inputs, penalised = batch.features.astype(np.float64), np.ones(self.n_features_in_)
        if self.fit_intercept:
            # The bias is the weight of one more feature, which is always 1.
            inputs = np.column_stack([inputs, np.ones(len(inputs))])
            weight, penalised = np.column_stack([weight, bias]), np.append(penalised, 0)
        before = self._progress or started(len(penalised), len(weight))
        if len(before.curvature) != len(penalised):
            raise ValueError("fit_intercept has changed since the last call of partial_fit: fit anew")
        held = before.held + batch.held()
        weights = batch.balanced(self.class_weight, held).weights
        seen = before.seen + float(weights.sum())
        weight, curvature = step(
            weight,
            Batch(inputs, batch.labels, weights),
            before.curvature,
            before.steps,
            loss=self.loss,
            penalties=rows_penalty(penalty_of(self.C, self.l2, seen), len(weight)) * penalised,
        )
        self._progress = Progress(curvature, before.steps + 1, held, seen)
        if self.fit_intercept:
            weight, bias = weight[:, :-1], weight[:, -1]
        self.coef_, self.intercept_ = coefficients_of(weight, bias, self.coef_.dtype)
        self.n_iter_ += 1
        for name in ("objective_", "gradient_norm_", "converged_"):
            vars(self).pop(name, None)

    def _start(self, problem: Problem) -> tuple[Any, Any] | None:
        """Where a warm start begins: at the last coefficients, if they are of the same classes and features."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        same = np.array_equal(self.classes_, problem.classes) and self.coef_.shape[1] == problem.features.shape[1]
        return rows_of(self.coef_, self.intercept_) if same else None
