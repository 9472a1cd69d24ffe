"""TOML that is written is TOML that Python reads to the same."""

import math
import tomllib
from datetime import date, datetime, time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from manual_vs_auto.runs import toml

TEXT = some.text(max_size=12)
SCALARS = some.booleans() | some.integers(-(2**63), 2**63 - 1) | some.floats(allow_nan=False) | TEXT
VALUES = SCALARS | some.lists(SCALARS | some.lists(SCALARS, max_size=2), max_size=3)
FLAT = some.dictionaries(TEXT, VALUES, max_size=4)
TABLES = some.recursive(FLAT, lambda inner: some.dictionaries(TEXT, inner | VALUES, max_size=3), max_leaves=4)


@given(TABLES)
@settings(deadline=None)
def test_what_is_written_is_read(table: dict[str, Any]) -> None:
    assert repr(tomllib.loads(toml.dumps(table))) == repr(_in_order(table))  # repr tells 1 from True, and 0.0 from -0.0


def _in_order(table: dict[str, Any]) -> dict[str, Any]:
    """With the tables after the other values, as a file has them."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    return plain | {key: _in_order(value) for key, value in table.items() if isinstance(value, dict)}


def test_a_file_is_for_people() -> None:
    table = {
        "epochs": 3,
        "json": True,
        "keys": ["a", "b"],
        "rate": 1e-05,
        "run": {"command": "train", "of": {"jax": "1"}},
    }
    assert toml.dumps(table) == (
        'epochs = 3\njson = true\nkeys = ["a", "b"]\nrate = 1e-05\n\n'
        '[run]\ncommand = "train"\n\n[run.of]\njax = "1"\n'
    )  # fmt: skip
    assert toml.dumps({}) == ""
    assert toml.dumps({"run": {}}) == "[run]\n"
    assert math.isnan(tomllib.loads(toml.dumps({"x": math.nan}))["x"])


def test_what_toml_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match=r"^data: 'a\\udcff' is no Unicode, so TOML can't hold it$"):
        toml.dumps({"run": {"data": "a\udcff"}})
    with pytest.raises(TypeError, match="data: TOML has no NoneType"):
        toml.dumps({"data": None})


def test_what_a_person_would_call_it() -> None:
    values: list[Any] = [{}, [], date.min, datetime.min, time.min]
    kinds = [toml.kind(value) for value in values]
    assert kinds == ["a table", "a list", "a date", "a date", "a time"]
