"""The objective over all rows, its gradient and its curvature, in passes that read the features once.

    F(W, b) = sum_i w_i L(W x_i + b, y_i) / sum_i w_i + l2/2 |W|^2

theta is [K, D] or, with an intercept, [K, D + 1]: the bias b is the last column, as if every x ended in a 1. It is not
penalised. Columns that lie far from 0 for their spread are moved there by a constant c, where float32 can tell their
values apart: W x + b = W (x - c) + (b + W c), so only the bias knows of it.

A pass goes over chunks of rows that stay in the processor's cache between the product that makes the logits
and the one that makes the gradient; what the chunks give is summed in float64.
"""

from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto.model import LOSSES, Loss
from manual_vs_auto.rules import Array, softmax
from manual_vs_auto.rules.targets import one_hot
from manual_vs_auto.solve.curvature import CONVEX, EXACT, UNCERTAINTY

Theta: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_CHUNK = 1 << 20  # bytes of a chunk's features and logits in float32, and a few more of them while it is worked on
_ROWS_A_COLUMN, _LEAST_ROWS = 8, 4096  # of the sample
_FAR = 10  # standard deviations from 0


class Point(NamedTuple):
    """Where a descent is.

    theta:    float64 [K, D + 1].
    value:    the objective there.
    gradient: its gradient by theta.
    norm:     the largest entry of the gradient by W and b as the user has them, of features that were not moved.
    """

    theta: Theta
    value: float
    gradient: Theta
    norm: float


class Objective:
    """F over one set of rows. Every method takes theta in float64, and says in which dtype the rows are worked on.

    Args: features:  floating [N, D], of any width; on the device they stay as they are.
          labels:    integer [N] in 0..K-1.
          weights:   [N] >= 0, not all 0, or None for 1 each.
          intercept: whether theta has a column for it.
    """

    def __init__(
        self,
        features: Array,
        labels: Array,
        classes: int,
        *,
        loss: Loss,
        l2: float,
        weights: Array | None,
        intercept: bool,
        device: jax.Device,
    ) -> None:
        rows, width = features.shape
        shares = np.full(rows, 1 / rows) if weights is None else np.asarray(weights, np.float64) / np.sum(weights)
        self.loss, self.l2, self.intercept, self.device = loss, l2, intercept, device
        self.shape = (classes, width + intercept)
        self.passes = 0
        self._rows = tuple(jax.device_put(part, device) for part in (features, labels.astype(np.int32), shares))
        self._sample = self._drawn(max(_LEAST_ROWS, _ROWS_A_COLUMN * (width + 1)))
        self._centre = _far(self._sample[0]) if intercept else None
        self._chunk = max(64, min(4096, _CHUNK // (4 * (width + classes)) * 4 // 64 * 64))

    def joined(self, weight: Array, bias: Array) -> Theta:
        """theta of a weight [K, D] and a bias [K]."""
        if not self.intercept:
            return np.asarray(weight, np.float64)
        moved = bias if self._centre is None else bias + weight @ self._centre
        return np.concatenate([weight, np.asarray(moved)[:, None]], axis=1, dtype=np.float64)

    def parts(self, theta: Theta) -> tuple[Theta, Theta]:
        """The weight [K, D] and the bias [K] of theta."""
        if not self.intercept:
            return theta, np.zeros(self.shape[0])
        weight, bias = theta[:, :-1], theta[:, -1]
        return weight, bias if self._centre is None else bias - weight @ self._centre

    def at(self, theta: Theta, dtype: Any = np.float64) -> Point:
        """F and dF/dtheta. Source: notes (9) and (10) for each row, by hand; l2 W for the penalty."""
        loss, by_theta = self._over_rows(_GRADIENTS[self.loss], (theta,), dtype)
        weight = theta[:, : self.shape[1] - self.intercept]
        value = float(loss) + self.l2 / 2 * float(np.vdot(weight, weight))
        gradient = np.asarray(by_theta) + self.pull(theta, self.l2)
        users = gradient
        if self._centre is not None:  # dF/dW = sum_i r_i x_i' = sum_i r_i (x_i - c)' + dF/db c'
            users = np.concatenate(
                [gradient[:, :-1] + np.outer(gradient[:, -1], self._centre), gradient[:, -1:]], axis=1
            )
        return Point(theta, value, gradient, float(np.max(np.abs(users))))

    def product(self, theta: Theta, direction: Theta, hessian: str = "exact", dtype: Any = np.float64) -> Theta:
        """The Hessian of F at theta times a direction, [K, D + 1]. Source: `curvature`, between x' and x.

        Args: hessian: "exact", or "convex": the Gauss-Newton product where the exact one may be negative.
        """
        (product,) = self._over_rows(_PRODUCTS[hessian][self.loss], (theta, direction), dtype)
        return np.asarray(product) + self.pull(direction, self.l2)

    def gram(self, theta: Theta) -> Array:
        """sum_i s_i c_i x_i x_i' over a sample of rows, c of `curvature.UNCERTAINTY`: float32 [D, D], or D + 1."""
        theta32 = jax.device_put(theta.astype(np.float32), self.device)
        return _gram(theta32, *self._sample, self._centre, loss=self.loss, intercept=self.intercept)

    def _over_rows(self, work: Any, thetas: tuple[Theta, ...], dtype: Any) -> Any:
        self.passes += 1
        parts = jax.device_put(tuple(theta.astype(dtype) for theta in thetas), self.device)
        return _over_rows(work, *self._rows, self._centre, *parts, intercept=self.intercept, chunk=self._chunk)

    def _drawn(self, rows: int) -> tuple[Array, Array]:
        """Some of the rows, without putting back, and their shares of the mean."""
        features, _, shares = self._rows
        if rows >= len(features):
            return features, shares
        drawn = np.sort(np.random.default_rng(0).choice(len(features), rows, replace=False))
        part = shares[drawn]
        return features[drawn], part / jnp.where(jnp.sum(part) == 0, 1, jnp.sum(part))

    def pull(self, theta: Theta, l2: float) -> Theta:
        """The gradient of a penalty l2/2 |W|^2: l2 W, and 0 for the bias."""
        pull = l2 * theta
        if self.intercept:
            pull[:, -1] = 0
        return pull


def _far(sample: Array) -> Theta | None:
    """c [D]: a column's middle where that is far from 0 for its spread, else 0. None if no column is far."""
    wide = np.asarray(sample, np.float64)
    middle = wide.mean(axis=0)
    centre = np.where(np.abs(middle) > _FAR * wide.std(axis=0), middle, 0)
    return centre if centre.any() else None


def _value_and_grad(loss: Loss, scores: Any, labels: Array, shares: Array, theta: Array) -> tuple[Array, Array]:
    rule = LOSSES[loss]
    losses, residuals = rule.fwd(scores(theta), labels)
    by_logits, _ = rule.bwd(residuals, shares)
    return jnp.sum(losses * shares), by_logits


def _product(hessian: Any, scores: Any, labels: Array, shares: Array, theta: Array, direction: Array) -> tuple[Array]:
    logits = scores(theta)
    product = hessian(softmax(logits), one_hot(labels, logits), scores(direction))
    return (product * shares[:, None],)


# Made once: a program is compiled for each, and found again by which one it is.
_GRADIENTS = {loss: partial(_value_and_grad, loss) for loss in LOSSES}
_PRODUCTS = {
    name: {loss: partial(_product, hessian[loss]) for loss in LOSSES}
    for name, hessian in (("exact", EXACT), ("convex", CONVEX))
}


@partial(jax.jit, static_argnames=("work", "intercept", "chunk"))
def _over_rows(
    work: Any,
    features: Array,
    labels: Array,
    shares: Array,
    centre: Array | None,
    *thetas: Array,
    intercept: bool,
    chunk: int,
) -> tuple[Array, ...]:
    """The sum over chunks of what `work` says of each, what belongs to the logits taken back to theta, notes (10)."""
    dtype, width = thetas[0].dtype, features.shape[1]

    def scores(rows: Array, theta: Array) -> Array:
        logits = rows @ theta[:, :width].T
        return logits + theta[None, :, width] if intercept else logits

    def one(rows: Array, labels: Array, shares: Array) -> tuple[Array, ...]:
        rows, shares = _moved(rows, centre, dtype), shares.astype(dtype)
        *numbers, by_logits = work(partial(scores, rows), labels, shares, *thetas)
        by_theta = by_logits.T @ rows
        if intercept:
            by_theta = jnp.concatenate([by_theta, jnp.sum(by_logits, axis=0)[:, None]], axis=1)
        return tuple(part.astype(jnp.float64) for part in (*numbers, by_theta))

    whole = len(features) // chunk * chunk
    total = one(features[whole:], labels[whole:], shares[whole:])
    if whole:
        chunks = [part[:whole].reshape(-1, chunk, *part.shape[1:]) for part in (features, labels, shares)]
        total, _ = jax.lax.scan(lambda sums, part: (jax.tree.map(jnp.add, sums, one(*part)), None), total, chunks)
    return total


@partial(jax.jit, static_argnames=("loss", "intercept"))
def _gram(theta: Array, features: Array, shares: Array, centre: Array | None, *, loss: Loss, intercept: bool) -> Array:
    rows, shares = _moved(features, centre, theta.dtype), shares.astype(theta.dtype)
    if intercept:
        rows = jnp.concatenate([rows, jnp.ones_like(rows[:, :1])], axis=1)
    bends = shares * UNCERTAINTY[loss](softmax(rows @ theta.T))
    return rows.T @ (rows * bends[:, None])


def _moved(rows: Array, centre: Array | None, dtype: Any) -> Array:
    """x - c, taken before the rows are rounded to the dtype."""
    return rows.astype(dtype) if centre is None else (rows.astype(jnp.float64) - centre[None, :]).astype(dtype)
