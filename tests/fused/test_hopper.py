"""The kernels for Hopper: their arithmetic anywhere, and whole in Pallas's interpret mode from jax 0.11 on."""

import importlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.fused import plan
from manual_vs_auto.fused.logits import back
from manual_vs_auto.fused.options import Options
from manual_vs_auto.fused.pieces import joined
from manual_vs_auto.fused.rows import Piece, by_logits, exponentials, row_of, slopes_of
from tests.haste import hastily

pytestmark = pytest.mark.newest
OPTIONS = [Options(), Options(loss="squared_distance", z_loss=0.01), Options(loss="squared_distance", softcap=3.0)]
hopper: Any = pytest.importorskip("manual_vs_auto.fused.hopper", exc_type=ImportError)


def piece_of(options: Options, classes: int, masked: int = 0) -> Piece:
    generator = np.random.default_rng(0)
    logits = jnp.asarray(5 * generator.normal(size=(64, classes)), jnp.float32)
    if options.softcap is not None:
        logits = options.softcap * jnp.tanh(logits / options.softcap)
    logits = logits.at[3, :].set(0).at[:, :masked].set(-jnp.inf)  # all tied, and classes that can't be
    labels = jnp.asarray(generator.integers(masked, classes, 64), jnp.int32)
    return Piece(logits, labels, jnp.ones(classes, bool), jnp.arange(classes, dtype=jnp.int32))


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: f"{options.loss} {options.softcap}")
def test_the_arithmetic_of_a_tile_is_that_of_rows(options: Options) -> None:
    def both(*arrays: Any) -> Any:
        piece = Piece(*arrays)
        row, exponential = row_of(piece, options)
        column = jnp.broadcast_to(jnp.arange(64, dtype=jnp.int32), (64, 64))
        # Two tiles of 64: the first has only classes that can't be, the second ends after 36.
        padded = jnp.pad(piece.logits, ((0, 0), (0, 28)), constant_values=7.0)
        parts = [
            hopper.tile_statistics(padded[:, at : at + 64], column, piece.labels - at, 100 - at if at else None)
            for at in (0, 64)
        ]
        found = joined(*(jnp.stack(part) for part in zip(*parts, strict=True)))
        slopes = slopes_of(row, jnp.linspace(-1, 1, 64, dtype=jnp.float32), 100, options)
        expected = back(by_logits(piece, exponential, slopes, options), piece.logits, options)
        tile = hopper.tile_gradient(
            padded[:, 64:], column, piece.labels - 64, [row.maximum, *slopes], squared, options.softcap
        )
        return found, row, tile, expected

    squared = options.loss == "squared_distance"
    found, row, tile, expected = hastily(both, *piece_of(options, 100, masked=70)[:4])
    for at in range(5) if squared else range(2):
        np.testing.assert_allclose(found[at], row[:5][at], rtol=2e-6, err_msg=row._fields[at])
    # Sums of three terms, each up to the largest slope.
    np.testing.assert_allclose(tile[:, :36], expected[:, 64:], rtol=1e-5, atol=1e-6)


def test_no_kernel_without_a_hopper() -> None:
    assert not plan(4096, 4096, 128256, dtype=jnp.bfloat16, mode="recompute").kernel or jax.default_backend() == "gpu"


@pytest.mark.skipif(jax.__version_info__ < (0, 11), reason="Pallas interprets wgmma from jax 0.11 on")
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: f"{options.loss} {options.softcap}")
def test_the_kernels_interpreted(options: Options) -> None:
    interpret = importlib.import_module("jax.experimental.pallas.mosaic_gpu").InterpretGPUParams()
    tiling = hopper.Tiling(rows=64, classes=64, stages=2)
    generator = np.random.default_rng(1)
    rows, classes, start, size = 40, 104, 24, 72  # of which no tile is full
    weight, inputs = (jnp.asarray(generator.normal(size=shape), jnp.bfloat16) for shape in ((classes, 64), (rows, 64)))
    bias = jnp.asarray(generator.normal(size=classes), jnp.float32).at[:30].set(-jnp.inf)
    labels = jnp.asarray(generator.integers(30, classes, rows), jnp.int32)
    logits = inputs.astype(jnp.float32) @ weight.astype(jnp.float32).T + bias[None, :]
    if options.softcap is not None:
        logits = options.softcap * jnp.tanh(logits / options.softcap)
    piece = Piece(logits, labels, jnp.ones(classes, bool), jnp.arange(classes, dtype=jnp.int32))
    row, _ = row_of(piece, options)
    found = hopper.statistics(weight, inputs, labels, bias, options.softcap, tiling, interpret)
    for at in range(5) if options.loss == "squared_distance" else range(2):
        np.testing.assert_allclose(found[at], row[:5][at], rtol=1e-4, err_msg=row._fields[at])
    slopes = slopes_of(row, jnp.linspace(-1, 1, rows, dtype=jnp.float32), classes, options)
    gradient = by_logits(piece, exponentials(piece, row.maximum), slopes, options)
    expected = back(gradient, logits, options)[:, start : start + size]
    squared = options.loss == "squared_distance"
    gradient = hopper.gradient(
        weight, inputs, labels, bias, row.maximum, slopes, jnp.int32(start), size, squared, options.softcap,
        tiling, interpret,
    )  # fmt: skip
    assert gradient.dtype == jnp.bfloat16
    spacing = float(jnp.finfo(jnp.bfloat16).eps)
    np.testing.assert_allclose(gradient.astype(jnp.float32), expected, rtol=spacing, atol=1e-4)
