"""The chain rule, notes (1) to (3): a rule from two rules.

The notes write the matrix form of (1) as grad (g o f) = J_f grad g. It is J_f^T grad g: the sum in (1)
runs over f's outputs k, and J_f has one row an output. With f from R^n to R^m the untransposed product
multiplies m x n by m, which means nothing unless m = n, and is then the wrong number.

Read forwards, J_f takes a small change of the inputs to the change of the outputs. Read backwards,
J_f^T takes how much each output matters to how much each input matters: every output's share is spread
over the inputs that produced it, in proportion to its slope in each.
"""

import math

import numpy as np

from manual_vs_auto.rules.rule import Array, Derivatives, Primals, Rule


def compose(outer: Rule, inner: Rule) -> Rule:
    """The rule of outer(inner(...), ...).

    Source:  notes (3). J = J_outer J_inner, so jvp goes inner first, and vjp, with
             (J_outer J_inner)^T = J_inner^T J_outer^T, goes outer first.
    Args:    outer: its first primal is inner's output, a vector [batch, M]. Any further primals of
             outer, labels say, follow inner's in the new rule. inner: any rule with such an output.
    Returns: a Rule, which composes again.
    Example:
        >>> from manual_vs_auto.rules import LINEAR, SOFTMAX
        >>> model = compose(SOFTMAX, LINEAR)
        >>> model.primals
        ('weight', 'inputs')
        >>> model.primal(np.zeros((2, 3)), np.ones(3))
        array([0.5, 0.5])
    """
    arity = len(inner.primals)

    def primal(*primals: Array) -> Array:
        return outer.primal(inner.primal(*primals[:arity]), *primals[arity:])

    def jacobian(*primals: Array) -> Derivatives:
        between = inner.primal(*primals[:arity])
        first, *rest = outer.jacobian(between, *primals[arity:])
        through = (contraction(first, j, between.shape) for j in inner.jacobian(*primals[:arity]))
        return *through, *rest

    def jvp(primals: Primals, tangents: Derivatives) -> Array:
        between = inner.primal(*primals[:arity])
        tangent = inner.jvp(primals[:arity], tangents[:arity])
        return outer.jvp((between, *primals[arity:]), (tangent, *tangents[arity:]))

    def fwd(*primals: Array) -> tuple[Array, tuple[object, object]]:
        between, inner_residuals = inner.fwd(*primals[:arity])
        out, outer_residuals = outer.fwd(between, *primals[arity:])
        return out, (outer_residuals, inner_residuals)

    def bwd(residuals: tuple[object, object], cotangent: Array) -> Derivatives:
        outer_residuals, inner_residuals = residuals
        between, *rest = outer.bwd(outer_residuals, cotangent)
        return *inner.bwd(inner_residuals, between), *rest

    def samples(generator: np.random.Generator, batch: tuple[int, ...]) -> Primals:
        return *inner.samples(generator, batch), *outer.samples(generator, batch)[1:]

    return Rule(
        name=f"{outer.name}({inner.name})",
        equation="notes (3)",
        primals=(*inner.primals, *outer.primals[1:]),
        primal=primal,
        jacobian=jacobian,
        jvp=jvp,
        fwd=fwd,
        bwd=bwd,
        samples=samples,
        shared=(*inner.shared, *(name for name in outer.shared if name in outer.primals[1:])),
    )


def contraction(outer: Array, inner: Array | None, between: tuple[int, ...]) -> Array | None:
    """The sum over k in (1): J_outer J_inner, an example at a time.

    Args:    outer: [batch, (M',) M]. inner: [batch, M, *axes], or None, which stays None.
             between: the shape [batch, M] of what the inner function hands to the outer.
    Returns: [batch, (M',) *axes].
    """
    if inner is None:
        return None
    xp = inner.__array_namespace__()
    batch, links = between[:-1], between[-1]
    rows, axes = outer.shape[len(batch) : -1], inner.shape[len(batch) + 1 :]
    left = xp.reshape(outer, (*batch, math.prod(rows), links))
    right = xp.reshape(inner, (*batch, links, math.prod(axes)))
    return xp.reshape(left @ right, (*batch, *rows, *axes))
