"""A function with its derivative bent at one place of its program, and its values as they are."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto.gradcheck.claims.complex import __file__ as boundary
from manual_vs_auto.gradcheck.claims.complex import real_dtype
from manual_vs_auto.gradcheck.engines.jax import jaxpr as inside
from manual_vs_auto.gradcheck.engines.jax.stripped import describe, run, stripped
from manual_vs_auto.gradcheck.explain.ways import Entering, Way, flow_of, ways_of
from manual_vs_auto.gradcheck.numerics.precision import is_float

VALUES = 3
"""The stage, after those of ways.py, in which values are changed, and how they may be."""
TIMES, PLUS = 1, 2


class Edge(NamedTuple):
    """Where a floating value enters an operation of the program's top level.

    source: one number a value. maker: the number of the operation that it comes from. ways: in which it may be bent.
    name and text: of the operation, and with its line. added: the number that it adds to the value, or None.
    """

    number: int
    operand: int
    source: int
    maker: int | None
    ways: tuple[Way, ...]
    name: str
    text: str
    added: float | None = None


class Bends(NamedTuple):
    """For every edge: the scale of what flows through; which of its ways it is bent, from 1, or 0; and by how much."""

    scales: Any
    chosen: Any
    amounts: Any


def unbent(
    count: int, scales: dict[int, float] | None = None, chosen: dict[int, int] | None = None,
    amounts: dict[int, float] | None = None,
) -> Bends:  # fmt: skip
    """Of so many edges, but for what is given by their numbers."""
    made = Bends(np.ones(count), np.zeros(count, np.int32), np.ones(count))
    for values, given in zip(made, (scales, chosen, amounts), strict=True):
        for at, value in (given or {}).items():
            values[at] = value
    return made


def edges(f: Callable[..., Any], *args: Any) -> list[Edge]:
    """Every edge of the stripped program, but for where complex numbers are put together and taken apart for it."""
    jaxpr = inside.traced(stripped(f, unroll=True), *args)[0].jaxpr
    found, sources, makers = [], dict[Any, int](), dict[Any, int]()
    for number, equation in enumerate(jaxpr.eqns):
        callers = [frame.file for frame in inside.frames(equation) if not frame.of_jax]
        for operand, variable in enumerate(equation.invars):
            if (
                callers[:1] != [boundary]
                and inside.is_variable(variable)
                and is_float(real_dtype(inside.dtype_of(variable)))
            ):
                source = sources.setdefault(variable, len(sources))
                maker = makers.get(variable)
                ways = ways_of(equation, operand, None if maker is None else jaxpr.eqns[maker])
                name, text = equation.primitive.name, describe(equation, operand)
                found.append(Edge(number, operand, source, maker, ways, name, text, _added(equation, operand)))
        makers.update(dict.fromkeys(equation.outvars, number))
    return found


def _valued(value: Any, chosen: Any, amount: Any) -> Any:
    """A value, times an amount or with it."""
    return jnp.where(chosen == TIMES, amount * value, jnp.where(chosen == PLUS, value + amount, value))


def _added(equation: Any, operand: int) -> float | None:
    others = [v for at, v in enumerate(equation.invars) if at != operand]
    if equation.primitive.name not in ("add", "add_any") or len(others) != 1 or inside.is_variable(others[0]):
        return None
    value = np.asarray(inside.value_of(others[0]))
    return float(value) if value.size == 1 and value.dtype.kind == "f" else None


def bent(f: Callable[..., Any], order: Sequence[Edge], stage: int) -> Callable[..., Any]:
    """g(bends, *args): f with its derivative bent at the edges, in the ways of one stage.

    In the stage VALUES it is the values that change, for all that comes after: by a factor or by a summand.
    """
    places = {(edge.number, edge.operand): at for at, edge in enumerate(order)}

    def changed(bends: Bends, *args: Any) -> Any:
        program, tree = inside.traced(stripped(f, unroll=True), *args)
        before = dict[int | None, Any]()

        def step(number: int, given: Sequence[Any], apply: Callable[[Sequence[Any]], list[Any]]) -> list[Any]:
            here = [(i, places[number, i]) for i in range(len(given)) if (number, i) in places]
            still = [jax.lax.stop_gradient(value) for value in given]
            if stage == VALUES:
                for i, at in here:
                    still[i] = _valued(still[i], bends.chosen[at], bends.amounts[at].astype(still[i].dtype))
            before[number] = still[0] if still else None
            flows = {i: bends.scales[at].astype(given[i].dtype) * flow_of(given[i]) for i, at in here}
            made = apply([still[i] + flows[i] if i in flows else value for i, value in enumerate(given)])
            if len(made) != 1:
                return made
            for i, at in here:
                for which, way in enumerate(order[at].ways, 1):
                    if way.stage == stage:
                        taken, amount = bends.chosen[at] == which, bends.amounts[at].astype(still[i].dtype)
                        maker = before.get(order[at].maker)
                        change = way.change(Entering(i, still, flows, apply, maker, taken, amount))
                        made = [made[0] + flow_of(jnp.where(taken, change, 0))]
            return made

        return jax.tree.unflatten(tree, run(program, jax.tree.leaves(args), True, step=step))

    return changed


def groups(edges: Sequence[Edge]) -> list[list[int]]:
    """Every edge alone, then all of one value, then all of one line."""
    shared: dict[object, list[int]] = {}
    for at, edge in enumerate(edges):
        shared.setdefault(edge.source, []).append(at)
    for at, edge in enumerate(edges):
        shared.setdefault(edge.text, []).append(at)
    return [[at] for at in range(len(edges))] + [group for group in shared.values() if len(group) > 1]


def place(edges: Sequence[Edge], group: Sequence[int]) -> str:
    """What the derivative through these edges is called."""
    text = edges[group[0]].text
    if len({edges[at].text for at in group}) > 1:
        return f"every derivative of what enters {text}"
    same = [at for at, edge in enumerate(edges) if edge.text == text]
    which = f" ({same.index(group[0]) + 1} of {len(same)} there)" if len(group) == 1 < len(same) else ""
    return f"the derivative through {text}{which}"
