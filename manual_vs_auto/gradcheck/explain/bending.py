"""A function with its derivative bent at one place of its program, and its values as they are."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from manual_vs_auto.gradcheck.engines.jax import jaxpr as inside
from manual_vs_auto.gradcheck.engines.jax.stripped import describe, run, stripped
from manual_vs_auto.gradcheck.explain.ways import Entering, Way, ways_of
from manual_vs_auto.gradcheck.numerics.precision import is_float


class Edge(NamedTuple):
    """Where a floating value enters an operation of the program's top level.

    source: one number a value. maker: the number of the operation that it comes from. ways: in which it may be bent.
    name and text: of the operation, and with its line.
    """

    number: int
    operand: int
    source: int
    maker: int | None
    ways: tuple[Way, ...]
    name: str
    text: str


class Bends(NamedTuple):
    """For every edge: the scale of what flows through; which of its ways it is bent, from 1, or 0; and by how much."""

    scales: Any
    chosen: Any
    amounts: Any


def edges(f: Callable[..., Any], *args: Any) -> list[Edge]:
    """Every edge of the stripped program."""
    jaxpr = inside.traced(stripped(f, unroll=True), *args)[0].jaxpr
    found, sources, makers = [], dict[Any, int](), dict[Any, int]()
    for number, equation in enumerate(jaxpr.eqns):
        for operand, variable in enumerate(equation.invars):
            if inside.is_variable(variable) and is_float(inside.dtype_of(variable)):
                source = sources.setdefault(variable, len(sources))
                maker = makers.get(variable)
                ways = ways_of(equation, operand, None if maker is None else jaxpr.eqns[maker])
                name, text = equation.primitive.name, describe(equation, operand)
                found.append(Edge(number, operand, source, maker, ways, name, text))
        makers.update(dict.fromkeys(equation.outvars, number))
    return found


def bent(f: Callable[..., Any], order: Sequence[Edge], stage: int) -> Callable[..., Any]:
    """g(bends, *args): f with its derivative bent at the edges, in the ways of one stage."""
    places = {(edge.number, edge.operand): at for at, edge in enumerate(order)}

    def changed(bends: Bends, *args: Any) -> Any:
        program, tree = inside.traced(stripped(f, unroll=True), *args)
        before = dict[int | None, Any]()

        def step(number: int, given: Sequence[Any], apply: Callable[[Sequence[Any]], list[Any]]) -> list[Any]:
            here = [(i, places[number, i]) for i in range(len(given)) if (number, i) in places]
            still = [jax.lax.stop_gradient(value) for value in given]
            before[number] = still[0] if still else None
            flows = {i: bends.scales[at].astype(given[i].dtype) * (given[i] - still[i]) for i, at in here}
            made = apply([still[i] + flows[i] if i in flows else value for i, value in enumerate(given)])
            if len(made) != 1:
                return made
            for i, at in here:
                for which, way in enumerate(order[at].ways, 1):
                    if way.stage == stage:
                        taken, amount = bends.chosen[at] == which, bends.amounts[at].astype(still[i].dtype)
                        maker = before.get(order[at].maker)
                        change = way.change(Entering(i, still, flows, apply, maker, taken, amount))
                        change = jnp.where(taken, change, 0)
                        made = [made[0] + change - jax.lax.stop_gradient(change)]
            return made

        return jax.tree.unflatten(tree, run(program, jax.tree.leaves(args), True, step=step))

    return changed
