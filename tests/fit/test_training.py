"""What the solver works on: the file's own numbers where it can be, else written once, and never a wrong number."""

import errno
import os
import tracemalloc
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from manual_vs_auto.data import DataError
from manual_vs_auto.data.features import Features, open_features
from manual_vs_auto.fit import training as module
from manual_vs_auto.fit.classes import classes_of, kept_back
from manual_vs_auto.fit.training import checked, training
from manual_vs_auto.runs.errors import UsageError

X = np.random.default_rng(0).normal([0, 5, -1e6], [1, 20, 3], size=(101, 3))
Y = (np.arange(101) % 3).astype(np.int32)
SOME = np.arange(101) % 4 != 0


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven rows at a time, the last of which are fewer."""
    monkeypatch.setattr(module, "_PIECE", 8 * 3 * 7)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_what_the_solver_takes_stays_where_it_is(dtype: Any) -> None:
    x = (X % 200).astype(dtype)
    made = training(Features("x", x), Y, None, standardize=False)
    assert np.shares_memory(made.matrix, x)
    assert made.weights is None
    assert made.mean is made.scale is None
    made = training(Features("x", x), Y, SOME, standardize=False)
    assert np.shares_memory(made.matrix, x)
    np.testing.assert_array_equal(made.weights, SOME)


@pytest.mark.parametrize("rows", [None, SOME])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", ">f4", "int16", "int64"])
def test_standardised_is_mean_0_and_deviation_1(dtype: str, rows: Any) -> None:
    x = (X % 1000).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    made = training(Features("x", x), Y, rows, standardize=True)
    taken = x.astype(np.float64) if rows is None else x[rows].astype(np.float64)
    assert made.matrix.dtype == (np.float64 if dtype in ("float64", "int64") else np.float32)
    assert made.matrix.dtype.isnative
    # NumPy's own, in float64: what differs is the order of the sums.
    assert made.mean is not None
    assert made.scale is not None
    np.testing.assert_allclose(made.mean, taken.mean(0), rtol=1e-13)
    np.testing.assert_allclose(made.scale, taken.std(0), rtol=1e-12)
    expected = (taken - taken.mean(0)) / taken.std(0)
    np.testing.assert_allclose(made.matrix, expected, atol=2e-7 * np.abs(expected).max())
    np.testing.assert_array_equal(made.labels, Y if rows is None else Y[rows])
    assert made.weights is None
    # Where devices read it, it is made as it is read, to the same bits: a part of it, or some rows in any order.
    spread = training(Features("x", x), Y, rows, standardize=True, spread=True).matrix
    assert (spread.shape, spread.dtype, len(spread)) == (made.matrix.shape, made.matrix.dtype, len(made.matrix))
    assert (spread.ndim, spread.nbytes) == (2, made.matrix.nbytes)
    for at in (slice(None), slice(3, 12), slice(None, None, 4), np.array([5, 2, 5]), slice(len(spread), None)):
        np.testing.assert_array_equal(spread[at], made.matrix[at])


@pytest.mark.parametrize("dtype", [">f2", ">f8", "uint8", "int16"])
def test_what_the_solver_does_not_take_is_widened_and_the_same(dtype: str) -> None:
    x = np.abs(X % 200).astype(dtype)
    made = training(Features("x", x), Y, SOME, standardize=False)
    np.testing.assert_array_equal(made.matrix, x[SOME].astype(np.float64))
    assert "scratch file" in made.told


@pytest.mark.parametrize("standardize", [False, True])
def test_nothing_is_in_memory_twice(tmp_path: Path, standardize: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE", 8 * 30 * 500)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(20_000, 30)).astype(np.float32))
    features = open_features(str(tmp_path / "x.npy"))
    labels, rows = np.zeros(20_000, np.int32), np.arange(20_000) % 2 == 0
    tracemalloc.start()
    training(features, labels, rows, standardize)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < features.matrix.nbytes / 4


def test_columns_that_are_constant_become_0() -> None:
    x = np.column_stack([X[:, 0], np.full(101, 0.1), np.zeros(101)])
    made = training(Features("x", x), Y, None, standardize=True)
    np.testing.assert_allclose(made.matrix[:, 1:], 0, atol=1e-15)
    assert made.scale is not None
    assert made.scale[1:].tolist() == [1, 1]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "bfloat16"])
def test_the_first_number_that_is_not_finite_is_named(wrong: float, dtype: str) -> None:
    x = np.abs(X % 200).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    x[52, 1] = x[60, 0] = wrong
    for standardize in (False, True):
        with pytest.raises(DataError, match=rf"x: found {wrong} in row 52, column 1; expected finite numbers"):
            training(Features("x", x), Y, None, standardize=standardize)
    with pytest.raises(DataError, match="row 52"):
        checked("x", x)


def test_no_room_for_the_scratch_file_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UsageError, match=r"no room for a scratch file of 1,212 bytes \(No space .*\): set TMPDIR"):
        training(Features("x", np.zeros((101, 3), np.int8)), Y, None, standardize=False)


def test_labels_become_numbers_from_0() -> None:
    codes, names, count = classes_of("y", np.array([1, 0, 2, 1]))
    assert (codes.tolist(), names, count) == ([1, 0, 2, 1], (), 3)
    codes, names, count = classes_of("y", np.array([7, 3, 7]))
    assert (codes.tolist(), names, count) == ([1, 0, 1], ("3", "7"), 2)
    codes, names, count = classes_of("y", np.array(["b", "a", "ž"]))
    assert (codes.tolist(), names, count) == ([1, 0, 2], ("a", "b", "ž"), 3)
    with pytest.raises(DataError, match="y: found label 4 in every row; expected 2 classes or more"):
        classes_of("y", np.array([4, 4]))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_each_class_keeps_the_same_share_back(share: float) -> None:
    labels = np.repeat(np.arange(43), [200, 100, 40] + [1] * 40)
    held = kept_back(labels, share, seed=0)
    for label, count in ((0, 200), (1, 100), (2, 40)):
        assert abs(held[labels == label].sum() - share * count) <= 1
    assert not held[340:].any(), "a class keeps its only row"
    assert (kept_back(labels, share, seed=0) == held).all()
    assert (kept_back(labels, share, seed=1) != held).any()


@pytest.mark.parametrize(("classes", "rows", "share"), [(3, 40, 0.999), (100, 5, 0.9), (50, 3, 0.8), (7, 1, 0.9)])
def test_of_a_class_that_would_be_kept_back_whole_one_row_is_learned(classes: int, rows: int, share: float) -> None:
    labels = np.repeat(np.arange(classes), rows)
    held = np.bincount(labels[kept_back(labels, share, seed=0)], minlength=classes)
    assert (held >= min(rows - 1, int(share * rows))).all()
    assert (held <= min(rows - 1, int(share * rows) + 1)).all()
