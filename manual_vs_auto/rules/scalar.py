"""What the losses share: one number an example, whose Jacobian is its gradient. A formula becomes a rule here.

The chain rule needs no more of a loss than its gradient g, which the forward pass has at hand: by (1) the tangent
is g . t, and by (3), where the outer derivative is one number, the cotangent is that number times g.
"""

import inspect
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from manual_vs_auto.rules.floating import expect_shape, narrowed, widened
from manual_vs_auto.rules.rule import Array, Derivatives, Primals, Rule
from manual_vs_auto.rules.targets import is_labels, one_hot

# From scores and targets, both [..., K] and wide: the loss [...], and its gradient by either [..., K].
Formula: TypeAlias = Callable[[Array, Array], tuple[Array, Array, Array]]


def loss_rule(
    primal: Callable[[Array, Array], Array],
    formula: Formula,
    equation: str,
    gradients: str,
    samples: Callable[[np.random.Generator, tuple[int, ...]], Primals],
) -> Rule:
    """The rule of a loss.

    Source:  notes (1) and (3).
    Args:    primal: the loss per example of (scores, labels or targets); the rule has its name and its primals'.
             formula: the loss with its gradients, see `Formula`. gradients: the same in the notes' letters.
             equation, samples: as in `Rule`.
    Returns: a Rule, whose parts are named and documented after the primal: f_jacobian, f_jvp, f_fwd, f_bwd.
    """
    name, (scores_name, labels_name) = primal.__name__, inspect.signature(primal).parameters

    def jacobian(scores: Array, labels: Array, /) -> Derivatives:
        return tuple(None if g is None else narrowed(g, scores.dtype) for g in fwd(scores, labels)[1])

    def jvp(primals: Primals, tangents: Derivatives) -> Array:
        return slope(jacobian(*primals), tangents)

    def fwd(scores: Array, labels: Array, /) -> tuple[Array, Derivatives]:
        wide = widened(scores_name, scores)
        loss, by_scores, by_targets = formula(wide, one_hot(labels, wide))
        return narrowed(loss, scores.dtype), (by_scores, None if is_labels(labels) else by_targets)

    def bwd(gradients: Derivatives, cotangent: Array) -> Derivatives:
        return scaled(gradients, cotangent)

    jacobian.__doc__ = f"Source: {equation}. {gradients}: [..., K]."
    jvp.__doc__ = f"Source: {equation} in (1). The gradients times the tangents, summed: [...]."
    fwd.__doc__ = f"Source: {equation}. Loss per example [...], and the gradients as residuals."
    bwd.__doc__ = f"Source: {equation}. The gradients times the cotangent [...] of each example's loss: [..., K]."
    for part in (jacobian, jvp, fwd, bwd):
        part.__module__, part.__qualname__ = primal.__module__, f"{name}_{part.__name__}"
        part.__name__ = part.__qualname__
    return Rule(
        name=name,
        equation=equation,
        primals=(scores_name, labels_name),
        primal=primal,
        jacobian=jacobian,
        jvp=jvp,
        fwd=fwd,
        bwd=bwd,
        samples=samples,
    )


def slope(gradients: Derivatives, tangents: Derivatives) -> Array:
    """The tangent [...] of a scalar: notes (1), the sum over every component of gradient times tangent."""
    xp = gradients[0].__array_namespace__()
    pairs = [(g, t) for g, t in zip(gradients, tangents, strict=True) if g is not None and t is not None]
    for gradient, tangent in pairs:
        expect_shape("tangent", tangent, gradient.shape)
    terms = [xp.sum(widened("gradient", g) * widened("tangent", t), axis=-1) for g, t in pairs]
    total = sum(terms[1:], start=terms[0]) if terms else xp.zeros(gradients[0].shape[:-1])
    return narrowed(total, gradients[0].dtype)


def scaled(gradients: Derivatives, cotangent: Array) -> Derivatives:
    """The gradients [..., K] times the cotangent [...] of a scalar: notes (3) where the outer g is one number."""
    expect_shape("cotangent", cotangent, gradients[0].shape[:-1])
    ct = widened("cotangent", cotangent)[..., None]
    return tuple(None if g is None else narrowed(ct * g, cotangent.dtype) for g in gradients)
