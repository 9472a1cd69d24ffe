"""The objective in chunks against the whole in NumPy, at sizes that do not divide."""

import itertools
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from manual_vs_auto.model import Loss
from manual_vs_auto.solve import gram, passes
from manual_vs_auto.solve import objective as module
from manual_vs_auto.solve.objective import Objective
from tests.solve.problems import Array, gradient, levelled, made, value

EPS = np.finfo(np.float64).eps
CPU = jax.devices("cpu")[0]


def _objective(features: Array, labels: Array, loss: Loss = "cross_entropy", **options: Any) -> Objective:
    options = {"l2": 0.1, "weights": None, "intercept": True, "device": CPU} | options
    return Objective(features, labels, int(labels.max()) + 1, loss=loss, **options)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_distance"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("rows", "device"), list(itertools.product([50, 64, 65, 203], [None, CPU])))
def test_value_gradient_and_product(
    loss: Loss, intercept: bool, rows: int, device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_CHUNK", "_LOGITS"):
        monkeypatch.setattr(module, name, 1)  # the least: 64 rows
    features, labels = made(rows, 5, 4)
    draw = np.random.default_rng(1)
    weights = draw.uniform(size=rows)
    shares = weights / weights.sum()
    weight, bias = levelled(draw.normal(size=(4, 5))), levelled(draw.normal(size=4)) * intercept
    ours = _objective(features, labels, loss, weights=weights, intercept=intercept, device=device)
    assert ours.compiled == (device is not None)
    theta = ours.joined(weight, bias)

    # A sum of `rows` terms, each of some dozen roundings of numbers of about 10.
    near = 10 * 50 * EPS
    there = ours.at(theta)
    assert there.norm == np.abs(there.gradient).max()
    np.testing.assert_allclose(ours.parts(theta)[0], weight, rtol=0, atol=4 * EPS)
    expected = gradient(loss, features, labels, shares, 0.1, weight, bias)[:, : theta.shape[1]]
    assert there.value == pytest.approx(value(loss, features, labels, shares, 0.1, weight, bias), rel=50 * EPS)
    np.testing.assert_allclose(there.gradient, expected, rtol=0, atol=near)

    # A central difference of the NumPy gradient along a direction: exact to step^2 and eps / step.
    direction = levelled(draw.normal(size=theta.shape))
    step = 1e-5
    sides: list[Array] = []
    for sign in (1.0, -1.0):
        at = ours.parts(theta + (sign * step) * direction)
        sides.append(gradient(loss, features, labels, shares, 0.1, *at)[:, : theta.shape[1]])
    np.testing.assert_allclose(ours.product(theta, direction), (sides[0] - sides[1]) / (2 * step), rtol=0, atol=1e-8)
    assert ours.passes == 2


@pytest.mark.usefixtures("optimised")
def test_float32_is_as_near_as_float32_can_be() -> None:
    features, labels = made(500, 6, 3)
    ours = _objective(features, labels)
    theta = np.random.default_rng(0).normal(size=ours.shape)
    exact, near = ours.at(theta), ours.at(theta, np.float32)
    # Rounded features, weights and logits of about 10, and what follows from them in a dozen operations.
    assert 0 < abs(exact.value - near.value) < 20 * float(np.finfo(np.float32).eps)
    assert 0 < np.abs(exact.gradient - near.gradient).max() < 20 * float(np.finfo(np.float32).eps)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
def test_narrow_features_are_widened_not_rounded_again(dtype: Any) -> None:
    features, labels = made(70, 4, 3)
    narrow = features.astype(dtype)
    theta = np.random.default_rng(0).normal(size=(3, 5))
    wide = _objective(narrow.astype(np.float64), labels).at(theta)
    found = _objective(narrow, labels).at(theta)
    assert found.value == wide.value
    np.testing.assert_array_equal(found.gradient, wide.gradient)


def test_classes_have_rows_of_their_own_where_there_are_some_classes_and_enough_rows() -> None:
    assert _objective(*made(90, 4, 3)).own == (90, 90)
    assert _objective(*made(90, 4, 2)).own == (0, 0)
    assert _objective(*made(20, 30, 3)).own == (0, 0)


def test_a_class_has_as_many_rows_as_pay_and_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for rows, width, own, kept in (
        (900, 4, (512, 512), (5, 5)), (900, 64, (512, 512), (65, 65)), (900, 65, (64, 512), (64, 66)),
        (6000, 300, (75, 512), (75, 301)), (26000, 600, (150, 600), (150, 600)),
    ):  # fmt: skip
        ours = _objective(*made(rows, width, 3), device=None)
        assert ours.own == own
        for few, most in zip(own, kept, strict=True):
            assert ours.gram(np.zeros(ours.shape), few).rows.shape == (3, most, width + 1)
    # What is made of them takes no more room than the features, where these take much.
    monkeypatch.setattr(module, "_ROOM", 0)
    features, labels = made(900, 40, 3)
    assert _objective(features, labels).own == (512, 512)
    few = 1600 // 16 * 40 * 2 // (3 * 4 * 3 * 41)
    assert _objective(features[:100].astype(np.float16), labels[:100]).own == (few, few)


def test_numpy_works_on_no_more_logits_at_once_than_the_cache_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """On as many rows as these are of, and on rows that are float64 already: it took twice the time otherwise."""
    features, labels = made(5000, 6, 10)
    ours = _objective(features.astype(np.float16), labels, device=None)
    seen: list[Any] = []

    def over_rows(*args: Any, right: Any = passes.over_rows, **options: Any) -> Any:
        seen.append(args[1])
        return right(*args, **options)

    monkeypatch.setattr(passes, "over_rows", over_rows)
    for _ in range(2):
        ours.at(ours.joined(np.zeros((10, 6)), np.zeros(10)))
    assert [len(rows) for rows in seen] == [2457, 2457, 86] * 2
    assert {rows.dtype for rows in seen} == {np.dtype(np.float64)}
    assert passes.moved(seen[0], None, np.float64) is seen[0]
    assert np.shares_memory(seen[0], seen[3])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("at", [0, 8, 16, 24, 40, 56])
@pytest.mark.parametrize(("rows", "width"), [(300, 5), (64, 7), (257, 1), (40, 1), (3, 2), (128, 16)])
def test_features_are_read_where_they_lie(
    dtype: Any, at: int, rows: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever in memory that is: NumPy's begin anywhere, and XLA copied them whole. The sums are the same ones."""
    monkeypatch.setattr(module, "_CHUNK", 1)  # the least: 64 rows
    given, labels = made(rows, width, 3)
    labels[0] = 2
    room = np.empty(given.size + 128, dtype)
    start = (at - room.ctypes.data) % 64 // room.itemsize
    features = room[start : start + given.size].reshape(given.shape)
    features[:] = given
    weights = np.random.default_rng(1).uniform(size=rows)
    ours = _objective(features, labels, weights=weights)
    theta = ours.joined(given[:3, :1] * np.ones((3, width)), np.arange(3.0))
    there = ours.at(theta)

    assert ours._rows.some.size < 3 * 64 * width
    if rows >= 3 * 64:
        assert np.shares_memory(np.asarray(ours._rows.flat), features)
    expected = gradient(
        "cross_entropy", features.astype(np.float64), labels, weights / weights.sum(), 0.1, *ours.parts(theta)
    )
    np.testing.assert_allclose(there.gradient, expected, rtol=0, atol=500 * EPS)
    aligned = np.array(features[:, ::-1])[:, ::-1]  # lies backwards: what is not in a row is copied
    elsewhere = _objective(aligned, labels, weights=weights).at(theta)
    assert (elsewhere.value, elsewhere.gradient.tobytes()) == (there.value, there.gradient.tobytes())


@pytest.mark.parametrize("width", [3, 40])
def test_lapack_works_alone_where_it_is_soon_done(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """For its other threads are in the way of the next passes; and it is as it was afterwards."""
    monkeypatch.setattr(gram, "_SOON", 10)
    ours = _objective(*made(90, width, 3))
    seen: list[set[int]] = []
    ours.inverse(ours.gram(np.zeros(ours.shape)), 0.1)  # LAPACK is loaded when it is first asked for

    def threads() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    def noting(work: Any) -> Any:
        def noted(*args: Any, **how: Any) -> Any:
            seen.append(threads())
            return work(*args, **how)

        return noted

    for name in ("gram_compiled", "inverse_compiled"):
        monkeypatch.setattr(module, name, noting(getattr(module, name)))
    with threadpool_limits(2, "blas"):
        for own in ours.own:
            ours.inverse(ours.gram(np.zeros(ours.shape), own), 0.1)
        assert threads() == {2}
    assert seen == 4 * [{1} if width == 3 else {2}]


def test_the_scale_of_the_gradient_is_of_the_rows_that_count() -> None:
    features, labels = made(3000, 4, 3)
    features[:2900] = 0
    weights = np.where(np.arange(3000) < 2900, 0.0, 1.0)
    ours = _objective(1e4 * features, labels, weights=weights)
    rows = 1e4 * np.abs(features[2900:])
    assert 0.5 * rows.mean(axis=0).max() < ours.scale < rows.max()


@pytest.mark.parametrize("device", [None, CPU])
def test_far_columns_are_moved_and_nobody_sees_it(device: Any) -> None:
    """Temperatures in kelvin, years: float32 keeps three digits of what is in them, unless they are moved first."""
    features, labels = made(300, 4, 3)
    offset = np.array([0, 1e4, 0, -1e6])
    far = features + offset
    draw = np.random.default_rng(1)
    weight = levelled(draw.normal(size=(3, 4)) * 1e-2)
    bias = levelled(draw.normal(size=3)) - weight @ offset
    ours = _objective(far, labels, device=device)
    theta = ours.joined(weight, bias)
    there = ours.at(theta)
    back = ours.parts(theta)
    np.testing.assert_allclose(back[0], weight, rtol=0, atol=EPS)
    # b + W c - W c, with W c of about 1e4.
    np.testing.assert_allclose(back[1], bias, rtol=0, atol=1e4 * 8 * EPS)
    whole = far, labels, np.full(300, 1 / 300), 0.1, weight, bias
    assert there.value == pytest.approx(value("cross_entropy", *whole), rel=1e-9)
    slope = gradient("cross_entropy", *whole)
    assert there.norm == pytest.approx(np.abs(slope).max(), rel=1e-9)
    # Near the optimum of the bias the rows' own differences decide, and float32 must see them.
    fitted = ours.joined(weight * 0, np.log(np.bincount(labels) / 300))
    narrow, exact = ours.at(fitted, np.float32), ours.at(fitted)
    assert np.abs(narrow.gradient - exact.gradient).max() < 20 * float(np.finfo(np.float32).eps)


def test_the_sample_is_drawn_without_putting_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS_A_COLUMN", 0)
    monkeypatch.setattr(module, "_LEAST_ROWS", 50)
    features, labels = made(200, 3, 2)
    ours = _objective(features, labels, weights=np.arange(200.0))
    rows, shares = ours._sample, ours._sample_shares
    assert rows.shape == (50, 3)
    assert len({tuple(row) for row in np.asarray(rows).tolist()}) == 50
    assert float(shares.sum()) == pytest.approx(1, rel=1e-12)
