"""TOML as a run's directory holds it: written here, since Python only reads it."""

import re
from collections.abc import Mapping
from datetime import date, time
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def dumps(table: Mapping[str, Any]) -> str:
    r"""The table as text that `tomllib.loads` makes the same table of.

    Args:    table: of str, bool, int, float, lists of these, and tables of the same.
    Returns: lines, the tables' after the others; "" for an empty table.
    Raises:  ValueError, which names the key, for text that isn't Unicode; TypeError for what TOML doesn't have.
    Example: >>> print(dumps({"epochs": 3, "data": "a\\b", "run": {"command": "train"}}), end="")
             epochs = 3
             data = "a\\b"
             <BLANKLINE>
             [run]
             command = "train"
    """
    return "\n".join(_blocks(table, ())).removeprefix("\n")


def _blocks(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    """The table's own lines, and after them each table in it."""
    here = [f"{_key(key)} = {_value(value, key)}\n" for key, value in table.items() if not isinstance(value, Mapping)]
    inner = [(key, value) for key, value in table.items() if isinstance(value, Mapping)]
    head = f"[{'.'.join(map(_key, path))}]\n" if path and (here or not inner) else ""
    blocks = [head + "".join(here)] if head or here else []
    return blocks + [block for key, value in inner for block in _blocks(value, (*path, key))]


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key, key)


def _value(value: Any, key: str) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(int(value))
        case float():
            return repr(float(value))
        case str():
            return _text(value, key)
        case list() | tuple():
            return f"[{', '.join(_value(item, key) for item in value)}]"
        case _:
            raise TypeError(f"{key}: TOML has no {type(value).__name__}")


def _text(text: str, key: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{key}: {text!r} is no Unicode, so TOML can't hold it") from None
    return '"' + "".join(_SHORT.get(c) or (c if c.isprintable() else _escape(c)) for c in text) + '"'


def _escape(c: str) -> str:
    return f"\\u{ord(c):04x}" if ord(c) < 1 << 16 else f"\\U{ord(c):08x}"


def kind(value: Any) -> str:
    """What a person would call a value that was read."""
    if isinstance(value, Mapping):
        return "a table"
    return "a date" if isinstance(value, date) else "a time" if isinstance(value, time) else "a list"
