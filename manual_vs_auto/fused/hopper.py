"""The two passes over the logits as kernels for Hopper: no logit reaches the device's memory.

Where they apply (`Plan.kernel`) they take the place of `row_of` and `by_logits` of a product. Letters: N rows,
D features, K classes, and k of them in a call.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental import pallas as pl

from manual_vs_auto.fused.pieces import joined
from manual_vs_auto.fused.rows import Slopes
from manual_vs_auto.fused.wgmma import TILING, WARPGROUPS, Call, Tile, Tiling, columns, loaded, plgpu, spread, tiles

_CHUNK = 64  # classes per store of the gradient: one 128-byte swizzled row of bfloat16


def statistics(
    weight: Array,
    inputs: Array,
    labels: Array,
    bias: Array | None,
    softcap: float | None,
    tiling: Tiling = TILING,
    interpret: Any = None,
) -> tuple[Array, ...]:
    """m, A, n, R and Q of `rows.Row`, each float32 [N].

    weight [K, D] and inputs [N, D] are bfloat16 as `wgmma.Call` wants them, labels int32 [N], bias [K] or None.
    """
    count, size, rows = len(inputs), len(weight), tiling.rows

    def epilogue(tile: Tile) -> None:
        valid = size - tile.index * tiling.classes if size % tiling.classes else None
        numbers = tile_statistics(tile.logits, columns(tile.logits), tile.label, valid)
        plgpu.wait_smem_to_gmem(0, wait_read_only=True)
        for i, number in enumerate(numbers):
            tile.stage.at[i][...] = number
        plgpu.commit_smem()
        plgpu.copy_smem_to_gmem(tile.stage, tile.out.at[tile.index, :, pl.ds(tile.row, rows)])

    height = WARPGROUPS * rows
    out = jax.ShapeDtypeStruct((pl.cdiv(size, tiling.classes), 5, pl.cdiv(count, height) * height), jnp.float32)
    call = Call(weight, inputs, labels, bias, None, jnp.zeros((), jnp.int32), size, softcap)
    found = tiles(epilogue, call, out, plgpu.SMEM((WARPGROUPS, 5, rows), jnp.float32), tiling, interpret)
    return joined(*(found[:, i, :count] for i in range(5)))


def gradient(
    weight: Array,
    inputs: Array,
    labels: Array,
    bias: Array | None,
    maximum: Array,
    slopes: Slopes,
    start: Array,
    size: int,
    squared: bool,
    softcap: float | None,
    tiling: Tiling = TILING,
    interpret: Any = None,
) -> Array:
    """`rows.by_logits` of the classes start .. start + size - 1, bfloat16 [N, size].

    weight, inputs and labels as in `statistics`, maximum and the slopes float32 [N]; squared: whether the loss is
    squared distance. start, which may be traced, and size are multiples of 8, and start + size is at most K.
    """
    count, rows = len(inputs), tiling.rows
    vectors = jnp.stack([jnp.where(jnp.isneginf(maximum), 0, maximum), *slopes])
    if bias is not None:
        bias = lax.dynamic_slice_in_dim(bias, start, size)

    def epilogue(tile: Tile) -> None:
        held = [loaded(tile.vectors.at[i, pl.ds(tile.row, rows)], 0) for i in range(len(vectors))]
        for i in range(tiling.classes // _CHUNK):
            part = tile.logits[:, i * _CHUNK : (i + 1) * _CHUNK]
            values = tile_gradient(part, columns(part), tile.label - i * _CHUNK, held, squared, softcap)
            plgpu.wait_smem_to_gmem(1, wait_read_only=True)
            tile.stage.at[i % 2][...] = values.astype(jnp.bfloat16)
            plgpu.commit_smem()
            target = tile.out.at[pl.ds(tile.row, rows), pl.ds(tile.index * tiling.classes + i * _CHUNK, _CHUNK)]
            plgpu.copy_smem_to_gmem(tile.stage.at[i % 2], target)

    # Never one chunk wide: the lowering drops unit dimensions, and with them the check that skips what lies outside.
    wide = max(pl.cdiv(size, _CHUNK) * _CHUNK, 2 * _CHUNK)
    out = jax.ShapeDtypeStruct((pl.cdiv(count, 8) * 8, wide), jnp.bfloat16)
    transforms = (plgpu.TilingTransform((8, _CHUNK)), plgpu.SwizzleTransform(128))
    staging = plgpu.SMEM((WARPGROUPS, 2, rows, _CHUNK), jnp.bfloat16, transforms=transforms)
    call = Call(weight, inputs, labels - start, bias, vectors, start, size, softcap)
    found: Array = tiles(epilogue, call, out, staging, tiling, interpret)
    return found[:count, :size]


def tile_statistics(logits: Array, column: Array, label: Array, valid: Array | int | None) -> tuple[Array, ...]:
    """m, A, n, R and Q of each row [rows] of a tile [rows, classes]; no class from `valid` on counts."""
    if valid is not None:
        logits = jnp.where(column < valid, logits, -jnp.inf)
    maximum = logits.max(axis=1)
    exponential = jnp.exp(logits - spread(jnp.where(maximum == -jnp.inf, 0.0, maximum), logits, 0))
    exponential = jnp.where(column == spread(label, logits, 0), 0.0, exponential)
    below = jnp.where(exponential < 1.0, exponential, 0.0)
    ties = jnp.where(exponential < 1.0, 0.0, exponential)
    return maximum, exponential.sum(axis=1), ties.sum(axis=1), below.sum(axis=1), (below * below).sum(axis=1)


def tile_gradient(
    logits: Array, column: Array, label: Array, vectors: list[Array], squared: bool, softcap: float | None
) -> Array:
    """`rows.by_logits` of a tile [rows, classes]; vectors: the maximum and the slopes, each [rows]."""
    maximum, quadratic, linear, constant, at_label, at_top = (spread(vector, logits, 0) for vector in vectors)
    exponential = jnp.exp(jnp.minimum(logits - maximum, 0.0))  # as in `rows.exponentials`
    values = (quadratic * exponential + linear) * exponential + constant
    if squared:
        values = jnp.where(exponential < 1.0, values, at_top)
    values = jnp.where(column == spread(label, logits, 0), at_label, values)
    if softcap is not None:
        ratio = logits * (1 / softcap)
        values = values * (1 - ratio * ratio)
    return values
