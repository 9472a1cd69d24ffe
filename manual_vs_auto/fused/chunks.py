"""How many rows or classes are worked on at a time, what that costs in memory, and the loop over them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from manual_vs_auto.fused.lengths import least, most, sure
from manual_vs_auto.fused.options import Options
from manual_vs_auto.fused.sharding import groups_of, manual_axes, varying
from manual_vs_auto.fused.sums import LANES

# Logits in a chunk by rows, and by classes on a CPU and elsewhere: of the few sizes tried on two cores and on an H200,
# those from which larger ones gained little.
_BY_ROWS = 1 << 24
_BY_CLASSES = {"cpu": 1 << 21}
_BY_CLASSES_ELSEWHERE = 1 << 25
_FEWEST = 256  # rows or classes, below which a chunk's matrix products are mostly overhead
_TILE = 128  # classes by which a chunk grows

Carry = TypeVar("Carry")
Sums = TypeVar("Sums")
Pieces = TypeVar("Pieces")


@dataclass(frozen=True)
class Cut:
    """How an axis is cut into chunks.

    The axis is read as `groups` blocks of equal length, and a chunk takes `size` from each of them. Where devices hold
    a block or some each, every device has its share of every chunk, and nothing has to travel. On one device it is 1.

    length: of the axis. groups: how many blocks, a divisor of the length. size: of a chunk within each block.
    """

    length: int
    groups: int
    size: int

    @property
    def whole(self) -> bool:
        """Whether one chunk has all."""
        return self.size * self.groups == self.length

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-self.length // (self.groups * self.size))

    def take(self, array: jax.Array, at: jax.Array, axis: int = 0) -> jax.Array:
        """The chunk of an array that begins `at` in each block, its blocks one after the other."""
        if self.whole:
            return array
        if self.groups == 1:
            return lax.dynamic_slice_in_dim(array, at, self.size, axis)
        cut = lax.dynamic_slice_in_dim(self._in_blocks(array, axis), at, self.size, axis + 1)
        return cut.reshape(*array.shape[:axis], self.groups * self.size, *array.shape[axis + 1 :])

    def put(self, array: jax.Array, chunk: jax.Array, at: jax.Array, axis: int = 0) -> jax.Array:
        """The array with the chunk in its place."""
        if self.groups == 1:
            return lax.dynamic_update_slice_in_dim(array, chunk, at, axis)
        blocks = self._in_blocks(array, axis)
        pieces = chunk.reshape(*blocks.shape[: axis + 1], self.size, *blocks.shape[axis + 2 :])
        return lax.dynamic_update_slice_in_dim(blocks, pieces, at, axis + 1).reshape(array.shape)

    def place(self, index: jax.Array, at: jax.Array) -> jax.Array:
        """Where in the chunk the elements of these indices stand: outside of it where another chunk has them."""
        if self.groups == 1:
            return index - at
        block, within = index // (self.length // self.groups), index % (self.length // self.groups) - at
        inside = (within >= 0) & (within < self.size) & (index >= 0) & (index < self.length)
        return jnp.where(inside, block * self.size + within, -1)

    def indices(self, at: jax.Array) -> jax.Array:
        """Which elements a chunk has, int32 [groups * size]: the inverse of `place`."""
        blocks = jnp.arange(self.groups, dtype=jnp.int32) * (self.length // self.groups)
        return (blocks[:, None] + (at + jnp.arange(self.size, dtype=jnp.int32))[None, :]).reshape(-1)

    def _in_blocks(self, array: jax.Array, axis: int) -> jax.Array:
        block = self.length // self.groups
        return array.reshape(*array.shape[:axis], self.groups, block, *array.shape[axis + 1 :])


@dataclass(frozen=True)
class Plan:
    """What `linear_softmax_loss` does with arrays of some shapes.

    mode:            'in_forward' or 'recompute'.
    chunk_size:      rows at a time in the first, classes in the second.
    chunks:          how many there are.
    kernel:          whether the logits of 'recompute' are computed by the kernels for Hopper.
    temporary_bytes: what the gradient's program holds beside its arguments and results, by the formula of
                     `fused.plan`, which is for float32 and float64 without the kernels.
    row_groups, class_groups: into how many blocks, a device or some a block, rows and classes are cut: see `Cut`.
    """

    mode: Literal["in_forward", "recompute"]
    chunk_size: int
    chunks: int
    kernel: bool
    temporary_bytes: int
    row_groups: int = 1
    class_groups: int = 1

    def cut(self, rows: int, classes: int) -> Cut:
        """The cut of what is chunked: the rows in the first mode, the classes in the second."""
        by_rows = self.mode == "in_forward"
        groups = self.row_groups if by_rows else self.class_groups
        return Cut(rows if by_rows else classes, groups, self.chunk_size // groups)


def plan_of(rows: int, features: int, classes: int, dtype: Any, options: Options, plain: bool = True) -> Plan:
    """The plan for inputs [rows, features], classes * features weights and this dtype: see `fused.plan`.

    plain: whether all numbers are known and the labels are one for each row, as the kernels need it.
    """
    by_rows = most(_BY_ROWS // classes, features)
    mode = options.mode
    if mode == "auto":
        fits = sure(lambda: by_rows >= least(rows, _FEWEST))
        mode = "in_forward" if options.reduction != "none" and fits else "recompute"
    whole = rows if mode == "in_forward" else classes
    if options.chunk_size != "auto":
        size = options.chunk_size
    elif mode == "in_forward":
        size = by_rows
    else:
        logits = _BY_CLASSES.get(jax.default_backend(), _BY_CLASSES_ELSEWHERE)
        size = most(logits // most(rows, 1) // _TILE * _TILE, _FEWEST)
    row_groups, class_groups = groups_of(rows), groups_of(classes)
    groups = row_groups if mode == "in_forward" else class_groups
    size = most(1, -(-least(size, whole) // groups)) * groups
    chunks = -(-whole // size)
    apply = mode == "recompute" and plain and class_groups == 1 and options.classes_axis is None
    kernel = apply and _kernel_applies(rows, features, classes, size, dtype, options)
    itemsize = max(options.accumulate_dtype.itemsize, jnp.dtype(dtype).itemsize)
    held = itemsize * _numbers(mode, rows, features, classes, size, chunks, options)
    return Plan(mode, size, chunks, kernel, held, row_groups, class_groups)


def _numbers(mode: str, rows: int, features: int, classes: int, size: int, chunks: int, options: Options) -> int:
    """The formula of `fused.plan`."""
    squared = options.loss == "squared_distance"
    if mode == "in_forward":
        weight = 0 if sure(lambda: chunks <= 1) else classes * features
        if options.classes_axis is not None:
            return size * classes + weight + rows * features
        return size * classes + most(weight, size * classes if squared else 0)
    lanes = 3 * least(LANES, size // 128) * rows if squared else 0
    return rows * size + most(0 if sure(lambda: chunks <= 1) else (size + rows) * features, lanes)


def _kernel_applies(rows: int, features: int, classes: int, size: int, dtype: Any, options: Options) -> bool:
    """Whether the kernels for Hopper can compute these logits, on the device that programs run on if not told."""
    # What they have no sums for, or would need to be told when they run.
    smooth = options.uses("label_smoothing") and options.loss == "cross_entropy"
    other = options.transposed or options.uses("temperature")
    beside = bool({"argmax", "entropy"} & set(options.aux))
    suits = features % 64 == 0 and classes % 8 == 0 and size % 8 == 0 and sure(lambda: rows >= 128 and size >= 256)
    if dtype != jnp.bfloat16 or options.accumulate_dtype != jnp.float32 or smooth or other or beside or not suits:
        return False
    device = jax.devices()[0]
    hopper = device.platform == "gpu" and str(getattr(device, "compute_capability", "")).startswith("9.")
    return hopper and jax.__version_info__ >= (0, 11)


def fold(cut: Cut, step: Callable[[Carry, jax.Array, jax.Array], Carry], init: Carry) -> Carry:
    """`step(carry, at, fresh)` over the chunks of a cut.

    at:    int32, where the chunk begins in each block. The last one is moved back so that it ends with the block:
           nothing is copied to be padded.
    fresh: boolean [groups * size], False where the chunk before has been already.
    """
    block, zero = cut.length // cut.groups, jnp.zeros((), jnp.int32)
    if cut.whole:
        return step(init, zero, jnp.ones((cut.length,), bool))

    def scanned(carry: Carry, start: jax.Array) -> tuple[Carry, None]:
        at = jnp.minimum(start, block - cut.size)
        fresh = at + jnp.arange(cut.size, dtype=jnp.int32) >= start
        return step(carry, at, jnp.tile(fresh, cut.groups)), None

    # Within shard_map what is carried varies from the start over the axes over which it will.
    made = jax.eval_shape(lambda carry: scanned(carry, zero)[0], init)
    init = jax.tree.map(lambda leaf, out: varying(leaf, manual_axes(out)), init, made)
    return lax.scan(scanned, init, jnp.arange(cut.chunks, dtype=jnp.int32) * cut.size)[0]


def over(cut: Cut, body: Callable[[jax.Array, jax.Array], tuple[Sums, Pieces]], axes: Any = 0) -> tuple[Sums, Pieces]:
    """`body(at, fresh)` over chunks as in `fold`: its first results added up, its second put together.

    axes: the axis of the second results that is the cut one, or a tree of them: [..., groups * size, ...].
    """
    if cut.whole:
        return body(jnp.zeros((), jnp.int32), jnp.ones((cut.length,), bool))
    sums, pieces = jax.eval_shape(body, jnp.zeros((), jnp.int32), jnp.ones((cut.groups * cut.size,), bool))
    places = jax.tree.map(lambda _: axes, pieces) if isinstance(axes, int) else axes

    def step(carry: tuple[Sums, Pieces], at: jax.Array, fresh: jax.Array) -> tuple[Sums, Pieces]:
        sums, pieces = body(at, fresh)
        return (
            jax.tree.map(jnp.add, carry[0], sums),
            jax.tree.map(lambda whole, piece, axis: cut.put(whole, piece, at, axis), carry[1], pieces, places),
        )

    def empty(piece: Any, axis: int) -> jax.Array:
        shape = (*piece.shape[:axis], cut.length, *piece.shape[axis + 1 :])
        return jnp.zeros(shape, piece.dtype)

    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), sums)
    return fold(cut, step, (zeros, jax.tree.map(empty, pieces, places)))
