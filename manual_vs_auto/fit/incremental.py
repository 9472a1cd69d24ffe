"""One step for each batch that comes by, with no step size to choose: what `partial_fit` does."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manual_vs_auto import manual
from manual_vs_auto.model import Batch, Loss, Params, shares

Doubles = npt.NDArray[np.float64]

# c with d2L/dz2 <= c I, whatever the logits z and the label y. With p = softmax(z), J = diag(p) - pp' and |v| = 1:
# v'Jv is the variance of v under p, at most 1/2. Cross-entropy: d2L/dz2 = J, Boehning's bound. Squared distance, with
# d = p - y and m = p . v: v'(d2L/dz2)v = 2 |Jv|^2 + 2 (sum_k d_k p_k (v_k - m)^2 - (d . p) v'Jv). The first is at most
# 2 / 4. In the bracket sum_k d_k p_k (v_k - m)^2 <= max_{k != y} p_k v'Jv, as d_y <= 0, and -(d . p) <= p_y: together
# at most v'Jv <= 1/2, since two p are at most 1. So 1/2 + 1.
STEEPEST: dict[Loss, float] = {"cross_entropy": 1 / 2, "squared_distance": 3 / 2}
FORGETTING = 0.6  # the weight of the t-th batch is t^-0.6: above 1/2, so that the steps' noise dies out
RIDGE = 1e-12  # beside A's diagonal, each column's beside its own: directions that no batch had yet


@dataclass(frozen=True)
class Progress:
    """What is known after some batches.

    curvature: A [D, D], the bound of the Hessian of one class, averaged over the batches.
    steps:     batches so far.
    held:      the samples' weights of each class so far, [K].
    seen:      the samples' weights so far, each times its class's.
    """

    curvature: Doubles
    steps: int
    held: Doubles
    seen: float


def started(features: int, classes: int) -> Progress:
    """What is known before the first batch."""
    return Progress(np.zeros((features, features)), 0, np.zeros(classes), 0.0)


def step(
    weight: Doubles, batch: Batch, curvature: Doubles, steps: int, *, loss: Loss, penalties: Doubles
) -> tuple[Doubles, Doubles]:
    """One step of stochastic majorisation-minimisation (Mairal 2013) from W [K, D] towards the batch's optimum.

    Source:  the batch's mean loss is at most the parabola that has its value and gradient at W and the curvature
             c X'diag(w)X / sum(w) for each class, see `STEEPEST`. Such parabolas are averaged over the batches, their
             gradient is the newest batch's, and the step goes the share r = t^-0.6 of the way to the parabola's least:

                A <- (1 - r) A + r c X'diag(w)X / sum(w)
                W <- W - r (G + W P) (A + P)^-1

             G is the hand-written gradient of `manual`, P the penalties. The first step, and every step where the
             batch is always the same, can't raise the batch's objective. It costs O(N D (K + D) + D^3).
    Args:    batch: features [N, D] and labels, with weights. curvature: A [D, D], of the batches before; steps: how
             many they were. penalties: P's diagonal [D], l2 or 0.
    Returns: the new W, and the new A.
    """
    _, gradient = manual.value_and_grad(loss)(Params(weight), batch)
    share = (steps + 1) ** -FORGETTING
    features, counted = batch.images, shares(batch, np.float64)
    curvature = (1 - share) * curvature + share * STEEPEST[loss] * (features.T @ (features * counted[:, None]))
    # Of one size for all it would hold the bias where the features are far from 0. Where a column is zero, so is its
    # gradient, and any ridge will do.
    diagonal = np.diag(curvature)
    bound = curvature + np.diag(penalties + RIDGE * np.where(diagonal > 0, diagonal, 1))
    towards = np.linalg.solve(bound, (gradient.weight + weight * penalties).T).T
    return weight - share * towards, curvature
