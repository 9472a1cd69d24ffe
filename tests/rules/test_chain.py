"""The chain rule: the transpose, any number of rules, and the notes' error shown."""

from dataclasses import replace

import numpy as np
import pytest

from manual_vs_auto.rules import (
    CROSS_ENTROPY,
    DIFFERENCE,
    LINEAR,
    SOFTMAX,
    SQUARED_DISTANCE,
    Array,
    compose,
    linear,
    product,
    softmax,
    squared_distance,
)
from tests.rules.tester import EPS, check_rule


def test_the_transpose_is_right_and_the_notes_are_not() -> None:
    """f(x) = W x from R^3 to R^2, g = ||. - y||^2: J^T grad g is the gradient, J grad g has no meaning."""
    W, x, y = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.ones(3), np.zeros(2)
    rule = compose(SQUARED_DISTANCE, LINEAR)
    J = LINEAR.jacobian(W, x)[1]
    grad_g = SQUARED_DISTANCE.jacobian(W @ x, y)[0]
    gradient = rule.jacobian(W, x, y)[1]
    np.testing.assert_array_equal(gradient, J.T @ grad_g)  # small whole numbers: exact
    np.testing.assert_array_equal(gradient, [2 * (6 * 1 + 15 * 4), 2 * (6 * 2 + 15 * 5), 2 * (6 * 3 + 15 * 6)])
    with pytest.raises(ValueError, match="mismatch"):
        J @ grad_g

    square = np.array([[0.0, 3.0], [2.0, 0.0]])  # and where m = n, it is the wrong number
    J, grad_g = square, 2 * square @ np.array([1.0, 1.0])
    assert not np.array_equal(J @ grad_g, J.T @ grad_g)


def test_any_number_of_rules() -> None:
    """softmax of softmax of softmax of W x, against a label."""
    rule = compose(CROSS_ENTROPY, compose(SOFTMAX, compose(SOFTMAX, compose(SOFTMAX, LINEAR))))
    check_rule(rule, rule.samples(np.random.default_rng(0), (3,)), (3,))
    leftwards = compose(compose(compose(SQUARED_DISTANCE, SOFTMAX), SOFTMAX), LINEAR)
    check_rule(leftwards, leftwards.samples(np.random.default_rng(0), ()), ())


def test_composition_is_associative() -> None:
    primals = compose(SQUARED_DISTANCE, compose(SOFTMAX, LINEAR)).samples(np.random.default_rng(1), (4,))
    right = compose(SQUARED_DISTANCE, compose(SOFTMAX, LINEAR))
    left = compose(compose(SQUARED_DISTANCE, SOFTMAX), LINEAR)
    assert right.primals == left.primals == ("weight", "inputs", "labels")
    np.testing.assert_array_equal(right.primal(*primals), squared_distance(softmax(linear(*primals[:2])), primals[2]))
    np.testing.assert_array_equal(left.primal(*primals), right.primal(*primals))
    for a, b in zip(left.jacobian(*primals)[:2], right.jacobian(*primals)[:2], strict=True):
        np.testing.assert_allclose(a, b, atol=16 * EPS)


def test_product_is_the_squared_distance() -> None:
    """(4) with f = g = yhat - y is (7)."""
    by_product = product(DIFFERENCE, DIFFERENCE)
    primals = SQUARED_DISTANCE.samples(np.random.default_rng(2), (20,))
    np.testing.assert_allclose(by_product.primal(*primals), squared_distance(*primals), rtol=4 * EPS)
    np.testing.assert_allclose(by_product.jacobian(*primals)[0], SQUARED_DISTANCE.jacobian(*primals)[0], rtol=2 * EPS)


def test_product_of_two_different_rules() -> None:
    """softmax(z) . (z - y), whose derivative needs both halves of (4)."""
    other = replace(DIFFERENCE, primals=("logits",), primal=lambda z: DIFFERENCE.primal(z, np.array(1)))
    other = replace(
        other,
        jacobian=lambda z: DIFFERENCE.jacobian(z, np.array(1))[:1],
        jvp=lambda p, t: DIFFERENCE.jvp((*p, np.array(1)), (*t, None)),
        fwd=lambda z: DIFFERENCE.fwd(z, np.array(1)),
        bwd=lambda residuals, ct: DIFFERENCE.bwd(residuals, ct)[:1],
    )
    rule = product(SOFTMAX, other)
    check_rule(rule, (np.random.default_rng(3).normal(size=4),), ())


def test_where_one_factor_has_no_derivative_the_product_has_none() -> None:
    p, y = np.array([0.25, 0.75]), np.array([0.0, 1.0])
    constant = replace(
        DIFFERENCE,
        jacobian=lambda p, y: (DIFFERENCE.jacobian(p, y)[0], None),
        bwd=lambda residuals, ct: (DIFFERENCE.bwd(residuals, ct)[0], None),
    )
    for rule in (product(DIFFERENCE, constant), product(constant, DIFFERENCE)):
        by_jacobian, by_bwd = rule.jacobian(p, y), rule.bwd(rule.fwd(p, y)[1], np.array(1.0))
        for found in (by_jacobian, by_bwd):
            np.testing.assert_array_equal(found[0], 2 * (p - y))
            assert found[1] is None


def test_a_factor_that_forgets_a_primal_is_refused() -> None:
    short = replace(
        DIFFERENCE,
        jacobian=lambda p, y: DIFFERENCE.jacobian(p, y)[:1],
        bwd=lambda residuals, ct: DIFFERENCE.bwd(residuals, ct)[:1],
    )
    rule = product(DIFFERENCE, short)
    primals = np.array([0.25, 0.75]), np.array(1)
    with pytest.raises(ValueError, match="shorter"):
        rule.jacobian(*primals)
    with pytest.raises(ValueError, match="shorter"):
        rule.bwd(rule.fwd(*primals)[1], np.array(1.0))


def test_what_the_outer_rule_shares_stays_shared() -> None:
    """Of its primals but the first, which is the inner rule's output and no primal any more."""
    outer = replace(SQUARED_DISTANCE, shared=("probabilities", "labels"))
    assert compose(outer, LINEAR).shared == ("weight", "labels")
    assert compose(replace(outer, shared=("probabilities",)), SOFTMAX).shared == ()


def test_refusal() -> None:
    with pytest.raises(ValueError, match="must take the same primals"):
        product(SOFTMAX, DIFFERENCE)


@pytest.mark.parametrize(
    ("weight", "inputs", "error", "match"),
    [
        (np.zeros((2, 3)), np.zeros(4), ValueError, r"weight \(2, 3\) .* inputs \(4,\)"),
        (np.zeros(3), np.zeros(3), ValueError, r"weight \(3,\)"),
        (np.zeros((2, 3)), np.zeros(()), ValueError, r"inputs \(\)"),
        (np.zeros((2, 3)), np.zeros(3, np.float32), TypeError, "float64 .* float32 .* differ in dtype"),
        (np.zeros((2, 3), int), np.zeros(3, int), TypeError, "must be floating"),
    ],
)
def test_linear_refuses(weight: Array, inputs: Array, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        linear(weight, inputs)


def test_linear_refuses_what_it_would_have_to_reshape() -> None:
    weight, inputs = np.ones((2, 3)), np.ones((4, 3))
    with pytest.raises(ValueError, match=r"cotangent \(2, 4\) must have the shape \(4, 2\)"):
        LINEAR.bwd((weight, inputs), np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"weight's tangent \(1, 3\) must have the shape \(2, 3\)"):
        LINEAR.jvp((weight, inputs), (np.ones((1, 3)), None))
    with pytest.raises(ValueError, match=r"inputs' tangent \(3,\) must have the shape \(4, 3\)"):
        LINEAR.jvp((weight, inputs), (None, np.ones(3)))


def test_what_a_batch_shares_is_known_of_every_rule() -> None:
    assert LINEAR.shared == ("weight",)
    assert compose(SQUARED_DISTANCE, compose(SOFTMAX, LINEAR)).shared == ("weight",)
    assert compose(SQUARED_DISTANCE, SOFTMAX).shared == ()
