"""What a function does that matters to a check, read off its program."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from manual_vs_auto.gradcheck.engines.jax import jaxpr as inside

_LOOPS = 3
# As many numbers as that are tried.
_BOUNDS = 4
# Of a comparison and the place of its number, on which side of it that lies which it excludes.
_EXCLUDED = {
    **{(name, at): 0 for name in ("eq", "ne") for at in (0, 1)},
    ("lt", 1): -1, ("ge", 1): -1, ("max", 0): -1, ("max", 1): -1, ("gt", 0): -1, ("le", 0): -1, ("clamp", 0): -1,
    ("lt", 0): 1, ("ge", 0): 1, ("min", 0): 1, ("min", 1): 1, ("gt", 1): 1, ("le", 1): 1, ("clamp", 2): 1,
}  # fmt: skip


class Traits(NamedTuple):
    """What a function does that matters to a check.

    detaches: it stops gradients itself, as JAX's own functions may too. scatters: it writes by index. bounds: the
    numbers that it compares floating ones with. excluded: integers on the other side of what it compares integers with.
    clamped: the same of what it clamps integers to. iterates: it has loops that read no rows.
    """

    detaches: bool
    scatters: bool
    bounds: tuple[float, ...]
    excluded: tuple[int, ...]
    clamped: tuple[int, ...]
    iterates: bool


def traits(f: Callable[..., Any], *args: Any) -> Traits:
    """Trace f, and look."""
    jaxpr = inside.traced(f, *args)[0].jaxpr
    equations = [equation for equation, _ in inside.every(jaxpr)]
    found = list(compared(jaxpr, {}))
    bounds = sorted({abs(value) for value, *_ in found if isinstance(value, float) and 1e-4 < abs(value) < 1e4})
    beyond = [(value + side, clamps) for value, side, clamps in found if isinstance(value, int)]
    excluded, clamped = (sorted({v for v, clamps in beyond if clamps == asked}) for asked in (False, True))
    return Traits(
        any(e.primitive.name == "stop_gradient" and not _stopped_by_jax(e) for e in equations),
        any(e.primitive.name == "scatter" for e in equations),
        tuple(sign * value for value in bounds[:_BOUNDS] for sign in (1, -1)),
        tuple(excluded[:_BOUNDS]),
        tuple(clamped[:_BOUNDS]),
        # Many loops take minutes to compile three times over.
        0 < sum(inside.iteration_of(e) is not None for e in equations) <= _LOOPS,
    )


def compared(jaxpr: Any, known: dict[Any, Any]) -> Iterator[tuple[float | int, int, bool]]:
    """Numbers written into a program that others are compared with; where the excluded lies: -1, 0 or 1 beside it; and

    whether it is what others are clamped to. known: the values of its variables that are numbers.
    """
    known = dict(known)
    for equation in jaxpr.eqns:
        given = [known.get(v) if inside.is_variable(v) else inside.value_of(v) for v in equation.invars]
        single = [g.item() if g is not None and np.size(g) == 1 and hasattr(g, "item") else g for g in given]
        name = equation.primitive.name
        for at, value in enumerate(single):
            sides = _EXCLUDED.get((name, at))
            if sides is not None and isinstance(value, int | float) and not isinstance(value, bool):
                yield value, sides, name in ("max", "min", "clamp")
        if name in ("convert_element_type", "broadcast_in_dim", "copy") and single[0] is not None:
            known[equation.outvars[0]] = given[0]
        for inner in inside.programs_in(equation):
            passed = zip(inner.jaxpr.invars, given, strict=False) if len(inner.jaxpr.invars) == len(given) else ()
            yield from compared(inner.jaxpr, {v: g for v, g in passed if g is not None})


def _stopped_by_jax(equation: Any) -> bool:
    """Whether a stop_gradient was called by JAX itself, as logsumexp does for its maximum."""
    frames = inside.frames(equation)
    calls = [at for at, frame in enumerate(frames) if frame.function.endswith("stop_gradient")]
    callers = [frame for frame in frames[calls[-1] + 1 :] if "tree" not in frame.file] if calls else []
    return bool(callers) and callers[0].of_jax
