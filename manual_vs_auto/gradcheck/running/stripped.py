"""A function without the derivative rules that people attached to it, so that autodiff itself can be asked.

The function is traced, and its program is run again with every custom rule replaced by what the rule's primal
computes, also inside jit, scan, while and cond. JAX's own rules (relu at 0, sinc at 0) stay.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex

from manual_vs_auto.gradcheck.running.precision import is_float, lowest

_JAX = str(Path(jax.__file__).parent) + os.sep
_OURS = str(Path(__file__).parents[1]) + os.sep
_UNROLLED = 16
_RULES = ("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr")


class Program(NamedTuple):
    """What a traced function computes with: its lowest floating dtype, and how many terms its longest sum has."""

    dtype: str
    longest_sum: int


def stripped(f: Callable[..., Any], unroll: bool = False) -> Callable[..., Any]:
    """f without the custom rules in it that are not JAX's own; unroll: with short loops written out."""

    def plain(*args: Any) -> Any:
        closed, shape = jax.make_jaxpr(f, return_shape=True)(*args)
        found = run(closed.jaxpr, closed.consts, jax.tree_util.tree_leaves(args), unroll)
        return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(shape), found)

    return plain


def program(f: Callable[..., Any], *args: Any) -> Program:
    """Trace f, and look at what its results depend on: the sum in a loss is not in its gradient."""
    jaxpr = jax.make_jaxpr(stripped(f))(*args).jaxpr
    needed = {variable for variable in jaxpr.outvars if isinstance(variable, jex.Var)}
    dtypes, longest = [], 1
    for equation in reversed(jaxpr.eqns):
        if needed.isdisjoint(equation.outvars):
            continue
        needed |= {variable for variable in equation.invars if isinstance(variable, jex.Var)}
        for inner, times in ((equation, 1), *_inside(equation, 1)):
            dtypes += [v.aval.dtype for v in inner.outvars if is_float(getattr(v.aval, "dtype", None))]
            longest = max(longest, times * _terms(inner))
    return Program(lowest(dtypes), longest)


def rules_in(f: Callable[..., Any], *args: Any) -> frozenset[str]:
    """The kinds, "vjp" or "jvp", of the custom rules in f that are not JAX's own."""
    jaxpr = jax.make_jaxpr(f)(*args).jaxpr
    found = [e.primitive.name for e, _ in _equations(jaxpr, 1) if e.primitive.name in _RULES and not _of_jax(e)]
    return frozenset("vjp" if "vjp" in name else "jvp" for name in found)


def uses(f: Callable[..., Any], primitive: str, *args: Any) -> bool:
    """Whether an operation of this name is in f."""
    return any(e.primitive.name == primitive for e, _ in _equations(jax.make_jaxpr(f)(*args).jaxpr, 1))


def detaches(f: Callable[..., Any], *args: Any) -> bool:
    """Whether f stops gradients itself, as JAX's own functions may too."""
    jaxpr = jax.make_jaxpr(f)(*args).jaxpr
    return any(e.primitive.name == "stop_gradient" and not _of_jax_line(e) for e, _ in _equations(jaxpr, 1))


def run(
    jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], unroll: bool = False,
    bend: Callable[[int, int, Any], Any] | None = None,
    skip: Callable[[int, Sequence[Any], Any, Callable[[Sequence[Any]], Any]], Any] | None = None,
) -> list[Any]:  # fmt: skip
    """Run a program. bend changes what enters an operation, skip what an operation of one result returns."""
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, jex.Literal) else values[variable]

    for number, equation in enumerate(jaxpr.eqns):
        given = [read(variable) for variable in equation.invars]
        if bend is not None:
            given = [bend(number, operand, value) for operand, value in enumerate(given)]
        if equation.primitive.name in _RULES and not _of_jax(equation):
            inner = equation.params.get("call_jaxpr") or equation.params["fun_jaxpr"]
            found = run(inner.jaxpr, inner.consts, given, unroll)
        elif unroll and equation.primitive.name == "scan" and equation.params["length"] <= _UNROLLED:
            found = _unrolled(equation.params, given)
        elif equation.primitive.name in ("jit", "pjit"):
            found = run(equation.params["jaxpr"].jaxpr, equation.params["jaxpr"].consts, given, unroll)
        elif equation.primitive.name in ("checkpoint", "remat", "remat2"):
            found = run(equation.params["jaxpr"], (), given, unroll)
        else:
            found = _apply(jaxpr, equation, given)
        if skip is not None and len(found) == 1:
            found = [skip(number, given, found[0], partial(_first, jaxpr, equation))]
        values.update(zip(equation.outvars, found, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _unrolled(params: Any, given: Sequence[Any]) -> list[Any]:
    """A scan, one pass of its body after the other."""
    fixed, carried, length, body = params["num_consts"], params["num_carry"], params["length"], params["jaxpr"]
    consts, carry, rows = given[:fixed], list(given[fixed : fixed + carried]), given[fixed + carried :]
    made: dict[int, list[Any]] = {}
    for i in reversed(range(length)) if params["reverse"] else range(length):
        out = run(body.jaxpr, body.consts, [*consts, *carry, *(row[i] for row in rows)], unroll=True)
        carry, made[i] = out[:carried], out[carried:]
    stacked = [jax.numpy.stack([made[i][at] for i in range(length)]) for at in range(len(made[0]) if made else 0)]
    return [*carry, *stacked]


def _first(jaxpr: Any, equation: Any, given: Sequence[Any]) -> Any:
    return _apply(jaxpr, equation, given)[0]


def _apply(jaxpr: Any, equation: Any, given: Sequence[Any]) -> list[Any]:
    """One operation on these values, by way of a program of that operation alone."""
    values = {v: x for v, x in zip(equation.invars, given, strict=True) if isinstance(v, jex.Var)}
    params = {name: _without_rules(value) for name, value in equation.params.items()}
    alone = jaxpr.replace(
        constvars=[], invars=list(values), outvars=equation.outvars, eqns=[equation.replace(params=params)],
        debug_info=jaxpr.debug_info.with_unknown_names(),
    )  # fmt: skip
    return list(jex.jaxpr_as_fun(jex.ClosedJaxpr(alone, ()))(*values.values()))


def _without_rules(value: Any) -> Any:
    """A parameter of an operation with the rules taken out of the programs in it."""
    if isinstance(value, tuple):
        return (
            type(value)(*map(_without_rules, value)) if hasattr(value, "_fields") else tuple(map(_without_rules, value))
        )
    if isinstance(value, jex.ClosedJaxpr):
        if not any(e.primitive.name in _RULES and not _of_jax(e) for e, _ in _equations(value.jaxpr, 1)):
            return value
        shapes = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in value.in_avals]
        return jax.make_jaxpr(lambda *args: run(value.jaxpr, value.consts, args))(*shapes)
    return value


def _equations(jaxpr: Any, times: int) -> Iterator[tuple[Any, int]]:
    """Every operation, those of inner programs too, with how often a loop repeats it."""
    for equation in jaxpr.eqns:
        yield equation, times
        yield from _inside(equation, times)


def _inside(equation: Any, times: int) -> Iterator[tuple[Any, int]]:
    """The operations of the programs in an operation."""
    repeated = times * int(equation.params.get("length", 1)) if equation.primitive.name == "scan" else times
    for value in equation.params.values():
        for inner in value if isinstance(value, tuple | list) else (value,):
            if isinstance(inner, jex.ClosedJaxpr | jex.Jaxpr):
                yield from _equations(inner.jaxpr if isinstance(inner, jex.ClosedJaxpr) else inner, repeated)


def _terms(equation: Any) -> int:
    """How many numbers an operation adds into one."""
    shape = getattr(equation.invars[0].aval, "shape", ()) if equation.invars else ()
    name, params = equation.primitive.name, equation.params
    if name in ("reduce_sum", "reduce_prod"):
        axes = params["axes"]
    elif name == "dot_general":
        axes = params["dimension_numbers"][0][0]
    elif name.startswith("cum"):
        axes = (params["axis"],)
    elif name in ("conv_general_dilated", "scatter-add", "scatter_add"):
        axes = range(len(equation.invars[-1].aval.shape))
        shape = equation.invars[-1].aval.shape
    else:
        return 1
    return math.prod(max(int(shape[axis]), 1) for axis in axes)


def _of_jax(equation: Any) -> bool:
    """Whether a custom rule is JAX's own, by the files in which its primal and its rule are defined."""
    inner = equation.params.get("call_jaxpr") or equation.params.get("fun_jaxpr")
    rule = equation.params.get("bwd") or equation.params.get("jvp_jaxpr_fun")
    return all(
        _JAX in str(getattr(getattr(part, "debug_info", None), "func_src_info", "")) for part in (inner.jaxpr, rule)
    )


def _of_jax_line(equation: Any) -> bool:
    """Whether a stop_gradient was called by JAX itself, as logsumexp does for its maximum."""
    files = [(frame.file_name, frame.function_name) for frame in _frames(equation)]
    calls = [at for at, (_, name) in enumerate(files) if name.endswith("stop_gradient")]
    callers = [name for name, _ in files[calls[-1] + 1 :] if "tree" not in name] if calls else []
    return bool(callers) and callers[0].startswith(_JAX)


def _frames(equation: Any) -> Sequence[Any]:
    return getattr(getattr(equation.source_info, "traceback", None), "frames", ())


def describe(equation: Any, operand: int) -> str:
    """An operation and the line that calls it."""
    own = [frame for frame in _frames(equation) if not frame.file_name.startswith((_JAX, _OURS))]
    where = f" in {own[0].function_name}, line {own[0].line_num}" if own else ""
    place = f"operand {operand + 1} of " if len(equation.invars) > 1 else ""
    return f"{place}{equation.primitive.name}{where}"
