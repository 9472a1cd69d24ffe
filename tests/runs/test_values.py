"""What stands after a flag: what is taken, and the line that refuses the rest."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manual_vs_auto.runs.values import accuracy, address, duration, part, path, positive, whole

TAKEN: list[tuple[Callable[[str], Any], str, Any]] = [
    (whole(1), "1", 1), (whole(0), "0", 0), (path, "a/b", Path("a/b")), (positive, "1e-45", 1e-45),
    (duration, "300", 300.0), (duration, "0.5", 0.5), (duration, "90s", 90.0), (duration, "5m", 300.0),
    (duration, "2h", 7200.0), (duration, "1.5h", 5400.0), (duration, "1d", 86400.0),
    (accuracy, "0.93", 0.93), (accuracy, "93%", 0.93), (accuracy, "100%", 1.0), (accuracy, "1.0", 1.0),
    (accuracy, "1%", 0.01), (accuracy, "0.9%", 0.9 / 100), (part, "0.1", 0.1), (part, "0.5", 0.5),
    *((address, text, text) for text in ("10.0.0.1:1234", "localhost:1", "[::1]:65535", "node-7.cluster:80")),
]  # fmt: skip
REFUSED: list[tuple[Callable[[str], Any], str, str]] = [
    (whole(1), "0", "'0' is no whole number from 1"), (whole(0), "1.0", "'1.0' is no whole number from 0"),
    (path, "", "an empty path"), (positive, "1e39", "no positive number of float32"),
    (positive, "nan", "no positive"), (positive, "x", "no positive"),
    *((duration, text, f"{text!r} is no time: 300, or") for text in ("", "m", "0", "-1", "inf", "5 minutes", "5w")),
    *((accuracy, text, f"{text!r} is no accuracy: a share, 0.93, or a percentage with its sign, 93%")
      for text in ("1", "93", "93.5", "0", "-0.1", "101%", "0%", "nan", "%", "good")),
    *((address, text, f"{text!r} is no HOST:PORT, as in 10.0.0.1:1234")
      for text in ("", "host", "host:", ":80", "[]:80", "host:0", "host:65536", "host:http", "::1:80", "a b:80")),
    *((part, text, f"{text!r} is no share up to a half") for text in ("0", "0.51", "1", "10%", "-0.1", "nan")),
]  # fmt: skip


@pytest.mark.parametrize(("read", "text", "value"), TAKEN)
def test_taken(read: Callable[[str], Any], text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(("read", "text", "said"), REFUSED)
def test_refused(read: Callable[[str], Any], text: str, said: str) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        read(text)
    assert said in str(caught.value)
