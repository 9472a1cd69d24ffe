"""One thing to judge: a function, a gradient of it that somebody wrote, and whether that one is right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


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
    """

    name: str
    kind: Literal["gradient", "vjp", "jvp", "custom"]
    f: Callable[..., Any]
    manual: Callable[..., Any] | None
    args: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None
    causes: tuple[str, ...] = ()
