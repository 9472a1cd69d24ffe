"""What the losses share: a scalar an example, whose Jacobian is its gradient."""

from manual_vs_auto.rules.floating import expect_shape, narrowed, widened
from manual_vs_auto.rules.rule import Array, Derivatives


def slope(gradients: Derivatives, tangents: Derivatives) -> Array:
    """The tangent [...] of a scalar: notes (1), the sum over every component of gradient times tangent."""
    xp = gradients[0].__array_namespace__()
    for gradient, tangent in zip(gradients, tangents, strict=True):
        if gradient is not None and tangent is not None:
            expect_shape("tangent", tangent, gradient.shape)
    pairs = [(g, t) for g, t in zip(gradients, tangents, strict=True) if g is not None and t is not None]
    terms = [xp.sum(widened("gradient", g) * widened("tangent", t), axis=-1) for g, t in pairs]
    total = sum(terms[1:], start=terms[0]) if terms else xp.zeros(gradients[0].shape[:-1])
    return narrowed(total, gradients[0].dtype)


def scaled(gradients: Derivatives, cotangent: Array) -> Derivatives:
    """The gradients [..., K] times the cotangent [...] of a scalar: notes (3) where the outer g is one number."""
    expect_shape("cotangent", cotangent, gradients[0].shape[:-1])
    ct = widened("cotangent", cotangent)[..., None]
    return tuple(None if g is None else narrowed(ct * g, cotangent.dtype) for g in gradients)
