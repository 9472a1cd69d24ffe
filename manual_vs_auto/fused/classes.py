"""Classes that are spread over the devices of an axis of `jax.shard_map`: what each one has, and all that travels.

A device has k of the K classes, and works on them as if on a piece of every row (`rows`). Of a row of logits travel

    m                       its maximum, by one pmax, which has no derivative
    the parts of a piece    with that maximum, by one psum: `rows.parts`, two numbers, of squared distance three

and of the gradient dX, each device's sum over its own classes, by one psum. dW is its own. Nothing as long as the
classes travels.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType

from manual_vs_auto.fused.options import Options
from manual_vs_auto.fused.sharding import manual_axes


def all_classes(options: Options, held: int) -> int:
    """K, where a device has so many classes."""
    if options.classes_axis is None:
        return held
    return held * lax.axis_size(options.classes_axis) if options.classes is None else options.classes


def first_class(options: Options, held: int) -> jax.Array | int:
    """The first class of this device, int32."""
    return 0 if options.classes_axis is None else held * lax.axis_index(options.classes_axis)


def are_classes(options: Options, held: int, indices: jax.Array) -> jax.Array:
    """Boolean like indices, which count this device's own: whether a class is one, and not padding."""
    if not is_padded(options, held):
        return jnp.ones(indices.shape, bool)
    return first_class(options, held) + indices < all_classes(options, held)


def is_padded(options: Options, held: int) -> bool:
    """Whether some devices have more classes than there are."""
    axis = options.classes_axis
    return axis is not None and all_classes(options, held) < held * lax.axis_size(axis)


def highest(array: jax.Array, options: Options) -> jax.Array:
    """The largest of all devices' arrays, without a derivative; of one that is the same on all, itself."""
    if options.classes_axis not in manual_axes(array):
        return array
    found: jax.Array = lax.pmax(lax.stop_gradient(array), options.classes_axis)
    return found


def summed(array: jax.Array, options: Options) -> jax.Array:
    """The sum of all devices' arrays."""
    return array if options.classes_axis is None else lax.psum(array, options.classes_axis)


def of_labels(array: jax.Array, labels: jax.Array, options: Options) -> jax.Array:
    """The elements of an array of this device's classes, [k], at the labels; 0 where another device has the label."""
    if options.classes_axis is None:
        return array[labels]
    at = jnp.clip(labels, 0, array.shape[0] - 1)
    return jnp.where(at == labels, array[at], 0)


def across(row: Any, kind: Any, options: Options) -> Any:
    """The numbers of whole rows, the same on every device, from those of each device's piece of them."""
    if options.classes_axis is None:
        return row
    top = highest(row.maximum, options)
    row = row if top is row.maximum else kind.raised(row, top)
    spread, best = row.beside
    told = [*kind.parts(row, options), *([] if spread is None else [spread])]
    # XLA makes one all-reduce of them. Of one array made of them it would compute the exponentials twice.
    parts = lax.psum(told, options.classes_axis)
    beside = row.beside._replace(
        spread=None if spread is None else parts.pop(),
        best=None if best is None else lax.pmin(best, options.classes_axis),
    )
    return kind.of_parts(row._replace(beside=beside), parts, options)


def check_axis(options: Options, weight: Any) -> None:
    """ValueError for an axis that is not there, and a weight [K, D] or [D, K] that is no part of all classes."""
    axis = options.classes_axis
    if axis is None:
        return
    mesh = jax.sharding.get_abstract_mesh()
    if axis not in mesh.manual_axes:
        around = f"one of {mesh.manual_axes}" if mesh.manual_axes else "and there is none"
        raise ValueError(f"classes_axis must be an axis of the jax.shard_map around it, {around}, not {axis!r}")
    if AxisType.Explicit in mesh.axis_types:
        raise ValueError(
            "classes_axis can't be beside an Explicit axis: give that to jax.shard_map too, or make it Auto"
        )
    if axis not in manual_axes(lax.axis_index(axis)):
        raise ValueError("classes_axis needs jax.shard_map's check_vma=True, its default: it says what must be summed")
    if axis not in manual_axes(weight):
        spec = f"P(None, {axis!r})" if options.transposed else f"P({axis!r})"
        raise ValueError(f"weight must be this device's part, in_specs={spec}: it is the same on all of {axis!r}")
    held, size = weight.shape[options.class_axis], lax.axis_size(axis)
    if all_classes(options, held) > size * held:
        raise ValueError(
            f"classes {options.classes} are more than weight {weight.shape} on {size} of {axis!r} can have"
        )


def check_same(options: Options, arrays: Mapping[str, Any]) -> None:
    """ValueError for an array that must be the same on every device of the axis, and is not known to be."""
    for name, array in arrays.items():
        if array is not None and options.classes_axis in manual_axes(array):
            raise ValueError(
                f"{name} must be the same on every device of classes_axis {options.classes_axis!r}: spread rows over "
                "another axis. What is the same but was gathered, jax.lax.pmax makes known to be"
            )
