"""What a caller may ask for, checked once: what a program is compiled for, and the numbers that it may get later."""

import copy
import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias, get_args

import jax
import jax.numpy as jnp
import numpy as np

Loss: TypeAlias = Literal["cross_entropy", "squared_distance"]
Reduction: TypeAlias = Literal["mean", "sum", "none"]
Mode: TypeAlias = Literal["auto", "in_forward", "recompute"]
Aux: TypeAlias = Literal["log_prob", "argmax", "entropy", "log_sum_exp"]

FLOATING = ("float32", "float64", "bfloat16", "float16")
_LARGEST = 3.4e38  # of float32, nearly
# The numbers that may be traced, what stands in their place while they are not known, and what they may be.
_NUMBERS: dict[str, tuple[float, str]] = {
    "label_smoothing": (1.0, "within 0..1"),
    "softcap": (1.0, "finite and above 0, or None"),
    "z_loss": (1.0, "finite and not negative"),
    "temperature": (2.0, "finite and above 0"),
}


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
    temperature: float = 1.0
    transposed: bool = False
    reduction: Reduction = "mean"
    aux: tuple[Aux, ...] = ()
    chunk_size: int | Literal["auto"] = "auto"
    accumulate_dtype: Any = jnp.float32
    mode: Mode = "auto"
    classes_axis: str | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        for name, choices in (("loss", Loss), ("reduction", Reduction), ("mode", Mode)):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(f"{name} must be one of {get_args(choices)}, not {getattr(self, name)!r}")
        self._set(aux=_names(self.aux))
        if not isinstance(self.transposed, bool | np.bool_):
            raise TypeError(f"transposed must be True or False, not {self.transposed!r}")
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is not None or name != "softcap":
                # Python's own numbers: one of NumPy would widen what it is multiplied with.
                self._set(**{name: _number(name, value)})
        if self.ignore_label is not None:
            self._set(ignore_label=whole("ignore_label", self.ignore_label))
        if self.chunk_size != "auto":
            self._set(chunk_size=whole("chunk_size", self.chunk_size))
            if self.chunk_size < 1:
                raise ValueError(f"chunk_size must be at least 1, or 'auto', not {self.chunk_size}")
        if not isinstance(self.classes_axis, str | None):
            raise TypeError(f"classes_axis must be the name of an axis of jax.shard_map, not {self.classes_axis!r}")
        if self.classes is not None:
            self._set(classes=whole("classes", self.classes))
            if self.classes_axis is None or self.classes < 1:
                raise ValueError(f"classes must be at least 1, and is for classes_axis only, not {self.classes}")
        self._set(accumulate_dtype=_accumulating(self.accumulate_dtype))
        if self.mode == "in_forward" and self.reduction == "none":
            raise ValueError(
                "mode='in_forward' has the gradient before any cotangent is known, which suits one loss, not one "
                "of each row: with reduction='none' use mode='recompute' or 'auto'"
            )

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> tuple[Self, dict[str, jax.Array]]:
        """The options, and those of the numbers that are arrays, known only when the program runs."""
        traced = {name: array_of(given[name]) for name in _NUMBERS if _is_array(given.get(name))}
        for name, array in traced.items():
            if array.shape or not jnp.issubdtype(array.dtype, jnp.floating):
                raise TypeError(f"{name} must be one floating number, not {array.dtype.name} {array.shape}")
            if known(array):
                _number(name, float(array))
        return cls(**{**given, **{name: _NUMBERS[name][0] for name in traced}}), traced

    def with_numbers(self, traced: Mapping[str, jax.Array]) -> Self:
        """The same with arrays in the place of numbers: for use within a program, not as a key of one."""
        found = copy.copy(self)
        found._set(**traced)
        return found

    def uses(self, name: Literal["label_smoothing", "softcap", "z_loss", "temperature"]) -> bool:
        """Whether this number changes anything."""
        value, without = getattr(self, name), Options.__dataclass_fields__[name].default
        return bool(value != without) if isinstance(value, float | None) else True

    @property
    def class_axis(self) -> int:
        """The weight's axis of classes."""
        return int(self.transposed)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


def expect_known(function: str, given: Collection[str], names: Collection[str]) -> None:
    """TypeError for a keyword that is none of the function's names, with the one that is most like it."""
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name.lower(), names, 1)
            meant = f": did you mean {near[0]!r}?" if near else f": there are {', '.join(names)}"
            raise TypeError(f"{function}() has no keyword argument {name!r}{meant}")


def whole(name: str, value: object) -> int:
    """The value as a whole number of Python; TypeError, with the name, if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number of Python, not {value!r}")
    return int(value)


def floating(name: str, dtype: Any, shape: object = "") -> None:
    """TypeError, with the name, if the dtype is none that is computed with."""
    if dtype.name not in FLOATING:
        raise TypeError(f"{name} must be floating ({', '.join(FLOATING)}), not {dtype.name} {shape}".rstrip())


def known(array: Any) -> bool:
    """Whether an array's values can be looked at here: not under `jax.jit`, and not where other processes hold some."""
    return isinstance(array, np.ndarray | np.generic) or (
        not isinstance(array, jax.core.Tracer) and bool(array.is_fully_addressable)
    )


def array_of(value: Any) -> Any:
    """The value, or the array of JAX that it says it is by `__jax_array__`."""
    if isinstance(value, jax.Array) or not hasattr(value, "__jax_array__"):
        return value
    return jnp.asarray(value.__jax_array__())


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray) or hasattr(value, "__jax_array__")


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, of Python or an array of JAX, not {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    within = {
        "label_smoothing": 0 <= number <= 1,
        "softcap": 0 < number <= _LARGEST,
        "z_loss": 0 <= number <= _LARGEST,
        "temperature": 0 < number <= _LARGEST,
    }
    if not within[name]:
        raise ValueError(f"{name} must be {_NUMBERS[name][1]}, not {number}")
    return number


def _names(aux: Any) -> tuple[Aux, ...]:
    wrong = isinstance(aux, str) or not isinstance(aux, tuple | list) or any(name not in get_args(Aux) for name in aux)
    if wrong:
        raise ValueError(f"aux must be a tuple of names among {get_args(Aux)}, not {aux!r}")
    return tuple(aux)


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
