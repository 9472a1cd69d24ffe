"""Arrays that are spread over devices: what the fused loss must know of it, and what it leaves to the compiler.

Of arrays whose sharding is the compiler's affair (`AxisType.Auto`) a program can't see how they are cut. So chunks are
taken in a way that suits any cut: see `chunks.Cut`. Explicit axes are handed to the compiler for the while, and within
`jax.shard_map` every array is told to vary as the others do.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from manual_vs_auto.fused.lengths import is_number


def groups_of(length: int) -> int:
    """Into how many equal groups an axis is cut, so that each device may hold whole ones: 1 on one, or of a symbol."""
    if not is_number(length):
        return 1
    mesh = jax.sharding.get_abstract_mesh()
    sizes = [size for name, size in mesh.shape.items() if name not in mesh.manual_axes]
    return max(1, math.gcd(length, jax.device_count() if mesh.empty else math.prod(sizes)))


def by_compiler(function: Callable[..., Any], arrays: Any, rows: Any, per_row: Any) -> Callable[..., Any]:
    """The function of these arrays with every explicit axis of the mesh left to the compiler.

    rows: one of them, [..., D], whose leading axes are the rows. per_row: a tree like what the function returns, True
    for a result that has the rows' axes, False for a scalar.
    """
    meshes = [jax.typeof(array).sharding.mesh for array in jax.tree.leaves(arrays)]
    mesh = next((mesh for mesh in meshes if AxisType.Explicit in mesh.axis_types), None)
    if mesh is None:
        return function
    specs = {True: P(*jax.typeof(rows).sharding.spec[:-1]), False: P()}
    shardings = jax.tree.map(lambda one: NamedSharding(mesh, specs[one]), per_row)
    explicit: Callable[..., Any] = jax.sharding.auto_axes(function, out_sharding=shardings)
    return explicit


def varying(tree: Any, axes: frozenset[str]) -> Any:
    """The arrays, varying over these manual axes of `jax.shard_map` too, whose derivative is then a sum over them."""

    def one(array: Any) -> Any:
        missing = tuple(sorted(axes - manual_axes(array)))
        return jax.lax.pcast(array, missing, to="varying") if missing else array

    return jax.tree.map(one, tree)


def together(*trees: Any, but: str | None) -> Sequence[Any]:
    """The trees, every array of which varies over the manual axes that any of them varies over, but one axis."""
    axes = frozenset[str]().union(*map(manual_axes, jax.tree.leaves(trees))) - {but}
    return [varying(tree, axes) for tree in trees]


def gradient_by(array: Any, gradient: jax.Array) -> jax.Array:
    """The gradient by an array, summed over the manual axes that the array does not vary over."""
    axes = tuple(sorted(manual_axes(gradient) - manual_axes(array)))
    return jax.lax.psum(gradient, axes) if axes else gradient


def manual_axes(array: Any) -> frozenset[str]:
    """The axes of `jax.shard_map` over which an array, or the shape of one, varies."""
    kind = array if isinstance(array, jax.ShapeDtypeStruct) else jax.typeof(array)
    return frozenset(getattr(kind.manual_axis_type, "varying", ()))
