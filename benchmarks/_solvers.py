"""The same objective by others' solvers: scikit-learn's and PyTorch's. Each is told how many iterations it may take.

How many it needs to come within a gap of the optimum is found before anything is timed, for everybody by the same
rule: the fewest iterations after which the objective, in float64, is within the gap.
"""

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from manual_vs_auto.solve import minimise

Array = Any
Parts = tuple[Array, Array]  # weight [K, D], bias [K]
Fit = Callable[[int], Parts]  # of a number of iterations

_MOST_OPERATIONS = 2e12  # an iteration of newton-cholesky: N (K D)^2 multiplications and additions


@dataclass(frozen=True)
class Problem:
    """features [N, D] float32, labels [N], K classes, and the penalty l2 of the mean loss."""

    name: str
    features: Array
    labels: Array
    classes: int
    l2: float


def ours(problem: Problem, solver: Any) -> Fit:
    def fit(iterations: int) -> Parts:
        found = minimise(
            problem.features,
            problem.labels,
            problem.classes,
            l2=problem.l2,
            tol=0.0,
            max_iter=iterations,
            solver=solver,
        )
        return found.weight, found.bias

    return fit


def scikit_learn(problem: Problem, solver: str, threads: int | None = None) -> Fit | str:
    """A reason where it is not run. Args: threads: of BLAS, whose threads and its own may be in each other's way."""
    if importlib.util.find_spec("sklearn") is None:
        return "not installed"
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    rows, width = problem.features.shape
    if solver == "newton-cholesky" and 2 * rows * (width * problem.classes) ** 2 > _MOST_OPERATIONS:
        return f"a Hessian of {(width * problem.classes):,}^2 from {rows:,} rows"

    def fit(iterations: int) -> Parts:
        model = LogisticRegression(
            C=1 / (problem.l2 * rows), solver=solver, tol=1e-15, max_iter=iterations, random_state=0
        )
        with warnings.catch_warnings(), threadpool_limits(threads, user_api="blas"):
            warnings.simplefilter("ignore")  # that it has not converged, which is what was asked for
            model.fit(problem.features, problem.labels)
        return model.coef_, model.intercept_

    return fit


def torch_lbfgs(problem: Problem) -> Fit | str:
    if importlib.util.find_spec("torch") is None:
        return "not installed"
    import torch

    features, labels = torch.from_numpy(problem.features), torch.from_numpy(problem.labels).long()

    def fit(iterations: int) -> Parts:
        weight = torch.zeros((problem.classes, features.shape[1]), requires_grad=True)
        bias = torch.zeros(problem.classes, requires_grad=True)
        optimizer = torch.optim.LBFGS(
            [weight, bias], max_iter=iterations, max_eval=10 * iterations, tolerance_grad=0, tolerance_change=0,
            history_size=20, line_search_fn="strong_wolfe",
        )  # fmt: skip

        def closure() -> Any:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(features @ weight.T + bias, labels)
            loss = loss + problem.l2 / 2 * (weight * weight).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        return weight.detach().numpy(), bias.detach().numpy()

    return fit
