"""A function without the derivative rules that people attached to it, so that autodiff itself can be asked.

The function is traced, and its program is run again with every custom rule replaced by what the rule's primal
computes, also inside jit, scan, while and cond. JAX's own rules (relu at 0, sinc at 0) stay, unless they are what is
asked about.
"""

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax

from manual_vs_auto.gradcheck.claims.complex import real_dtype
from manual_vs_auto.gradcheck.engines.jax import jaxpr as inside
from manual_vs_auto.gradcheck.engines.jax.operations import summed_axes
from manual_vs_auto.gradcheck.numerics.precision import is_float, lowest

_OURS = str(Path(__file__).parents[2]) + os.sep
_UNROLLED = 32
Step: TypeAlias = Callable[[int, Sequence[Any], Callable[[Sequence[Any]], list[Any]]], list[Any]]
Strips: TypeAlias = Callable[[Any], inside.Rule | None]
_TURNS = 2**18


class Program(NamedTuple):
    """What a traced function computes with: its lowest floating dtype, and how many terms its longest sum has."""

    dtype: str
    longest_sum: int


class Further(NamedTuple):
    """So many steps more in every loop that reads no rows. endless: of each, whether it was ended after very many."""

    steps: int
    endless: list[Any]


def stripped(f: Callable[..., Any], unroll: bool = False) -> Callable[..., Any]:
    """f without the custom rules in it that are not JAX's own. unroll: with short loops written out."""

    def plain(*args: Any) -> Any:
        program, tree = inside.traced(f, *args)
        return jax.tree.unflatten(tree, run(program, jax.tree.leaves(args), unroll))

    return plain


def gone_further(f: Callable[..., Any], steps: int) -> Callable[..., Any]:
    """The same with its loops gone further, JAX's own too; NaN where one of them does not end soon."""

    def plain(*args: Any) -> Any:
        program, tree = inside.traced(f, *args)
        further = Further(steps, [])
        found = run(program, jax.tree.leaves(args), False, further, _looping)
        endless = jax.numpy.any(jax.numpy.array(further.endless, bool))
        floats = [jax.numpy.issubdtype(a.dtype, jax.numpy.inexact) for a in found]
        told = [jax.numpy.where(endless, jax.numpy.nan, a) if f else a for a, f in zip(found, floats, strict=True)]
        return jax.tree.unflatten(tree, told)

    return plain


def bare(f: Callable[..., Any]) -> Callable[..., Any]:
    """f without any custom rule in it, JAX's own included."""

    def plain(*args: Any) -> Any:
        program, tree = inside.traced(f, *args)
        return jax.tree.unflatten(tree, run(program, jax.tree.leaves(args), strips=inside.rule_of))

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
            lowered = [real_dtype(inside.precision_of(made, inner)) for made in inner.outvars]
            dtypes += [dtype for dtype in lowered if is_float(dtype)]
            longest = max(longest, times * math.prod(max(size, 1) for size in summed_axes(inner)))
    return Program(lowest(dtypes), longest)


def rules_in(f: Callable[..., Any], *args: Any, of_jax: bool = False) -> frozenset[str]:
    """The kinds, "vjp" or "jvp", of the custom rules in f that others wrote than JAX; or of JAX's own."""
    found = [inside.rule_of(equation) for equation, _ in inside.every(inside.traced(f, *args)[0].jaxpr)]
    return frozenset(rule.kind for rule in found if rule is not None and rule.of_jax is of_jax)


def run(
    program: inside.Program, args: Sequence[Any], unroll: bool = False, further: Further | None = None,
    strips: Strips | None = None, step: Step | None = None,
) -> list[Any]:  # fmt: skip
    """Run a program.

    strips: the rule that is to be taken out of an operation; without it, any that is not JAX's own. step: may change
    what an operation of the program's top level is given, and what it returns.
    """
    jaxpr = program.jaxpr
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, program.consts, strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))

    def read(operand: Any) -> Any:
        return values[operand] if inside.is_variable(operand) else inside.value_of(operand)

    for number, equation in enumerate(jaxpr.eqns):
        given = [read(operand) for operand in equation.invars]
        apply = partial(_apply, jaxpr, equation, unroll, further, strips or _own)
        found = apply(given) if step is None else step(number, given, apply)
        values.update(zip(equation.outvars, found, strict=True))
    return [read(operand) for operand in jaxpr.outvars]


def _apply(
    jaxpr: Any, equation: Any, unroll: bool, further: Further | None, strips: Strips, given: Sequence[Any]
) -> list[Any]:
    rule, loop, call = strips(equation), inside.loop_of(equation) if unroll else None, inside.called(equation)
    if rule is not None:
        return run(rule.primal, given, unroll, further, strips)
    if loop is not None and loop.length <= _UNROLLED:
        return _unrolled(loop, given)
    if call is not None:
        return run(call, given, unroll, further, strips)
    apply = partial(inside.apply, jaxpr, equation, given, partial(_without, strips))
    if further is None or (iteration := inside.iteration_of(equation)) is None:
        return apply()
    if iteration.goes_on is None:
        found = apply()
    else:
        found, endless = _bounded(iteration, iteration.goes_on, strips, given)
        further.endless.append(endless)
    for _ in range(further.steps):
        found = run(iteration.body, [*given[iteration.constants], *found], strips=strips)
    return found


def _bounded(
    loop: inside.Iteration, ends: tuple[inside.Program, int], strips: Strips, given: Sequence[Any]
) -> tuple[list[Any], Any]:
    """A while loop that ends after many turns at the latest: nobody waits for more; and whether it was so ended."""
    condition, count = ends

    def goes_on(carried: list[Any]) -> Any:
        return run(condition, [*given[:count], *carried], strips=strips)[0]

    def turn(state: tuple[Any, list[Any]]) -> tuple[Any, list[Any]]:
        # Under vmap each row has ended or not.
        turns, carried = state
        on, after = goes_on(carried), run(loop.body, [*given[loop.constants], *carried], strips=strips)
        return turns + 1, list(map(jax.numpy.where, _spread(on, carried), after, carried))

    start = 0, list(given[loop.constants.stop :])
    _, found = jax.lax.while_loop(lambda state: (state[0] < _TURNS) & jax.numpy.any(goes_on(state[1])), turn, start)
    return found, jax.numpy.any(goes_on(found))


def _spread(rows: Any, like: Sequence[Any]) -> list[Any]:
    """One number a row, for each of these arrays."""
    return [rows.reshape(rows.shape + (1,) * (a.ndim - rows.ndim)) for a in like]


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


def _without(strips: Strips, value: Any) -> Any:
    """A parameter of an operation with the rules taken out of the programs in it."""
    if isinstance(value, tuple):
        parts = [_without(strips, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if inside.is_program(value):
        opened = inside.opened(value)
        if any(strips(equation) is not None for equation, _ in inside.every(opened.jaxpr)):
            return inside.retraced(value, lambda *args: run(opened, args, strips=strips))
    return value


def _own(equation: Any) -> inside.Rule | None:
    """The rule that an operation is, where somebody else than JAX wrote it."""
    rule = inside.rule_of(equation)
    return None if rule is None or rule.of_jax else rule


def _looping(equation: Any) -> inside.Rule | None:
    """The same, or a rule of JAX's own for a function that has loops."""
    rule = inside.rule_of(equation)
    loops = rule is not None and any(inside.iteration_of(e) is not None for e, _ in inside.inside(equation))
    return rule if loops else _own(equation)


def describe(equation: Any, operand: int) -> str:
    """An operation, with the file and the line that call it."""
    own = [frame for frame in inside.frames(equation) if not frame.of_jax and not frame.file.startswith(_OURS)]
    where = f" in {own[0].function}, {Path(own[0].file).name}:{own[0].line}" if own else ""
    place = f"operand {operand + 1} of " if len(equation.invars) > 1 else ""
    return f"{place}{equation.primitive.name}{where}"
