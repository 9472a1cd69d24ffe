"""The metric's matrices, against the matrices themselves in NumPy float64, which the package never makes."""

import itertools
from typing import Any

import jax
import numpy as np
import pytest

from manual_vs_auto.model import Loss
from manual_vs_auto.solve import gram as module
from manual_vs_auto.solve.gram import Gram, inverse, times
from manual_vs_auto.solve.objective import Objective
from tests.solve.problems import Array, made, softmax

CPU = jax.devices("cpu")[0]
SINGLE = float(np.finfo(np.float32).eps)


def _objective(features: Array, labels: Array, loss: Loss = "cross_entropy", **options: Any) -> Objective:
    options = {"l2": 0.0, "weights": None, "intercept": True, "device": CPU} | options
    return Objective(features, labels, int(labels.max()) + 1, loss=loss, **options)


def _whole(found: Gram) -> Array:
    """M_k without a penalty, [K, D, D]."""
    mean, rest, rows = (np.asarray(part, np.float64) for part in found)
    return np.asarray(rest[:, None, None] * mean[None] + rows.mT @ rows)


def _bends(loss: Loss, p: Array) -> Array:
    """The diagonal of each row's Hessian in its logits, or of Gauss-Newton's 2 J J, from J itself: [N, K]."""
    jacobians = np.stack([np.diag(row) - np.outer(row, row) for row in p])
    if loss == "squared_distance":
        jacobians = 2 * jacobians @ jacobians
    return np.stack([np.diag(each) for each in jacobians])


def test_at_zero_it_is_the_mean_hessian() -> None:
    """At theta = 0 every row is as unsure as can be: c = 1 / K, and M is the Hessian's own block."""
    features, labels = made(90, 4, 3)
    ours = _objective(features, labels)
    zero = np.zeros(ours.shape)
    # A direction that changes p: the classes' sum is 0.
    along = np.outer([1.0, -1.0, 0.0], np.random.default_rng(2).normal(size=5))
    (matrix,) = _whole(ours.gram(zero))
    # The Gram matrix is a sum in float32.
    np.testing.assert_allclose(ours.product(zero, along), along @ matrix, rtol=0, atol=50 * SINGLE)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_distance"])
@pytest.mark.parametrize("device", [None, CPU])
@pytest.mark.parametrize("own", [1, 3, 30, 91])  # with 4 columns: as they are, and as 4 rows that say the same
def test_that_of_a_class_has_its_most_uncertain_rows(loss: Loss, device: Any, own: int) -> None:
    features, labels = made(91, 4, 3)
    weights = np.random.default_rng(3).uniform(0.5, 2, 91)
    ours = _objective(features, labels, loss, weights=weights, intercept=False, device=device)
    theta = 2 * np.random.default_rng(1).normal(size=ours.shape)
    shared, found = _whole(ours.gram(theta))[0], ours.gram(theta, own)
    assert found.rows.shape == (3, min(own, 4), 4)
    bends = _bends(loss, softmax(features @ theta.T)) * weights[:, None] / weights.sum()
    near = 50 * SINGLE
    mean = features.T @ (features * bends.sum(axis=1)[:, None] / 2)
    np.testing.assert_allclose(shared, mean, rtol=0, atol=near)
    for asked, each in zip(bends.T, _whole(found), strict=True):
        rows = np.argsort(asked)[-own:]
        alone = 0.9 * features[rows].T @ (features[rows] * asked[rows, None])
        all_of_it = asked @ (features**2).sum(axis=1)
        expected = alone + (all_of_it - np.trace(alone)) / np.trace(mean) * mean
        np.testing.assert_allclose(each, expected, rtol=0, atol=near)
        assert np.trace(each) == pytest.approx(all_of_it, rel=near)


@pytest.mark.parametrize("device", [None, CPU])
def test_rows_that_are_sure_say_nothing_and_spoil_nothing(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second row is looked at for what all classes share, and just these are sure."""
    for name, rows in (("_ROWS", 45), ("_ROWS_A_COLUMN", 0)):
        monkeypatch.setattr(module, name, rows)
    jax.clear_caches()  # or one that was compiled with other numbers is found
    features, labels = made(90, 4, 3)
    features[::2, 0] = 1e4
    features[1::2] = 1e3 * np.clip(features[1::2], -1, 1) * [0, 1, 1, 1]
    ours = _objective(features, labels, intercept=False, device=device)
    theta = np.zeros(ours.shape)
    theta[:, 0] = [1, 0, -1]
    assert not _whole(ours.gram(theta)).any()
    for own in (3, 30):
        found = ours.gram(theta, own)
        assert np.isfinite(_whole(found)).all()
        assert _whole(found).any()
        assert np.isfinite(ours.times(np.ones(ours.shape), ours.inverse(found, 0.0))).all()


@pytest.mark.parametrize("l2", [0.0, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("own", [0, 1, 7, 40])
def test_it_is_inverted(l2: float, own: int) -> None:
    """The same steps as with K matrices of D x D that are inverted as they are."""
    draw = np.random.default_rng(own)
    features, given = draw.normal(size=(50, 6)), draw.normal(size=(3, 6))
    mean, penalty = features.T @ features / 50, np.append(np.full(5, l2), 0)
    rest = draw.uniform(0.1, 2, 3) if own else np.ones(1)
    rows = draw.normal(size=(len(rest), own, 6))
    found = times(given, inverse(Gram(mean, rest, rows), penalty))
    middle, ridges = rest.mean(), np.diag(6e-6 * np.diag(mean))
    size = np.trace(mean), penalty.sum() / middle
    for number, row in enumerate(given):
        at = number if own else 0
        part = (rest[at] * size[0] + middle * size[1]) / sum(size)
        shared = mean + ridges + np.diag(penalty / middle)
        assert part > 1e-4 * np.trace(rows[at] @ np.linalg.solve(shared, rows[at].T))  # or it would be made larger
        expected = np.linalg.solve(part * shared + rows[at].T @ rows[at], row)
        np.testing.assert_allclose(found[number], expected, rtol=1e-9)
    # Where all have as much in common, the penalty is what it is.
    even = Gram(mean, np.full_like(rest, middle), rows)
    for number, (row, found_of) in enumerate(zip(given, times(given, inverse(even, penalty)), strict=True)):
        of_class = rows[number if own else 0]
        matrix = middle * (mean + ridges) + np.diag(penalty) + of_class.T @ of_class
        np.testing.assert_allclose(found_of, np.linalg.solve(matrix, row), rtol=1e-9)


@pytest.mark.parametrize("own", [0, 5, 100])
def test_float32_says_nearly_what_float64_says(own: int) -> None:
    """To a few hundred roundings: it only says where the valleys lie."""
    features, labels = made(300, 6, 5)
    both = [_objective(features, labels, device=device) for device in (None, CPU)]
    theta, given = np.random.default_rng(0).normal(size=(2, *both[0].shape))
    one, other = (each.times(given, each.inverse(each.gram(theta, own), 1e-2)) for each in both)
    assert one.dtype == other.dtype == np.float64
    assert np.abs(one - other).max() < 1000 * SINGLE * np.abs(one).max()
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("device", [None, CPU])
def test_it_inverts_what_cannot_be_inverted(device: Any) -> None:
    """A column that is 0, one that is there twice, a class that nothing is asked of: a ridge keeps it finite."""
    features, labels = made(91, 4, 3)
    features[:, 1], features[:, 3] = 0, features[:, 2]
    ours = _objective(features, labels, device=device)
    sure = np.zeros(ours.shape)
    sure[:, -1] = [0, 0, -1e4]
    for theta, own in itertools.product((np.zeros(ours.shape), sure), (0, 3, 60)):
        inverted = ours.inverse(ours.gram(theta, own), 0.0)
        step = ours.times(np.random.default_rng(0).normal(size=ours.shape), inverted)
        assert np.isfinite(step).all()
        columns = np.stack([ours.times(np.tile(unit, (3, 1)), inverted) for unit in np.eye(5)], axis=2)
        for each in columns:  # [D, D] of a class
            sizes = np.sqrt(np.diag(each))  # some 1e9 times the others where a column is 0
            assert np.linalg.eigvalsh((each + each.T) / 2 / np.outer(sizes, sizes))[0] > 0
