"""How good a model is on images that it was not trained on."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto import model
from manual_vs_auto.model import LOSSES, Loss, Params
from manual_vs_auto.train.epoch import batch_of

Labels: TypeAlias = np.ndarray[Any, np.dtype[np.int32]]
_FEW = 10  # test images of a class, up to which it tells nothing that none is predicted
PIECE = 1000  # images at a time: each takes at least four bytes a pixel while it is evaluated


@dataclass(frozen=True)
class Evaluation:
    """A model on test images.

    loss:      the mean per example.
    median:    of the examples' losses.
    accuracy:  the share that is right, 0..1.
    by_class:  of every class that has images: (label, how many, how many right).
    confusion: the mistake most made, (label, what it is taken for, how often), or None.
    unused:    classes that have more than a few images and are never predicted.
    classes:   K, of the model: the test images may have fewer.
    """

    loss: float
    median: float
    accuracy: float
    by_class: tuple[tuple[int, int, int], ...]
    confusion: tuple[int, int, int] | None
    unused: tuple[int, ...]
    classes: int


def make_evaluator(loss: Loss) -> Any:
    """A jitted function of (params, images [M, D], labels [M]) to (losses [M], predictions [M])."""

    def evaluate(params: Params, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        def piece(_: None, index: jax.Array) -> tuple[None, tuple[jax.Array, jax.Array]]:
            batch = batch_of(images, labels, index)
            logits = model.logits(params, batch.images)
            return None, (LOSSES[loss].primal(logits, batch.labels), jnp.argmax(logits, -1).astype(jnp.int32))

        examples = len(labels)
        size = min(PIECE, examples)
        index = jnp.arange(-(-examples // size) * size, dtype=jnp.int32).reshape(-1, size)
        _, (losses, predictions) = jax.lax.scan(piece, None, index)
        return losses.reshape(-1)[:examples], predictions.reshape(-1)[:examples]

    return jax.jit(evaluate)


def summarised(losses: Any, predictions: Labels, labels: Labels, classes: int) -> Evaluation:
    """The evaluation of predictions [M] against labels [M]."""
    right = predictions == labels
    counts = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels[right], minlength=classes)
    present = np.flatnonzero(counts)
    pairs, times = np.unique(
        labels[~right].astype(np.int64) * classes + predictions[~right].astype(np.int64), return_counts=True
    )
    confusion = None
    if len(pairs):
        worst = int(np.argmax(times))
        confusion = (*divmod(int(pairs[worst]), classes), int(times[worst]))
    return Evaluation(
        loss=float(np.mean(losses, dtype=np.float64)),
        median=float(np.median(losses)),
        accuracy=float(np.mean(right)),
        by_class=tuple((int(label), int(counts[label]), int(hits[label])) for label in present),
        confusion=confusion,
        unused=tuple(int(label) for label in np.setdiff1d(np.flatnonzero(counts > _FEW), predictions)),
        classes=classes,
    )
