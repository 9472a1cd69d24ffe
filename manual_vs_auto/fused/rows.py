"""The loss of a row and its gradient by the logits, from a few numbers that stream.

For a row of logits z with label t and its maximum m, write E_k = exp(z_k - m) and

    A = sum_{k != t} E_k        T = E_t        S = A + T        R, Q: the sums of E_k, E_k^2 over k != t with E_k < 1

Then p_k = E_k / S is notes (6), and u = 1 - p_t = A / S, without a subtraction that could cancel where p_t is almost 1.
With n, the classes at the maximum beside the label, q = sum_{k != t} p_k^2 = (n + Q) / S^2. When m rises by delta,
what is summed scales by exp(-delta), its squares by exp(-2 delta), and the classes that were at the maximum are below
it: these numbers can be had from any cut of the row into pieces.

Both losses have a gradient by the logits that is a polynomial of E_k with coefficients of the row, but at the label:

    dL/dz_k = E_k (quadratic E_k + linear) + constant, k != t        dL/dz_t = at_label

so whoever has a logit again needs no more than these to have its gradient. Of squared distance, 2 p_k (p_k + c) with
c = p_t u - q, the class of a row that is sure and wrong would cancel: p_k is almost 1, c almost -1. At the maximum
p_k - q = p_k (R + T) / S - Q / S^2 does not: at_top.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from manual_vs_auto.fused import pieces
from manual_vs_auto.fused.beside import Beside, added_beside, beside_of, no_beside, raised_beside
from manual_vs_auto.fused.logits import finite, maximum_of, picked
from manual_vs_auto.fused.options import Options
from manual_vs_auto.fused.sums import sums


class Piece(NamedTuple):
    """Some classes' logits of rows.

    logits:  [N, k].
    labels:  int32 [N], counted from the first of these classes: outside 0..k-1 where another piece has it.
    fresh:   boolean [k], False for a class that does not count, since the piece before has it or there is no such.
    indices: int32 [k], which classes they are. groups: how many blocks of them are one after the other: see `Cut`.
    padded:  whether there may be no such class.
    """

    logits: jax.Array
    labels: jax.Array
    fresh: jax.Array
    indices: jax.Array
    groups: int = 1
    padded: bool = False

    @property
    def is_label(self) -> jax.Array:
        """Boolean [N, k], True where a row's label is."""
        return lax.broadcasted_iota(jnp.int32, self.logits.shape, 1) == self.labels[:, None]


class Row(NamedTuple):
    """What a loss needs to know of a row of logits, or of a piece of it. Each is [N].

    maximum: m, of all its logits.
    others:  A.
    ties:    n, as the sum of E_k^2 where E_k is 1; below: R; squares: Q. 0 where only cross-entropy is wanted.
    label:   z_t; 0 in a piece that does not have the label.
    total:   sum_k z_k where label smoothing asks for it, else 0.
    beside:  what is asked for beside the loss.
    """

    maximum: jax.Array
    others: jax.Array
    ties: jax.Array
    below: jax.Array
    squares: jax.Array
    label: jax.Array
    total: jax.Array
    beside: Beside = Beside()


class Slopes(NamedTuple):
    """The coefficients of dL/dz above, each [N], times a cotangent of the row's loss."""

    quadratic: jax.Array
    linear: jax.Array
    constant: jax.Array
    at_label: jax.Array
    at_top: jax.Array


def exponentials(piece: Piece, maximum: jax.Array) -> jax.Array:
    """E_k where k is another class than the label and counts, else 0. [N, k]."""
    counts = ~piece.is_label & piece.fresh[None, :]
    difference = piece.logits - finite(maximum)[:, None]
    # Another program may round the same product above the maximum, by far where the logits are huge.
    return jnp.where(counts, jnp.exp(jnp.where(difference > 0, 0, difference)), 0)


def row_of(piece: Piece, options: Options, maximum: jax.Array | None = None) -> tuple[Row, jax.Array]:
    """The numbers of a piece, and its `exponentials`. maximum: [N], if it is not the piece's own."""
    logits, labels, fresh = piece[:3]
    maximum = maximum_of(piece) if maximum is None else maximum
    exponential = exponentials(piece, maximum)
    zero = jnp.zeros_like(maximum)
    if options.loss == "squared_distance":
        others, ties, below, squares = sums(exponential, piece.groups)
    else:
        others, ties, below, squares = jnp.sum(exponential, axis=-1), zero, zero, zero
    at = jnp.clip(labels, 0, logits.shape[1] - 1)
    has_label = (at == labels) & fresh[at]
    row = Row(
        maximum,
        others,
        ties,
        below,
        squares,
        jnp.where(has_label, picked(logits, at, piece.groups), 0),
        jnp.sum(jnp.where(fresh[None, :], logits, 0), axis=-1) if options.uses("label_smoothing") else zero,
        beside_of(logits, exponential, maximum, piece.indices, options),
    )
    return row, exponential


def raised(row: Row, top: jax.Array) -> Row:
    """The numbers of a piece where the maximum is this one, [N]: with those of other pieces they add up."""
    beside = raised_beside(row.beside, row.maximum, row.others, top)
    return row._replace(maximum=top, **pieces.raised(*row[:5], top), beside=beside)


def merged(one: Row, other: Row) -> Row:
    """The numbers of two pieces of the same rows together."""
    top = jnp.maximum(one.maximum, other.maximum)
    one, other = raised(one, top), raised(other, top)
    return Row._make((top, *map(jnp.add, one[1:7], other[1:7]), added_beside(one.beside, other.beside)))


def parts(row: Row, options: Options) -> list[jax.Array]:
    """What a loss needs to know of a piece, each [N], as few as can be: these add up where the maximum is the same."""
    squared = options.loss == "squared_distance"
    smooth = options.uses("label_smoothing") and not squared
    return [row.label, *(pieces.few(*row[1:5]) if squared else row[1:2]), *([row.total] if smooth else [])]


def of_parts(row: Row, parts: list[jax.Array], options: Options) -> Row:
    """The row with the sums of the `parts` of all its pieces."""
    label, first, *rest = parts
    if options.loss == "squared_distance":
        return row._replace(
            label=label, others=first + rest[0], ties=first, below=rest[0], squares=jnp.zeros_like(first)
        )
    return row._replace(label=label, others=first, total=rest[0] if rest else row.total)


def nothing(zero: jax.Array, options: Options) -> Row:
    """The numbers of rows of no class: zero is [N]."""
    return Row(jnp.full_like(zero, -jnp.inf), zero, zero, zero, zero, zero, zero, no_beside(zero, options))


def losses_of(row: Row, classes: int, options: Options) -> jax.Array:
    """The loss of each row, [N].

    Source: notes (7): L = u^2 + q. With label smoothing e the target is (1 - e) y + e / K, so
            L = q - 2 a u + (K - 1) a^2 + (u - e + a)^2, a = e / K.
            Cross-entropy: (m - z_t) + log S; smoothed, (1 - e) of that and e of the mean over all classes.
            z_loss adds its multiple of (m + log S)^2.
    """
    top, log_sum = jnp.exp(row.label - finite(row.maximum)), log_sum_of(row)
    e = options.label_smoothing
    if options.loss == "cross_entropy":
        loss = (row.maximum - row.label) + log_sum
        if options.uses("label_smoothing"):
            loss = (1 - e) * loss + e * ((row.maximum - row.total / classes) + log_sum)
    else:
        normaliser = row.others + top
        u, q, a = row.others / normaliser, (row.ties + row.squares) / normaliser**2, e / classes
        loss = q + u * u
        if options.uses("label_smoothing"):
            loss = q - 2 * a * u + (classes - 1) * a**2 + (u - e + a) ** 2
    return loss + options.z_loss * (row.maximum + log_sum) ** 2 if options.uses("z_loss") else loss


def log_sum_of(row: Row) -> jax.Array:
    """log S, [N]. Where the label is the maximum T - 1 is 0, and A keeps its digits."""
    return jnp.log1p(row.others + (jnp.exp(row.label - finite(row.maximum)) - 1))


def aux_of(row: Row, options: Options) -> dict[str, jax.Array]:
    """What is asked for beside the loss of each row, [N].

    Source: notes (6). log p_t = (z_t - m) - log S, and the entropy -sum_k p_k log p_k = log S - sum_k p_k (z_k - m).
    """
    log_sum, maximum, beside = log_sum_of(row), finite(row.maximum), row.beside
    found = {"log_prob": (row.label - maximum) - log_sum, "log_sum_exp": maximum + log_sum}
    if beside.spread is not None:
        top = jnp.exp(row.label - maximum)
        at_label = jnp.where(top > 0, top * (row.label - maximum), 0)
        found["entropy"] = log_sum - (beside.spread + at_label) / (row.others + top)
    if beside.best is not None:
        found["argmax"] = beside.best.astype(jnp.int32)
    return {name: found[name] for name in options.aux}


def slopes_of(row: Row, cotangent: jax.Array, classes: int, options: Options) -> Slopes:
    """The coefficients of dL/dz times the cotangent [N].

    Source: notes (9). dL/dz_k = 2 p_k (p_k + c), k != t, with c = p_t (u - e) - q; dL/dz_t = -2 p_t (q + u (u - e)).
            Cross-entropy: p - y, smoothed p - (1 - e) y - e / K; at the label -u + e - e / K.
            z_loss: 2 z_loss (m + log S) p.
    """
    top = jnp.exp(row.label - finite(row.maximum))
    normaliser = row.others + top
    inverse, zero = cotangent / normaliser, jnp.zeros_like(cotangent)
    e, a = options.label_smoothing, options.label_smoothing / classes
    if options.loss == "cross_entropy":
        slopes = Slopes(zero, inverse, -a * cotangent, (e - a) * cotangent - row.others * inverse, zero)
    else:
        p, u, q = top / normaliser, row.others / normaliser, (row.ties + row.squares) / normaliser**2
        spread = (row.below + top) / normaliser**2 - row.squares / normaliser**2
        slopes = Slopes(
            quadratic=2 * inverse / normaliser,
            linear=2 * inverse * (p * (u - e) - q),
            constant=zero,
            at_label=-2 * cotangent * p * (q + u * (u - e)),
            at_top=2 * inverse * (p * (u - e) + spread),
        )
    if not options.uses("z_loss"):
        return slopes
    pull = 2 * options.z_loss * (row.maximum + jnp.log(normaliser)) * inverse
    return slopes._replace(
        linear=slopes.linear + pull, at_label=slopes.at_label + pull * top, at_top=slopes.at_top + pull
    )


def by_logits(piece: Piece, exponential: jax.Array, slopes: Slopes, options: Options) -> jax.Array:
    """dL/dz of a piece with these `exponentials`. [N, k]."""
    quadratic, linear, constant, at_label, at_top = (column[:, None] for column in slopes)
    if options.loss == "cross_entropy":
        gradient = exponential * linear
        if options.uses("label_smoothing"):
            gradient = gradient + jnp.where(piece.fresh[None, :], constant, 0)
    else:
        polynomial = exponential * (exponential * quadratic + linear)
        # The value of at_top with the derivative of the polynomial, which does not cancel where its value does.
        top = lax.stop_gradient(at_top) + (polynomial - lax.stop_gradient(polynomial))
        gradient = jnp.where(exponential < 1, polynomial, top)
    return jnp.where(piece.is_label, at_label, gradient)
