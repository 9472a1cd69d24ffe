"""How a run began: its config.toml, written once, checked whenever the run goes on."""

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manual_vs_auto.runs import files
from manual_vs_auto.runs.toml import dumps

FILE = "config.toml"
_SEAL = b"# SHA-256 of the lines above: "
_MISSING = "nothing"


def text(settings: Mapping[str, Any], about: Mapping[str, Any]) -> bytes:
    """The file: the settings by their flags' names, what the run is otherwise under [run], and a seal of both.

    Example: >>> print(text({"epochs": 3}, {"command": "train"}).decode()[:44])
             epochs = 3
             <BLANKLINE>
             [run]
             command = "train"
             # SHA-25
    """
    lines = dumps({**settings, "run": dict(about)}).encode()
    return lines + _seal(lines)


def write(path: Path, content: bytes) -> None:
    """Keep it in the file, whole or not at all. Raises: OSError."""
    files.write(files.partial(path), content)
    files.partial(path).replace(path)


def is_sealed(content: bytes) -> bool:
    """Whether it is as `text` made it."""
    lines, mark, _ = content.rpartition(_SEAL)
    return bool(mark) and content == lines + _seal(lines)


def table(content: bytes) -> dict[str, Any] | None:
    """Its settings, and what is under [run]; None where it isn't TOML."""
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError):  # a TOMLDecodeError is one, a UnicodeDecodeError too
        return None


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """What is another in one table than in the other, a phrase each.

    Example: >>> differences({"epochs": 9, "run": {"a": 1}}, {"epochs": 8, "seed": 1, "run": {"a": 1}})
             ['epochs is 9 and was 8', 'seed is nothing and was 1']
    """
    names = [*expected, *(name for name in found if name not in expected)]
    pairs = [(name, found.get(name, _MISSING), expected.get(name, _MISSING)) for name in names]
    said: list[str] = []
    for name, now, then in pairs:
        if isinstance(now, Mapping) and isinstance(then, Mapping):
            said += differences(now, then)
        elif (type(now), now) != (type(then), then):
            said.append(f"{name} is {now} and was {then}")
    return said


def _seal(lines: bytes) -> bytes:
    return _SEAL + hashlib.sha256(lines).hexdigest().encode() + b"\n"
