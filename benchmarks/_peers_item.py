"""A rule that somebody else wrote and that is right, and how a line of a table becomes one.

A line is `expression | samples | options`: `np.sum(x, axis=0) | n34 | domain=(0, None)`. The arguments are x, y, z and
w in turn, the samples a letter and a shape each:

    n normal numbers       p positive         u in (0, 1)       a in (-1, 1)      g above 1
    t ties: -1, 0 and 1    z some are zero    w up to 90        q rows that sum to 1
    s positive definite    l triangular       k 0, 1 and 2      b booleans        c complex
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck import Report, check_custom_rule, check_jvp, check_vjp

ARGUMENTS = "xyzw"


@dataclass(frozen=True)
class Item:
    """source: whose rule it is. form: "vjp", "jvp" or "custom". rule: None where f carries its own."""

    source: str
    name: str
    form: str
    f: Callable[..., Any]
    rule: Callable[..., Any] | None
    args: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> Report:
        """Ask the checker, as anybody would."""
        if self.rule is None:
            return check_custom_rule(self.f, *self.args, **self.options)
        check = check_vjp if self.form == "vjp" else check_jvp
        return check(self.f, self.rule, *self.args, **self.options)


@dataclass(frozen=True)
class Line:
    """One line of a table. function(namespace) -> the function of its expression."""

    expression: str
    samples: str
    options: Mapping[str, Any]

    def function(self, namespace: Mapping[str, Any]) -> Callable[..., Any]:
        """The expression as a function of as many arguments as there are samples."""
        names = ", ".join(ARGUMENTS[: len(self.samples.split())])
        made: Callable[..., Any] = eval(f"lambda {names}: {self.expression}", dict(namespace))
        made.__name__ = made.__qualname__ = self.expression
        return made

    def args(self, dtype: Any) -> tuple[np.ndarray, ...]:
        """The same numbers for the same line, whatever stands around it."""
        generator = np.random.default_rng(zlib.crc32(f"{self.expression}|{self.samples}".encode()))
        return tuple(_sample(word[0], tuple(map(int, word[1:])), generator, dtype) for word in self.samples.split())

    @property
    def name(self) -> str:
        """What stands in the report."""
        return f"{self.expression} | {self.samples}"


def lines(table: str) -> Iterator[Line]:
    """The lines of a table; blank ones and comments are passed over."""
    for text in table.splitlines():
        if text.strip() and not text.startswith("#"):
            expression, samples, *options = (part.strip() for part in text.split(" | "))
            yield Line(expression, samples, eval(f"dict({options[0]})", {}) if options else {})


def floating(array: Any) -> bool:
    """Whether it is differentiated."""
    return np.result_type(array).kind in "fc"


def _sample(kind: str, shape: tuple[int, ...], generator: np.random.Generator, dtype: Any) -> np.ndarray:
    normal, share = generator.normal(size=shape), generator.random(shape)
    if kind == "k":
        return np.asarray(np.floor(3 * share), np.int32)
    if kind == "b":
        return np.asarray(normal > 0)
    if kind == "c":
        return np.asarray(normal + 1j * generator.normal(size=shape), np.result_type(dtype, np.complex64))
    made: dict[str, Callable[[], Any]] = {
        "n": lambda: normal,
        "p": lambda: 0.3 + 2.5 * share,
        "u": lambda: 0.1 + 0.8 * share,
        "a": lambda: 1.8 * share - 0.9,
        "g": lambda: 1.2 + 3 * share,
        "t": lambda: np.floor(3 * share) - 1,
        "z": lambda: normal * (np.arange(normal.size).reshape(shape) % 3 > 0),
        "w": lambda: 30 * normal,
        "q": lambda: (0.1 + share) / np.sum(0.1 + share, -1, keepdims=True),
        "s": lambda: normal @ np.swapaxes(normal, -1, -2) / shape[-1] + np.diag(np.arange(1.0, shape[-1] + 1)),
        "l": lambda: np.tril(0.5 * normal) + 1.5 * np.eye(shape[-1]),
    }
    return np.asarray(made[kind](), dtype)
