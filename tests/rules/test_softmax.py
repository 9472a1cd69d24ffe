"""Softmax where it is hard: large, tied, saturated, one class, no example."""

import math
from decimal import Decimal, getcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.rules import softmax
from manual_vs_auto.rules.softmax import largest, softmax_bwd, softmax_fwd, softmax_jacobian, softmax_jvp
from tests.haste import hastily
from tests.rules.tester import EPS

NAMESPACES = [np, jnp]


@pytest.mark.parametrize("xp", NAMESPACES, ids=["numpy", "jax"])
def test_known_values(xp: Any) -> None:
    # exp(log n) = n, over their sum 6
    logits = xp.asarray([math.log(1), math.log(2), math.log(3)])
    np.testing.assert_allclose(softmax(logits), [1 / 6, 2 / 6, 3 / 6], rtol=4 * EPS)
    p = np.array([1 / 6, 2 / 6, 3 / 6])
    expected = np.diag(p) - np.outer(p, p)
    np.testing.assert_allclose(softmax_jacobian(logits)[0], expected, rtol=0, atol=8 * EPS)


@pytest.mark.parametrize("xp", NAMESPACES, ids=["numpy", "jax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_logits_neither_overflow_nor_divide_by_zero(xp: Any, dtype: str) -> None:
    rows = xp.asarray([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4], [1.5e38, -1.5e38, 0]], dtype=dtype)
    p = np.asarray(softmax(rows))
    expected = np.array([[1, 0, 0], [1 / 3] * 3, [0.5, 0.5, 0], [1, 0, 0]])
    np.testing.assert_allclose(p, expected, rtol=float(np.finfo(dtype).eps))
    assert np.all(np.isfinite(softmax_jacobian(rows)[0]))
    assert np.all(np.isfinite(softmax_jvp((rows,), (xp.ones_like(rows),))))


@pytest.mark.parametrize("xp", NAMESPACES, ids=["numpy", "jax"])
def test_a_class_that_cannot_be(xp: Any) -> None:
    p, residuals = softmax_fwd(xp.asarray([0.0, -np.inf, 0.0]))
    np.testing.assert_array_equal(p, [0.5, 0, 0.5])
    np.testing.assert_array_equal(softmax_bwd(residuals, xp.asarray([1.0, 5.0, 0.0]))[0], [0.25, 0, -0.25])


@pytest.mark.parametrize("xp", NAMESPACES, ids=["numpy", "jax"])
@pytest.mark.parametrize("shape", [(1,), (4, 1), (0, 3), (0, 1), (2, 0, 3)], ids=str)
def test_one_class_and_no_example(xp: Any, shape: tuple[int, ...]) -> None:
    logits = xp.full(shape, 7.0)
    p = softmax(logits)
    assert p.shape == shape
    np.testing.assert_allclose(np.asarray(p), 1 / shape[-1], rtol=EPS)
    assert softmax_jacobian(logits)[0].shape == (*shape, shape[-1])
    assert softmax_bwd(p, logits)[0].shape == shape


def test_equal_rows_are_uniform_and_their_jacobian_is_known() -> None:
    np.testing.assert_allclose(softmax(np.full((2, 5), 1e4)), 0.2, rtol=EPS)
    expected = np.eye(5) / 5 - 1 / 25
    np.testing.assert_allclose(softmax_jacobian(np.zeros(5))[0], expected, atol=2 * EPS)


def test_rows_sum_to_one_and_the_jacobian_to_zero() -> None:
    logits = 10 * np.random.default_rng(0).normal(size=(100, 7))
    np.testing.assert_allclose(softmax(logits).sum(-1), 1, rtol=8 * EPS)
    np.testing.assert_allclose(softmax_jacobian(logits)[0].sum(-1), 0, atol=8 * EPS)


def test_a_shift_changes_nothing() -> None:
    logits = np.array([1.0, 2.0, 4.0])  # and so exact after the shift
    np.testing.assert_array_equal(softmax(logits), softmax(logits + 1024))


@pytest.mark.parametrize("gap", [1, 30, 40, 300, 700])
def test_a_saturated_derivative_keeps_its_digits_by_autodiff(gap: int) -> None:
    """p_0 = 1 / (1 + e^-gap): its slope p_0 p_1 is e^-gap and not 1 - 1."""
    getcontext().prec = 400
    tail = (-Decimal(gap)).exp()
    expected = float(tail / (1 + tail) ** 2)
    found = hastily(jax.jacrev(softmax), np.array([float(gap), 0.0]))
    # exp, a sum, a quotient and its derivative: a dozen roundings
    np.testing.assert_allclose(np.abs(found), expected, rtol=12 * EPS)


@pytest.mark.parametrize("xp", NAMESPACES, ids=["numpy", "jax"])
def test_refusals(xp: Any) -> None:
    with pytest.raises(TypeError, match=r"logits must be floating .* not int32 \(3,\)"):
        softmax(xp.asarray([1, 2, 3], dtype=xp.int32))
    with pytest.raises(TypeError, match="not bool"):
        softmax(xp.asarray([True]))
    with pytest.raises(TypeError, match="not complex128"):
        softmax(xp.asarray([1j]))
    with pytest.raises(ValueError, match=r"at least one class on the last axis, not shape \(2, 0\)"):
        softmax(xp.zeros((2, 0)))
    with pytest.raises(ValueError, match=r"not shape \(\)"):
        softmax(xp.zeros(()))


@pytest.mark.parametrize(("dtype", "gap"), [("float16", 8), ("bfloat16", 8), ("float32", 17), ("float64", 700)])
def test_a_saturated_derivative_keeps_its_digits_by_hand(dtype: str, gap: int) -> None:
    """p_0 = 1 in this dtype, and its slope is still e^-gap, by every part of the rule."""
    logits = jnp.asarray([float(gap), 0.0], dtype)
    expected = float(np.exp(-float(gap)))
    one = jnp.asarray([1.0, 0.0], dtype)
    found = [
        softmax_jacobian(logits)[0][0],
        softmax_jvp((logits,), (one,)),
        softmax_bwd(softmax_fwd(logits)[1], one)[0],
    ]
    for derivative in found:
        allowed = 4 * float(jnp.finfo(dtype).eps) + 2 * expected
        np.testing.assert_allclose(np.asarray(derivative, np.float64), [expected, -expected], rtol=allowed)


def test_a_vector_of_another_shape_is_refused() -> None:
    p = softmax(np.zeros(3))
    with pytest.raises(ValueError, match=r"vector \(2, 3\) must have the shape \(3,\)"):
        softmax_bwd(p, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"vector \(1,\) must have the shape \(3,\)"):
        softmax_jvp((np.zeros(3),), (np.ones(1),))


@pytest.mark.parametrize("xp", NAMESPACES, ids=["numpy", "jax"])
def test_the_largest_of_a_row_is_the_first_of_ties(xp: Any) -> None:
    rows = np.random.default_rng(0).integers(-2, 3, size=(4, 50, 5)).astype(np.float32)
    rows[0, 0] = -np.inf
    rows[0, 1, 2:4] = np.nan
    found = np.asarray(largest(xp.asarray(rows)))
    np.testing.assert_array_equal(found, np.arange(5) == np.argmax(rows, axis=-1)[..., None])
