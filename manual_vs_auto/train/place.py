"""Where a training is: on one device, or on those of a mesh, which has examples, classes or both along its axes."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from manual_vs_auto import fused
from manual_vs_auto.model import Batch, Loss, Params, ValueAndGrad
from manual_vs_auto.runs.mesh import CLASSES, DATA, placed
from manual_vs_auto.train.epoch import BatchOf, batch_of
from manual_vs_auto.train.pieces import Sums, in_pieces, sums_of, wide

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Chunk: TypeAlias = tuple[Any, Any, Any]  # images, labels, order


class Place:
    """One device: whatever is asked for is as it is."""

    def __init__(self, device: jax.Device) -> None:
        self._device = device

    def gradient(self, way: ValueAndGrad, loss: Loss) -> ValueAndGrad:  # noqa: ARG002
        """`way`, a gradient of this loss, as it is computed here."""
        return in_pieces(way) if self._device.platform == "cpu" else way

    def state(self, tree: Any) -> Any:
        """Parameters, and what has an entry for each of them, from the host, whose arrays stay as they are."""
        return jax.device_put(jax.tree.map(np.array, tree), self._device)  # copies, for an epoch takes their memory

    def host(self, tree: Any) -> Any:
        """What `state` has placed, as NumPy arrays of their own. To be asked by all processes at once."""
        return jax.tree.map(np.array, tree)

    def everywhere(self, tree: Any) -> Any:
        """Images and labels."""
        return jax.device_put(tree, self._device)

    def take(self, own: bool) -> BatchOf:  # noqa: ARG002
        """Makes batches of (images, labels, index [S, B]). Args: own: whether each device has images of its own."""
        return batch_of

    def order(self, index: Array, nothing: int) -> Any:
        """An order int32 [S, B] of images that are `everywhere`, in which `nothing` is no image."""
        del nothing
        return index

    def order_shape(self, steps: int, batch_size: int) -> Any:
        """What a program is compiled for, for `order`."""
        return jax.ShapeDtypeStruct((steps, batch_size), jnp.int32)

    def own(self, index: Array, nothing: int, width: int, read: Callable[[Array, int], Chunk]) -> Chunk:
        """What is read for an order int32 [S, B], each device's where that is.

        Args: read: makes images [S b, D], D being `width`, labels [S b] and an order [S, b] of these, in which S b is
                    none, of some columns of the order, for the part of the devices that has this number.
        """
        del nothing, width
        placed: Chunk = jax.device_put(read(index, 0), self._device)
        return placed

    def own_shapes(self, steps: int, batch_size: int, width: int, dtype: Any) -> Chunk:
        """What a program is compiled for, for `own`: images of so many pixels of this dtype."""
        return self._shapes(steps, batch_size, width, dtype, *[jax.sharding.SingleDeviceSharding(self._device)] * 2)

    def _shapes(self, steps: int, batch_size: int, width: int, dtype: Any, rows: Any, columns: Any) -> Chunk:
        count = steps * batch_size
        return (
            jax.ShapeDtypeStruct((count, width), dtype, sharding=rows),
            jax.ShapeDtypeStruct((count,), jnp.int32, sharding=rows),
            jax.ShapeDtypeStruct((steps, batch_size), jnp.int32, sharding=columns),
        )

    def shardings(self, state: Any) -> Any:
        """Of a state, and of what the steps report; None leaves it to the compiler."""
        del state


class Spread(Place):
    """The devices of a mesh. Along DATA each has its own examples of a batch, along CLASSES its own rows of W.

    What does not divide is filled up: a batch with what is no image, W with rows of 0 whose gradient is 0.
    """

    def __init__(self, device: jax.Device, mesh: Mesh, classes: int, features: int) -> None:
        super().__init__(device)
        self._mesh, self._classes, self._features = mesh, classes, features
        self._by_classes = CLASSES in mesh.shape
        self._rows = P(DATA) if DATA in mesh.shape else P()
        self._short = -classes % mesh.shape.get(CLASSES, 1)
        self._parts = mesh.shape.get(DATA, 1)

    def gradient(self, way: ValueAndGrad, loss: Loss) -> ValueAndGrad:
        """The gradient of the whole batch, by one sum over the devices along DATA."""
        if self._by_classes:
            way = fused.value_and_grad(loss, classes_axis=CLASSES, classes=self._classes)
        way = super().gradient(way, loss)
        weight = Params(P(CLASSES) if self._by_classes else P())

        def of_device(params: Params, batch: Batch) -> tuple[Any, Params]:
            weight = wide(params).weight
            if self._rows == P():
                return sums_of(way, Params(weight), batch).mean(params.weight.dtype)
            # Each device's own: what is the same for all of them JAX would sum when it differentiates.
            own = Params(jax.lax.pcast(weight, DATA, to="varying"))
            return self._summed(sums_of(way, own, batch)).mean(params.weight.dtype)

        return jax.shard_map(of_device, mesh=self._mesh, in_specs=(weight, self._rows), out_specs=(P(), weight))

    def _summed(self, own: Sums) -> Sums:
        """Over the devices along DATA, as one array: XLA's CPU has devices wait for each other at each array."""
        if self._by_classes:  # W's rows are each device's own, and can't be one with what is the same for all
            loss, count = jax.lax.psum(jnp.stack([own.loss, own.count]), DATA)
            return Sums(loss, count, jax.lax.psum(own.weight, DATA))
        flat, parts = ravel_pytree(own)
        summed: Sums = parts(jax.lax.psum(flat, DATA))
        return summed

    def state(self, tree: Any) -> Any:
        return jax.tree.map(self._placed, tree)

    def host(self, tree: Any) -> Any:
        def one(leaf: Any) -> Array:
            if leaf.is_fully_addressable or leaf.is_fully_replicated:
                whole = np.array(leaf)
            else:
                whole = np.array(multihost_utils.process_allgather(leaf, tiled=True))
            return whole[..., : self._classes, :] if self._is_cut(whole, self._classes + self._short) else whole

        return jax.tree.map(one, tree)

    def everywhere(self, tree: Any) -> Any:
        return jax.tree.map(partial(placed, self._mesh), tree)

    def take(self, own: bool) -> BatchOf:
        held, columns = self._rows if own else P(), P(None, *self._rows)
        return jax.shard_map(batch_of, mesh=self._mesh, in_specs=(held, held, columns), out_specs=columns)

    def order(self, index: Array, nothing: int) -> Any:
        return placed(self._mesh, self._filled(index, nothing), None, *self._rows)

    def order_shape(self, steps: int, batch_size: int) -> Any:
        shape = (steps, batch_size + -batch_size % self._parts)
        return jax.ShapeDtypeStruct(shape, jnp.int32, sharding=NamedSharding(self._mesh, P(None, *self._rows)))

    def own(self, index: Array, nothing: int, width: int, read: Callable[[Array, int], Chunk]) -> Chunk:
        columns = np.split(self._filled(index, nothing), self._parts, axis=1)
        made: dict[int, Chunk] = {}  # by part: what other processes have is not read

        def piece(which: int, length: int, at: tuple[slice, ...] | None) -> Array:
            part = (at[which // 2].start or 0) * self._parts // length if at else 0
            if part not in made:
                made[part] = read(columns[part], part)
            return np.asarray(made[part][which])

        def placed(which: int, of: jax.ShapeDtypeStruct) -> jax.Array:
            cut = partial(piece, which, of.shape[which // 2])
            return jax.make_array_from_callback(of.shape, of.sharding, cut)

        images, labels, order = map(placed, range(3), self.own_shapes(index.shape[0], index.shape[1], width, np.uint8))
        return images, labels, order

    def own_shapes(self, steps: int, batch_size: int, width: int, dtype: Any) -> Chunk:
        rows, columns = (NamedSharding(self._mesh, P(*axes)) for axes in (self._rows, (None, *self._rows)))
        return self._shapes(steps, batch_size + -batch_size % self._parts, width, dtype, rows, columns)

    def _filled(self, index: Array, nothing: int) -> Array:
        """With as many columns for each device."""
        return np.pad(index, ((0, 0), (0, -index.shape[1] % self._parts)), constant_values=nothing)

    def shardings(self, state: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf.sharding, state), NamedSharding(self._mesh, P())

    def _is_cut(self, leaf: Any, classes: int) -> bool:
        """Whether it has entries for each parameter, with so many classes."""
        return self._by_classes and leaf.shape[-2:] == (classes, self._features)

    def _placed(self, leaf: Any) -> jax.Array:
        leaf = np.array(leaf)  # a copy, as there
        if not self._is_cut(leaf, self._classes):
            return placed(self._mesh, leaf)
        several = leaf.ndim - 2  # steps that an optimizer remembers, say
        filled = np.pad(leaf, ((0, 0),) * several + ((0, self._short), (0, 0)))
        return placed(self._mesh, filled, *[None] * several, CLASSES)
