"""Digests of data: of all of it, and at a glance."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual_vs_auto.runs import arrays
from manual_vs_auto.runs.arrays import digest, glance

DATA: dict[str, np.ndarray[Any, Any]] = {
    "x": np.arange(60, dtype=np.uint8).reshape(20, 3),
    "y": np.arange(20, dtype=np.int32),
}


@pytest.mark.parametrize("of", [digest, glance])
def test_small_data_that_differ_in_anything(of: Callable[..., str]) -> None:
    same = {name: array.copy() for name, array in DATA.items()}
    assert of(DATA) == of(same)
    for name, array in DATA.items():
        for at in np.ndindex(array.shape):
            other = array.copy()
            other[at] += 1
            assert of(DATA | {name: other}) != of(DATA)
        assert of(DATA | {name: array[:-1]}) != of(DATA)
        assert of(DATA | {name: array.astype(np.int64)}) != of(DATA)
    assert of({"z": DATA["x"], "y": DATA["y"]}) != of(DATA)


def test_a_glance_reads_some_rows_the_first_and_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_PIECE", 12)  # bytes: 4 rows of x, 3 of y
    others = {row: DATA | {"x": DATA["x"] + (np.arange(20) == row)[:, None].astype(np.uint8)} for row in range(20)}
    seen = [row for row, other in others.items() if glance(other) != glance(DATA)]
    assert len(seen) == 4
    assert {0, 19} <= set(seen)
