"""What a caller may ask for, checked once, and whether the arrays go together."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
import numpy as np

Loss: TypeAlias = Literal["cross_entropy", "squared_distance"]
Reduction: TypeAlias = Literal["mean", "sum", "none"]
Mode: TypeAlias = Literal["auto", "in_forward", "recompute"]


_FLOATING = ("float32", "float64", "bfloat16", "float16")
_LARGEST = 3.4e38  # of float32, nearly


@dataclass(frozen=True)
class Options:
    """The choices that a program is compiled for. Raises TypeError and ValueError, which name the choice.

    The fields are those of `linear_softmax_loss`.
    """

    loss: Loss = "cross_entropy"
    ignore_label: int | None = None
    label_smoothing: float = 0.0
    softcap: float | None = None
    z_loss: float = 0.0
    reduction: Reduction = "mean"
    chunk_size: int | Literal["auto"] = "auto"
    accumulate_dtype: Any = jnp.float32
    mode: Mode = "auto"

    def __post_init__(self) -> None:
        for name, choices in (("loss", Loss), ("reduction", Reduction), ("mode", Mode)):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(f"{name} must be one of {get_args(choices)}, not {getattr(self, name)!r}")
        # Python's own numbers: one of NumPy would widen what it is multiplied with.
        set_ = partial(object.__setattr__, self)
        set_("label_smoothing", _number("label_smoothing", self.label_smoothing))
        if not 0 <= self.label_smoothing <= 1:
            raise ValueError(f"label_smoothing must be within 0..1, not {self.label_smoothing}")
        set_("z_loss", _number("z_loss", self.z_loss))
        if not 0 <= self.z_loss <= _LARGEST:
            raise ValueError(f"z_loss must be finite and not negative, not {self.z_loss}")
        if self.softcap is not None:
            set_("softcap", _number("softcap", self.softcap))
            if not 0 < self.softcap <= _LARGEST:
                raise ValueError(f"softcap must be finite and above 0, or None, not {self.softcap}")
        if self.ignore_label is not None:
            set_("ignore_label", whole("ignore_label", self.ignore_label))
        if self.chunk_size != "auto":
            set_("chunk_size", whole("chunk_size", self.chunk_size))
            if self.chunk_size < 1:
                raise ValueError(f"chunk_size must be at least 1, or 'auto', not {self.chunk_size}")
        set_("accumulate_dtype", _accumulating(self.accumulate_dtype))
        if self.mode == "in_forward" and self.reduction == "none":
            raise ValueError(
                "mode='in_forward' has the gradient before any cotangent is known, which suits one loss, not one "
                "of each row: with reduction='none' use mode='recompute' or 'auto'"
            )


def check(weight: Any, inputs: Any, labels: Any, bias: Any, sample_weight: Any, options: Options) -> None:
    """TypeError for a dtype that can't be meant, ValueError for shapes that don't go together, naming both.

    Labels whose values are known here, outside `jax.jit`, are checked against 0..K-1 too.
    """
    needed, optional = {"weight": weight, "inputs": inputs}, {"bias": bias, "sample_weight": sample_weight}
    given = needed | {name: array for name, array in optional.items() if array is not None}
    for name, array in (given | {"labels": labels}).items():
        if not isinstance(array, jax.Array | np.ndarray | np.generic):
            raise TypeError(f"{name} must be an array of JAX or NumPy, not {type(array).__name__}")
    for name, array in given.items():
        floating(name, array.dtype, array.shape)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(f"labels must be integers, the classes themselves, not {labels.dtype.name} {labels.shape}")
    if weight.ndim != 2 or weight.shape[0] == 0:
        raise ValueError(f"weight {weight.shape} must have the shape [K, D] with at least one class")
    if inputs.ndim == 0 or inputs.shape[-1] != weight.shape[1]:
        raise ValueError(f"inputs {inputs.shape} must end with the D of weight [K, D] {weight.shape}")
    if labels.shape != inputs.shape[:-1]:
        raise ValueError(f"labels {labels.shape} must have the shape of inputs {inputs.shape} less the last axis")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias {bias.shape} must have the shape [K] of weight [K, D] {weight.shape}")
    if sample_weight is not None and sample_weight.shape != labels.shape:
        raise ValueError(f"sample_weight {sample_weight.shape} must have the shape of labels {labels.shape}")
    if isinstance(labels, np.ndarray | np.generic) or (
        not isinstance(labels, jax.core.Tracer) and labels.is_fully_addressable
    ):
        _check_values(np.asarray(labels), weight.shape[0], options.ignore_label)


def _check_values(labels: Any, classes: int, ignore_label: int | None) -> None:
    counted = labels if ignore_label is None else labels[labels != ignore_label]
    outside = counted[(counted < 0) | (counted >= classes)]
    if outside.size:
        but = "" if ignore_label is None else f", or ignore_label {ignore_label}"
        raise ValueError(
            f"{outside.size} of labels {labels.shape} are outside 0..{classes - 1}{but}; the first is {outside[0]}"
        )


def floating(name: str, dtype: Any, shape: object = "") -> None:
    """TypeError, with the name, if the dtype is none that is computed with."""
    if dtype.name not in _FLOATING:
        raise TypeError(f"{name} must be floating ({', '.join(_FLOATING)}), not {dtype.name} {shape}".rstrip())


def whole(name: str, value: object) -> int:
    """The value as a whole number of Python; TypeError, with the name, if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number of Python, not {value!r}")
    return int(value)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number of Python, known when compiling, not {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _accumulating(dtype: Any) -> Any:
    try:
        name = "None" if dtype is None else jnp.dtype(dtype).name
    except TypeError:
        name = repr(dtype)
    if name not in ("float32", "float64"):
        raise ValueError(f"accumulate_dtype must be float32 or float64, not {name}")
    if name == "float64" and not jax.config.read("jax_enable_x64"):
        raise ValueError("accumulate_dtype float64 needs jax_enable_x64, which is off")
    return jnp.dtype(dtype)
