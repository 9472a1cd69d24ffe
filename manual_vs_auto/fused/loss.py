"""`linear_softmax_loss`: the loss of softmax(Wx) with the notes' gradient, and never all logits at once."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp

from manual_vs_auto.fused.chunks import Plan, plan_of
from manual_vs_auto.fused.options import Loss, Mode, Options, Reduction, check
from manual_vs_auto.fused.rows import Row, losses_of
from manual_vs_auto.fused.sweeps import (
    Operands,
    grads_by_classes,
    grads_by_rows,
    losses_by_rows,
    narrow_dtype,
    rows_by_classes,
    wide_dtype,
)

_NO_FORWARD_MODE = (
    "linear_softmax_loss has a rule for reverse mode (jax.custom_vjp), and none for forward mode: use jax.grad, "
    "jax.vjp or jax.jacrev for its first derivative; for the second jax.hessian, or jax.jvp of jax.grad, work. Where "
    "jax.jvp of the loss itself is wanted, jax.jvp of the unfused loss has it"
)


def linear_softmax_loss(
    weight: jax.Array,
    inputs: jax.Array,
    labels: jax.Array,
    *,
    loss: Loss = "cross_entropy",
    bias: jax.Array | None = None,
    sample_weight: jax.Array | None = None,
    ignore_label: int | None = None,
    label_smoothing: float = 0.0,
    softcap: float | None = None,
    z_loss: float = 0.0,
    reduction: Reduction = "mean",
    chunk_size: int | Literal["auto"] = "auto",
    accumulate_dtype: Any = jnp.float32,
    mode: Mode = "auto",
) -> jax.Array:
    """The loss of softmax(W x + b) against labels; its gradient is the notes', and never holds all logits.

    Source:  notes (5) to (7), gradient (9) and (10), with the identities of `fused.rows`. With p = softmax(z) and
             y one-hot: squared_distance is ||p - y||^2, cross_entropy is -log p_t, in nats.
    Args:    weight: floating [K, D]. inputs: floating [..., D]. labels: integer [...], 0..K-1.
             bias: floating [K], added to the logits; -inf for a class that can't be, but under a softcap it can.
             sample_weight: floating [...], not negative: how much each row counts.
             ignore_label: rows with this label count nothing, and what they hold reaches nothing, not even NaN.
             label_smoothing: e: the target is (1 - e) y + e / K.
             softcap: c: the logits are c tanh((W x + b) / c).
             z_loss: adds z_loss * (log sum_k exp z_k)^2 to each row's loss.
             reduction: "mean" is sum_b w_b L_b / sum_b w_b, 0 if no row counts; "sum" is sum_b w_b L_b; "none" is
             w_b L_b of each row.
             mode: "in_forward" computes the gradient with the loss, chunks of rows at a time: three matrix products.
             "recompute" computes the logits twice, chunks of classes at a time: four, and the least memory, for any
             cotangent. "auto": `fused.plan` has its rule, and what each costs in bytes.
             chunk_size: rows at a time in the first, classes in the second; what does not divide is no matter.
             accumulate_dtype: float32 or float64, of the losses and of every sum, if weight and inputs are not wider.
    Returns: a scalar, or [...] with reduction "none", in `accumulate_dtype`. The gradient has the arguments' dtypes.
             It may be taken by weight, inputs, bias and sample_weight, under jit, vmap and checkpoint, and twice.
             A traced label outside 0..K-1 that is not ignored makes the loss and what depends on it NaN.
    Raises:  TypeError for labels that are not integers and for forward mode; ValueError for shapes that don't go
             together, both named, for a choice that does not exist, and for a label outside 0..K-1 outside jit.
    Example:
        >>> import jax.numpy as jnp
        >>> weight, inputs = jnp.zeros((2, 3)), jnp.array([[-1.0, 1.0, 1.0]])
        >>> float(linear_softmax_loss(weight, inputs, jnp.array([1]), loss="squared_distance"))
        0.5
    """
    options = Options(
        loss=loss,
        ignore_label=ignore_label,
        label_smoothing=label_smoothing,
        softcap=softcap,
        z_loss=z_loss,
        reduction=reduction,
        chunk_size=chunk_size,
        accumulate_dtype=accumulate_dtype,
        mode=mode,
    )
    check(weight, inputs, labels, bias, sample_weight, options)
    try:
        result: jax.Array = _loss(weight, inputs, labels, bias, sample_weight, options)
    except TypeError as error:
        if "forward-mode" not in str(error):
            raise
        raise TypeError(_NO_FORWARD_MODE) from error
    return result


def linear_softmax_loss_and_grad(
    weight: jax.Array,
    inputs: jax.Array,
    labels: jax.Array,
    *,
    wrt: Sequence[str] = ("weight", "inputs"),
    bias: jax.Array | None = None,
    sample_weight: jax.Array | None = None,
    **options: Any,
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """The loss and its gradients, by the arguments named in `wrt` and in that order.

    Source:  as `linear_softmax_loss`, whose arguments these are.
    Args:    wrt: of "weight", "inputs", "bias" and "sample_weight".
    Returns: the loss, a scalar, and a gradient of the shape and dtype of each argument named.
    Raises:  as `linear_softmax_loss`; ValueError for a name in wrt that is none, or was not given, and for
             reduction "none", which has no one gradient.
    Example:
        >>> import jax.numpy as jnp
        >>> weight, inputs = jnp.zeros((2, 3), jnp.float32), jnp.array([[-1.0, 1.0, 1.0]], jnp.float32)
        >>> loss, (by_weight,) = linear_softmax_loss_and_grad(
        ...     weight, inputs, jnp.array([1]), loss="squared_distance", wrt=("weight",))
        >>> np.asarray(by_weight)
        array([[-0.5,  0.5,  0.5],
               [ 0.5, -0.5, -0.5]], dtype=float32)
    """
    given = {"weight": weight, "inputs": inputs, "bias": bias, "sample_weight": sample_weight}
    known = {name: array for name, array in given.items() if array is not None}
    named = isinstance(wrt, tuple | list) and wrt and all(isinstance(name, str) and name in known for name in wrt)
    if not named:
        raise ValueError(f"wrt must be a tuple of names among {tuple(known)}, not {wrt!r}")
    if options.get("reduction") == "none":
        raise ValueError("reduction='none' has a loss for each row, and no one gradient: use jax.vjp, or 'sum'")
    check(weight, inputs, labels, bias, sample_weight, Options(**options))

    def loss(chosen: dict[str, jax.Array]) -> jax.Array:
        arrays: dict[str, Any] = known | chosen
        return linear_softmax_loss(labels=labels, **arrays, **options)

    value, grads = jax.value_and_grad(loss)({name: known[name] for name in wrt})
    return value, tuple(grads[name] for name in wrt)


@partial(jax.jit, static_argnames="options")
def _loss(
    weight: jax.Array,
    inputs: jax.Array,
    labels: jax.Array,
    bias: jax.Array | None,
    sample_weight: jax.Array | None,
    options: Options,
) -> jax.Array:
    classes, features = weight.shape
    operands = Operands(weight, inputs.reshape(labels.size, features), bias)
    wide = wide_dtype(operands, options)
    # Wide enough for every class; a wide label stays as wide, or 2^32 + 1 would be class 1.
    flat = labels.reshape(-1) if labels.dtype.itemsize >= 4 else labels.reshape(-1).astype(jnp.int32)
    within = known = (flat >= 0) & (flat < classes)
    counts = jnp.ones(flat.shape, wide) if sample_weight is None else sample_weight.reshape(-1).astype(wide)
    span = jnp.iinfo(flat.dtype)
    if options.ignore_label is not None and span.min <= options.ignore_label <= span.max:
        ignored = flat == options.ignore_label
        # What an ignored row holds, NaN too, must reach nothing: it is replaced before anything reads it.
        operands = operands._replace(inputs=jnp.where(ignored[:, None], 0, operands.inputs))
        counts, known = jnp.where(ignored, 0, counts), known | ignored
    counts = counts * jnp.where(known, 1, jnp.nan)
    flat = jnp.where(within, flat, 0).astype(jnp.int32)
    if options.reduction == "mean":
        total = jnp.sum(counts)
        counts = counts / jnp.where(total == 0, 1, total)
    planned = plan_of(len(flat), features, classes, narrow_dtype(weight.dtype, inputs.dtype), options)
    if len(flat) == 0:
        losses = counts
    elif planned.mode == "in_forward":
        return _total(operands, flat, counts, options, planned)
    else:
        losses = counts * _counted(counts, _losses(operands, flat, options, planned))
    return losses.reshape(labels.shape) if options.reduction == "none" else jnp.sum(losses)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _total(operands: Operands, labels: jax.Array, shares: jax.Array, options: Options, planned: Plan) -> jax.Array:
    """The sum of the rows' losses, each times its share [N]: the gradient is computed in the forward pass."""
    losses = losses_by_rows(operands, labels, options, planned)
    return jnp.sum(shares * _counted(shares, losses))


def _total_fwd(
    operands: Operands, labels: jax.Array, shares: jax.Array, options: Options, planned: Plan
) -> tuple[jax.Array, tuple[Operands, jax.Array, Operands]]:
    losses, grads = grads_by_rows(operands, labels, shares, options, planned)
    counted = _counted(shares, losses)
    # An array holds the dtype that each gradient must have in the end.
    empty = jax.tree.map(lambda leaf: jnp.zeros((0,), leaf.dtype), operands)
    return jnp.sum(shares * counted), (grads, counted, empty)


def _total_bwd(
    _options: Options, _planned: Plan, residuals: tuple[Operands, jax.Array, Operands], cotangent: jax.Array
) -> tuple[Operands, None, jax.Array]:
    grads, losses, like = residuals
    scaled = jax.tree.map(lambda leaf, as_: (leaf * cotangent.astype(leaf.dtype)).astype(as_.dtype), grads, like)
    return scaled, None, cotangent * losses


_total.defvjp(_total_fwd, _total_bwd)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _losses(operands: Operands, labels: jax.Array, options: Options, planned: Plan) -> jax.Array:
    """The loss of each row [N]: the logits are computed once more for the gradient, for any cotangent."""
    return losses_of(rows_by_classes(operands, labels, options, planned), len(operands.weight), options)


def _losses_fwd(
    operands: Operands, labels: jax.Array, options: Options, planned: Plan
) -> tuple[jax.Array, tuple[Operands, jax.Array, Row]]:
    row = rows_by_classes(operands, labels, options, planned)
    return losses_of(row, len(operands.weight), options), (operands, labels, row)


def _losses_bwd(
    options: Options, planned: Plan, residuals: tuple[Operands, jax.Array, Row], cotangent: jax.Array
) -> tuple[Operands, None]:
    operands, labels, row = residuals
    return grads_by_classes(operands, labels, row, cotangent, options, planned), None


_losses.defvjp(_losses_fwd, _losses_bwd)


def _counted(shares: jax.Array, losses: jax.Array) -> jax.Array:
    """The losses, but 0 where a row without a share has one that is infinite: 0 times infinity is not 0."""
    return jnp.where((shares == 0) & ~jnp.isfinite(losses), 0, losses)
