"""What loading a path comes to, where nothing but DataError may be raised and nothing warned of."""

import warnings
from pathlib import Path

from manual_vs_auto.data import DataError, Dataset, load


def outcome(path: Path) -> Dataset | DataError:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            result: Dataset | DataError = load(path)
        except DataError as error:
            result = error
    assert [str(warning.message) for warning in warned] == []
    if isinstance(result, Dataset):
        assert all(line.isprintable() for line in (*result.warnings, *result.class_names, result.pixels))
    return result


def refusal(path: Path) -> str:
    result = outcome(path)
    assert isinstance(result, DataError), f"{path} was not refused"
    return str(result)
