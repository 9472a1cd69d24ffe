"""The arguments of a function as a flat list of arrays: which of them move, which stay, and what they are called."""

import inspect
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.complex import joined, split
from manual_vs_auto.gradcheck.claims.errors import UsageError, asked
from manual_vs_auto.gradcheck.claims.tensors import as_numpy, is_tensor
from manual_vs_auto.gradcheck.claims.trees import flatten
from manual_vs_auto.gradcheck.numerics.precision import is_float

Found = list[np.ndarray]


@dataclass(frozen=True)
class Leaf:
    """An array among the arguments.

    name:   as in "W" or "params['bias']". argument: the position of the argument that it is in.
    moves:  whether the derivative by it is judged. plain: whether it was a Python number.
    complex: whether it is a pair of real arrays, real and imaginary part, along one more axis at the end; dtype is the
    pair's. device: where it lies, as torch names it; empty for what is no tensor.
    """

    name: str
    argument: int
    dtype: str
    moves: bool
    plain: bool = False
    complex: bool = False
    device: str = ""

    @property
    def floating(self) -> bool:
        """Whether it can be perturbed at all."""
        return is_float(self.dtype)

    def outer(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The author's shape of an array of this one."""
        return shape[:-1] if self.complex else shape

    def inner(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of an array whose shape is this one to the author."""
        return (*shape, 2) if self.complex else shape


@dataclass(frozen=True)
class Inputs:
    """The array leaves of a function's arguments; everything else in them stays as it is.

    sample: the author's own values, one array a leaf. fill(arrays) -> the arguments with these arrays in them, complex
    where the author's are.
    arguments: those that are differentiated, in the order of argnums. names: of every argument.
    conjugate: whether cotangents of complex numbers are the conjugates of JAX's.
    """

    leaves: tuple[Leaf, ...]
    sample: tuple[np.ndarray, ...]
    fill: Callable[[Sequence[Any]], tuple[Any, ...]]
    arguments: tuple[int, ...]
    names: tuple[str, ...]
    conjugate: bool = False

    @property
    def moving(self) -> tuple[int, ...]:
        """The positions of the leaves that are differentiated."""
        return tuple(at for at, leaf in enumerate(self.leaves) if leaf.moves)

    def unpack(self, arrays: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments with these arrays in them, pairs joined."""
        return self.fill(joined(arrays, (leaf.complex for leaf in self.leaves)))

    def tangents(self, moving: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments with these tangents in them, and zeros for what does not move."""
        own = joined(moving, (self.leaves[at].complex for at in self.moving))
        found, nothing = dict(zip(self.moving, own, strict=True)), None if any(map(is_tensor, own)) else np.zeros(())
        return self.fill([found.get(at, nothing) for at in range(len(self.leaves))])


def inputs_of(f: Callable[..., Any], args: tuple[Any, ...], argnums: Any, conjugate: bool = False) -> Inputs:
    """Take the arguments apart.

    Args:    argnums: the arguments to differentiate; None for all that hold floating or complex numbers. Beside tensors
             just tensors are differentiated, and where argnums is None and some require a gradient, just those.
             conjugate: see Inputs.
    Raises:  UsageError where argnums names no argument, or where nothing is left to differentiate.
    """
    chosen = _chosen(argnums, len(args))
    tree = flatten(args)
    names = _names(f, len(args))
    static = set(getattr(f, "nondiff_argnums", ()))
    tensors = [value for value in tree.leaves if is_tensor(value)]
    required = chosen is None and any(value.requires_grad for value in tensors)
    leaves, sample, places = [], [], []
    for place, (value, path) in enumerate(zip(tree.leaves, tree.paths, strict=True)):
        head, rest = path[1:].split("]", 1)
        at = int(head)
        # A whole number in the arguments is a choice (an axis, a count), not a quantity.
        if at in static or isinstance(value, int | str | bytes) or not _is_array(value):
            continue
        if str(getattr(value, "dtype", "")).startswith("key<"):
            continue
        array = _numbers(value, names[at] + rest)
        if array.dtype.kind in "OSU":
            continue
        pair = str(array.dtype) in ("complex64", "complex128")
        array = split(array) if pair else array
        moves = is_float(array.dtype) and (chosen is None or at in chosen)
        if tensors:
            moves &= is_tensor(value) and (value.requires_grad or not required)
        device, plain = str(value.device) if is_tensor(value) else "", isinstance(value, float | complex)
        leaves.append(Leaf(names[at] + rest, at, str(array.dtype), moves, plain, pair, device))
        sample.append(array)
        places.append(place)
    if not any(leaf.moves for leaf in leaves):
        where = "argnums" if chosen is not None else "the arguments"
        numbers = "tensors" if tensors else "numbers"
        raise UsageError(f"nothing to differentiate: {where} hold no floating {numbers} (integers are skipped)")
    if argnums is None:
        chosen = tuple(sorted({leaf.argument for leaf in leaves if leaf.moves}))

    def fill(arrays: Sequence[Any]) -> tuple[Any, ...]:
        filled = list(tree.leaves)
        for place, leaf, array in zip(places, leaves, arrays, strict=True):
            # float("nan") aside, a Python number comes back as a NumPy scalar, which is one.
            filled[place] = array[()] if leaf.plain and isinstance(array, np.ndarray) else array
        return tuple(asked(tree.rebuild, filled))

    return Inputs(tuple(leaves), tuple(sample), fill, chosen or (), tuple(names), conjugate)


def cast_to(inputs: Inputs, dtype: str) -> Inputs:
    """The same with its floating numbers in another precision; complex ones are pairs of such.

    Raises: UsageError where there are none, where NumPy has no such dtype, or where a number is beyond its range.
    """
    try:
        kind = np.dtype(dtype)  # ml_dtypes, which comes with JAX, gives NumPy its bfloat16
    except TypeError:
        raise UsageError(f"dtypes: {dtype} needs JAX") from None
    for leaf in inputs.leaves:
        if leaf.complex and dtype not in ("float32", "float64"):
            raise UsageError(f"dtypes: {leaf.name} is complex, and there are no complex numbers of {dtype}")
    leaves = tuple(replace(leaf, dtype=dtype) if leaf.floating else leaf for leaf in inputs.leaves)
    pairs = zip(inputs.leaves, inputs.sample, strict=True)
    with np.errstate(all="ignore"):
        sample = tuple(a.astype(kind) if leaf.floating else a for leaf, a in pairs)
    for leaf, old, new in zip(leaves, inputs.sample, sample, strict=True):
        if leaf.floating and np.any(np.isfinite(old.astype(np.float64)) & ~np.isfinite(new.astype(np.float64))):
            raise UsageError(f"dtypes: the sample of {leaf.name} is not finite in {dtype}")
    return replace(inputs, leaves=leaves, sample=sample)


def _chosen(argnums: int | Sequence[int] | None, count: int) -> tuple[int, ...] | None:
    if argnums is None:
        return None
    try:
        asked = [operator.index(at) for at in (argnums if isinstance(argnums, tuple | list) else (argnums,))]
    except TypeError:
        raise UsageError(f"argnums={argnums!r}: a whole number, or a tuple of them") from None
    if not asked or any(not -count <= at < count for at in asked):
        raise UsageError(f"argnums={argnums} with {count} arguments")
    return tuple(at % count for at in asked)


def _names(f: Callable[..., Any], count: int) -> list[str]:
    try:
        named = [
            p.name
            for p in inspect.signature(f).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):
        named = []
    return [named[at] if at < len(named) else f"argument {at}" for at in range(count)]


def _numbers(value: Any, name: str) -> np.ndarray:
    if is_tensor(value) and str(value.layout) != "torch.strided":
        raise UsageError(f"{name} is a sparse tensor: give its values as a dense one, and build it inside f")
    try:
        return as_numpy(value)
    except TypeError as refusal:
        raise UsageError(f"{name} {refusal}: give a tensor of float64, float32, bfloat16 or float16") from None


def _is_array(value: Any) -> bool:
    return isinstance(value, float | complex | np.generic | np.ndarray) or (
        hasattr(value, "__array__") and hasattr(value, "dtype") and hasattr(value, "shape")
    )
