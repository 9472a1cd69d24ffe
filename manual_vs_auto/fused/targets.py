"""What the rows should be, how much each counts, and which must not be read."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from manual_vs_auto.fused import rows, soft
from manual_vs_auto.fused.arguments import Arguments
from manual_vs_auto.fused.chunks import Cut
from manual_vs_auto.fused.classes import all_classes, are_classes, first_class, highest, of_labels, summed
from manual_vs_auto.fused.options import Options


class Targets(NamedTuple):
    """What the rows should be: labels int32 [N]; or dense, floating [N, K]; or ids int32 [N, k] with probabilities.

    labels and ids count from the first class of this device, which has them all but with `options.classes_axis`.
    unread: boolean [N], True for a row of dense targets that must reach nothing, or None.
    """

    labels: jax.Array | None = None
    dense: jax.Array | None = None
    ids: jax.Array | None = None
    probabilities: jax.Array | None = None
    unread: jax.Array | None = None

    @property
    def kind(self) -> Any:
        """The module that knows such rows."""
        return soft if self.labels is None else rows

    def of_rows(self, cut: Cut, at: jax.Array) -> "Targets":
        """Those of a chunk of rows."""
        return Targets(*(None if array is None else cut.take(array, at) for array in self))

    def of_classes(self, cut: Cut, at: jax.Array, logits: jax.Array, options: Options) -> jax.Array:
        """The targets of a chunk of classes, smoothed, in the shape and dtype of its logits [N, k]."""
        e, y = options.label_smoothing, self._dense(cut, at, logits)
        smoothed = (1 - e) * y + e / all_classes(options, cut.length) if options.uses("label_smoothing") else y
        there = are_classes(options, cut.length, cut.indices(at))
        return jnp.where(there[None, :], smoothed, 0)

    def _dense(self, cut: Cut, at: jax.Array, logits: jax.Array) -> jax.Array:
        if self.dense is not None:
            dense = cut.take(self.dense, at, 1).astype(logits.dtype)
            return dense if self.unread is None else jnp.where(self.unread[:, None], 0, dense)
        ids: Any = self.ids
        probabilities: Any = self.probabilities
        size = logits.shape[1]
        place = cut.place(ids, at)
        place = jnp.where((place >= 0) & (place < size), place, size)  # which is dropped
        row = lax.broadcasted_iota(jnp.int32, ids.shape, 0)
        return jnp.zeros_like(logits).at[row, place].add(probabilities.astype(logits.dtype), mode="drop")


def has_weights(arguments: Arguments) -> bool:
    """Whether the rows have weights, and not only a mask."""
    return arguments.sample_weight is not None and arguments.sample_weight.dtype != bool


def targets_of(arguments: Arguments, wide: Any, options: Options) -> tuple[Targets, jax.Array, jax.Array]:
    """What each row should be; how much it counts, [N]; and whether it is left out, boolean [N].

    A label that is none of the classes makes NaN of what depends on it, but where its row counts nothing.
    """
    held, count = arguments.weight.shape[options.class_axis], math.prod(arguments.inputs.shape[:-1])
    classes = all_classes(options, held)
    given, by_class, chances = arguments.sample_weight, arguments.class_weight, arguments.label_probabilities
    counts = jnp.ones((count,), wide) if given is None else given.reshape(count).astype(wide)
    masked = jnp.zeros((count,), bool) if given is None or has_weights(arguments) else ~given.reshape(count)
    if arguments.are_targets:
        dense = arguments.labels.reshape(count, held)
        if by_class is not None:
            there = are_classes(options, held, jnp.arange(held, dtype=jnp.int32))
            weights = jnp.where(there, by_class.astype(wide), 0)
            chances = jnp.where(there[None, :], dense.astype(wide), 0)
            counts = counts * summed(jnp.sum(chances * weights[None, :], axis=1), options)
        return Targets(dense=dense), counts, masked
    # Wide enough for every class; a wide label stays as wide, or 2^32 + 1 would be class 1.
    labels = arguments.labels if arguments.labels.dtype.itemsize >= 4 else arguments.labels.astype(jnp.int32)
    labels = labels.reshape(count, 1 if chances is None else labels.shape[-1])
    ignored = jnp.zeros(labels.shape, bool)
    span = jnp.iinfo(labels.dtype)
    if options.ignore_label is not None and span.min <= options.ignore_label <= span.max:
        ignored = labels == options.ignore_label
    within = (labels >= 0) & (labels < classes)
    labels = jnp.where(within, labels, 0).astype(jnp.int32)
    chances = jnp.ones(labels.shape, wide) if chances is None else chances.reshape(labels.shape).astype(wide)
    chances = jnp.where(ignored, 0, chances)
    known = jnp.all(within | (chances == 0), axis=1)
    labels = labels - first_class(options, held)
    if by_class is not None:
        weights = chances * of_labels(by_class.astype(wide), labels, options)
        counts = counts * summed(jnp.sum(weights, axis=1), options)
    left_out = masked | jnp.all(ignored, axis=1) | (~known & (counts == 0))
    counts = counts * jnp.where(known | left_out, 1, jnp.nan)
    if arguments.label_probabilities is None:
        return Targets(labels=labels[:, 0]), counts, left_out
    return Targets(ids=labels, probabilities=chances), counts, left_out


def unread_of(
    arguments: Arguments, targets: Targets, counts: jax.Array, left_out: jax.Array, wide: Any, options: Options
) -> jax.Array:
    """Boolean [N], True for the rows that must reach nothing: those left out, and some of those whose weight is 0.

    The loss of a row whose weight is 0 is the derivative by that weight. So it is read where it can be computed with:
    where no logit, nor its square, can overflow.
    """
    weight, inputs = jax.lax.stop_gradient(arguments[:2])
    held = weight.shape[options.class_axis]
    there = are_classes(options, held, jnp.arange(held, dtype=jnp.int32))
    sizes = jnp.sum(jnp.abs(inputs.astype(wide)), axis=-1).reshape(counts.shape)
    largest = jnp.max(jnp.abs(weight), initial=0, where=jnp.expand_dims(there, 1 - options.class_axis))
    reach = highest(sizes, options) * highest(largest.astype(wide), options)
    if targets.dense is not None:
        dense = jnp.sum(jnp.abs(targets.dense.astype(wide)), axis=1, where=there[None, :])
        reach = reach + highest(jax.lax.stop_gradient(dense), options)
    computable = reach < float(jnp.finfo(wide).max) ** 0.5
    unread: jax.Array = left_out | ((counts == 0) & ~computable)
    return unread
