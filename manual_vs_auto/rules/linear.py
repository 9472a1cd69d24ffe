"""The matrix product Wx, notes (5), and its outer product, notes (10)."""

import math

import numpy as np

from manual_vs_auto.rules.floating import expect_shape, narrowed, widened
from manual_vs_auto.rules.rule import Array, Derivatives, Primals, Rule


def linear(weight: Array, inputs: Array) -> Array:
    """W x for every x of a batch.

    Source:  notes (5). z_k = sum_d W_kd x_d.
    Args:    weight: floating [K, D], shared by the batch. inputs: floating [..., D], same dtype.
    Returns: logits [..., K], same dtype, summed in at least float32.
    Raises:  TypeError if one is not floating or their dtypes differ, ValueError if D differs.
    Example:
        >>> linear(np.ones((2, 3)), np.array([-1.0, 1.0, 1.0]))
        array([1., 1.])
    """
    _check(weight, inputs)
    return narrowed(widened("inputs", inputs) @ widened("weight", weight).T, inputs.dtype)


def linear_jacobian(weight: Array, inputs: Array) -> Derivatives:
    """Source: notes (10). dz_k/dW_id = x_d where i = k, else 0: [..., K, K, D]; dz/dx = W: [..., K, D]."""
    _check(weight, inputs)
    xp = weight.__array_namespace__()
    (classes, features), batch = weight.shape, inputs.shape[:-1]
    same_class = xp.eye(classes, dtype=weight.dtype)[..., None]
    by_weight = xp.broadcast_to(same_class, (*batch, classes, classes, features)) * inputs[..., None, None, :]
    return by_weight, xp.broadcast_to(weight, (*batch, classes, features))


def linear_jvp(primals: Primals, tangents: Derivatives) -> Array:
    """Source: notes (4) and (10). The product rule: dW x + W dx. [..., K]."""
    (weight, inputs), (weight_tangent, inputs_tangent) = primals, tangents
    xp = weight.__array_namespace__()
    tangent = xp.zeros((*inputs.shape[:-1], weight.shape[0]), dtype=inputs.dtype)
    if weight_tangent is not None:
        expect_shape("weight's tangent", weight_tangent, weight.shape)
        tangent = tangent + linear(weight_tangent, inputs)
    if inputs_tangent is not None:
        expect_shape("inputs' tangent", inputs_tangent, inputs.shape)
        tangent = tangent + linear(weight, inputs_tangent)
    return tangent


def linear_fwd(weight: Array, inputs: Array) -> tuple[Array, tuple[Array, Array]]:
    """Logits [..., K], and (weight, inputs) as residuals."""
    return linear(weight, inputs), (weight, inputs)


def linear_bwd(residuals: tuple[Array, Array], cotangent: Array) -> Derivatives:
    """Source: notes (10). dW = sum over the batch of outer(ct, x): [K, D]; dx = W^T ct: [..., D]."""
    weight, inputs = residuals
    xp = weight.__array_namespace__()
    expect_shape("cotangent", cotangent, (*inputs.shape[:-1], weight.shape[0]))
    examples = math.prod(inputs.shape[:-1])
    ct = xp.reshape(widened("cotangent", cotangent), (examples, weight.shape[0]))
    x = xp.reshape(widened("inputs", inputs), (examples, weight.shape[1]))
    by_inputs = xp.reshape(ct @ widened("weight", weight), inputs.shape)
    return narrowed(ct.T @ x, weight.dtype), narrowed(by_inputs, inputs.dtype)


def _check(weight: Array, inputs: Array) -> None:
    if weight.dtype != inputs.dtype:
        raise TypeError(
            f"weight {weight.dtype.name} {weight.shape} and inputs {inputs.dtype.name} {inputs.shape} differ in dtype"
        )
    if weight.ndim != 2 or inputs.ndim == 0 or weight.shape[1] != inputs.shape[-1]:
        raise ValueError(f"weight {weight.shape} must be [K, D] and inputs {inputs.shape} must be [..., D]")


def _samples(generator: np.random.Generator, batch: tuple[int, ...]) -> Primals:
    return generator.normal(size=(4, 3)), generator.normal(size=(*batch, 3))


LINEAR = Rule(
    name="linear",
    equation="notes (5)(10)",
    primals=("weight", "inputs"),
    shared=("weight",),
    primal=linear,
    jacobian=linear_jacobian,
    jvp=linear_jvp,
    fwd=linear_fwd,
    bwd=linear_bwd,
    samples=_samples,
)
