"""A function without the derivative rules that people attached to it, so that autodiff itself can be asked.

The function is traced, and its program is run again with every custom rule replaced by what the rule's primal
computes, also inside jit, scan, while and cond. JAX's own rules (relu at 0, sinc at 0) stay.
"""

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from manual_vs_auto.gradcheck.engines.jax import jaxpr as inside
from manual_vs_auto.gradcheck.numerics.precision import is_float, lowest

_OURS = str(Path(__file__).parents[2]) + os.sep
_UNROLLED = 32
Step = Callable[[int, Sequence[Any], Callable[[Sequence[Any]], list[Any]]], list[Any]]


class Program(NamedTuple):
    """What a traced function computes with: its lowest floating dtype, and how many terms its longest sum has."""

    dtype: str
    longest_sum: int


def stripped(f: Callable[..., Any], unroll: bool = False) -> Callable[..., Any]:
    """f without the custom rules in it that are not JAX's own; unroll: with short loops written out."""

    def plain(*args: Any) -> Any:
        program, tree = inside.traced(f, *args)
        return jax.tree.unflatten(tree, run(program, jax.tree.leaves(args), unroll))

    return plain


def program(f: Callable[..., Any], *args: Any) -> Program:
    """Trace f, which is stripped, and look at what its results depend on: the sum in a loss is not in its gradient."""
    jaxpr = inside.traced(f, *args)[0].jaxpr
    needed = {variable for variable in jaxpr.outvars if inside.is_variable(variable)}
    dtypes, longest = [], 1
    for equation in reversed(jaxpr.eqns):
        if needed.isdisjoint(equation.outvars):
            continue
        needed |= {variable for variable in equation.invars if inside.is_variable(variable)}
        for inner, times in ((equation, 1), *inside.inside(equation)):
            dtypes += [dtype for dtype in map(inside.dtype_of, inner.outvars) if is_float(dtype)]
            longest = max(longest, times * math.prod(max(size, 1) for size in inside.summed_axes(inner)))
    return Program(lowest(dtypes), longest)


def rules_in(f: Callable[..., Any], *args: Any) -> frozenset[str]:
    """The kinds, "vjp" or "jvp", of the custom rules in f that are not JAX's own."""
    found = [_own(equation) for equation, _ in inside.every(inside.traced(f, *args)[0].jaxpr)]
    return frozenset(rule.kind for rule in found if rule is not None)


def uses(f: Callable[..., Any], primitive: str, *args: Any) -> bool:
    """Whether an operation of this name is in f."""
    return any(e.primitive.name == primitive for e, _ in inside.every(inside.traced(f, *args)[0].jaxpr))


def detaches(f: Callable[..., Any], *args: Any) -> bool:
    """Whether f stops gradients itself, as JAX's own functions may too."""
    equations = inside.every(inside.traced(f, *args)[0].jaxpr)
    return any(e.primitive.name == "stop_gradient" and not _stopped_by_jax(e) for e, _ in equations)


def run(program: inside.Program, args: Sequence[Any], unroll: bool = False, step: Step | None = None) -> list[Any]:
    """Run a program. step: may change what an operation of its top level is given, and what it returns."""
    jaxpr = program.jaxpr
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, program.consts, strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))

    def read(operand: Any) -> Any:
        return values[operand] if inside.is_variable(operand) else inside.value_of(operand)

    for number, equation in enumerate(jaxpr.eqns):
        given = [read(operand) for operand in equation.invars]
        apply = partial(_apply, jaxpr, equation, unroll)
        found = apply(given) if step is None else step(number, given, apply)
        values.update(zip(equation.outvars, found, strict=True))
    return [read(operand) for operand in jaxpr.outvars]


def _apply(jaxpr: Any, equation: Any, unroll: bool, given: Sequence[Any]) -> list[Any]:
    rule, loop, call = _own(equation), inside.loop_of(equation) if unroll else None, inside.called(equation)
    if rule is not None:
        return run(rule.primal, given, unroll)
    if loop is not None and loop.length <= _UNROLLED:
        return _unrolled(loop, given)
    if call is not None:
        return run(call, given, unroll)
    return inside.apply(jaxpr, equation, given, _without_rules)


def _unrolled(loop: inside.Loop, given: Sequence[Any]) -> list[Any]:
    """A scan, one pass of its body after the other."""
    ends = loop.constants, loop.constants + loop.carried
    consts, carry, rows = given[: ends[0]], list(given[ends[0] : ends[1]]), given[ends[1] :]
    made: dict[int, list[Any]] = {}
    for i in reversed(range(loop.length)) if loop.backwards else range(loop.length):
        out = run(loop.body, [*consts, *carry, *(row[i] for row in rows)], unroll=True)
        carry, made[i] = out[: loop.carried], out[loop.carried :]
    stacked = [jax.numpy.stack([made[i][at] for i in range(loop.length)]) for at in range(len(made[0]) if made else 0)]
    return [*carry, *stacked]


def _without_rules(value: Any) -> Any:
    """A parameter of an operation with the rules taken out of the programs in it."""
    if isinstance(value, tuple):
        return (
            type(value)(*map(_without_rules, value)) if hasattr(value, "_fields") else tuple(map(_without_rules, value))
        )
    if inside.is_program(value):
        opened = inside.opened(value)
        if any(_own(equation) is not None for equation, _ in inside.every(opened.jaxpr)):
            return inside.retraced(value, lambda *args: run(opened, args))
    return value


def _own(equation: Any) -> inside.Rule | None:
    """The rule that an operation is, where somebody else than JAX wrote it."""
    rule = inside.rule_of(equation)
    return None if rule is None or rule.of_jax else rule


def _stopped_by_jax(equation: Any) -> bool:
    """Whether a stop_gradient was called by JAX itself, as logsumexp does for its maximum."""
    frames = inside.frames(equation)
    calls = [at for at, frame in enumerate(frames) if frame.function.endswith("stop_gradient")]
    callers = [frame for frame in frames[calls[-1] + 1 :] if "tree" not in frame.file] if calls else []
    return bool(callers) and callers[0].of_jax


def describe(equation: Any, operand: int) -> str:
    """An operation, with the file and the line that call it."""
    own = [frame for frame in inside.frames(equation) if not frame.of_jax and not frame.file.startswith(_OURS)]
    where = f" in {own[0].function}, {Path(own[0].file).name}:{own[0].line}" if own else ""
    place = f"operand {operand + 1} of " if len(equation.invars) > 1 else ""
    return f"{place}{equation.primitive.name}{where}"
