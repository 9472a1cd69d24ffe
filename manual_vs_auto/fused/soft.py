"""The loss of a row and its gradient by the logits where the target is a probability for each class.

For a row of logits z with targets y, its maximum m, E_k = exp(z_k - m), S = sum_k E_k and Y = sum_k y_k, notes (6) is
p_k = E_k / S, and

    cross-entropy     -sum_k y_k log p_k = Y log S + sum_k y_k (m - z_k)        dL/dz_k = Y p_k - y_k
    squared distance   sum_k (p_k - y_k)^2                                      dL/dz_k = 2 p_k (p_k - y_k - s)

with s = sum_k p_k (p_k - y_k), notes (9). Both are a polynomial of E_k and y_k with coefficients of the row:

    dL/dz_k = E_k (quadratic E_k + linear + cross y_k) + target y_k

The functions are those of `rows`, where the target is one class: what that says of cancelling is lost here.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from manual_vs_auto.fused.beside import Beside, added_beside, beside_of, no_beside, raised_beside
from manual_vs_auto.fused.logits import finite, maximum_of
from manual_vs_auto.fused.options import Options


class Piece(NamedTuple):
    """Some classes' logits of rows, [N, k], with their targets [N, k]. The rest is as in `rows.Piece`.

    complete: whether these are all classes.
    """

    logits: jax.Array
    targets: jax.Array
    fresh: jax.Array
    indices: jax.Array
    complete: bool
    padded: bool = False


class Row(NamedTuple):
    """What a loss needs to know of a row of logits, or of a piece of it. Each is [N].

    maximum: m. sum: S. mass: Y.
    gap:     sum_k y_k (m - z_k), for cross-entropy.
    distance, pull: sum_k (p_k - y_k)^2 and s, for squared distance, where the piece has all classes; else
    squares, agreement, targets: sum_k E_k^2, sum_k E_k y_k and sum_k y_k^2, from which they are had with fewer digits.
    """

    maximum: jax.Array
    sum: jax.Array
    mass: jax.Array
    gap: jax.Array
    squares: jax.Array
    agreement: jax.Array
    targets: jax.Array
    distance: jax.Array | None = None
    pull: jax.Array | None = None
    beside: Beside = Beside()


class Slopes(NamedTuple):
    """The coefficients of dL/dz above, each [N], times a cotangent of the row's loss."""

    quadratic: jax.Array
    linear: jax.Array
    cross: jax.Array
    target: jax.Array


def exponentials(piece: Piece, maximum: jax.Array) -> jax.Array:
    """E_k of the classes that count, else 0. [N, k]."""
    difference = piece.logits - finite(maximum)[:, None]
    return jnp.where(piece.fresh[None, :], jnp.exp(jnp.where(difference > 0, 0, difference)), 0)


def row_of(piece: Piece, options: Options, maximum: jax.Array | None = None) -> tuple[Row, jax.Array]:
    """The numbers of a piece, and its `exponentials`. maximum: [N], if it is not the piece's own."""
    maximum = maximum_of(piece) if maximum is None else maximum
    exponential = exponentials(piece, maximum)
    y = jnp.where(piece.fresh[None, :], piece.targets, 0)
    total, zero = jnp.sum(exponential, axis=1), jnp.zeros_like(maximum)
    row = Row(
        maximum, total, jnp.sum(y, axis=1), zero, zero, zero, zero,
        beside=beside_of(piece.logits, exponential, maximum, piece.indices, options),
    )  # fmt: skip
    if options.loss == "cross_entropy" or "log_prob" in options.aux:
        # A class of no probability adds nothing, also where its logit is -inf.
        gaps = jnp.where(y == 0, 0, y * (finite(maximum)[:, None] - piece.logits))
        row = row._replace(gap=jnp.sum(gaps, axis=1))
    if options.loss == "squared_distance" and piece.complete:
        p = exponential / total[:, None]
        row = row._replace(distance=jnp.sum((p - y) ** 2, axis=1), pull=jnp.sum(p * (p - y), axis=1))
    elif options.loss == "squared_distance":
        sums = [jnp.sum(term, axis=1) for term in (exponential**2, exponential * y, y * y)]
        row = row._replace(squares=sums[0], agreement=sums[1], targets=sums[2])
    return row, exponential


def raised(row: Row, top: jax.Array) -> Row:
    """The numbers of a piece where the maximum is this one, [N]: with those of other pieces they add up."""
    factor, rise = jnp.exp(row.maximum - finite(top)), finite(top) - finite(row.maximum)
    return row._replace(
        maximum=top,
        sum=factor * row.sum,
        gap=row.gap + jnp.where(row.mass == 0, 0, rise * row.mass),
        squares=factor**2 * row.squares,
        agreement=factor * row.agreement,
        beside=raised_beside(row.beside, row.maximum, row.sum, top),
    )


def merged(one: Row, other: Row) -> Row:
    """The numbers of two pieces of the same rows together."""
    top = jnp.maximum(one.maximum, other.maximum)
    one, other = raised(one, top), raised(other, top)
    added = map(jnp.add, one[1:7], other[1:7])
    return Row._make((top, *added, None, None, added_beside(one.beside, other.beside)))


def parts(row: Row, options: Options) -> list[jax.Array]:
    """What is asked of a piece, each [N], as few as can be: these add up where the maximum is the same."""
    return [getattr(row, name) for name in _asked(options)]


def of_parts(row: Row, parts: list[jax.Array], options: Options) -> Row:
    """The row with the sums of the `parts` of all its pieces."""
    found: dict[str, Any] = dict(zip(_asked(options), parts, strict=True))
    return row._replace(**found)


def _asked(options: Options) -> list[str]:
    squared = options.loss == "squared_distance"
    logarithm = not squared or "log_prob" in options.aux
    return ["sum", *(["squares", "agreement", "targets"] if squared else []), *(["mass", "gap"] if logarithm else [])]


def nothing(zero: jax.Array, options: Options) -> Row:
    """The numbers of rows of no class: zero is [N]."""
    return Row(jnp.full_like(zero, -jnp.inf), zero, zero, zero, zero, zero, zero, beside=no_beside(zero, options))


def losses_of(row: Row, classes: int, options: Options) -> jax.Array:  # noqa: ARG001
    """The loss of each row, [N]. Source: notes (7)."""
    log_sum = jnp.log(row.sum)
    loss = row.mass * log_sum + row.gap if options.loss == "cross_entropy" else _distance_and_pull(row)[0]
    return loss + options.z_loss * (row.maximum + log_sum) ** 2 if options.uses("z_loss") else loss


def slopes_of(row: Row, cotangent: jax.Array, classes: int, options: Options) -> Slopes:  # noqa: ARG001
    """The coefficients of dL/dz times the cotangent [N]. Source: notes (9); z_loss: 2 z_loss (m + log S) p."""
    inverse, zero = cotangent / row.sum, jnp.zeros_like(cotangent)
    if options.loss == "cross_entropy":
        slopes = Slopes(zero, row.mass * inverse, zero, -cotangent)
    else:
        _, pull = _distance_and_pull(row)
        slopes = Slopes(2 * inverse / row.sum, -2 * inverse * pull, -2 * inverse, zero)
    if not options.uses("z_loss"):
        return slopes
    return slopes._replace(linear=slopes.linear + 2 * options.z_loss * (row.maximum + jnp.log(row.sum)) * inverse)


def by_logits(piece: Piece, exponential: jax.Array, slopes: Slopes, options: Options) -> jax.Array:
    """dL/dz of a piece with these `exponentials`. [N, k]."""
    quadratic, linear, cross, target = (column[:, None] for column in slopes)
    if options.loss == "cross_entropy":
        return exponential * linear + target * piece.targets
    return exponential * (quadratic * exponential + linear + cross * piece.targets)


def aux_of(row: Row, options: Options) -> dict[str, jax.Array]:
    """What is asked for beside the loss of each row, [N]: `rows.aux_of`, where log_prob is sum_k y_k log p_k."""
    log_sum, beside = jnp.log(row.sum), row.beside
    found = {"log_sum_exp": finite(row.maximum) + log_sum, "log_prob": -(row.mass * log_sum + row.gap)}
    if beside.spread is not None:
        found["entropy"] = log_sum - beside.spread / row.sum
    if beside.best is not None:
        found["argmax"] = beside.best
    return {name: found[name] for name in options.aux}


def _distance_and_pull(row: Row) -> tuple[jax.Array, jax.Array]:
    if row.distance is not None and row.pull is not None:
        return row.distance, row.pull
    mean, agreement = row.squares / row.sum**2, row.agreement / row.sum
    return jnp.maximum(mean - 2 * agreement + row.targets, 0), mean - agreement
