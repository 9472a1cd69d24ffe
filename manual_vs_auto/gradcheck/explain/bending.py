"""A function with its derivative bent at one place of its program, and its values as they are."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from manual_vs_auto.gradcheck.claims.complex import __file__ as boundary
from manual_vs_auto.gradcheck.claims.complex import is_complex, real_dtype
from manual_vs_auto.gradcheck.engines.jax import jaxpr as inside
from manual_vs_auto.gradcheck.engines.jax.stripped import describe, run, stripped
from manual_vs_auto.gradcheck.numerics.precision import is_float


class Edge(NamedTuple):
    """Where a floating value enters an operation of the program's top level.

    source: one number a value. unary: it goes through alone and keeps its shape. square: it could be transposed;
    partner: in a matrix product, where the other operand's derivative is formed with it; factor: complex, in a product.
    """

    number: int
    operand: int
    source: int
    unary: bool
    square: bool
    partner: bool
    factor: bool
    text: str


def edges(f: Callable[..., Any], *args: Any) -> list[Edge]:
    """Every edge of the stripped program, but for where complex numbers are put together and taken apart for it."""
    jaxpr = inside.traced(stripped(f, unroll=True), *args)[0].jaxpr
    found, sources = [], dict[Any, int]()
    for number, equation in enumerate(jaxpr.eqns):
        callers = [frame.file for frame in inside.frames(equation) if not frame.of_jax]
        if callers and callers[0] == boundary:
            continue
        name = equation.primitive.name
        for operand, variable in enumerate(equation.invars):
            if inside.is_variable(variable) and is_float(real_dtype(inside.dtype_of(variable))):
                same = len(equation.invars) == 1 and str(equation.outvars[0].aval) == str(variable.aval)
                source = sources.setdefault(variable, len(sources))
                shape = inside.shape_of(variable)
                square = len(shape) == 2 and shape[0] == shape[1] > 1
                factor = is_complex(variable.aval) and name in ("dot_general", "mul")
                text = describe(equation, operand)
                found.append(
                    Edge(number, operand, source, same, square, square and name == "dot_general", factor, text)
                )
    return found


def _flow(value: Any) -> Any:
    """0, with the derivative of the value. Nothing flows through what is masked: infinity less itself is no number."""
    moves = jax.numpy.where(jax.numpy.isfinite(value), value, jax.numpy.zeros_like(value))
    return moves - jax.lax.stop_gradient(moves)


def bent(f: Callable[..., Any], order: Sequence[Edge]) -> Callable[..., Any]:
    """g(bends, *args): f with its derivative bent at the edges, bends [5, edges] being

    the scale of what flows through each; and, each 0 or 1, whether the operation's own derivative is left out, whether
    what flows through is transposed, and whether the other operand's derivative is formed with the transpose, or with
    the conjugate, of this.
    """

    def changed(bends: Any, *args: Any) -> Any:
        scales, skips, turns, partners, conjugates = bends
        program, tree = inside.traced(stripped(f, unroll=True), *args)
        places = {(edge.number, edge.operand): at for at, edge in enumerate(order)}

        def bend(number: int, operand: int, value: Any) -> Any:
            if (number, operand) not in places:
                return value
            at = places[number, operand]
            flow = _flow(value)
            bent_flow = scales[at].astype(value.dtype) * flow
            if order[at].square:
                bent_flow = bent_flow + turns[at].astype(value.dtype) * (flow.T - flow)
            return jax.lax.stop_gradient(value) + bent_flow

        def skip(number: int, given: Sequence[Any], made: Any, apply: Callable[[Sequence[Any]], Any]) -> Any:
            at = places.get((number, 0))
            if at is not None and order[at].unary:
                return made + skips[at].astype(made.dtype) * (_flow(given[0]) - _flow(made))
            for operand in range(len(given)):
                at = places.get((number, operand))
                still = [jax.lax.stop_gradient(g) if i == operand else g for i, g in enumerate(given)]
                for may, row, change in (
                    (at is not None and order[at].partner, partners, lambda g: g.T),
                    (at is not None and order[at].factor, conjugates, jax.numpy.conj),
                ):
                    if may:
                        apart = apply([change(g) if i == operand else g for i, g in enumerate(still)]) - apply(still)
                        made = made + row[at].astype(made.dtype) * _flow(apart)
            return made

        return jax.tree.unflatten(tree, run(program, jax.tree.leaves(args), True, bend, skip))

    return changed
