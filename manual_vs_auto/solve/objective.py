"""The objective over all rows, its gradient and its curvature, in passes that read the features once.

    F(W, b) = sum_i w_i L(W x_i + b, y_i) / sum_i w_i + l2/2 |W|^2

theta is [K, D] or, with an intercept, [K, D + 1]: the bias b is the last column, as if every x ended in a 1. It is not
penalised. Columns that lie far from 0 for their spread are moved there by a constant c, where float32 can tell their
values apart: W x + b = W (x - c) + (b + W c), so only the bias knows of it.

The passes over the rows are in `passes.py`. Where a problem is so small that compiling a program would take longer than
it saves, they run in NumPy.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jax.sharding import Mesh

from manual_vs_auto.model import Loss
from manual_vs_auto.rules import Array
from manual_vs_auto.solve.gram import (
    Gram,
    Inverse,
    by_lapack,
    gram,
    gram_compiled,
    inverse,
    inverse_compiled,
    times,
    times_compiled,
)
from manual_vs_auto.solve.passes import (
    GRADIENTS,
    PRODUCTS,
    in_chunks,
    in_numpy,
    moved,
    over_chunks,
    over_devices,
    spread,
)

Theta: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_CHUNK = 1 << 20  # bytes of a chunk's features and logits in float32, and a few more of them while it is worked on
_LOGITS = 24_576  # of a chunk in NumPy: arrays that are larger leave the cache, and get their room from the system anew
_ROWS_A_COLUMN, _LEAST_ROWS = 16, 4096  # of the sample
_OWN, _NARROW = 512, 64  # rows of a class that are looked at where there are no more columns than that
_ROOM = 1 << 31  # bytes that they may take
_LITTLE = 1e8  # N D K: about 40 passes, which NumPy makes in the time of a compilation
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
          device:    where the passes run; None leaves them to NumPy where there is little to do, else to JAX.
          mesh:      over whose axis "data" the rows are cut, each device making the pass over its own; or None. What is
                     not summed over all rows every process does for itself, from the same numbers.
          on_program: as `minimise.path` takes it.

    own: how many rows of each class a metric is worth making of, at first and where the way is long; (0, 0) of none.
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
        device: jax.Device | None,
        mesh: Mesh | None = None,
        on_program: Callable[[Any], None] | None = None,
    ) -> None:
        rows, width = features.shape
        shares = np.full(rows, 1 / rows) if weights is None else np.asarray(weights, np.float64) / np.sum(weights)
        self.loss, self.l2, self.intercept = loss, l2, intercept
        self.shape = (classes, width + intercept)
        self.passes = 0
        self._mesh, self._on_program = mesh, on_program
        self._programs: dict[Any, Any] = {}  # for a mesh, by what is asked of the rows, and in which dtype
        self.compiled = mesh is not None or device is not None or rows * width * classes > _LITTLE
        self._device = mesh.local_devices[0] if mesh else device or jax.local_devices()[0]
        sample = _drawn(max(_LEAST_ROWS, _ROWS_A_COLUMN * (width + 1)), features, shares)
        some = np.random.default_rng(0).choice(len(sample[1]), min(1024, len(sample[1])), replace=False)
        seen, counted = np.asarray(sample[0][some], np.float64), np.asarray(sample[1][some])
        self._centre = _far(seen) if intercept else None
        # How large the terms of an entry of the gradient are, at most: of W as the user has it, and of b.
        sizes = np.sum(counted[:, None] * np.abs(seen), axis=0) / (counted.sum() or 1)
        self.scale = max(float(np.max(sizes)), float(intercept))
        if not self.compiled:  # once, and not in each pass
            features = moved(features, self._centre, np.float64)
        self._sample, self._sample_shares = self.put(sample)
        self.own = (0, 0)
        if classes > 2 and width**2 <= 16 * rows:
            # What is made of them takes three times the room of those [K, m, D] that are kept, m <= D.
            room, size = max(_ROOM, features.nbytes) // (3 * 4 * classes * self.shape[1]), len(sample[1])
            few = _OWN if width <= _NARROW else max(width // 4, _NARROW)
            most = (few, max(width, _OWN)) if room >= self.shape[1] else (min(few, room),) * 2
            self.own = (min(most[0], size), min(most[1], size))
        fit = min(4096, _CHUNK // (4 * (width + classes)) * 4 // 64 * 64) if self.compiled else _LOGITS // classes
        self._chunk = max(64, fit)
        self._rows: Any = (features, labels.astype(np.int32), shares)
        if mesh:
            self._rows = tuple(spread(mesh, part) for part in self._rows)
        elif self.compiled:
            self._rows = self.put(in_chunks(*self._rows, self._chunk))

    def joined(self, weight: Array, bias: Array) -> Theta:
        """theta of a weight [K, D] and a bias [K]: of those that say the same, the one with the least penalty."""
        weight, bias = (levelled(np.asarray(part, np.float64)) for part in (weight, bias))
        if not self.intercept:
            return np.asarray(weight)
        moved = bias if self._centre is None else bias + weight @ self._centre
        return np.asarray(np.concatenate([weight, moved[:, None]], axis=1))

    def parts(self, theta: Theta) -> tuple[Theta, Theta]:
        """The weight [K, D] and the bias [K] of theta."""
        if not self.intercept:
            return theta, np.zeros(self.shape[0])
        weight, bias = theta[:, :-1], theta[:, -1]
        return weight, bias if self._centre is None else bias - weight @ self._centre

    def at(self, theta: Theta, dtype: Any = np.float64) -> Point:
        """F and dF/dtheta. Source: notes (9) and (10) for each row, by hand; l2 W for the penalty."""
        loss, by_theta = self._over_rows(GRADIENTS[self.loss], (theta,), dtype)
        value = float(loss) + self.penalty(theta)
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
        (product,) = self._over_rows(PRODUCTS[hessian][self.loss], (theta, direction), dtype)
        return np.asarray(product) + self.pull(direction, self.l2)

    def gram(self, theta: Theta, own: int = 0) -> Gram:
        """How a sample of rows bends at theta, and beside it so many of them for each class."""
        (there,) = self.put((theta.astype(np.float32 if self.compiled else np.float64, order="C"),))
        sample = (self._sample, self._sample_shares, self._centre)
        how: dict[str, Any] = {"loss": self.loss, "intercept": self.intercept, "own": own}
        return by_lapack(gram_compiled, there, *sample, **how) if self.compiled else gram(there, *sample, **how)

    def inverse(self, found: Gram, l2: float) -> Inverse:
        """The inverse with a penalty, where the passes run."""
        penalty = self.pull(np.ones((1, self.shape[1])), l2)[0]
        return by_lapack(inverse_compiled, found, penalty) if self.compiled else inverse(found, penalty)

    def times(self, theta: Theta, inverse: Inverse) -> Theta:
        """The inverse times each class's theta: [K, D]."""
        if self.compiled:
            return np.asarray(times_compiled(theta.astype(inverse.root.dtype), inverse), np.float64)
        return np.asarray(times(theta, inverse))

    def _over_rows(self, work: Any, thetas: tuple[Theta, ...], dtype: Any) -> Any:
        self.passes += 1
        how: dict[str, Any] = {"intercept": self.intercept, "chunk": self._chunk}
        given = tuple(theta.astype(dtype, order="C") for theta in thetas)
        if not self.compiled:
            return in_numpy(work, *self._rows, *given, **how)
        if self._mesh is None:
            return over_chunks(work, self._rows, self._centre, *self.put(given), **how)
        if (work, dtype) not in self._programs:
            program = over_devices.lower(self._mesh, work, *self._rows, self._centre, *given, **how).compile()
            self._programs[work, dtype] = program
            if self._on_program:
                self._on_program(program)
        return self._programs[work, dtype](*self._rows, self._centre, *given)

    def put(self, parts: tuple[Array, ...]) -> tuple[Array, ...]:
        """The arrays where the passes run."""
        return jax.device_put(parts, self._device) if self.compiled else parts

    def penalty(self, theta: Theta) -> float:
        """l2/2 |W|^2."""
        weight = theta[:, : self.shape[1] - self.intercept]
        return self.l2 / 2 * dot(weight, weight)

    def pull(self, theta: Theta, l2: float) -> Theta:
        """The gradient of a penalty l2/2 |W|^2: l2 W, and 0 for the bias."""
        pull = l2 * theta
        if self.intercept:
            pull[:, -1] = 0
        return pull


def _drawn(rows: int, features: Array, shares: Array) -> tuple[Array, Array]:
    """Some of the rows, without putting back, and their shares of the mean."""
    if rows >= len(features):
        return features[:], shares
    drawn = np.sort(np.random.default_rng(0).choice(len(features), rows, replace=False))
    return features[drawn], shares[drawn] / (shares[drawn].sum() or 1)


def dot(left: Theta, right: Theta) -> float:
    """The sum of the products. Without BLAS: its threads go on spinning in the time of the next pass, a third of it."""
    return float(np.sum(left * right))


def levelled(values: Theta) -> Theta:
    """Values less their mean over the classes. The same added to each class's logit changes no probability.

    So the data do not pull that way, and the penalty pulls it back, but weakly: where rounding puts something there and
    steps make it larger, it takes hundreds of steps to go. Steps that are levelled keep theta so.
    """
    return np.asarray(values - values.mean(axis=0))


def _far(sample: Theta) -> Theta | None:
    """c [D]: a column's middle where that is far from 0 for its spread, else 0. None if no column is far."""
    middle = sample.mean(axis=0)
    centre = np.where(np.abs(middle) > _FAR * sample.std(axis=0), middle, 0)
    return centre if centre.any() else None
