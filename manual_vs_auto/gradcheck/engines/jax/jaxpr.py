"""All that this package knows of the inside of JAX's programs, which no release promises to keep.

The parameters of operations, where a custom rule hides, which line called an operation, what an error is about: nobody
else here names them. Releases differ: a scan says how many constants it has until 0.10, and a program is open or
closed; the test of this file surveys what the release at hand has, and holds it against what is written here.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core

from manual_vs_auto.gradcheck.engines.jax.authors import JAX, of_jax

KNOWN = ("0.10", "0.11", "0.12")
"""The releases that the whole suite has run on."""
_jex: Any = jax.extend.core  # whose names have types in some releases alone
_RULES = ("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr")
_MANTISSA = {"bfloat16": 7, "float16": 10, "float32": 23}
_CALLS = ("jit", "pjit", "checkpoint", "remat", "remat2")
_UNTRACED = (
    jax.errors.ConcretizationTypeError, jax.errors.NonConcreteBooleanIndexError, jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError, jax.errors.UnexpectedTracerError,
)  # fmt: skip


class UnknownJaxError(NotImplementedError):
    """Programs are built in another way than those of the releases that are known."""


class Program(NamedTuple):
    """What JAX has traced: equations between variables, with the values of its constants."""

    jaxpr: Any
    consts: Sequence[Any]


class Rule(NamedTuple):
    """A custom rule in a program: "vjp" or "jvp", what it is the derivative of, and whether JAX itself wrote it."""

    kind: str
    primal: Program
    of_jax: bool


class Loop(NamedTuple):
    """A scan: its operands are as many constants, then what is carried, then rows."""

    body: Program
    constants: int
    carried: int
    length: int
    backwards: bool


class Frame(NamedTuple):
    """A line that was running when an operation was traced, the innermost first."""

    file: str
    function: str
    line: int
    of_jax: bool


def traced(f: Callable[..., Any], *args: Any) -> tuple[Program, Any]:
    """The program of f and the tree of what it returns."""
    closed, shape = jax.make_jaxpr(f, return_shape=True)(*args)
    return opened(closed), jax.tree.structure(shape)


def opened(program: Any) -> Program:
    """A program as an operation has it among its parameters, open or closed."""
    return Program(getattr(program, "jaxpr", program), getattr(program, "consts", ()))


def is_variable(operand: Any) -> bool:
    """Whether it stands for a value; otherwise it is a number that is written into the program."""
    return isinstance(operand, _jex.Var)


def value_of(literal: Any) -> Any:
    """The number that is written into the program."""
    return literal.val


def shape_of(operand: Any) -> tuple[int, ...]:
    """The shape of an operand or a result, () of what has none."""
    return tuple(getattr(operand.aval, "shape", ()))


def dtype_of(operand: Any) -> Any:
    """The dtype of an operand or a result, None of what has none."""
    return getattr(operand.aval, "dtype", None)


def precision_of(result: Any, equation: Any) -> Any:
    """The dtype that a result has, or the lower one to which the operation rounds it."""
    if equation.primitive.name != "reduce_precision":
        return dtype_of(result)
    kept = parameter(equation, "mantissa_bits")
    return next((name for name, bits in _MANTISSA.items() if kept <= bits), dtype_of(result))


def parameter(equation: Any, *names: str) -> Any:
    """The parameter that goes by one of these names. Raises: UnknownJaxError."""
    for name in names:
        if name in equation.params:
            return equation.params[name]
    raise UnknownJaxError(
        f"jax {jax.__version__}: {equation.primitive.name} has no parameter {' or '.join(names)}, "
        f"but {', '.join(sorted(equation.params))}; known are the releases {', '.join(KNOWN)}"
    )


def rule_of(equation: Any) -> Rule | None:
    """The custom rule that an operation is."""
    name = equation.primitive.name
    if name not in _RULES:
        return None
    inner = parameter(equation, "call_jaxpr", "fun_jaxpr")
    rule = parameter(equation, "bwd") if "vjp" in name else parameter(equation, "jvp_jaxpr_fun")
    forward = [parameter(equation, "fwd_jaxpr_thunk")] if "vjp" in name else []
    written = of_jax(opened(inner).jaxpr, rule, *forward)
    return Rule("vjp" if "vjp" in name else "jvp", opened(inner), written)


def loop_of(equation: Any) -> Loop | None:
    """The scan that an operation is. Rows are what has one axis more outside than inside."""
    if equation.primitive.name != "scan":
        return None
    body = opened(parameter(equation, "jaxpr"))
    rows, stacked = (
        sum(len(shape_of(outer)) > len(shape_of(inner)) for outer, inner in zip(*sides, strict=True))
        for sides in ((equation.invars, body.jaxpr.invars), (equation.outvars, body.jaxpr.outvars))
    )
    carried = len(equation.outvars) - stacked
    constants = len(equation.invars) - rows - carried
    return Loop(body, constants, carried, int(parameter(equation, "length")), parameter(equation, "reverse"))


class Iteration(NamedTuple):
    """A loop that carries numbers and reads no rows: its body, and where the constants of that are among operands.

    going: of a while loop, whether it goes on; the constants of that stand before those of the body.
    """

    body: Program
    constants: slice
    going: Program | None = None


def iteration_of(equation: Any) -> Iteration | None:
    """The while loop, or the scan over nothing, that an operation is."""
    if equation.primitive.name == "while":
        start = parameter(equation, "cond_nconsts")
        constants = slice(start, start + parameter(equation, "body_nconsts"))
        going = opened(parameter(equation, "cond_jaxpr"))
        return Iteration(opened(parameter(equation, "body_jaxpr")), constants, going)
    loop = loop_of(equation)
    if loop is None or loop.constants + loop.carried < len(equation.invars) or loop.carried < len(equation.outvars):
        return None
    return Iteration(loop.body, slice(0, loop.constants))


def called(equation: Any) -> Program | None:
    """The program that an operation runs once and as it is: of a jit, of a checkpoint."""
    return opened(parameter(equation, "jaxpr")) if equation.primitive.name in _CALLS else None


def is_program(value: Any) -> bool:
    """Whether a parameter is a program."""
    return isinstance(value, _jex.ClosedJaxpr | _jex.Jaxpr)


def programs_in(equation: Any) -> Iterator[Program]:
    """The programs in an operation."""
    for value in equation.params.values():
        for inner in value if isinstance(value, tuple | list) else (value,):
            if is_program(inner):
                yield opened(inner)


def inside(equation: Any, times: int = 1) -> Iterator[tuple[Any, int]]:
    """The operations of the programs in an operation, each with how often a loop repeats it."""
    loop = loop_of(equation)
    repeated = times * loop.length if loop is not None else times
    for inner in programs_in(equation):
        yield from every(inner.jaxpr, repeated)


def every(jaxpr: Any, times: int = 1) -> Iterator[tuple[Any, int]]:
    """Every operation of a program, those of inner programs too, with how often a loop repeats it."""
    for equation in jaxpr.eqns:
        yield equation, times
        yield from inside(equation, times)


def apply(jaxpr: Any, equation: Any, given: Sequence[Any], change: Callable[[Any], Any]) -> list[Any]:
    """One operation of a program on these values, its parameters changed first; by a program of it alone."""
    values, operands = dict[Any, Any](), []
    for operand, value in zip(equation.invars, given, strict=True):
        if is_variable(operand):
            # One that stands twice may be given two values.
            operand = type(operand)(operand.aval) if operand in values else operand
            values[operand] = value
        operands.append(operand)
    params = {name: change(value) for name, value in equation.params.items()}
    alone = jaxpr.replace(
        constvars=[], invars=list(values), outvars=equation.outvars,
        eqns=[equation.replace(invars=operands, params=params)],
        debug_info=jaxpr.debug_info.with_unknown_names(),
    )  # fmt: skip
    return list(_jex.jaxpr_as_fun(_jex.ClosedJaxpr(alone, ()))(*values.values()))


def retraced(program: Any, f: Callable[..., Any]) -> Any:
    """The program of f, in place of one with the same operands."""
    return jax.make_jaxpr(f)(*(jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in program.in_avals))


def frames(equation: Any) -> list[Frame]:
    """Who called an operation; nothing where JAX was told to keep no tracebacks."""
    traceback = getattr(equation.source_info, "traceback", None)
    return [
        Frame(f.file_name, f.function_name, f.line_num, f.file_name.startswith(JAX))
        for f in getattr(traceback, "frames", ())
    ]


def refuses_tracing(error: Exception) -> bool:
    """Whether it was the tracing that a function refused, rather than its arguments."""
    return isinstance(error, _UNTRACED) or "racer" in f"{type(error).__name__}: {error}"


def refuses_the_rule(error: Exception) -> bool:
    """Whether JAX refused what a custom rule returns, for its structure, shape or dtype: it says so in words alone."""
    return "ustom" in str(error) or "must produce" in str(error)
