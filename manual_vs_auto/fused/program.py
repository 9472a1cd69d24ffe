"""The loss as one program: which rows count, and the two rules for its gradient."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from manual_vs_auto.fused.arguments import Arguments
from manual_vs_auto.fused.chunks import Plan, plan_of
from manual_vs_auto.fused.classes import all_classes
from manual_vs_auto.fused.options import Options
from manual_vs_auto.fused.sharding import manual_axes, together, varying
from manual_vs_auto.fused.sweeps import (
    Operands,
    grads_by_classes,
    grads_by_rows,
    losses_by_rows,
    narrow_dtype,
    rows_by_classes,
    wide_dtype,
)
from manual_vs_auto.fused.targets import Targets, has_weights, targets_of, unread_of

Aux = dict[str, jax.Array]
Numbers = Mapping[str, jax.Array]
_NOT_ASKED = (0,)  # the shape of a residual by which no gradient is asked for
_CONSTANT = (
    "linear_softmax_loss has no derivative by targets and label_probabilities: pass them through "
    "jax.lax.stop_gradient, or use the unfused loss"
)


@partial(jax.jit, static_argnames="options")
def fused_loss(arguments: Arguments, numbers: Numbers, options: Options) -> tuple[jax.Array, Aux]:
    """`linear_softmax_loss` of arrays that go together, and what is asked for beside it, [...]."""
    weight, bias = arguments.weight, arguments.bias
    features, held = (weight.shape[axis] for axis in (1 - options.class_axis, options.class_axis))
    rows = arguments.inputs.shape[:-1]
    operands = Operands(weight, arguments.inputs.reshape(math.prod(rows), features), bias)
    wide = wide_dtype(operands, options)
    targets, counts, left_out = targets_of(arguments, wide, options)
    unread = None
    if arguments.class_weight is not None or has_weights(arguments):
        unread = unread_of(arguments, targets, counts, left_out, wide, options)
    elif arguments.sample_weight is not None or options.ignore_label is not None:
        unread = left_out
    if unread is not None:
        # What such a row holds, NaN too, must reach nothing: it is replaced before anything reads it.
        operands = operands._replace(inputs=jnp.where(unread[:, None], 0, operands.inputs))
        counts = jnp.where(unread, 0, counts)
        targets = targets._replace(unread=unread if targets.dense is not None else None)
    if options.reduction == "mean":
        total = jnp.sum(counts)
        counts = counts / jnp.where(total == 0, 1, total)
    numbers = {name: number.astype(wide) for name, number in numbers.items()}
    plain = targets.labels is not None and not numbers
    planned = plan_of(
        counts.shape[0], features, held, narrow_dtype(weight.dtype, operands.inputs.dtype), options, plain
    )
    operands, targets, counts, numbers = together(operands, targets, counts, numbers, but=options.classes_axis)
    # Of a bias that is the same on all devices the derivative is a sum over them.
    operands = operands._replace(bias=varying(operands.bias, manual_axes(operands.weight)))
    if counts.shape[0] == 0:
        losses, aux = counts, _no_aux(counts, options)
    elif planned.mode == "in_forward":
        loss, aux = _total(operands, targets, counts, numbers, options, planned)
        return loss, _shaped(aux, unread, rows)
    else:
        losses, aux = _losses(operands, targets, numbers, options, planned)
        losses = counts * _counted(counts, losses)
    return losses.reshape(rows) if options.reduction == "none" else jnp.sum(losses), _shaped(aux, unread, rows)


def _no_aux(empty: jax.Array, options: Options) -> Aux:
    """What is asked for beside the losses of no row: empty is [0]."""
    return {name: empty.astype(jnp.int32) if name == "argmax" else empty for name in options.aux}


def _shaped(aux: Aux, unread: jax.Array | None, rows: tuple[int, ...]) -> Aux:
    def one(array: jax.Array) -> jax.Array:
        kept = array if unread is None else jnp.where(unread, 0, array)
        return jax.lax.stop_gradient(kept.reshape(rows))

    return {name: one(array) for name, array in aux.items()}


@partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def _total(
    operands: Operands, targets: Targets, shares: jax.Array, numbers: Numbers, options: Options, planned: Plan
) -> tuple[jax.Array, Aux]:
    """The sum of the rows' losses, each times its share [N]: the gradient is computed in the forward pass."""
    losses, aux = losses_by_rows(operands, targets, options.with_numbers(numbers), planned)
    return jnp.sum(shares * _counted(shares, losses)), aux


def _total_fwd(
    operands: Any, targets: Any, shares: Any, numbers: Any, options: Options, planned: Plan
) -> tuple[tuple[jax.Array, Aux], Any]:
    asked, asked_numbers = _asked(operands, targets), _asked_numbers(numbers)
    operands, targets, shares, numbers = _values((operands, targets, shares, numbers))
    losses, aux, grads = grads_by_rows(operands, targets, shares, options.with_numbers(numbers), planned, asked)
    counted = _counted(shares, losses)

    def again(numbers: Numbers) -> jax.Array:
        return losses_by_rows(operands, targets, options.with_numbers(numbers), planned)[0]

    by_numbers = _by_numbers(again, numbers, asked_numbers, shares)
    # An array holds the dtype that each gradient must have in the end.
    empty = jax.tree.map(lambda leaf: jnp.zeros((0,), leaf.dtype), operands)
    return (jnp.sum(shares * counted), aux), (_filled(grads, empty), counted, empty, _filled(by_numbers, numbers))


def _total_bwd(_options: Options, _planned: Plan, residuals: Any, cotangents: Any) -> Any:
    (grads, losses, like, by_numbers), cotangent = residuals, cotangents[0]
    if isinstance(cotangent, SymbolicZero):
        return None, None, None, None

    def scaled(gradient: jax.Array, as_: jax.Array) -> jax.Array | None:
        # In the cotangent's dtype: rounded to bfloat16 it would be another one, and every number off by as much.
        return (gradient.astype(cotangent.dtype) * cotangent).astype(as_.dtype) if _is_asked(gradient) else None

    by_numbers = jax.tree.map(lambda slope: cotangent * slope if _is_asked(slope) else None, by_numbers)
    return jax.tree.map(scaled, grads, like), None, cotangent * losses, by_numbers


_total.defvjp(_total_fwd, _total_bwd, symbolic_zeros=True)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _losses(
    operands: Operands, targets: Targets, numbers: Numbers, options: Options, planned: Plan
) -> tuple[jax.Array, Aux]:
    """The loss of each row [N]: the logits are computed once more for the gradient, for any cotangent."""
    return _losses_and_row(operands, targets, options.with_numbers(numbers), planned)[0]


def _losses_fwd(
    operands: Any, targets: Any, numbers: Any, options: Options, planned: Plan
) -> tuple[tuple[jax.Array, Aux], Any]:
    asked = _asked(operands, targets), _asked_numbers(numbers)
    operands, targets, numbers = _values((operands, targets, numbers))
    out, row = _losses_and_row(operands, targets, options.with_numbers(numbers), planned)
    # What is asked for is known when tracing: by shapes.
    return out, (operands, targets, numbers, row, jax.tree.map(lambda one: jnp.zeros(int(one)), asked))


def _losses_bwd(options: Options, planned: Plan, residuals: Any, cotangents: Any) -> Any:
    operands, targets, numbers, row, asked = residuals
    if isinstance(cotangents[0], SymbolicZero):
        return None, None, None
    wanted, wanted_numbers = jax.tree.map(_is_asked, asked)
    chosen = options.with_numbers(numbers)

    def again(numbers: Numbers) -> jax.Array:
        return _losses_and_row(operands, targets, options.with_numbers(numbers), planned)[0][0]

    by_operands = grads_by_classes(operands, targets, row, cotangents[0], chosen, planned, wanted)
    return by_operands, None, _by_numbers(again, numbers, wanted_numbers, cotangents[0])


_losses.defvjp(_losses_fwd, _losses_bwd, symbolic_zeros=True)


def _losses_and_row(
    operands: Operands, targets: Targets, options: Options, planned: Plan
) -> tuple[tuple[jax.Array, Aux], Any]:
    row, kind = rows_by_classes(operands, targets, options, planned), targets.kind
    classes = all_classes(options, operands.weight.shape[options.class_axis])
    return (kind.losses_of(row, classes, options), kind.aux_of(row, options)), row


def _values(tree: Any) -> Any:
    """The values of what `symbolic_zeros` hands over."""
    return jax.tree.map(lambda leaf: leaf.value, tree, is_leaf=_is_handed)


def _asked(operands: Any, targets: Any) -> Operands:
    """By which operands a gradient is asked for. TypeError where it is asked for by targets, which have none."""
    if any(leaf.perturbed for leaf in jax.tree.leaves(targets, is_leaf=_is_handed)):
        raise TypeError(_CONSTANT)
    return Operands(*(one is not None and one.perturbed for one in operands))


def _filled(grads: Any, like: Any) -> Any:
    """The gradients as a tree that is the same whatever is asked for: an empty array where none is.

    JAX keeps one tree of the residuals for a rule and its arguments, that of the last trace, and finds an earlier
    trace's residuals again by what is asked for: they are then read by a tree that may be another's.
    """
    return jax.tree.map(lambda leaf, found: jnp.zeros(_NOT_ASKED, leaf.dtype) if found is None else found, like, grads)


def _is_asked(residual: jax.Array) -> bool:
    return residual.shape != _NOT_ASKED


def _asked_numbers(numbers: Any) -> dict[str, bool]:
    return {name: number.perturbed for name, number in numbers.items()}


def _by_numbers(
    losses: Callable[[Numbers], jax.Array], numbers: Numbers, asked: Mapping[str, bool], shares: jax.Array
) -> dict[str, jax.Array | None]:
    """The derivative of the sum of the rows' losses, each times its share [N], by each number that is asked for.

    Forward, so that nothing is kept: a number is one direction, and one more pass over the logits.
    """

    def by(name: str) -> jax.Array:
        def along(number: jax.Array) -> jax.Array:
            return losses({**numbers, name: number})

        slopes = jax.jvp(along, (numbers[name],), (jnp.ones_like(numbers[name]),))[1]
        return jnp.sum(shares * _counted(shares, slopes))

    return {name: by(name) if asked[name] else None for name in numbers}


def _is_handed(leaf: Any) -> bool:
    return hasattr(leaf, "perturbed")


def _counted(shares: jax.Array, losses: jax.Array) -> jax.Array:
    """The losses, but 0 where a row without a share has one that is infinite: 0 times infinity is not 0."""
    return jnp.where((shares == 0) & ~jnp.isfinite(losses), 0, losses)
