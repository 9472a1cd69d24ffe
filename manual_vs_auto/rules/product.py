"""The product rule for a dot product, notes (4), which the notes leave blank.

For f and g from R^n to R^m, the derivative of each product f_k g_k is that of one variable:

    d/dx_i (f(x) . g(x)) = sum_k (df_k/dx_i g_k + f_k dg_k/dx_i)

and with the sums over k as matrix products, as in (3):  grad (f . g) = J_f^T g + J_g^T f.
With f = g = yhat - y it is 2 (yhat - y), the gradient of the squared distance (7).
"""

import numpy as np

from manual_vs_auto.rules.chain import contraction
from manual_vs_auto.rules.floating import narrowed, widened
from manual_vs_auto.rules.rule import Array, Derivatives, Primals, Rule


def product(f: Rule, g: Rule) -> Rule:
    """The rule of f(x) . g(x).

    Source:  notes (4). grad (f . g) = J_f^T g + J_g^T f.
    Args:    f, g: rules of the same primals, whose outputs [batch, M] have the same shape.
    Returns: a Rule whose output is [batch].
    Raises:  ValueError if f and g don't take the same primals.
    Example:
        >>> from manual_vs_auto.rules import DIFFERENCE
        >>> distance = product(DIFFERENCE, DIFFERENCE)
        >>> distance.primal(np.array([0.25, 0.75]), np.array(1))
        np.float64(0.125)
        >>> distance.jacobian(np.array([0.25, 0.75]), np.array(1))[0]
        array([ 0.5, -0.5])
    """
    if f.primals != g.primals:
        raise ValueError(f"{f.name} of {f.primals} and {g.name} of {g.primals} must take the same primals")

    def primal(*primals: Array) -> Array:
        return _dot(f.primal(*primals), g.primal(*primals))

    def jacobian(*primals: Array) -> Derivatives:
        f_out, g_out = f.primal(*primals), g.primal(*primals)
        pairs = zip(f.jacobian(*primals), g.jacobian(*primals), strict=True)
        return tuple(
            _sum(contraction(g_out, f_jacobian, f_out.shape), contraction(f_out, g_jacobian, g_out.shape))
            for f_jacobian, g_jacobian in pairs
        )

    def jvp(primals: Primals, tangents: Derivatives) -> Array:
        f_out, g_out = f.primal(*primals), g.primal(*primals)
        return _dot(f.jvp(primals, tangents), g_out) + _dot(f_out, g.jvp(primals, tangents))

    def fwd(*primals: Array) -> tuple[Array, tuple[Array, object, Array, object]]:
        f_out, f_residuals = f.fwd(*primals)
        g_out, g_residuals = g.fwd(*primals)
        return _dot(f_out, g_out), (f_out, f_residuals, g_out, g_residuals)

    def bwd(residuals: tuple[Array, object, Array, object], cotangent: Array) -> Derivatives:
        f_out, f_residuals, g_out, g_residuals = residuals
        by_f = f.bwd(f_residuals, cotangent[..., None] * g_out)
        by_g = g.bwd(g_residuals, cotangent[..., None] * f_out)
        return tuple(_sum(a, b) for a, b in zip(by_f, by_g, strict=True))

    def samples(generator: np.random.Generator, batch: tuple[int, ...]) -> Primals:
        return f.samples(generator, batch)

    return Rule(
        name=f"{f.name} . {g.name}",
        equation="notes (4)",
        primals=f.primals,
        primal=primal,
        jacobian=jacobian,
        jvp=jvp,
        fwd=fwd,
        bwd=bwd,
        samples=samples,
        shared=f.shared,
    )


def _dot(a: Array, b: Array) -> Array:
    xp = a.__array_namespace__()
    return narrowed(xp.sum(widened("f", a) * widened("g", b), axis=-1), a.dtype)


def _sum(a: Array | None, b: Array | None) -> Array | None:
    return None if a is None or b is None else a + b
