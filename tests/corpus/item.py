"""One thing to judge: a function, a gradient of it that somebody wrote, and whether that one is right."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest


@dataclass(frozen=True)
class Item:
    """A pair of function and hand-written derivative with the sample that its author would have tried.

    kind:    "gradient": manual(*args) -> gradient by args[0] (or by options["argnums"]).
             "vjp": manual(cotangent, *args) -> a tuple, one cotangent a floating argument.
             "jvp": manual(primals, tangents) -> tangent of the output.
             "custom": f carries its own rule (jax.custom_vjp, jax.custom_jvp), and manual is None.
    args:    the author's sample, which may well hide the fault.
    options: what goes to the checker beside them (argnums, domain, convention, structure, surrogate, ...).
    fault:   None if the derivative is right, otherwise what was done to it.
    causes:  what may be said to be the cause; empty where none of the causes that the checker knows is true.
    special: whether it is wrong only at points of measure zero where f does have a derivative.
    """

    name: str
    kind: Literal["gradient", "vjp", "jvp", "custom"]
    f: Callable[..., Any]
    manual: Callable[..., Any] | None
    args: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None
    causes: tuple[str, ...] = ()
    special: bool = False

    @property
    def kinds(self) -> set[str]:
        """What it is one of: right or wrong in its form and with what it asks of the checker, and its cause."""
        done = "right" if self.fault is None else "wrong"
        return {f"{done} {self.kind}", *(f"{done} with {option}" for option in self.options), *self.causes[:1]}


def drawn(items: Sequence[Item], one_in: int) -> list[Item]:
    """A share of many in which each kind is met: the same everywhere, and others when their number changes."""
    share = {item.name for item in items if zlib.crc32(f"{len(items)} {item.name}".encode()) % one_in == 0}
    met = set[str]().union(*(item.kinds for item in items if item.name in share))
    for item in items:
        if not item.kinds <= met:
            share.add(item.name)
            met |= item.kinds
    return [item for item in items if item.name in share]


def as_parameters(items: Sequence[Item], one_in: int) -> list[Any]:
    """The items as parameters of a test: a share of them in every run, the others in that of the whole corpus.

    The first of each kind is marked as what the newest JAX is tried with.
    """
    often, met = {item.name for item in drawn(items, one_in)}, set[str]()
    made = []
    for item in items:
        marks = []
        if item.name not in often:
            marks = [pytest.mark.whole]
        elif not item.kinds <= met:
            marks = [pytest.mark.newest]
            met |= item.kinds
        made.append(pytest.param(item, id=item.name, marks=marks))
    return made
