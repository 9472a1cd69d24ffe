"""`linear_softmax_loss`: the loss of softmax(Wx) with the notes' gradient, and never all logits at once."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, TypeAlias, TypedDict, Unpack, overload

import jax
import jax.numpy as jnp

from manual_vs_auto.fused.arguments import Arguments, ArrayLike, HasArray, arguments
from manual_vs_auto.fused.classes import check_same
from manual_vs_auto.fused.options import Aux, Loss, Mode, Options, Reduction, array_of, expect_known
from manual_vs_auto.fused.program import fused_loss
from manual_vs_auto.fused.sharding import by_compiler

Number: TypeAlias = float | jax.Array | HasArray

_NO_FORWARD_MODE = (
    "linear_softmax_loss has a rule for reverse mode (jax.custom_vjp), and none for forward mode: use jax.grad, "
    "jax.vjp or jax.jacrev for its first derivative; for the second jax.hessian, or jax.jvp of jax.grad, work. Where "
    "jax.jvp of the loss itself is wanted, jax.jvp of the unfused loss has it"
)


class Choices(TypedDict, total=False):
    """The keywords of `linear_softmax_loss` but aux, for a type checker."""

    loss: Loss
    bias: ArrayLike | None
    sample_weight: ArrayLike | None
    class_weight: ArrayLike | None
    label_probabilities: ArrayLike | None
    ignore_label: int | None
    label_smoothing: Number
    softcap: Number | None
    z_loss: Number
    temperature: Number
    transposed: bool
    reduction: Reduction
    chunk_size: int | Literal["auto"]
    accumulate_dtype: Any
    mode: Mode
    classes_axis: str | None
    classes: int | None


@overload
def linear_softmax_loss(
    weight: ArrayLike, inputs: ArrayLike, labels: ArrayLike, *, aux: Sequence[Aux], **choices: Unpack[Choices]
) -> tuple[jax.Array, dict[str, jax.Array]]: ...
@overload
def linear_softmax_loss(
    weight: ArrayLike, inputs: ArrayLike, labels: ArrayLike, *, aux: tuple[()] = ..., **choices: Unpack[Choices]
) -> jax.Array: ...
def linear_softmax_loss(
    weight: ArrayLike,
    inputs: ArrayLike,
    labels: ArrayLike,
    *,
    loss: Loss = "cross_entropy",
    bias: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    label_probabilities: ArrayLike | None = None,
    ignore_label: int | None = None,
    label_smoothing: Number = 0.0,
    softcap: Number | None = None,
    z_loss: Number = 0.0,
    temperature: Number = 1.0,
    transposed: bool = False,
    reduction: Reduction = "mean",
    aux: Sequence[Aux] = (),
    chunk_size: int | Literal["auto"] = "auto",
    accumulate_dtype: Any = jnp.float32,
    mode: Mode = "auto",
    classes_axis: str | None = None,
    classes: int | None = None,
) -> Any:
    """The loss of softmax(W x + b) against labels; its gradient is the notes', and never holds all logits.

    Source:  notes (5) to (7), gradient (9) and (10), with the identities of `fused.rows` and `fused.soft`. With
             p = softmax(z) and a target y: squared_distance is ||p - y||^2, cross_entropy is -sum_k y_k log p_k, in
             nats. z are the logits, c tanh((W x + b) / c) / T with the softcap c and the temperature T.
    Args:    weight: floating [K, D]. inputs: floating [..., D].
             labels: integer [...], 0..K-1, for a one-hot y; or the targets y themselves, floating [..., K]; or, with
             label_probabilities, the classes that have any, integer [..., k]: equal ones add up.
             label_probabilities: floating [..., k], of those classes; one of 0 counts nothing.
             bias: floating [K], added to W x; -inf for a class that can't be, but under a softcap it can.
             sample_weight: floating [...], not negative: how much each row counts; or boolean, True for those that do.
             class_weight: floating [K]: each row counts sum_k y_k class_weight_k times as much, y without smoothing.
             ignore_label: rows with this label count nothing; of label_probabilities, classes of this label.
             label_smoothing: e: the target is (1 - e) y + e / K.
             softcap, temperature: of the logits, above. z_loss: adds z_loss * (log sum_k exp z_k)^2 to each row's loss.
             transposed: whether the weight is [D, K], as flax's kernel and a transposed embedding are. Of a square
             weight nothing shows which it is.
             reduction: "mean" is sum_b w_b L_b / sum_b w_b, 0 if no row counts; "sum" is sum_b w_b L_b; "none" is
             w_b L_b of each row.
             aux: what is returned beside the loss, of each row, without a pass more and without a derivative:
             "log_prob", sum_k y_k log p_k with y without smoothing for integer labels; "argmax", the first class of the
             largest logit, int32; "entropy" of p, in nats; "log_sum_exp" of z. 0 where a row is not read.
             mode: "in_forward" computes the gradient with the loss, chunks of rows at a time: three matrix products.
             "recompute" computes the logits twice, chunks of classes at a time: four, and the least memory, for any
             cotangent. "auto": `fused.plan` has its rule, and what each costs in bytes.
             chunk_size: rows at a time in the first, classes in the second; what does not divide is no matter. With
             several devices it is raised to a multiple of the blocks that `fused.plan` tells.
             accumulate_dtype: float32 or float64, of the losses and of every sum, if weight and inputs are not wider.
             classes_axis: the axis of `jax.shard_map` around it over which the classes are spread: device i holds those
             from i k to (i + 1) k - 1, in weight [k, D], bias and class_weight [k], targets [..., k]. Everything else
             is the same on each of its devices: labels are 0..K-1, and the loss is that of all classes.
             classes: K, if it is not k times the devices. What is beyond it is no class: it may hold anything, NaN too,
             and has a gradient of 0. A device may have no class at all.
    Returns: a scalar, or [...] with reduction "none", in `accumulate_dtype`; with aux the pair of it and a dict of
             arrays [...]. The gradient has the arguments' dtypes, and what nobody asks for is not computed.
             It may be taken by weight, inputs, bias, sample_weight and class_weight, and by label_smoothing, softcap,
             z_loss and temperature where these are arrays (one more pass for each); under jit, vmap and checkpoint,
             and twice. A traced label outside 0..K-1 makes the loss and what depends on it NaN. `jax.export` may have
             symbols for all lengths: "auto" is then "in_forward" where its rule holds for any number.
             A row that counts nothing is not read: what it holds reaches nothing, not even NaN. (One with a weight of 0
             is read where it can be computed with: its loss is the derivative by that weight.)
             label_smoothing, softcap, z_loss and temperature may be arrays: a program is compiled once for all values.
    Sharding: any: rows may be spread over devices, or classes, or both over axes of their own, and every device works
             on its part of each chunk. Spread the rows (inputs and labels) for in_forward, and for recompute the rows
             or the classes (weight and bias); D is best left whole. Within `jax.shard_map` it is the loss of the rows
             that a device holds: where they are spread over an axis, sum it and `jax.lax.psum` that, and their number.
             With classes_axis this much travels of each row, and nothing as long as the classes: its maximum, by one
             pmax; 2 numbers, of squared distance 3, by one psum; of targets 3 to 6; and one each for label_smoothing,
             class_weight, "entropy" and "argmax". dX is one more psum, but of inputs that vary over that axis, as what
             is gathered does, each device has its part of it; dW is each device's own. No kernel runs.
    Raises:  TypeError for a dtype that can't be meant, for forward mode, and for a derivative by targets; ValueError
             for shapes that don't go together, both named, for a choice that does not
             exist, for a label outside 0..K-1 that counts, outside jit, and for a classes_axis that is not there, has
             no weight spread over it or has rows spread over it, or without shard_map's check_vma.
    Example:
        >>> import jax.numpy as jnp
        >>> weight, inputs = jnp.zeros((2, 3)), jnp.array([[-1.0, 1.0, 1.0]])
        >>> float(linear_softmax_loss(weight, inputs, jnp.array([1]), loss="squared_distance"))
        0.5
    """
    options, numbers = Options.of(
        {
            "loss": loss,
            "ignore_label": ignore_label,
            "label_smoothing": label_smoothing,
            "softcap": softcap,
            "z_loss": z_loss,
            "temperature": temperature,
            "transposed": transposed,
            "reduction": reduction,
            "aux": aux,
            "chunk_size": chunk_size,
            "accumulate_dtype": accumulate_dtype,
            "mode": mode,
            "classes_axis": classes_axis,
            "classes": classes,
        }
    )
    given = arguments(options, weight, inputs, labels, bias, sample_weight, class_weight, label_probabilities)
    check_same(options, numbers)
    per_row = options.reduction == "none", dict.fromkeys(options.aux, True)
    run = by_compiler(partial(fused_loss, options=options), given, given.inputs, per_row)
    try:
        value, beside = run(given, numbers)
    except TypeError as error:
        if "forward-mode" not in str(error):
            raise
        raise TypeError(_NO_FORWARD_MODE) from error
    return (value, beside) if options.aux else value


def linear_softmax_loss_and_grad(
    weight: ArrayLike,
    inputs: ArrayLike,
    labels: ArrayLike,
    *,
    wrt: Sequence[str] = ("weight", "inputs"),
    bias: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    **options: Any,
) -> tuple[Any, tuple[jax.Array, ...]]:
    """The loss and its gradients, by the arguments named in `wrt` and in that order.

    Source:  as `linear_softmax_loss`, whose arguments these are.
    Args:    wrt: of "weight", "inputs", "bias", "sample_weight" and "class_weight"; no other is computed.
    Returns: the loss, a scalar, or with aux the pair of it and the dict; and a gradient of the shape and dtype of each
             argument named.
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
    expect_known("linear_softmax_loss_and_grad", options, ["wrt", "aux", *Choices.__annotations__])
    arrays = {"weight": weight, "inputs": inputs, "bias": bias, "sample_weight": sample_weight}
    arrays["class_weight"] = class_weight
    known = {name: array_of(array) for name, array in arrays.items() if array is not None}
    named = isinstance(wrt, tuple | list) and wrt and all(isinstance(name, str) and name in known for name in wrt)
    if not named:
        raise ValueError(f"wrt must be a tuple of names among {tuple(known)}, not {wrt!r}")
    if options.get("reduction") == "none":
        raise ValueError("reduction='none' has a loss for each row, and no one gradient: use jax.vjp, or 'sum'")
    # Once before it is differentiated, which would find other words for what can't be.
    choices = {name: value for name, value in options.items() if name not in Arguments._fields}
    everything = known | {"labels": labels, "label_probabilities": options.get("label_probabilities")}
    arguments(Options.of(choices)[0], *(everything.get(name) for name in Arguments._fields))
    if "sample_weight" in wrt and known["sample_weight"].dtype == bool:
        raise TypeError("sample_weight is a mask of booleans, and has no gradient")

    def loss(chosen: dict[str, jax.Array]) -> Any:
        return linear_softmax_loss(labels=labels, **{**known, **chosen}, **options)

    value, grads = jax.value_and_grad(loss, has_aux=bool(options.get("aux")))({name: known[name] for name in wrt})
    return value, tuple(grads[name] for name in wrt)
