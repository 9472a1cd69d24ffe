"""How often a fitted model is right, for every penalty of a sweep: in float32 wherever that can tell."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto.runs.evaluation import judged
from manual_vs_auto.runs.model import Model

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
_LITTLE = 1e8  # N D K, up to which NumPy is done before a program is compiled: there the solver takes float64, too
_CHUNK = 1 << 22  # bytes of a chunk's rows and logits in float32: it stays in the cache, a third of the time of 1 << 26
_UNIT = 2.0**-24  # of float32: half an ulp of 1
_COARSE = 0.1  # how sure a logit must be, for the cross-entropy's sake
_FAR = 700  # exp(-708) is the least number of float64 with all its digits


@dataclass(frozen=True)
class Scores:
    """A model on rows with labels.

    examples:      how many.
    top1, top5:    the share whose label has the largest probability, or one of the five largest: 0..1.
    cross_entropy: mean of -log p[label], in nats.
    """

    examples: int
    top1: float
    top5: float
    cross_entropy: float


def scored(model: Model, matrix: Array, labels: Array, rows: Array | None) -> Scores:
    """The scores of a model: how often it is right is what float64 says, as `predict` does.

    Large problems run in float32 on the device, in chunks. Where rounding could change what is counted, or where it is
    not small, a row is judged again in float64.

    Args: matrix: floating or integer [N, D]. labels: integer, one for each of the rows that are meant.
          rows:   integers, only these; None for all.
    """
    if matrix.shape[0] * model.weight.size <= _LITTLE:
        losses, before = _wide(model, matrix, labels, rows)
    else:
        losses, before = _narrow(model, matrix, labels, rows)
    return Scores(len(labels), float(np.mean(before < 1)), float(np.mean(before < 5)), float(np.mean(losses)))


def _wide(model: Model, matrix: Array, labels: Array, rows: Array | None) -> tuple[Array, Array]:
    """Of each row -log p[label], and how many classes come before the label: in float64."""
    parts, at = [], 0
    for piece in model.pieces(matrix, rows):
        _, _, by_label, before = judged(piece, labels[at : at + len(piece)])
        parts.append((-np.log(np.maximum(by_label, np.finfo(np.float64).tiny)), before))
        at += len(piece)
    losses, places = (np.concatenate(column) for column in zip(*parts, strict=True))
    return losses, places


def _narrow(model: Model, matrix: Array, labels: Array, rows: Array | None) -> tuple[Array, Array]:
    """The same, in float32 but for the rows in doubt."""
    classes, width = model.weight.shape
    chunk = max(64, _CHUNK // (4 * (classes + width)))
    weight = model.weight.astype(np.float64)
    bias = np.zeros(classes) if model.bias is None else model.bias.astype(np.float64)
    # |fl(w.x + b) - (w.x + b)| <= (D + 4) u (|w||x| + |b|), Higham 2002, (3.5), with W, x and b rounded before; twice
    # that in a difference, which is rounded itself.
    unit = 2 * (width + 8) * _UNIT
    longest, highest = np.sqrt(np.max(np.sum(weight**2, axis=1))), np.max(np.abs(bias), initial=0)
    there = jax.device_put([weight.astype(np.float32), bias.astype(np.float32)])
    allowed = np.array([unit * longest, unit * highest], np.float32)
    parts = []
    for start in range(0, len(labels), chunk):
        some = slice(start, start + chunk)
        piece = matrix[some] if rows is None else matrix[rows[some]]
        if model.mean is not None and model.scale is not None:
            piece = (piece.astype(np.float64) - model.mean) / model.scale
        short = ((0, chunk - len(piece)), (0, 0))  # the last one: a program is made for one size
        found = _judge(
            np.pad(piece.astype(np.float32), short), np.pad(labels[some].astype(np.int32), short[0]), *there, allowed
        )
        parts.append([np.asarray(part)[: len(piece)] for part in found])
    losses, before, doubt = (np.concatenate(column) for column in zip(*parts, strict=True))
    losses, again = losses.astype(np.float64), np.flatnonzero(doubt)
    if len(again):
        losses[again], before[again] = _wide(model, matrix, labels[again], again if rows is None else rows[again])
    return losses, before


@jax.jit
def _judge(rows: Any, labels: Any, weight: Any, bias: Any, allowed: Any) -> tuple[Any, Any, Any]:
    """-log p[label], how many classes surely come before the label, and whether that could count otherwise."""
    logits = jnp.matmul(rows, weight.T, precision="highest") + bias[None, :]
    apart = logits - jnp.take_along_axis(logits, labels[:, None], axis=1)
    bound = allowed[0] * jnp.sqrt(jnp.sum(rows * rows, axis=1)) + allowed[1]
    surely = jnp.sum(apart > bound[:, None], axis=1)
    perhaps = jnp.sum(apart >= -bound[:, None], axis=1) - 1  # without the label itself
    near = ((surely < 1) & (perhaps >= 1)) | ((surely < 5) & (perhaps >= 5))
    # Beyond that float64's own probabilities are 0, and equal.
    far = jnp.max(apart, axis=1) - jnp.min(apart, axis=1) > _FAR
    return jax.nn.logsumexp(apart, axis=1), surely, near | far | ~(bound <= _COARSE)
