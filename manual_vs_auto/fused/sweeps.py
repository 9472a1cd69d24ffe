"""The passes over the logits: by rows with the gradient at once, or by classes with the logits computed twice.

Letters: N rows, D features, K classes. Every product is summed in at least float32 (`accumulate_dtype`).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from manual_vs_auto.fused.chunks import Plan, fold, over
from manual_vs_auto.fused.options import Options
from manual_vs_auto.fused.preferred import preferred
from manual_vs_auto.fused.rows import Piece, Row, Slopes, by_logits, exponentials, losses_of, merged, row_of, slopes_of


class Operands(NamedTuple):
    """weight floating [K, D], inputs floating [N, D], bias floating [K] or None."""

    weight: jax.Array
    inputs: jax.Array
    bias: jax.Array | None


def losses_by_rows(operands: Operands, labels: jax.Array, options: Options, plan: Plan) -> jax.Array:
    """The loss of each row [N], a chunk of rows at a time."""

    def body(at: jax.Array, _: jax.Array) -> tuple[None, jax.Array]:
        chunk = operands._replace(inputs=_cut(operands.inputs, at, plan.chunk_size))
        row, _ = row_of(_piece(chunk, _cut(labels, at, plan.chunk_size), options), options)
        return None, losses_of(row, len(operands.weight), options)

    return over(len(labels), plan.chunk_size, body)[1]


def grads_by_rows(
    operands: Operands, labels: jax.Array, shares: jax.Array, options: Options, plan: Plan
) -> tuple[jax.Array, Operands]:
    """The loss of each row [N], and the gradient of their sum, each times its share [N], a chunk of rows at a time.

    Source: notes (9) and (10). With G = share dL/dz: dL/dW = G^T x, dL/dx = G W.
    """
    weight, inputs, bias = operands
    classes = len(weight)

    def body(at: jax.Array, fresh: jax.Array) -> tuple[tuple[jax.Array, Any], tuple[jax.Array, jax.Array]]:
        chunk = operands._replace(inputs=_cut(inputs, at, plan.chunk_size))
        piece = _piece(chunk, _cut(labels, at, plan.chunk_size), options)
        row, exponential = row_of(piece, options)
        slopes = slopes_of(row, _cut(shares, at, plan.chunk_size), classes, options)
        gradient = by_logits(piece, exponential, slopes, options)
        # Of a row that was in the chunk before, the sums over rows want nothing more.
        once = jnp.where(fresh[:, None], chunk.inputs, 0)
        by_weight = _product(gradient, once, (0, 0), operands, options)
        by_bias = _product(gradient, fresh, (0, 0), operands, options) if bias is not None else ()
        by_inputs = _product(gradient, weight, (1, 0), operands, options)
        return (by_weight, by_bias), (losses_of(row, classes, options), by_inputs.astype(_kept(inputs.dtype)))

    (by_weight, by_bias), (losses, by_inputs) = over(len(labels), plan.chunk_size, body)
    bias_grad = None if bias is None else by_bias.astype(_kept(bias.dtype))
    return losses, Operands(by_weight.astype(_kept(weight.dtype)), by_inputs, bias_grad)


def rows_by_classes(operands: Operands, labels: jax.Array, options: Options, plan: Plan) -> Row:
    """The numbers of each row, a chunk of classes at a time."""

    def by_xla(operands: Operands, labels: jax.Array) -> Row:
        def step(row: Row, at: jax.Array, fresh: jax.Array) -> Row:
            piece = _piece(_some_classes(operands, at, plan.chunk_size), labels - at, options)._replace(fresh=fresh)
            return merged(row, row_of(piece, options)[0])

        zero = jnp.zeros(labels.shape, wide_dtype(operands, options))
        nothing = Row(jnp.full_like(zero, -jnp.inf), *([zero] * (len(Row._fields) - 1)))
        return fold(len(operands.weight), plan.chunk_size, step, nothing)

    def by_kernel(operands: Operands, labels: jax.Array) -> Row:
        from manual_vs_auto.fused import hopper

        weight, inputs, bias = operands
        numbers = hopper.statistics(weight, inputs, labels, bias, options.softcap)
        label = jnp.sum(inputs.astype(jnp.float32) * weight[labels].astype(jnp.float32), axis=1)
        label = _adjusted(label, None if bias is None else bias[labels], options)
        return Row(*numbers, label=label, total=jnp.zeros_like(label))  # type: ignore[misc]

    return (preferred(by_kernel, by_xla) if plan.kernel else by_xla)(operands, labels)


def grads_by_classes(
    operands: Operands, labels: jax.Array, row: Row, shares: jax.Array, options: Options, plan: Plan
) -> Operands:
    """The gradient of the rows' losses, each times its share [N], a chunk of classes at a time.

    Source: notes (9) and (10), as in `grads_by_rows`.
    """
    weight, inputs, bias = operands
    classes = len(weight)

    def by_xla(operands: Operands, labels: jax.Array, maximum: jax.Array, slopes: Slopes, at: jax.Array) -> jax.Array:
        piece = _piece(_some_classes(operands, at, plan.chunk_size), labels - at, options)
        return _operand(by_logits(piece, exponentials(piece, maximum), slopes, options), operands)

    def by_kernel(
        operands: Operands, labels: jax.Array, maximum: jax.Array, slopes: Slopes, at: jax.Array
    ) -> jax.Array:
        from manual_vs_auto.fused import hopper

        weight, inputs, bias = operands
        squared = options.loss == "squared_distance"
        return hopper.gradient(
            weight, inputs, labels, bias, maximum, slopes, at, plan.chunk_size, squared, options.softcap
        )

    back_to_logits = preferred(by_kernel, by_xla) if plan.kernel else by_xla
    slopes = slopes_of(row, shares, classes, options)

    def body(at: jax.Array, fresh: jax.Array) -> tuple[jax.Array, tuple[jax.Array, Any]]:
        gradient = back_to_logits(operands, labels, row.maximum, slopes, at)
        by_weight = _product(gradient, inputs, (0, 0), operands, options).astype(weight.dtype)
        rows = jnp.ones(labels.shape, bool)
        by_bias = _product(gradient, rows, (0, 0), operands, options).astype(bias.dtype) if bias is not None else ()
        # Of a class that was in the chunk before, the sums over classes want nothing more.
        once = jnp.where(fresh[:, None], _cut(weight, at, plan.chunk_size), 0)
        by_inputs = _product(gradient, once, (1, 0), operands, options)
        return by_inputs, (by_weight, by_bias)

    by_inputs, (by_weight, by_bias) = over(classes, plan.chunk_size, body)
    return Operands(by_weight, by_inputs.astype(inputs.dtype), None if bias is None else by_bias)


def wide_dtype(operands: Operands, options: Options) -> Any:
    """The dtype of losses and sums: `accumulate_dtype`, or the operands' where that is wider."""
    return _together(options.accumulate_dtype, narrow_dtype(operands.weight.dtype, operands.inputs.dtype))


def _piece(operands: Operands, labels: jax.Array, options: Options) -> Piece:
    """Source: notes (5). The logits W x + b, softly capped, [N, k]; labels [N] count from the first row of W."""
    weight, inputs, bias = operands
    logits = _product(inputs, weight, (1, 1), operands, options)
    logits = _adjusted(logits, None if bias is None else bias[None, :], options)
    return Piece(logits, labels, jnp.ones(weight.shape[:1], bool))


def _adjusted(logits: jax.Array, bias: jax.Array | None, options: Options) -> jax.Array:
    """The logits of a product with their bias, softly capped: softcap * tanh(z / softcap)."""
    if bias is not None:
        logits = logits + bias.astype(logits.dtype)
    return logits if options.softcap is None else options.softcap * jnp.tanh(logits / options.softcap)


def _product(
    left: jax.Array, right: jax.Array, contract: tuple[int, int], operands: Operands, options: Options
) -> jax.Array:
    """The matrix product over these axes, its operands as narrow as the arguments, its sums wide."""
    dimensions = (((contract[0],), (contract[1],)), ((), ()))
    return lax.dot_general(
        _operand(left, operands),
        _operand(right, operands),
        dimensions,
        preferred_element_type=wide_dtype(operands, options),
    )


def narrow_dtype(weight: Any, inputs: Any) -> Any:
    """What the products take: bfloat16 for it, else at least float32. float16 has no room for a small gradient."""
    together = _together(weight, inputs)
    return together if together == jnp.bfloat16 else _together(together, jnp.dtype(jnp.float32))


def _together(one: Any, other: Any) -> Any:
    """The dtype that holds both, also where the caller lets nothing be promoted in silence."""
    with jax.numpy_dtype_promotion("standard"):
        return jnp.promote_types(one, other)


def _operand(array: jax.Array, operands: Operands) -> jax.Array:
    return array.astype(narrow_dtype(operands.weight.dtype, operands.inputs.dtype))


def _kept(dtype: Any) -> Any:
    """What a gradient waits in for its cotangent. float16 would lose what a large cotangent can still raise."""
    return jnp.dtype(jnp.float32) if dtype == jnp.float16 else dtype


def _cut(array: jax.Array, at: jax.Array, size: int) -> jax.Array:
    return lax.dynamic_slice_in_dim(array, at, size)


def _some_classes(operands: Operands, at: jax.Array, size: int) -> Operands:
    bias = None if operands.bias is None else _cut(operands.bias, at, size)
    return operands._replace(weight=_cut(operands.weight, at, size), bias=bias)
