"""The passes over the logits: by rows with the gradient at once, or by classes with the logits computed twice.

Letters: N rows, D features, K classes. Every product is summed in at least float32 (`accumulate_dtype`).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from manual_vs_auto.fused import rows, soft
from manual_vs_auto.fused.chunks import Cut, Plan, fold, over
from manual_vs_auto.fused.classes import across, all_classes, are_classes, first_class, highest, is_padded
from manual_vs_auto.fused.logits import adjusted, back, maximum_of
from manual_vs_auto.fused.options import Options
from manual_vs_auto.fused.preferred import preferred
from manual_vs_auto.fused.sharding import gradient_by
from manual_vs_auto.fused.targets import Targets


class Operands(NamedTuple):
    """What a gradient is taken by: weight floating [K, D], or [D, K] if transposed, inputs [N, D], bias [K] or None.

    With `options.classes_axis` K is what this device has of all classes.
    Of gradients: None for one that nobody asked for.
    """

    weight: Any
    inputs: Any
    bias: Any


def losses_by_rows(operands: Operands, targets: Targets, options: Options, plan: Plan) -> tuple[jax.Array, Any]:
    """The loss of each row [N] and what is asked for beside it, a chunk of rows at a time."""
    every, kind = _all(operands, options, plan), targets.kind
    cut, classes = plan.cut(operands.inputs.shape[0], every.length), all_classes(options, every.length)
    operands = _some_classes(operands, every, options)

    def body(at: jax.Array, _: jax.Array) -> tuple[None, Any]:
        chunk = operands._replace(inputs=cut.take(operands.inputs, at))
        row, _ = _row(_piece(chunk, targets.of_rows(cut, at), options, every), kind, options)
        return None, (kind.losses_of(row, classes, options), kind.aux_of(row, options))

    found: tuple[jax.Array, Any] = over(cut, body)[1]
    return found


def grads_by_rows(
    operands: Operands, targets: Targets, shares: jax.Array, options: Options, plan: Plan, asked: Operands
) -> tuple[jax.Array, Any, Operands]:
    """The loss of each row [N], what is asked for beside it, and the gradient of their sum, each times its share [N].

    A chunk of rows at a time. asked: of what. Source: notes (9) and (10). With G = share dL/dz: dL/dW = G^T x,
    dL/dx = G W.
    """
    every, kind = _all(operands, options, plan), targets.kind
    weight, inputs, bias = operands = _some_classes(operands, every, options)
    cut, classes = plan.cut(inputs.shape[0], every.length), all_classes(options, every.length)
    # Of what other devices add to, every sum is wide.
    waiting = _kept(inputs.dtype) if options.classes_axis is None else wide_dtype(operands, options)

    def body(at: jax.Array, fresh: jax.Array) -> tuple[Any, Any]:
        chunk = operands._replace(inputs=cut.take(inputs, at))
        piece = _piece(chunk, targets.of_rows(cut, at), options, every)
        row, exponential = _row(piece, kind, options)
        slopes = kind.slopes_of(row, cut.take(shares, at), classes, options)
        gradient = back(kind.by_logits(piece, exponential, slopes, options), piece.logits, options)
        # Of a row that was in the chunk before, the sums over rows want nothing more.
        once = jnp.where(fresh[:, None], chunk.inputs, 0)
        by_weight = _by_weight(gradient, once, operands, options) if asked.weight else None
        by_bias = _product(gradient, fresh, (0, 0), operands, options) if asked.bias else None
        by_inputs = _product(gradient, weight, (1, options.class_axis), operands, options) if asked.inputs else None
        beside = kind.losses_of(row, classes, options), kind.aux_of(row, options)
        return (by_weight, by_bias), (beside, _cast(by_inputs, waiting))

    (by_weight, by_bias), ((losses, aux), by_inputs) = over(cut, body)
    by_bias = None if bias is None else _cast(by_bias, _kept(bias.dtype))
    by_inputs = None if by_inputs is None else _cast(gradient_by(inputs, by_inputs), _kept(inputs.dtype))
    return losses, aux, Operands(_cast(by_weight, _kept(weight.dtype)), by_inputs, by_bias)


def rows_by_classes(operands: Operands, targets: Targets, options: Options, plan: Plan) -> Any:
    """The numbers of each row, a chunk of classes at a time."""
    kind, cut = targets.kind, plan.cut(operands.inputs.shape[0], operands.weight.shape[options.class_axis])

    def by_xla(operands: Operands, targets: Targets) -> Any:
        def step(row: Any, at: jax.Array, fresh: jax.Array) -> Any:
            piece = _piece(_some_classes(operands, cut, options, at), targets, options, cut, at)
            return kind.merged(row, kind.row_of(piece._replace(fresh=fresh & piece.fresh), options)[0])

        zero = jnp.zeros(operands.inputs.shape[:1], wide_dtype(operands, options))
        return across(fold(cut, step, kind.nothing(zero, options)), kind, options)

    def by_kernel(operands: Operands, targets: Targets) -> Any:
        from manual_vs_auto.fused import hopper

        weight, inputs, bias = operands
        labels: Any = targets.labels
        numbers = hopper.statistics(weight, inputs, labels, bias, options.softcap)
        label = jnp.sum(inputs.astype(jnp.float32) * weight[labels].astype(jnp.float32), axis=1)
        label = adjusted(label, None if bias is None else bias[labels], options)
        return rows.Row(*numbers, label=label, total=jnp.zeros_like(label))  # type: ignore[arg-type,misc]

    return (preferred(by_kernel, by_xla) if plan.kernel else by_xla)(operands, targets)


def grads_by_classes(
    operands: Operands, targets: Targets, row: Any, shares: jax.Array, options: Options, plan: Plan, asked: Operands
) -> Operands:
    """The gradient of the rows' losses, each times its share [N], a chunk of classes at a time.

    asked: of what. Source: notes (9) and (10), as in `grads_by_rows`.
    """
    weight, inputs, bias = operands
    # The products may be of bfloat16, which would round shares of 1/3 all alike: their size is put in afterwards.
    size = lax.stop_gradient(jnp.max(jnp.abs(shares), initial=0))
    size = jnp.where((size > 0) & jnp.isfinite(size), size, 1)
    axis, kind = options.class_axis, targets.kind
    cut = plan.cut(inputs.shape[0], weight.shape[axis])

    def by_xla(operands: Operands, targets: Targets, maximum: jax.Array, slopes: Any, at: jax.Array) -> jax.Array:
        piece = _piece(_some_classes(operands, cut, options, at), targets, options, cut, at)
        gradient = kind.by_logits(piece, kind.exponentials(piece, maximum), slopes, options)
        return _operand(back(gradient, piece.logits, options), operands)

    def by_kernel(operands: Operands, targets: Targets, maximum: jax.Array, slopes: Any, at: jax.Array) -> jax.Array:
        from manual_vs_auto.fused import hopper

        weight, inputs, bias = operands
        labels: Any = targets.labels
        squared = options.loss == "squared_distance"
        return hopper.gradient(
            weight, inputs, labels, bias, maximum, slopes, at, plan.chunk_size, squared, options.softcap
        )

    back_to_logits = preferred(by_kernel, by_xla) if plan.kernel else by_xla
    slopes = kind.slopes_of(row, shares / size, all_classes(options, cut.length), options)

    def body(at: jax.Array, fresh: jax.Array) -> tuple[Any, Any]:
        gradient = back_to_logits(operands, targets, row.maximum, slopes, at)
        by_weight = by_bias = by_inputs = None
        if asked.weight:
            by_weight = (size * _by_weight(gradient, inputs, operands, options)).astype(weight.dtype)
        if asked.bias:
            counts = jnp.ones(shares.shape, bool)
            by_bias = (size * _product(gradient, counts, (0, 0), operands, options)).astype(bias.dtype)
        if asked.inputs:
            # Of a class that was in the chunk before, the sums over classes want nothing more.
            some = _some_classes(operands, cut, options, at).weight
            once = jnp.where(jnp.expand_dims(fresh, 1 - axis), some, 0)
            by_inputs = _product(gradient, once, (1, axis), operands, options)
        return by_inputs, (by_weight, by_bias)

    places = (axis if asked.weight else None, 0 if asked.bias else None)
    by_inputs, (by_weight, by_bias) = over(cut, body, places)
    by_inputs = None if by_inputs is None else (size * gradient_by(inputs, by_inputs)).astype(inputs.dtype)
    return Operands(by_weight, by_inputs, by_bias)


def wide_dtype(operands: Operands, options: Options) -> Any:
    """The dtype of losses and sums: `accumulate_dtype`, or the operands' where that is wider."""
    return _together(options.accumulate_dtype, narrow_dtype(operands.weight.dtype, operands.inputs.dtype))


def narrow_dtype(weight: Any, inputs: Any) -> Any:
    """What the products take: bfloat16 for it, else at least float32. float16 has no room for a small gradient."""
    together = _together(weight, inputs)
    return together if together == jnp.bfloat16 else _together(together, jnp.dtype(jnp.float32))


def _all(operands: Operands, options: Options, plan: Plan) -> Cut:
    """All classes that this device has as one chunk."""
    classes = operands.weight.shape[options.class_axis]
    return Cut(classes, plan.class_groups, classes // plan.class_groups)


def _row(piece: Any, kind: Any, options: Options) -> tuple[Any, jax.Array]:
    """The numbers of rows from a piece with all classes that this device has, and its exponentials."""
    row, exponential = kind.row_of(piece, options, highest(maximum_of(piece), options))
    return across(row, kind, options), exponential


def _piece(operands: Operands, targets: Targets, options: Options, cut: Cut, at: jax.Array | None = None) -> Any:
    """Source: notes (5). The logits of some classes, [N, k], which are those of the cut, with what they should be."""
    weight, inputs, bias = operands
    start = jnp.zeros((), jnp.int32) if at is None else at
    products = _product(inputs, weight, (1, 1 - options.class_axis), operands, options)
    logits = adjusted(products, None if bias is None else bias[None, :], options)
    fresh = are_classes(options, cut.length, cut.indices(start))
    indices = first_class(options, cut.length) + cut.indices(start)
    padded = is_padded(options, cut.length)
    if targets.labels is not None:
        return rows.Piece(logits, cut.place(targets.labels, start), fresh, indices, cut.groups, padded)
    y = targets.of_classes(cut, start, logits, options)
    return soft.Piece(logits, y, fresh, indices, at is None and options.classes_axis is None, padded)


def _by_weight(gradient: jax.Array, inputs: jax.Array, operands: Operands, options: Options) -> jax.Array:
    pair = (inputs, gradient) if options.transposed else (gradient, inputs)
    return _product(*pair, (0, 0), operands, options)


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


def _together(one: Any, other: Any) -> Any:
    """The dtype that holds both, also where the caller lets nothing be promoted in silence."""
    with jax.numpy_dtype_promotion("standard"):
        return jnp.promote_types(one, other)


def _operand(array: jax.Array, operands: Operands) -> jax.Array:
    return array.astype(narrow_dtype(operands.weight.dtype, operands.inputs.dtype))


def _kept(dtype: Any) -> Any:
    """What a gradient waits in for its cotangent. float16 would lose what a large cotangent can still raise."""
    return jnp.dtype(jnp.float32) if dtype == jnp.float16 else dtype


def _cast(array: jax.Array | None, dtype: Any) -> jax.Array | None:
    return None if array is None else array.astype(dtype)


def _some_classes(operands: Operands, cut: Cut, options: Options, at: jax.Array | None = None) -> Operands:
    """The operands of a chunk of classes, or of all. What is no class has the device's first, or 0 if it has none."""
    start = jnp.zeros((), jnp.int32) if at is None else at

    def taken(array: jax.Array, axis: int) -> jax.Array:
        some = cut.take(array, start, axis)
        if not is_padded(options, cut.length):
            return some
        there, any_ = (are_classes(options, cut.length, at) for at in (cut.indices(start), jnp.zeros_like(start)))
        first = jnp.where(any_, lax.slice_in_dim(array, 0, 1, axis=axis), 0)
        return jnp.where(jnp.expand_dims(there, [at for at in range(array.ndim) if at != axis]), some, first)

    bias = None if operands.bias is None else taken(operands.bias, 0)
    return operands._replace(weight=taken(operands.weight, options.class_axis), bias=bias)
