"""How many rows or classes are worked on at a time, what that costs in memory, and the loop over them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from manual_vs_auto.fused.options import Options
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
class Plan:
    """What `linear_softmax_loss` does with arrays of some shapes.

    mode:            'in_forward' or 'recompute'.
    chunk_size:      rows at a time in the first, classes in the second.
    chunks:          how many there are.
    kernel:          whether the logits of 'recompute' are computed by the kernels for Hopper.
    temporary_bytes: what the gradient's program holds beside its arguments and results, by the formula of
                     `fused.plan`, which is for float32 and float64 without the kernels.
    """

    mode: Literal["in_forward", "recompute"]
    chunk_size: int
    chunks: int
    kernel: bool
    temporary_bytes: int


def plan_of(rows: int, features: int, classes: int, dtype: Any, options: Options) -> Plan:
    """The plan for inputs [rows, features] and a weight [classes, features] of this dtype: see `fused.plan`."""
    by_rows = max(_BY_ROWS // classes, features)
    mode = options.mode
    if mode == "auto":
        fits = by_rows >= min(rows, _FEWEST)
        mode = "in_forward" if options.reduction != "none" and fits else "recompute"
    whole = rows if mode == "in_forward" else classes
    if options.chunk_size != "auto":
        size = options.chunk_size
    elif mode == "in_forward":
        size = by_rows
    else:
        logits = _BY_CLASSES.get(jax.default_backend(), _BY_CLASSES_ELSEWHERE)
        size = max(logits // max(rows, 1) // _TILE * _TILE, _FEWEST)
    size = max(1, min(size, whole))
    chunks = -(-whole // size)
    kernel = mode == "recompute" and _kernel_applies(rows, features, classes, size, dtype, options)
    itemsize = max(options.accumulate_dtype.itemsize, jnp.dtype(dtype).itemsize)
    return Plan(mode, size, chunks, kernel, itemsize * _numbers(mode, rows, features, classes, size, chunks, options))


def _numbers(mode: str, rows: int, features: int, classes: int, size: int, chunks: int, options: Options) -> int:
    """The formula of `fused.plan`."""
    squared = options.loss == "squared_distance"
    if mode == "in_forward":
        weight = classes * features if chunks > 1 else 0
        return size * classes + max(weight, size * classes if squared else 0)
    lanes = 3 * min(LANES, size // 128) * rows if squared else 0
    return rows * size + max((size + rows) * features if chunks > 1 else 0, lanes)


def _kernel_applies(rows: int, features: int, classes: int, size: int, dtype: Any, options: Options) -> bool:
    """Whether the kernels for Hopper can compute these logits, on the device that programs run on if not told."""
    smooth = options.label_smoothing > 0 and options.loss == "cross_entropy"  # wants a sum that they don't have
    suits = features % 64 == 0 and classes % 8 == 0 and size % 8 == 0 and rows >= 128 and size >= 256
    if dtype != jnp.bfloat16 or options.accumulate_dtype != jnp.float32 or smooth or not suits:
        return False
    device = jax.devices()[0]
    hopper = device.platform == "gpu" and str(getattr(device, "compute_capability", "")).startswith("9.")
    return hopper and jax.__version_info__ >= (0, 11)


def fold(length: int, size: int, step: Callable[[Carry, jax.Array, jax.Array], Carry], init: Carry) -> Carry:
    """`step(carry, at, fresh)` over chunks of `size` <= `length`.

    at:    int32, where the chunk begins. The last one is moved back so that it ends with the array: nothing is
           copied to be padded.
    fresh: boolean [size], False where the chunk before has been already.
    """
    count = jnp.arange(size, dtype=jnp.int32)
    if length == size:
        return step(init, jnp.zeros((), jnp.int32), jnp.ones((size,), bool))

    def scanned(carry: Carry, start: jax.Array) -> tuple[Carry, None]:
        at = jnp.minimum(start, length - size)
        return step(carry, at, at + count >= start), None

    return lax.scan(scanned, init, jnp.arange(-(-length // size), dtype=jnp.int32) * size)[0]


def over(length: int, size: int, body: Callable[[jax.Array, jax.Array], tuple[Sums, Pieces]]) -> tuple[Sums, Pieces]:
    """`body(at, fresh)` over chunks as in `fold`: its first results added up, its second [size, ...] put together."""
    if length == size:
        return body(jnp.zeros((), jnp.int32), jnp.ones((size,), bool))

    def step(carry: tuple[Sums, Pieces], at: jax.Array, fresh: jax.Array) -> tuple[Sums, Pieces]:
        sums, pieces = body(at, fresh)
        return (
            jax.tree.map(jnp.add, carry[0], sums),
            jax.tree.map(lambda whole, piece: lax.dynamic_update_slice_in_dim(whole, piece, at, 0), carry[1], pieces),
        )

    sums, pieces = jax.eval_shape(body, jnp.zeros((), jnp.int32), jnp.ones((size,), bool))
    whole = jax.tree.map(lambda piece: jnp.zeros((length, *piece.shape[1:]), piece.dtype), pieces)
    return fold(length, size, step, (jax.tree.map(jnp.zeros_like, sums), whole))
