"""Softmax, notes (6), and its Jacobian, notes (8)."""

from typing import NamedTuple

import numpy as np

from manual_vs_auto.rules.floating import expect_shape, narrowed, widened
from manual_vs_auto.rules.rule import Array, Derivatives, Primals, Rule


class Exponentials(NamedTuple):
    """exp(z - m) of a row of logits, held so that nothing overflows and nothing cancels.

    Source: notes (6). The same m may be taken from every z: exp(-m) then stands above and below. With
            m = max(z) no exponent is positive, so nothing overflows, and one term of the sum is 1, so
            nothing is divided by zero.

    The largest logit's own difference is the constant 0, not z - z. The value is the same; but a
    derivative taken through this code, by hand or by machine, gets that logit's share as minus the sum
    of the others' and never as 1 - (almost 1): a saturated row keeps its digits.

    differences: z - m, [..., K] <= 0.
    top:         boolean [..., K], true once a row, where the largest logit (the first of ties) stands.
    terms:       exp(z - m), [..., K] in 0..1.
    others:      the sum of the terms but the largest, [..., 1].
    """

    differences: Array
    top: Array
    terms: Array
    others: Array

    @property
    def probabilities(self) -> Array:
        """p of notes (6), [..., K]."""
        return self.terms / (1 + self.others)

    @property
    def doubt(self) -> Array:
        """1 - max(p) without the subtraction, [..., 1]."""
        return self.others / (1 + self.others)


def largest(rows: Array) -> Array:
    """Where the largest of each row [..., K] stands, the first of ties: boolean [..., K], true once a row."""
    xp = rows.__array_namespace__()
    count = rows.shape[-1]
    classes = xp.broadcast_to(xp.arange(count, dtype=xp.int32), rows.shape)
    if isinstance(rows, np.ndarray):
        return classes == np.argmax(rows, axis=-1)[..., None]
    # Two plain reductions, which XLA takes a vector at a time; its argmax goes number by number.
    highest = (rows == xp.max(rows, axis=-1, keepdims=True)) | xp.isnan(rows)
    return classes == xp.min(xp.where(highest, classes, count), axis=-1, keepdims=True)


def exponentials(logits: Array) -> Exponentials:
    """The exponentials of widened logits [..., K]. ValueError if there is no class."""
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise ValueError(f"logits must have at least one class on the last axis, not shape {logits.shape}")
    xp = logits.__array_namespace__()
    top = largest(logits)
    differences = xp.where(top, 0, logits - xp.sum(xp.where(top, logits, 0), axis=-1, keepdims=True))
    terms = xp.exp(differences)
    others = xp.sum(xp.where(top, 0, terms), axis=-1, keepdims=True)
    return Exponentials(differences, top, terms, others)


def surplus(row: Exponentials, targets: Array, mass: Array) -> Array:
    """mass * p - y without cancellation where p is almost 1: notes (7)'s yhat - y when mass is 1. [..., K].

    At the largest p it is (mass - y) - mass * (1 - p): exact for one-hot y, where mass - y is 0 or 1.
    """
    xp = targets.__array_namespace__()
    return xp.where(row.top, (mass - targets) - mass * row.doubt, mass * row.probabilities - targets)


def balanced(values: Array, top: Array) -> Array:
    """Values that sum to zero along the last axis, the one at the top made minus the sum of the others.

    Whatever is taken back through softmax sums to zero: the same number added to every logit changes
    nothing. The value at the largest p is the one that would cancel.
    """
    xp = values.__array_namespace__()
    others = xp.where(top, 0, values)
    return xp.where(top, -xp.sum(others, axis=-1, keepdims=True), others)


def softmax(logits: Array) -> Array:
    """Softmax along the last axis.

    Source:  notes (6). p_i = exp(z_i - m) / sum_k exp(z_k - m), m = max(z).
    Args:    logits: floating [..., K]. -inf is a class that can't be, as long as one is finite.
    Returns: probabilities [..., K], same dtype, each row sums to 1.
    Raises:  TypeError if logits is not floating, ValueError if there is no class.
    Example:
        >>> softmax(np.array([0.0, 0.0]))
        array([0.5, 0.5])
    """
    return narrowed(exponentials(widened("logits", logits)).probabilities, logits.dtype)


def softmax_jacobian(logits: Array) -> Derivatives:
    """Source: notes (8). dp_i/dz_i = p_i (1 - p_i), dp_i/dz_j = -p_i p_j; diag(p) - p p^T. [..., K, K].

    Example:
        >>> softmax_jacobian(np.array([0.0, 0.0]))[0]
        array([[ 0.25, -0.25],
               [-0.25,  0.25]])
    """
    xp = logits.__array_namespace__()
    row = exponentials(widened("logits", logits))
    p, classes = row.probabilities, logits.shape[-1]
    same = xp.broadcast_to(xp.eye(classes, dtype=xp.bool), (*p.shape, classes))
    diagonal = p * xp.where(row.top, row.doubt, 1 - p)
    jacobian = xp.where(same, diagonal[..., None], -(p[..., :, None] * p[..., None, :]))
    return (narrowed(jacobian, logits.dtype),)


def softmax_jvp(primals: Primals, tangents: Derivatives) -> Array:
    """Source: notes (8). (diag(p) - p p^T) t = p * (t - p . t). [..., K]."""
    (logits,), (tangent,) = primals, tangents
    if tangent is None:
        return logits.__array_namespace__().zeros_like(logits)
    row = exponentials(widened("logits", logits))
    return narrowed(_jacobian_product(row.probabilities, row.top, tangent), logits.dtype)


def softmax_fwd(logits: Array) -> tuple[Array, Array]:
    """Probabilities [..., K], and the same as residuals: (8) needs nothing else."""
    p = softmax(logits)
    return p, p


def softmax_bwd(p: Array, cotangent: Array) -> Derivatives:
    """Source: notes (8). J is its own transpose, so J^T ct = p * (ct - p . ct). [..., K]."""
    wide = widened("probabilities", p)
    return (narrowed(_jacobian_product(wide, largest(wide), cotangent), p.dtype),)


def _jacobian_product(p: Array, top: Array, vector: Array) -> Array:
    expect_shape("vector", vector, p.shape)
    v = widened("vector", vector)
    return balanced(p * (v - p.__array_namespace__().sum(p * v, axis=-1, keepdims=True)), top)


def _samples(generator: np.random.Generator, batch: tuple[int, ...]) -> Primals:
    return (3 * generator.normal(size=(*batch, 4)),)


SOFTMAX = Rule(
    name="softmax",
    equation="notes (6)(8)",
    primals=("logits",),
    primal=softmax,
    jacobian=softmax_jacobian,
    jvp=softmax_jvp,
    fwd=softmax_fwd,
    bwd=softmax_bwd,
    samples=_samples,
)
