"""The optimum against scikit-learn's, and against what an optimum is: no slope."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manual_vs_auto.model import Loss
from manual_vs_auto.solve import Progress, descent, minimise, path
from manual_vs_auto.solve.metric import Metric
from tests.solve.problems import Array, gradient, made, value

FEATURES, LABELS = made(400, 12, 5)
SHARES = np.full(400, 1 / 400)


def _best(features: Array, labels: Array, l2: float, weights: Array | None = None, intercept: bool = True) -> Any:
    linear_model = pytest.importorskip("sklearn.linear_model")
    total = len(labels) if weights is None else weights.sum()
    # The objective of scikit-learn is C sum w_i L_i + |W|^2 / 2.
    model = linear_model.LogisticRegression(
        C=1 / (l2 * total), tol=1e-12, max_iter=10_000, solver="newton-cholesky", fit_intercept=intercept
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says so where float64 ends before 1e-12
        return model.fit(features, labels, sample_weight=weights)


@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
@pytest.mark.parametrize("l2", [1e-1, 1e-4])
@pytest.mark.parametrize(("intercept", "device"), [(True, "auto"), (False, "cpu")])
def test_the_optimum_is_scikit_learns(solver: Any, l2: float, intercept: bool, device: Any) -> None:
    weights = np.random.default_rng(3).integers(0, 3, 400).astype(np.float64)
    theirs = _best(FEATURES, LABELS, l2, weights, intercept)
    ours = minimise(
        FEATURES, LABELS, 5, l2=l2, weights=weights, intercept=intercept, tol=1e-10, solver=solver, device=device
    )
    assert ours.converged
    assert ours.gradient_norm <= 1e-10
    scale = np.abs(theirs.coef_).max()
    assert np.abs(ours.weight - theirs.coef_).max() < 1e-5 * scale
    centred = ours.bias - ours.bias.mean()  # the same number added to each changes nothing
    assert np.abs(centred - theirs.intercept_ + theirs.intercept_.mean()).max() < 1e-5 * max(scale, 1)
    reached = value("cross_entropy", FEATURES, LABELS, weights / weights.sum(), l2, theirs.coef_, theirs.intercept_)
    assert ours.objective <= reached * (1 + 1e-12)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_distance"])
@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
@pytest.mark.parametrize(("dtype", "device"), [(np.float32, "cpu"), (np.float64, "cpu"), (np.float64, "auto")])
def test_what_is_told_is_so(loss: Loss, solver: Any, dtype: Any, device: Any) -> None:
    features = FEATURES.astype(dtype)
    found = minimise(features, LABELS, 5, loss=loss, l2=1e-3, tol=1e-8, solver=solver, device=device)
    assert found.converged
    wide = features.astype(np.float64)
    slope = gradient(loss, wide, LABELS, SHARES, 1e-3, found.weight, found.bias)
    assert np.abs(slope).max() == pytest.approx(found.gradient_norm, abs=1e-14)
    told = value(loss, wide, LABELS, SHARES, 1e-3, found.weight, found.bias)
    assert found.objective == pytest.approx(told, rel=60 * np.finfo(np.float64).eps)
    assert found.evaluations > found.iterations > 0


def test_it_ends_where_it_is_told_and_says_so() -> None:
    short = minimise(FEATURES, LABELS, 5, l2=1e-3, max_iter=1)
    assert (short.iterations, short.converged) == (1, False)
    seen: list[Progress] = []

    def third(progress: Progress) -> bool:
        seen.append(progress)
        return progress.iteration == 3

    stopped = minimise(FEATURES, LABELS, 5, l2=1e-3, on_iteration=third)
    assert (stopped.iterations, stopped.converged) == (3, False)
    assert [progress.iteration for progress in seen] == [1, 2, 3]
    np.testing.assert_array_equal(seen[-1].weight, stopped.weight)
    assert seen[0].objective > seen[-1].objective > stopped.objective - 1e-6


@pytest.mark.parametrize(
    ("size", "far", "tol"), [(1.0, 0.0, 1e-4), (1.0, 0.0, 1e-9), (1e-6, 0.0, 1e-9), (1.0, 1e6, 1e-2), (1e3, 0.0, 1e-2)]
)
def test_converged_is_true_in_float64_too(size: float, far: float, tol: float) -> None:
    """Float32 has the last word only where its own rounding is small beside the tolerance."""
    features = size * FEATURES + far
    found = minimise(features, LABELS, 5, l2=1e-3 * size**2, tol=tol, device="cpu")
    assert found.converged
    shares = np.full(len(LABELS), 1 / len(LABELS))
    slope = gradient("cross_entropy", features, LABELS, shares, 1e-3 * size**2, found.weight, found.bias)
    assert np.abs(slope).max() <= 1.05 * tol
    told = value("cross_entropy", features, LABELS, shares, 1e-3 * size**2, found.weight, found.bias)
    assert found.objective == pytest.approx(told, rel=1e-7)


def test_where_a_class_needs_rows_of_its_own_it_gets_a_metric_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs of classes, each pair told apart by columns in which the others hardly vary."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 6, 3000)
    spread = np.where(np.arange(24)[None] // 8 == labels[:, None] // 2, 1.0, 0.03)
    features = draw.normal(size=(3000, 24)) * spread
    features[:, ::8] += 0.1 * (labels % 2)[:, None]
    features[:, [1, 9, 17]] += 3 * np.eye(3)[labels // 2]
    settings: dict[str, Any] = {"l2": 1e-4, "tol": 1e-6}
    by_class = minimise(features, labels, 6, **settings)
    monkeypatch.setattr(descent, "_SHARED", 10**9)
    shared = minimise(features, labels, 6, **settings)
    assert by_class.converged
    assert shared.converged
    # Strong convexity: F - F* <= |gradient|^2 / (2 l2), of 150 entries.
    assert by_class.objective == pytest.approx(shared.objective, abs=150 * 1e-6**2 / 2e-4)
    assert by_class.evaluations < 0.7 * shared.evaluations


def test_the_longer_the_way_the_more_rows_a_metric_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = made(1100, 70, 3)
    made_of: list[int] = []
    refresh = Metric.refresh

    def noted(self: Metric, theta: Array, own: int, l2: float | None = None) -> None:
        made_of.append(own)
        refresh(self, theta, own, l2)

    monkeypatch.setattr(Metric, "refresh", noted)
    assert not minimise(features, labels, 3, l2=1e-9, tol=0, max_iter=70).converged
    assert made_of == [0, 64, 64, 512]  # before steps 0, 4, 16 and 64
    made_of.clear()
    assert not minimise(features, labels, 3, l2=1e-9, tol=0, max_iter=7, solver="newton").converged
    assert made_of == [0, 0, 64]


def test_from_the_optimum_it_takes_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    found = minimise(FEATURES, LABELS, 5, l2=1e-2, tol=1e-9)
    monkeypatch.setattr(Metric, "refresh", lambda *_: pytest.fail("a metric was made for no step"))
    narrow = minimise(FEATURES, LABELS, 5, l2=1e-2, tol=1e-8, start=(found.weight, found.bias), device="cpu")
    assert (narrow.iterations, narrow.evaluations, narrow.converged) == (0, 2, True)  # float32 can't tell
    again = minimise(FEATURES, LABELS, 5, l2=1e-2, tol=1e-9, start=(found.weight, found.bias))
    assert (again.iterations, again.converged) == (0, True)
    # A start is centred over the classes once more.
    np.testing.assert_allclose(again.weight, found.weight, rtol=0, atol=16 * np.finfo(np.float64).eps)


def test_a_path_is_each_fit_by_itself_in_the_order_asked() -> None:
    l2s = [1e-3, 1.0, 1e-2, 1e-1, 1e-3]
    found = path(FEATURES, LABELS, 5, l2s, tol=1e-9)
    alone = [minimise(FEATURES, LABELS, 5, l2=l2, tol=1e-9) for l2 in l2s]
    for one, other in zip(found, alone, strict=True):
        assert one.converged
        # Strong convexity: |theta - optimum| <= |gradient| / l2; without a penalty on the bias it is only near that.
        assert np.abs(one.weight - other.weight).max() < 1e-5
        assert one.objective == pytest.approx(other.objective, rel=1e-10)


def test_a_path_takes_fewer_passes_than_its_fits() -> None:
    l2s = np.geomspace(1e-4, 1, 10)
    found = path(FEATURES, LABELS, 5, l2s, tol=1e-6)  # an array of them is as good as a list
    alone = [minimise(FEATURES, LABELS, 5, l2=l2, tol=1e-6) for l2 in l2s]
    assert sum(one.evaluations for one in found) < 0.9 * sum(other.evaluations for other in alone)


@pytest.mark.parametrize("number", [7, 20])
def test_a_long_path_to_a_small_tolerance_does_not_creep(number: int) -> None:
    """What rounding put along (1, ..., 1) over the classes, where only the penalty pulls, once took 1,700 passes."""
    l2s = np.logspace(-6, 0, number).tolist()
    together = path(FEATURES, LABELS, 5, l2s, tol=1e-9)
    assert all(one.converged for one in together)
    assert all(np.abs(one.weight.sum(axis=0)).max() < 1e-12 for one in together)
    alone = sum(minimise(FEATURES, LABELS, 5, l2=l2, tol=1e-9).evaluations for l2 in l2s)
    assert sum(one.evaluations for one in together) < alone


def test_hard_cases() -> None:
    """Columns that are constant or the same, a class without a row, one row, more columns than rows, big numbers."""
    twice = np.concatenate([FEATURES, FEATURES, np.ones((400, 1))], axis=1)
    assert minimise(twice, LABELS, 5, l2=1e-3, tol=1e-8).converged
    assert minimise(FEATURES, LABELS, 7, l2=1e-3).converged
    assert minimise(FEATURES[:1], LABELS[:1] * 0, 2, l2=1e-3).converged
    assert minimise(*made(10, 40, 3), 3, l2=1e-3, tol=1e-8).converged
    shifted = FEATURES + 1e4
    assert minimise(shifted, LABELS, 5, l2=1e-3, tol=1e-6).objective == pytest.approx(
        minimise(FEATURES, LABELS, 5, l2=1e-3, tol=1e-6).objective, rel=1e-5
    )
    assert minimise(FEATURES * 1e3, LABELS, 5, l2=1e-3, tol=1e-6).converged


@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_class_without_rows_takes_no_iterations_of_its_own(solver: Any, device: Any) -> None:
    """Its bias belongs at -infinity; without rows is, too, one whose rows have no weight. It took 40 times as many."""
    draw = np.random.default_rng(0)
    features, labels = draw.normal(size=(200, 64)) * 10 ** draw.uniform(-2, 2, 64), draw.integers(0, 3, 200)
    weights = (labels != 1).astype(float)
    settings: Any = {"l2": 1e-6, "tol": 1e-6, "solver": solver, "device": device}
    alone = minimise(features[labels != 1], labels[labels != 1] // 2, 2, **settings)
    found = minimise(features, labels, 4, weights=weights, **settings)
    assert found.converged
    assert found.iterations <= 2 * alone.iterations
    assert found.objective == pytest.approx(alone.objective, rel=1e-9)
    np.testing.assert_allclose(found.weight[2] - found.weight[0], alone.weight[1] - alone.weight[0], atol=1e-3)
    assert np.max(found.bias[[1, 3]]) < np.min(found.bias[[0, 2]]) - 40


def test_separable_rows_without_a_penalty_do_not_hang() -> None:
    features = np.array([[-1.0], [1.0]])
    found = minimise(features, np.array([0, 1]), 2, l2=0.0, tol=1e-12, max_iter=200)
    assert np.isfinite(found.weight).all()
    assert found.objective < 1e-6


def test_a_memory_map_is_read_in_place(tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", FEATURES.astype(np.float32))
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    found = minimise(mapped, LABELS, 5, l2=1e-3)
    assert found.objective == minimise(np.asarray(mapped), LABELS, 5, l2=1e-3).objective


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("loss must be one of", {"loss": "hinge"}),
        ("solver must be one of auto, lbfgs, newton, not 'sag'", {"solver": "sag"}),
        ("device must be one of", {"device": "tpu9"}),
        ("l2 must be finite and not negative", {"l2": -1.0}),
        ("l2 must be finite and not negative", {"l2": np.nan}),
        ("weights must be \\[400\\]", {"weights": np.ones(3)}),
        ("weights must be finite, not negative", {"weights": np.zeros(400)}),
        ("weights must be finite, not negative", {"weights": np.full(400, np.nan)}),
    ],
)
def test_what_cannot_be_used_is_named(said: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=said):
        minimise(FEATURES, LABELS, 5, **wrong)


@pytest.mark.parametrize(
    ("said", "features", "labels", "classes"),
    [
        ("labels must be in 0..3, not 0..4", FEATURES, LABELS, 4),
        ("labels must be integers", FEATURES, LABELS[:-1], 5),
        ("labels must be integers", FEATURES, LABELS * 1.0, 5),
        ("features must be \\[N, D\\]", FEATURES[0], LABELS, 5),
        ("features must be floating", np.ones((400, 2), int), LABELS, 5),
        ("classes must be at least 2", FEATURES, LABELS * 0, 1),
        ("NaN or infinity", np.where(FEATURES > 2, np.nan, FEATURES), LABELS, 5),
    ],
)
def test_rows_that_cannot_be_used_are_named(said: str, features: Any, labels: Any, classes: int) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        minimise(features, labels, classes)
