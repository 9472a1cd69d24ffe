"""A small problem in NumPy: the same objective, the same optimum, and no program compiled for it."""

from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest

from manual_vs_auto.model import Loss
from manual_vs_auto.solve import minimise, path
from manual_vs_auto.solve.gram import Gram
from manual_vs_auto.solve.objective import Objective
from tests.solve.problems import Array, gradient, made, value

FEATURES, LABELS = made(150, 6, 4)
WEIGHTS = np.random.default_rng(0).integers(0, 3, 150).astype(np.float64)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_distance"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_it_says_what_the_compiled_one_says(loss: Loss, intercept: bool, shift: float) -> None:
    options: dict[str, Any] = {"loss": loss, "l2": 0.1, "weights": WEIGHTS, "intercept": intercept}
    both = [Objective(FEATURES + shift, LABELS, 4, device=d, **options) for d in (None, jax.devices("cpu")[0])]
    theta, direction = np.random.default_rng(1).normal(size=(2, *both[0].shape))
    here, there = (each.at(theta) for each in both)
    # Logits of about shift, each a few roundings away; the sums are of 150 of them.
    near = 150 * np.finfo(np.float64).eps * max(shift, 10) ** 2
    assert here.value == pytest.approx(there.value, rel=near)
    np.testing.assert_allclose(here.gradient, there.gradient, atol=near)
    assert here.norm == pytest.approx(there.norm, rel=near * 100)
    ours, theirs = (each.product(theta, direction, "convex") for each in both)
    np.testing.assert_allclose(ours, theirs, atol=near * 10)
    for own in (0, 5, 20):
        for part, theirs in zip(*map(parts, (each.gram(theta, own) for each in both)), strict=True):
            # Theirs is float32. Where every row is sure, all that there is are ridges of 1e-18 in 6 columns.
            least = max(1e-17, 1e-4 * np.abs(theirs).max())
            np.testing.assert_allclose(part, theirs, atol=least)


def parts(found: Gram) -> tuple[Array, ...]:
    """What does not depend on the order of a class's rows."""
    mean, rest, rows = map(np.asarray, found)
    return mean, rest * np.trace(mean), rows.mT @ rows


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_distance"])
@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float32, np.float64])
def test_the_optimum_has_no_slope(loss: Loss, solver: Any, dtype: Any) -> None:
    features = FEATURES.astype(dtype)
    found = minimise(features, LABELS, 4, loss=loss, l2=1e-2, weights=WEIGHTS, tol=1e-10, solver=solver)
    assert found.converged
    wide, shares = features.astype(np.float64), WEIGHTS / WEIGHTS.sum()
    slope = gradient(loss, wide, LABELS, shares, 1e-2, found.weight, found.bias)
    assert np.abs(slope).max() == pytest.approx(found.gradient_norm, abs=1e-14)
    told = value(loss, wide, LABELS, shares, 1e-2, found.weight, found.bias)
    assert found.objective == pytest.approx(told, rel=60 * np.finfo(np.float64).eps)


def test_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(*_: Any, **__: Any) -> None:
        raise AssertionError("a program was asked for")

    for name in ("over_chunks", "gram_compiled", "inverse_compiled", "times_compiled"):
        monkeypatch.setattr(f"manual_vs_auto.solve.objective.{name}", compiled)
    assert all(found.converged for found in path(FEATURES, LABELS, 4, [1e-1, 1e-3]))
    for solver in ("lbfgs", "newton"):
        assert minimise(FEATURES, LABELS, 4, l2=1e-3, solver=solver).converged
    with pytest.raises(AssertionError, match="a program was asked for"):
        minimise(FEATURES, LABELS, 4, l2=1e-3, device="cpu")
