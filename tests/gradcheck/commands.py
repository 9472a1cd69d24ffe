"""The command as the tests run it: in this process, on files that they write."""

import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from manual_vs_auto.gradcheck.__main__ import main

ENVIRONMENT = os.environ | {"JAX_PLATFORMS": "cpu"}
WRONG = """
import numpy as np
def f(x): return float(np.sum(np.asarray(x) ** 2))
def f_grad(x): return 3 * np.asarray(x)
def g(x): return float(np.sum(np.asarray(x) ** 2))
def g_grad(x): return 2 * np.asarray(x)
"""
RIGHT = WRONG.replace("3 *", "2 *")


class Done(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def reports(self) -> list[Any]:
        """What it printed as JSON, which has neither NaN nor Infinity."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        found: list[Any] = json.loads(self.out, parse_constant=refuse)
        return found


Command = Callable[..., Done]


def called(arguments: tuple[object, ...], read: Callable[[], tuple[str, str]]) -> Done:
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as left:
        status = int(left.code or 0)
    return Done(status, *read())


@contextmanager
def forgotten(folder: Path) -> Iterator[Callable[[], None]]:
    """Nothing of this folder stays imported; what it yields forgets at once."""

    def forget() -> None:
        for name in list(sys.modules):
            if str(getattr(sys.modules[name], "__file__", None)).startswith(str(folder)):
                del sys.modules[name]

    yield forget
    forget()


def file(text: str, name: str = "target.py") -> Path:
    path = Path(name)
    path.write_text(textwrap.dedent(text))
    return path


def refused(done: Done, expected: str) -> None:
    """The last line says why, and there is no traceback."""
    assert (done.status, done.out) == (3, "")
    last = done.err.splitlines()[-1]
    assert last.startswith("manual_vs_auto.gradcheck: error: ")
    assert expected in last
    assert "Traceback" not in done.err
