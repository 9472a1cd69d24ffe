"""Whether two gradients of the model are the same number: how far rounding alone can take them apart.

Two programs that compute notes (5) to (10) in the same dtype need not give the same bits: sums may run
in another order. The bound is a running error analysis. Each line of the formula is followed by how far
two evaluations of it can differ, to first order in eps, the spacing of the dtype at 1; eps is twice what
one rounding can do, which covers both evaluations. A sum of n terms differs by n eps times the sum of
their magnitudes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from manual_vs_auto.model import Batch, Loss, Params, operands, shares
from manual_vs_auto.rules import Array, one_hot
from manual_vs_auto.rules.softmax import Exponentials, exponentials, surplus

_EXP = 4  # what two evaluations of exp can differ by, in eps of the result
_STEPS = 8  # the few single roundings beside each sum


class Agreement(NamedTuple):
    """Where two gradients come closest to the bound, or break it. Scalars, or one entry a step.

    ratio:      |manual - auto| / bound there: they agree where it is at most 1. NaN is a disagreement.
    difference: |manual - auto| there.
    bound:      the bound there.
    label, pixel: the row and the column of W.
    """

    ratio: Array
    difference: Array
    bound: Array
    label: Array
    pixel: Array


def compare(manual: Params, auto: Params, bound: Array) -> Agreement:
    """Every element of two gradients [K, D] against the bound [K, D]; the worst is returned."""
    xp = bound.__array_namespace__()
    difference = xp.abs(xp.astype(manual.weight, bound.dtype) - xp.astype(auto.weight, bound.dtype))
    ratio = difference / bound
    worst = xp.argmax(ratio)  # a NaN counts as the largest
    label, pixel = xp.unravel_index(worst, ratio.shape)
    return Agreement(ratio[label, pixel], difference[label, pixel], bound[label, pixel], label, pixel)


def rounding_bound(params: Params, batch: Batch, loss: Loss) -> Array:
    """How far two right gradients of the model may differ at each weight: [K, D], at least float32.

    In NumPy it runs in NumPy, for one batch; under jit it traces, for every step.
    """
    weight, inputs = operands(params, batch.images)
    xp = weight.__array_namespace__()
    examples, features = inputs.shape
    eps, tiny = (float(value) for value in (jnp.finfo(weight.dtype).eps, jnp.finfo(weight.dtype).tiny))

    logits = inputs @ weight.T
    logits_error = (features + _STEPS) * eps * (xp.abs(inputs) @ xp.abs(weight).T)
    gradient, gradient_error = _by_logits(logits, logits_error, batch.labels, loss)

    # dW = sum_b share_b outer(dL/dz_b, x_b)
    error = gradient_error + 2 * (examples + _STEPS) * eps * xp.abs(gradient)
    share = shares(batch, weight.dtype)[:, None]
    bound = (share * error).T @ xp.abs(inputs)
    # What is too small for the dtype of the sums may be flushed to zero on one side.
    bound = bound + (examples + 1) * tiny
    kept = jnp.finfo(params.weight.dtype)
    if kept.eps <= eps:
        return bound
    # Each is rounded once at the end, which keeps subnormal numbers: float16 needs them from 6e-5 downwards.
    size = xp.abs((share * gradient).T @ inputs) + bound
    return bound + float(kept.eps) * size + float(kept.smallest_subnormal)


def _by_logits(z: Array, z_error: Array, labels: Array, loss: Loss) -> tuple[Array, Array]:
    """dL/dz [B, K], and how far two evaluations of it can differ, from how far the logits can."""
    xp = z.__array_namespace__()
    eps, classes = float(jnp.finfo(z.dtype).eps), z.shape[-1]
    targets = one_hot(labels, z)
    row = exponentials(z)
    p = row.probabilities

    # p = exp(z - m) / sum exp(z - m), as a share of itself
    top_error = _sum(xp.where(row.top, z_error, 0))
    exponent_error = xp.where(row.top, 0, z_error + top_error + eps * xp.abs(row.differences))
    term_error = xp.expm1(xp.minimum(exponent_error, 64)) + _EXP * eps
    term_error = xp.where(row.top, 0, term_error)
    p_error = p * (term_error + _sum(p * term_error) + (classes + _STEPS) * eps)

    # d = p - y, at the largest p by way of the others
    d = surplus(row, targets, _sum(targets) if loss == "cross_entropy" else xp.ones_like(row.others))
    d_error = xp.where(row.top, _rest(row, p_error) + classes * eps * row.doubt, p_error) + eps * xp.abs(d)
    if loss == "cross_entropy":
        return d, xp.where(row.top, d_error + _rest(row, d_error + classes * eps * xp.abs(d)), d_error)

    # g = 2 p (d - p . d); the last line is what autodiff sums where this has d - p . d
    mean = _sum(p * d)
    mean_error = _sum(p_error * xp.abs(d) + p * d_error)
    gradient = 2 * p * (d - mean)
    error = 2 * p_error * xp.abs(d - mean) + 2 * p * (d_error + mean_error)
    summed = xp.abs(d) + _sum(p * xp.abs(d)) + 2 * _sum(xp.where(row.top, xp.abs(d), 0))
    error = error + 2 * p * (classes + _STEPS) * eps * summed
    others = _rest(row, error + classes * eps * xp.abs(gradient))
    return gradient, xp.where(row.top, others, error)


def _sum(rows: Array) -> Array:
    return rows.__array_namespace__().sum(rows, axis=-1, keepdims=True)


def _rest(row: Exponentials, values: Array) -> Array:
    """The sum over all classes but the largest: [B, 1]."""
    return _sum(values.__array_namespace__().where(row.top, 0, values))


def epoch_metrics(audits: Agreement | None) -> dict[str, float | None]:
    """An epoch's step that came closest to its bound, or broke it, from its audits [S]: for a line of JSON."""
    if audits is None:
        return {}
    closest = int(np.argmax(np.asarray(audits.ratio)))  # a NaN counts as the largest
    told = {"epoch_difference": audits.difference, "epoch_bound": audits.bound}
    at = {name: float(np.asarray(values)[closest]) for name, values in told.items()}
    return {name: value if np.isfinite(value) else None for name, value in at.items()}


@dataclass
class Tally:
    """How two gradients agreed over a run.

    steps, agreed: how many were compared, and at how many every element was within its bound.
    step, worst:   the step, from 1, that came closest to its bound or broke it, and where.
    """

    steps: int = 0
    agreed: int = 0
    step: int = 0
    worst: Agreement | None = None

    def add(self, audits: Agreement) -> None:
        """Take in an epoch's audits, an Agreement of arrays [S]."""
        ratios = np.asarray(audits.ratio)
        closest = int(np.argmax(ratios))  # a NaN counts as the largest
        if self.worst is None or not (np.isnan(self.worst.ratio) or ratios[closest] <= self.worst.ratio):
            self.step = self.steps + closest + 1
            self.worst = Agreement(*(np.asarray(leaf)[closest] for leaf in audits))
        self.agreed += int(np.sum(ratios <= 1))
        self.steps += len(ratios)

    def kept(self) -> dict[str, Any]:
        """For a checkpoint: what `of` makes the same tally of."""
        worst = self.worst and [float(leaf) for leaf in self.worst]
        return {"steps": self.steps, "agreed": self.agreed, "step": self.step, "worst": worst}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Tally":
        """The tally that was kept."""
        worst = kept["worst"] and Agreement(*map(np.asarray, kept["worst"]))
        return cls(kept["steps"], kept["agreed"], kept["step"], worst)

    def metrics(self) -> dict[str, float | int | None]:
        """For a line of JSON, which has no NaN: None is one."""
        if self.worst is None:
            return {}
        worst = self.worst
        return {
            "agreed_steps": self.agreed,
            "steps": self.steps,
            "worst_step": self.step,
            "worst_class": int(worst.label),
            "worst_pixel": int(worst.pixel),
            "worst_difference": float(worst.difference) if np.isfinite(worst.difference) else None,
            "worst_bound": float(worst.bound) if np.isfinite(worst.bound) else None,
        }
