"""The ways in which the derivative of one operation is commonly wrong: each changes what an operand's tangent becomes.

A way is written for tangents; autodiff transposes it where a rule goes backwards.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from manual_vs_auto.gradcheck.claims.complex import is_complex
from manual_vs_auto.gradcheck.engines.jax import jaxpr as inside
from manual_vs_auto.gradcheck.engines.jax import operations

_MOST = 1 << 10
_SLOPES: dict[str, Callable[[Any, Any], Any]] = {
    "its result": lambda _, y: y,
    "1 minus its result": lambda _, y: 1 - y,
    "its argument": lambda x, _: x,
}
"""What stands for the slope of an operation, from its argument and its result."""
PASSED, COPIED, ELSEWHERE = range(3)
"""The stages in which ways are tried, from simple to intricate; each is one program."""


class Entering(NamedTuple):
    """What an operation is given, with what flows through the operand at hand.

    still: all operands, without their derivatives. flows: of every floating operand. before: what the operand itself
    was made of, None where it was made by none. taken: whether it is bent in the way at hand, and by which amount.
    """

    operand: int
    still: Sequence[Any]
    flows: dict[int, Any]
    apply: Callable[[Sequence[Any]], list[Any]]
    before: Any
    taken: Any
    amount: Any

    @property
    def value(self) -> Any:
        """The operand itself."""
        return self.still[self.operand]

    @property
    def flow(self) -> Any:
        """What flows through it."""
        return self.flows[self.operand]

    def at(self, flows: dict[int, Any], value: Any = None) -> Any:
        """The operation's result where these flow into it, and with another value of the operand."""
        given = [v if value is None or i != self.operand else value for i, v in enumerate(self.still)]
        return self.apply([v + flows[i] if i in flows else v for i, v in enumerate(given)])[0]

    def through(self, flow: Any) -> Any:
        """What the operation makes of a flow through the operand: linear in it."""
        return flow_of(self.at({self.operand: flow}))

    @property
    def out(self) -> Any:
        """The operation's result."""
        return self.at({})


def flow_of(value: Any) -> Any:
    """0, with the derivative of the value. Nothing flows through what is masked: infinity less itself is no number."""
    moves = jnp.where(jnp.isfinite(value), value, jnp.zeros_like(value))
    return moves - jax.lax.stop_gradient(moves)


class Way(NamedTuple):
    """stage: of trying. kind and text: what is said, with {} for the operation.

    change(entering) -> what is added to the operation's result. Its own value does not count, but it must be finite,
    also where the way is not taken. constant: what is said where another amount than 1 explains it, too.
    """

    stage: int
    kind: str
    text: str
    change: Callable[[Entering], Any]
    constant: str = ""


def ways_of(equation: Any, operand: int, maker: Any) -> tuple[Way, ...]:
    """Those of one operand. maker: the operation that made it, or None."""
    return tuple(_ways(equation, operand, maker)) if len(equation.outvars) == 1 else ()


def _ways(equation: Any, operand: int, maker: Any) -> Iterator[Way]:
    shape, out = inside.shape_of(equation.invars[operand]), inside.shape_of(equation.outvars[0])
    alike = inside.dtype_of(equation.invars[operand]) == inside.dtype_of(equation.outvars[0])
    inputs, same = len(equation.invars), alike and shape == out
    square = len(shape) == 2 and shape[0] == shape[1] > 1
    if same and not operations.is_sum(equation):
        scaled = "the factor of {} is taken to be {amount}, a constant"
        yield Way(PASSED, "term", "the factor of {} is missing from the chain", _passed, scaled if inputs > 1 else "")
    if square:
        turned = "what flows through {} is transposed"
        yield Way(PASSED, "transpose", turned, lambda e: e.through(e.flow.T - e.flow))
    if operations.mixes(equation):
        if alike and math.prod(shape) == math.prod(out) > 1:
            yield Way(COPIED, "untransposed", "{} is not transposed going back", _untransposed)
        if square and inputs > 1:
            text = "{} is not transposed in the other operand's derivative"
            yield Way(COPIED, "untransposed", text, partial(_elsewhere, point=lambda e: e.value.T))
    if is_complex(equation.invars[operand].aval) and inputs > 1 and operations.bends(equation):
        text = "a conjugate is missing or too much: of {}, in the other's"
        yield Way(PASSED, "conjugate", text, partial(_elsewhere, point=lambda e: jnp.conj(e.value)))
    # An axis of one is repeated by most operations themselves.
    spread = len(shape) == len(out) and shape != out and all(n in (1, m) for n, m in zip(shape, out, strict=True))
    if (operations.copies(equation) or spread) and max(math.prod(shape), math.prod(out)) <= _MOST:
        kind, copies = (
            ("repeats", "what {} reads more than once")
            if inputs > 1 and not spread
            else ("group", "the copies that {} makes")
        )
        for kind_, text, weight in (
            (kind, f"of {copies} only the first counts", _first),
            (kind, f"of {copies} only the last counts", _last),
            ("reduction", f"of {copies} the mean stands where the sum belongs", _even),
            (kind, f"of {copies} the first stands for all", _first_for_all),
        ):
            yield Way(COPIED, kind_, text, partial(_copied, weight=weight, spread=out if spread else None))
    if operations.is_extreme(equation):
        yield Way(
            COPIED,
            "mask",
            "all that {} sees counts, not only what it chooses",
            partial(_all, axes=operations.reduced(equation)),
        )
    for axis in range(len(out)) if operations.is_reduction(equation) else ():
        if out[axis] > 1:
            text = f"what flows through {{}} is averaged over axis {axis} of its result too"
            yield Way(COPIED, "statistics", text, partial(_averaged, axis=axis))
    if operations.bends(equation):
        if same:
            text = "the derivative of {} is taken at its result"
            yield Way(ELSEWHERE, "slope", text, partial(_elsewhere, point=lambda e: e.out))
        if maker is not None and inside.shape_of(maker.invars[0]) == shape and operations.bends(maker):
            text = f"the derivative of {{}} is taken at what goes into {maker.primitive.name}, for what comes out"
            yield Way(ELSEWHERE, "slope", text, partial(_elsewhere, point=lambda e: e.before))
        if equation.primitive.name == "pow" and operand == 1:
            text = "the logarithm of the base is missing in the derivative by {}"
            yield Way(ELSEWHERE, "term", text, lambda e: e.out * e.flow - e.through(e.flow))
        if inputs > 1:
            text = "{} is one in the derivative by the other"
            yield Way(ELSEWHERE, "term", text, partial(_elsewhere, point=lambda e: jnp.ones_like(e.value)))
        elif same:
            for name, slope in _SLOPES.items():
                text = f"the slope of {{}} is taken to be {name}"
                yield Way(ELSEWHERE, "variant", text, partial(_sloped, slope=slope))


def _passed(e: Entering) -> Any:
    return e.amount * e.flow - e.through(e.flow)


def _untransposed(e: Entering) -> Any:
    """The operation is linear in the flow: L t becomes L^T t."""
    made, back = jax.vjp(e.through, e.flow)
    return back(e.flow.reshape(made.shape))[0].reshape(made.shape) - made


def _elsewhere(e: Entering, point: Callable[[Entering], Any]) -> Any:
    value = jnp.where(e.taken, jax.lax.stop_gradient(point(e)), e.value)
    return e.at(e.flows, value) - e.at(e.flows)


def _sloped(e: Entering, slope: Callable[[Any, Any], Any]) -> Any:
    return jax.lax.stop_gradient(slope(e.value, e.out)) * e.flow - e.through(e.flow)


def _all(e: Entering, axes: tuple[int, ...]) -> Any:
    return jnp.sum(e.flow, axes) - e.through(e.flow)


def _averaged(e: Entering, axis: int) -> Any:
    made = e.through(e.flow)
    return jnp.broadcast_to(jnp.mean(made, axis, keepdims=True), made.shape) - made


def _copied(e: Entering, weight: Callable[[Any], Any], spread: Sequence[int] | None) -> Any:
    """Every element of the result is of one of the operand, whose number the operation tells of itself."""
    numbers = jnp.arange(e.value.size, dtype=e.value.dtype).reshape(e.value.shape)
    given = [numbers if i == e.operand else v for i, v in enumerate(e.still)]
    which = e.apply(given)[0] if spread is None else jnp.broadcast_to(numbers, spread)
    same = which.reshape(-1, 1) == which.reshape(1, -1)
    return e.through(e.flow) * (weight(same).reshape(which.shape).astype(e.value.dtype) - 1)


def _first(same: Any) -> Any:
    return ~jnp.any(jnp.tril(same, -1), 1)


def _last(same: Any) -> Any:
    return ~jnp.any(jnp.triu(same, 1), 1)


def _even(same: Any) -> Any:
    return 1 / jnp.maximum(jnp.sum(same, 1), 1)


def _first_for_all(same: Any) -> Any:
    return _first(same) * jnp.sum(same, 1)
