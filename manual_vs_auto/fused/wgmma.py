"""Tiles of a matrix product on Hopper's tensor cores, each handed to an epilogue while it is in registers.

A kernel of Pallas's Mosaic GPU backend. A program walks over tiles of the logits: one warpgroup copies slices of both
operands into a ring of stages in shared memory (TMA), two more multiply them (wgmma) and run the epilogue on half a
tile each. Letters: N rows, D features, K classes, and k of them in a call.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu

plgpu: Any = mosaic_gpu  # not typed well enough to check its use

WARPGROUPS = 2  # that compute; a third one copies
FEATURES = 64  # per stage: one 128-byte swizzled row of bfloat16


class Tiling(NamedTuple):
    """How the logits are cut: rows per warpgroup, classes per tile, stages, tiles along K that share their inputs."""

    rows: int = 64
    classes: int = 256
    stages: int = 4
    band: int = 16


TILING = Tiling()  # of those tried on an H200 none was faster beyond noise


class Tile(NamedTuple):
    """What an epilogue is given.

    logits:  float32 [rows, classes], in registers.
    label:   int32 [rows], counted from the tile's first class.
    row:     of the tile's first row.
    index:   of the tile among the call's: its first class is index * classes.
    stage:   shared memory of the warpgroup.
    vectors: float32 [V, N] in device memory, or None.
    out:     the output in device memory.
    """

    logits: Any
    label: Any
    row: Any
    index: Any
    stage: Any
    vectors: Any
    out: Any


class Call(NamedTuple):
    """A call's operands.

    weight:  bfloat16 [K, D], K a multiple of 8, D of 64. inputs: bfloat16 [N, D].
    labels:  int32 [N], counted from `start`. bias: float32 [k] or None. vectors: float32 [V, N] or None.
    start:   int32, a multiple of 8; `size` = k: the classes start .. start + k - 1.
    softcap: of the logits, or None.
    """

    weight: Array
    inputs: Array
    labels: Array
    bias: Array | None
    vectors: Array | None
    start: Array
    size: int
    softcap: float | None


def padded(array: Array, *units: int) -> Array:
    """The array followed by zeros along each axis, up to a multiple of that axis's unit."""
    return jnp.pad(array, [(0, -size % unit) for size, unit in zip(array.shape, units, strict=True)])


def loaded(reference: Any, axis: int) -> Any:
    """The vector behind a reference, laid out along an axis of a wgmma accumulator: 0 for rows, 1 for classes."""
    return plgpu.load(reference, layout=plgpu.Layout.WGMMA.reduce(1 - axis), optimized=False)


def spread(vector: Array, like: Array, axis: int) -> Array:
    """The vector [like.shape[axis]] repeated along the other axis."""
    return lax.broadcast_in_dim(vector, like.shape, (axis,))


def columns(like: Array) -> Any:
    """The index of each class within its tile, int32 in the shape of `like`."""
    return plgpu.broadcasted_iota(jnp.int32, like.shape, 1, layout=plgpu.Layout.WGMMA)


def capped(logits: Array, softcap: float) -> Array:
    """softcap * tanh(z / softcap), by an exponential and a root squared, which are one instruction each."""
    root = lax.rsqrt(1 + jnp.exp(logits * (2 / softcap)))
    return softcap - 2 * softcap * (root * root)


def tiles(
    epilogue: Callable[[Tile], None],
    call: Call,
    out: jax.ShapeDtypeStruct,
    staging: Any,
    tiling: Tiling,
    interpret: Any,
) -> Any:
    """Run the epilogue on every half tile of the logits inputs @ weight[start : start + size].T + bias, capped.

    Returns what the epilogues wrote into `out`. What lies beyond row N or class k is there in a tile: the epilogue
    must not let it count, and what it writes beyond `out` is not written.
    """
    rows, classes, stages, band = tiling
    height = WARPGROUPS * rows
    inputs = padded(call.inputs, 8, 1)
    grid = pl.cdiv(len(inputs), height), pl.cdiv(call.size, classes)
    steps = inputs.shape[1] // FEATURES
    programs = 2 if interpret else jax.devices()[0].core_count
    transforms = (plgpu.TilingTransform((8, FEATURES)), plgpu.SwizzleTransform(128))

    def place(loop: Any) -> tuple[Any, Any]:
        return plgpu.planar_snake(loop.index[0], grid, 1, band)  # type: ignore[no-any-return]

    def slot(step: Any) -> Any:
        return lax.rem(step, jnp.int32(stages))

    def kernel(
        inputs_ref: Any, weight_ref: Any, start_ref: Any, labels_ref: Any, bias_ref: Any, vectors_ref: Any, out_ref: Any
    ) -> None:
        def scoped(left: Any, right: Any, stage: Any, full: Any, free: Any) -> None:
            warpgroup = lax.axis_index("warpgroup")

            def multiplied(base: Any) -> Any:
                def step(i: Any, accumulator: Any) -> Any:
                    here = slot(base + i)
                    plgpu.barrier_wait(full.at[here])
                    half = left.at[here, pl.ds(warpgroup * rows, rows)]
                    plgpu.wgmma(accumulator, half, right.at[here].transpose((1, 0)))
                    plgpu.wgmma_wait(1)  # so that the step before is done with its stage
                    pl.when(i > 0)(lambda: plgpu.barrier_arrive(free.at[slot(base + i - 1)]))
                    return accumulator

                def accumulate(accumulator: Any) -> Any:
                    lax.fori_loop(0, steps, step, accumulator)
                    return accumulator[...]

                return pl.run_scoped(accumulate, plgpu.ACC((rows, classes), jnp.float32))

            def compute() -> None:
                plgpu.set_max_registers(232, action="increase")

                def walk(loop: Any) -> None:
                    base = loop.local_index * steps
                    unit, index = place(loop)
                    logits = multiplied(base)
                    plgpu.barrier_arrive(free.at[slot(base + steps - 1)])
                    row, first = unit * height + warpgroup * rows, index * classes
                    if bias_ref is not None:
                        logits = logits + spread(loaded(bias_ref.at[pl.ds(first, classes)], 1), logits, 1)
                    if call.softcap is not None:
                        logits = capped(logits, call.softcap)
                    label = loaded(labels_ref.at[pl.ds(row, rows)], 0) - first
                    epilogue(Tile(logits, label, row, index, stage.at[warpgroup], vectors_ref, out_ref))

                plgpu.nd_loop((grid[0] * grid[1],), collective_axes="program")(walk)
                plgpu.wait_smem_to_gmem(0)

            def copy() -> None:
                plgpu.set_max_registers(40, action="decrease")
                start = start_ref[0]

                def walk(loop: Any) -> None:
                    unit, index = place(loop)

                    def step(i: Any, _: None) -> None:
                        count = loop.local_index * steps + i
                        here = slot(count)
                        pl.when(count >= stages)(lambda: plgpu.barrier_wait(free.at[here]))
                        features = pl.ds(i * FEATURES, FEATURES)
                        above = inputs_ref.at[pl.ds(unit * height, height), features]
                        plgpu.copy_gmem_to_smem(above, left.at[here], full.at[here])
                        beside = weight_ref.at[pl.ds(start + index * classes, classes), features]
                        plgpu.copy_gmem_to_smem(beside, right.at[here], full.at[here])

                    lax.fori_loop(0, steps, step, None)

                plgpu.nd_loop((grid[0] * grid[1],), collective_axes="program")(walk)
                # No arrival may stay unseen when the program ends.
                mine = lax.div(grid[0] * grid[1] + programs - 1 - lax.axis_index("program"), jnp.int32(programs))
                last = mine * steps
                lax.fori_loop(
                    jnp.maximum(last - stages, 0), last, lambda i, _: plgpu.barrier_wait(free.at[slot(i)]), None
                )

            lax.cond(warpgroup < WARPGROUPS, compute, copy)

        pl.run_scoped(
            scoped,
            plgpu.SMEM((stages, height, FEATURES), jnp.bfloat16, transforms=transforms),
            plgpu.SMEM((stages, classes, FEATURES), jnp.bfloat16, transforms=transforms),
            staging,
            plgpu.Barrier(num_arrivals=2, num_barriers=stages),
            plgpu.Barrier(num_arrivals=WARPGROUPS, num_barriers=stages),
            collective_axes="warpgroup",
        )

    return plgpu.kernel(
        kernel,
        out_type=out,
        grid=(programs,),
        grid_names=("program",),
        num_threads=WARPGROUPS + 1,
        thread_name="warpgroup",
        compiler_params=plgpu.CompilerParams(approx_math=True, lowering_semantics=plgpu.LoweringSemantics.Lane),
        interpret=interpret,
    )(
        inputs,
        call.weight,
        call.start[None],
        padded(call.labels.astype(jnp.int32), height),
        None if call.bias is None else padded(call.bias.astype(jnp.float32), classes),
        None if call.vectors is None else padded(call.vectors.astype(jnp.float32), 1, height),
    )
