"""The arrays that a caller brings, and whether they go together."""

from typing import Any, NamedTuple, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto.fused.classes import all_classes, check_axis, check_same
from manual_vs_auto.fused.options import Options, array_of, floating, known


class HasArray(Protocol):
    """What says of itself that it is an array of JAX, as the parameters of many libraries do."""

    def __jax_array__(self) -> jax.Array: ...


ArrayLike: TypeAlias = jax.Array | np.ndarray[Any, Any] | HasArray


class Arguments(NamedTuple):
    """The arrays of `linear_softmax_loss`, with its names, shapes and dtypes."""

    weight: Any
    inputs: Any
    labels: Any
    bias: Any = None
    sample_weight: Any = None
    class_weight: Any = None
    label_probabilities: Any = None

    @property
    def are_targets(self) -> bool:
        """Whether the labels are targets [..., K], a probability for each class."""
        return bool(jnp.issubdtype(self.labels.dtype, jnp.floating))


def arguments(options: Options, *arrays: Any) -> Arguments:
    """The arrays, as JAX or NumPy has them.

    Raises: TypeError for a dtype that can't be meant, ValueError for shapes that don't go together, naming both.
            Labels whose values are known here, outside `jax.jit`, are checked against 0..K-1, too.
    """
    found = Arguments(*map(array_of, arrays))
    given = {name: array for name, array in found._asdict().items() if array is not None}
    for name in ("weight", "inputs", "labels"):
        given.setdefault(name, None)
    for name, array in given.items():
        if not isinstance(array, jax.Array | np.ndarray | np.generic):
            raise TypeError(f"{name} must be an array of JAX or NumPy, not {type(array).__name__}")
    for name, array in given.items():
        if name not in ("labels", "sample_weight") or (name == "sample_weight" and array.dtype != bool):
            floating(name, array.dtype, array.shape)
    _check_shapes(found, options)
    check_axis(options, found.weight)
    labels = None if found.are_targets else found.labels
    same = found._replace(weight=None, inputs=None, labels=labels, bias=None, class_weight=None)
    check_same(options, same._asdict())
    if not found.are_targets and known(found.labels):
        _check_labels(found, options)
    return found


def _check_shapes(found: Arguments, options: Options) -> None:
    weight, inputs, labels = found.weight, found.inputs, found.labels
    letters = "[D, K]" if options.transposed else "[K, D]"
    if weight.ndim != 2 or weight.shape[options.class_axis] == 0:
        raise ValueError(f"weight {weight.shape} must have the shape {letters} with at least one class")
    classes, features = weight.shape[options.class_axis], weight.shape[1 - options.class_axis]
    if inputs.ndim == 0 or inputs.shape[-1] != features:
        turned = inputs.ndim > 0 and inputs.shape[-1] == classes
        hint = f"; transposed={not options.transposed} takes it the other way round" if turned else ""
        raise ValueError(f"inputs {inputs.shape} must end with the D of weight {letters} {weight.shape}{hint}")
    rows = inputs.shape[:-1]
    if found.label_probabilities is not None:
        _check_ids(found)
    elif found.are_targets and labels.shape == (*rows, classes):
        floating("labels", labels.dtype, labels.shape)
        if options.ignore_label is not None:
            raise ValueError("ignore_label is for integer labels: leave rows of targets out by sample_weight")
    elif not jnp.issubdtype(labels.dtype, jnp.integer):
        found_ = f"{labels.dtype.name} {labels.shape}"
        raise TypeError(f"labels must be integers {rows}, or targets {(*rows, classes)} (floating), not {found_}")
    elif labels.shape != rows:
        raise ValueError(f"labels {labels.shape} must have the shape of inputs {inputs.shape} less the last axis")
    for name, array in (("bias", found.bias), ("class_weight", found.class_weight)):
        if array is not None and array.shape != (classes,):
            raise ValueError(f"{name} {array.shape} must have the shape [K] of weight {letters} {weight.shape}")
    counts = found.sample_weight
    if counts is not None and counts.shape != rows:
        raise ValueError(f"sample_weight {counts.shape} must have the shape of labels {rows}, one for each row")


def _check_ids(found: Arguments) -> None:
    labels, probabilities, rows = found.labels, found.label_probabilities, found.inputs.shape[:-1]
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(f"labels must be integers where label_probabilities are given, not {labels.dtype.name}")
    if labels.ndim != len(rows) + 1 or labels.shape[:-1] != rows:
        raise ValueError(f"labels {labels.shape} must be {rows} and one axis more, of classes with a probability each")
    if probabilities.shape != labels.shape:
        raise ValueError(f"label_probabilities {probabilities.shape} must have the shape of labels {labels.shape}")


def _check_labels(found: Arguments, options: Options) -> None:
    """ValueError for a label that counts and is none of the classes."""
    labels, classes = np.asarray(found.labels), all_classes(options, found.weight.shape[options.class_axis])
    outside = (labels < 0) | (labels >= classes)
    but = ""
    if options.ignore_label is not None:
        outside &= labels != options.ignore_label
        but = f", or ignore_label {options.ignore_label}"
    counts = found.label_probabilities if found.label_probabilities is not None else found.sample_weight
    if counts is not None and known(counts):
        outside &= np.asarray(counts) != 0
    if np.any(outside):
        first = labels[outside][0]
        raise ValueError(
            f"{np.sum(outside)} of labels {labels.shape} are outside 0..{classes - 1}{but}; the first is {first}"
        )
