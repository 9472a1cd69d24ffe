"""What the estimators share that find an optimum: their solver's settings, and what they keep of what it says."""

import warnings
from typing import Any

import numpy as np

from manual_vs_auto.fit.predictor import Predictor
from manual_vs_auto.fit.problem import Problem, coefficients_of, rows_penalty
from manual_vs_auto.fit.scikit import ConvergenceWarning
from manual_vs_auto.fit.validation import is_number
from manual_vs_auto.model import LOSSES, Loss
from manual_vs_auto.solve import Solution, minimise, path


class Optimum(Predictor):
    """The half of the estimators that calls the solver."""

    loss: Loss
    fit_intercept: bool
    class_weight: Any
    tol: float
    max_iter: int
    solver: str
    device: str

    objective_: float
    gradient_norm_: float
    n_iter_: int
    converged_: bool

    def _check(self) -> None:
        """ValueError for a setting that can't be. The solver knows the names of solvers and devices."""
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {sorted(LOSSES)}, got {self.loss!r}")
        for name in ("fit_intercept", "warm_start"):
            if (value := getattr(self, name, False)) not in (True, False):
                raise ValueError(f"{name} must be True or False, got {value!r}")
        if not (is_number(self.tol) and self.tol > 0):
            raise ValueError(f"tol must be a positive number, got {self.tol!r}")
        if not (is_number(self.max_iter) and 1 <= self.max_iter < np.inf and self.max_iter == int(self.max_iter)):
            raise ValueError(f"max_iter must be a whole number of at least 1, got {self.max_iter!r}")

    def _minimised(self, problem: Problem, l2: float, start: Any) -> Solution:
        """The optimum for users' `l2`, from a start of rows (weight, bias) or from zero."""
        classes = len(problem.classes)
        return minimise(
            problem.features,
            problem.labels,
            classes,
            l2=rows_penalty(l2, classes),
            start=start,
            weights=problem.weights,
            **self._settings(),
        )

    def _path(self, problem: Problem, l2s: list[float]) -> list[Solution]:
        """The optima for users' `l2s`, the largest first."""
        classes = len(problem.classes)
        l2s = [rows_penalty(l2, classes) for l2 in l2s]
        return path(problem.features, problem.labels, classes, l2s, weights=problem.weights, **self._settings())

    def _settings(self) -> dict[str, Any]:
        return {
            "loss": self.loss,
            "intercept": self.fit_intercept,
            "tol": self.tol,
            "max_iter": int(self.max_iter),
            "solver": self.solver,
            "device": self.device,
        }

    def _keep(self, solution: Solution, problem: Problem) -> None:
        """What was reached becomes the estimator's, and a warning where it is not an optimum."""
        self.classes_ = problem.classes
        self.coef_, self.intercept_ = coefficients_of(solution.weight, solution.bias, problem.features.dtype)
        self.objective_, self.gradient_norm_ = solution.objective, solution.gradient_norm
        self.n_iter_, self.converged_ = solution.iterations, solution.converged
        self._warn([solution], 3)

    def _warn(self, solutions: list[Solution], depth: int) -> None:
        """One ConvergenceWarning where some did not reach the tolerance, of the one that is farthest from it.

        Args: depth: how many calls there are from the user's to this one.
        """
        if failed := [solution for solution in solutions if not solution.converged]:
            worst = max(failed, key=lambda solution: np.nan_to_num(solution.gradient_norm, nan=np.inf))
            which = "" if len(solutions) == 1 else f" in {len(failed)} of {len(solutions)} fits of its path"
            warnings.warn(
                f"{type(self).__name__} stopped{which} after {worst.iterations} iterations (max_iter={self.max_iter}) "
                f"with the gradient's largest component at {worst.gradient_norm:.2g}, above tol={self.tol:g}. "
                "Raise max_iter, scale the features, or penalise more.",
                ConvergenceWarning,
                stacklevel=depth + 1,
            )
