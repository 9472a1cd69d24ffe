"""What the author's sample never held: labels, indices, lengths and masks that are integers, and bounds."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus.functions import normal, positive, slope_vjp
from tests.corpus.functions_layers import log_softmax, softmax
from tests.corpus.item import Item
from tests.corpus.reports.pair import Wrong, pair
from tests.corpus.reports.rounding import ignoring, ignoring_grad

Vjp = tuple[Any, ...]
IDS = np.array([2, 0, 3], np.int32)
TABLE, ROWS = normal(1, 4, 3), normal(2, 4, 5)
LABELS = np.array([1, 3, 0, 4], np.int32)
INSIDE = np.array([-0.6, -0.3, 0.1, 0.4, 0.7], np.float32)


def padded(table: Any, ids: Any) -> Any:
    """Row 0 stands for padding, and gives zeros."""
    return jnp.asarray(table)[ids] * (ids != 0)[:, None]


def padded_vjp(ct: Any, table: Any, ids: Any, masked: bool = True) -> Vjp:
    return (jnp.zeros_like(table).at[ids].add(ct * (ids != 0)[:, None] if masked else ct),)


def taken(table: Any, ids: Any) -> Any:
    return jnp.asarray(table)[ids]


def taken_vjp(ct: Any, table: Any, ids: Any) -> Vjp:
    return (jnp.zeros_like(table).at[ids].add(ct),)


def _taken_by_hot(ct: Any, table: Any, ids: Any) -> Vjp:
    return (jax.nn.one_hot(ids, table.shape[0], dtype=table.dtype).T @ ct,)


def clamped(table: Any, ids: Any) -> Any:
    return jnp.asarray(table)[jnp.clip(ids, 0, table.shape[0] - 1)]


def clamped_vjp(ct: Any, table: Any, ids: Any) -> Vjp:
    return taken_vjp(ct, table, jnp.clip(ids, 0, table.shape[0] - 1))


def scaled_at(x: Any, ids: Any, updates: Any) -> Any:
    """x with each entry of ids multiplied by its updates, as often as it is named."""
    return x * jnp.prod(jnp.where(ids[:, None] == jnp.arange(x.shape[0]), updates[:, None], 1.0), 0)


def scaled_at_vjp(ct: Any, x: Any, ids: Any, updates: Any, once: bool = False) -> Vjp:
    same = (ids[:, None] == ids[None, :]) & ~jnp.eye(ids.shape[0], dtype=bool)
    others = jnp.prod(jnp.where(same, updates[None, :], 1.0), 1)
    return scaled_at(ct, ids, updates), (ct * x)[ids] * (1.0 if once else others)


def _hot(ids: Any, like: Any) -> Any:
    return jax.nn.one_hot(ids, 3, dtype=like.dtype)


def group_means(x: Any, ids: Any) -> Any:
    """Of three groups; a group of none has 0. x: [N]."""
    hot = _hot(ids, x)
    return x @ hot / jnp.maximum(jnp.sum(hot, 0), 1.0)


def group_means_vjp(ct: Any, x: Any, ids: Any, counts: Any = lambda hot: jnp.maximum(jnp.sum(hot, 0), 1.0)) -> Vjp:
    hot = _hot(ids, x)
    return (hot @ (ct / counts(hot)),)


def group_maxima(x: Any, ids: Any) -> Any:
    """0 for a group of none."""
    top = jnp.max(jnp.where(_hot(ids, x) > 0, x[:, None], -jnp.inf), 0)
    return jnp.where(jnp.isfinite(top), top, 0.0)


def group_maxima_vjp(ct: Any, x: Any, ids: Any) -> Vjp:
    inside = jnp.where(_hot(ids, x) > 0, x[:, None], -jnp.inf)
    first = jax.nn.one_hot(jnp.argmax(inside, 0), x.shape[0], dtype=x.dtype)
    return ((ct * jnp.any(_hot(ids, x) > 0, axis=0)) @ first,)


def mean_over_time(x: Any, lengths: Any) -> Any:
    """x: [B, T]; lengths: [B], at most T."""
    return jnp.sum(x * _within(x, lengths), 1) / jnp.maximum(lengths, 1)


def _within(x: Any, lengths: Any) -> Any:
    return (jnp.arange(x.shape[1]) < lengths[:, None]).astype(x.dtype)


def mean_over_time_vjp(ct: Any, x: Any, lengths: Any) -> Vjp:
    return (ct[:, None] * _within(x, lengths) / jnp.maximum(lengths, 1)[:, None],)


def dropped(x: Any, kept: Any) -> Any:
    return jnp.where(kept != 0, x / 0.75, 0.0)


def rotated(x: Any, positions: Any) -> Any:
    """Rotary embedding by halves; x: [T, 2 d]."""
    first, second = jnp.split(x, 2, -1)
    cos, sin = _turns(first, positions)
    return jnp.concatenate([first * cos - second * sin, first * sin + second * cos], -1)


def _turns(half: Any, positions: Any) -> Any:
    angle = positions[:, None] * 10.0 ** -jnp.arange(half.shape[-1], dtype=half.dtype)
    return jnp.cos(angle).astype(half.dtype), jnp.sin(angle).astype(half.dtype)


def weighted_loss(logits: Any, labels: Any, weights: Any) -> Any:
    w = weights[labels]
    return -jnp.sum(w * jnp.take_along_axis(log_softmax(logits), labels[:, None], 1)[:, 0]) / jnp.sum(w)


def weighted_loss_grad(logits: Any, labels: Any, weights: Any, evenly: bool = False) -> Any:
    w = weights[labels]
    hot = jax.nn.one_hot(labels, logits.shape[1], dtype=logits.dtype)
    return w[:, None] * (softmax(logits) - hot) / (labels.shape[0] if evenly else jnp.sum(w))


def quantised(x: Any) -> Any:
    """In steps of a quarter from -1 to 1."""
    return jnp.round(jnp.clip(x, -1.0, 1.0) * 4.0) / 4.0


def _straight(through: Any) -> Any:
    return slope_vjp(lambda x: through(x).astype(x.dtype))


CLIP = {"surrogate": lambda x: jnp.clip(x, -1.0, 1.0)}
MASK = ("mask", "entry", "term", "ignored")
ITEMS: list[Item] = [
    *pair("ignored labels", "gradient", ignoring, None, (ROWS, LABELS),
          Wrong("not masked, none in the sample", lambda z, y: ignoring_grad(z, y, masked=False), MASK),
          Wrong("averaged over all rows, none in the sample", lambda z, y: ignoring_grad(z, y, count=False),
                ("factor", "reduction", "count"))),
    *pair("embedding with padding", "vjp", padded, padded_vjp, (TABLE, np.array([1, 0, 3, 3], np.int32)),
          Wrong("padding trained too, none in the sample", lambda ct, t, i: padded_vjp(ct, t, i, False), MASK,
                (TABLE, np.array([1, 2, 3], np.int32)))),
    *pair("rows by negative indices", "vjp", taken, taken_vjp, (TABLE, np.array([-1, 0, -4, 2], np.int32)),
          Wrong("one-hot, which knows none below 0", _taken_by_hot, MASK)),
    # JAX takes -1 from the end unasked: whoever passes none below 0 is right with a one-hot.
    *pair("rows by a one-hot", "vjp", taken, _taken_by_hot, (TABLE, IDS)),
    *pair("rows by clamped indices", "vjp", clamped, clamped_vjp, (TABLE, np.array([-2, 9, 1], np.int32)),
          Wrong("not clamped going back", taken_vjp, MASK, (TABLE, IDS))),
    *pair("scatter by multiplication", "vjp", scaled_at, scaled_at_vjp,
          (normal(3, 4), np.array([1, 1, 3], np.int32), positive(4, 3)),
          Wrong("repeats forgotten, none in the sample", partial(scaled_at_vjp, once=True), ("term", "repeats"),
                (normal(3, 4), IDS, positive(4, 3)))),
    *pair("means of groups, one of them empty", "vjp", group_means, group_means_vjp,
          (normal(5, 6), np.array([0, 2, 2, 0, 0, 2], np.int32)),
          Wrong("0 / 0 of an empty group", lambda ct, x, i: group_means_vjp(ct, x, i, lambda hot: jnp.sum(hot, 0)),
                ("division", "mask"), (normal(5, 6), np.array([0, 1, 2, 0, 1, 2], np.int32))),
          Wrong("by the size of an even share", lambda ct, x, i: group_means_vjp(ct, x, i, lambda hot: x.shape[0] / 3),
                ("count", "statistics"), (normal(5, 6), np.array([0, 1, 2, 0, 1, 2], np.int32)))),
    *pair("maxima of groups, one of them empty", "vjp", group_maxima, group_maxima_vjp,
          (normal(6, 5), np.array([0, 2, 2, 0, 0], np.int32))),
    *pair("mean over time by lengths", "vjp", mean_over_time, mean_over_time_vjp,
          (normal(7, 3, 4), np.array([4, 2, 0], np.int32)),
          Wrong("over the whole time, all of full length",
                lambda ct, x, n: (jnp.broadcast_to(ct[:, None] / x.shape[1], x.shape),), ("mask", "count"),
                (normal(7, 3, 4), np.array([4, 4, 4], np.int32))),
          Wrong("masked, but over the whole time", lambda ct, x, n: (ct[:, None] * _within(x, n) / x.shape[1],),
                ("factor", "count"), (normal(7, 3, 4), np.array([4, 4, 4], np.int32)))),
    *pair("dropout with its mask", "custom vjp", dropped, lambda ct, x, kept: (jnp.where(kept != 0, ct / 0.75, 0.0),
          None),
          (normal(8, 6), np.array([1, 0, 1, 1, 0, 1], np.int32)),
          Wrong("mask forgotten, nothing dropped", lambda ct, x, kept: (ct / 0.75, None), ("mask", "weight"),
                (normal(8, 6), np.ones(6, np.int32))),
          Wrong("not scaled up", lambda ct, x, kept: (jnp.where(kept != 0, ct, 0.0), None),
                ("factor", "scale", "term"))),
    *pair("rotary embedding", "vjp", rotated, lambda ct, x, at: (rotated(ct, -at),),
          (normal(9, 3, 4), np.array([0, 1, 5], np.int32)),
          Wrong("rotated forwards, sample at position 0", lambda ct, x, at: (rotated(ct, at),), ("untransposed",),
                (normal(9, 1, 4), np.zeros(1, np.int32)))),
    *pair("cross-entropy with weights of classes", "gradient", weighted_loss, weighted_loss_grad,
          (ROWS, LABELS, positive(10, 5)),
          Wrong("over the rows for over the weights, weights of one",
                lambda z, y, w: weighted_loss_grad(z, y, w, True), ("count",), (ROWS, LABELS, np.ones(5, np.float32)))),
    *pair("quantisation, straight through within its bounds", "custom vjp", quantised,
          _straight(lambda x: jnp.abs(x) <= 1.0), (np.array([-3, -1, 0.2, 1, 1.5], np.float32),),
          Wrong("straight through beyond them, sample inside", _straight(jnp.ones_like), ("one_side", "mask", "term"),
                (INSIDE,)),
          Wrong("nothing where the rounded is a bound, sample inside", _straight(lambda x: jnp.abs(quantised(x)) < 1.0),
                ("one_side", "mask"), (INSIDE,)), **CLIP),
]  # fmt: skip
