"""The products with the Hessian: before the checker, as matrices by hand, and wrong ones refused."""

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Verdict, check_jvp
from manual_vs_auto.model import LOSSES, Loss
from manual_vs_auto.rules import softmax
from manual_vs_auto.solve.curvature import CONVEX, DIAGONAL, EXACT, through_softmax
from tests.solve.problems import Array

DRAW = np.random.default_rng(5)
LOGITS = DRAW.normal(size=(3, 4))
TARGETS = np.eye(4)[[0, 3, 3]]
EPS = np.finfo(np.float64).eps
BOTH: list[Loss] = ["cross_entropy", "squared_distance"]


def _gradient(loss: Loss) -> Any:
    """dL/dz of each row, by the rule that is proved elsewhere."""

    def gradient(logits: Any) -> Any:
        xp = logits.__array_namespace__()
        targets = xp.asarray(TARGETS, dtype=logits.dtype)
        _, residuals = LOSSES[loss].fwd(logits, targets)
        return LOSSES[loss].bwd(residuals, xp.ones(3, dtype=logits.dtype))[0]

    return gradient


def _pushforward(product: Any) -> Any:
    def jvp(primals: Any, tangents: Any) -> Any:
        (logits,), (direction,) = primals, tangents
        targets = logits.__array_namespace__().asarray(TARGETS, dtype=logits.dtype)
        return product(softmax(logits), targets, direction)

    return jvp


@pytest.mark.parametrize("loss", BOTH)
def test_the_exact_product_is_the_derivative_of_the_gradient(loss: Loss) -> None:
    report = check_jvp(_gradient(loss), _pushforward(EXACT[loss]), jnp.asarray(LOGITS))
    assert report.verdict is Verdict.AGREE, str(report)


def test_a_product_that_forgets_how_the_factor_p_moves_is_refused() -> None:
    """Gauss-Newton's is not the exact one, and neither is one with a factor lost."""
    for wrong in (CONVEX["squared_distance"], lambda p, y, u: EXACT["squared_distance"](p, y, u) / 2):
        report = check_jvp(_gradient("squared_distance"), _pushforward(wrong), jnp.asarray(LOGITS))
        assert report.verdict is Verdict.DISAGREE


def _matrix(product: Any, p: Array, y: Array) -> Array:
    return np.stack([product(p, y, column) for column in np.eye(len(p))], axis=1)


def test_products_are_the_notes_matrices() -> None:
    p = softmax(LOGITS[0])
    jacobian = np.diag(p) - np.outer(p, p)  # notes (8)
    # Each product is a dozen roundings of numbers below 1.
    near = partial(np.testing.assert_allclose, rtol=0, atol=32 * EPS)
    near(_matrix(lambda p, _, u: through_softmax(p, u), p, p), jacobian)
    near(_matrix(EXACT["cross_entropy"], p, TARGETS[0]), jacobian)
    near(_matrix(CONVEX["squared_distance"], p, TARGETS[0]), 2 * jacobian @ jacobian)


@pytest.mark.parametrize("loss", BOTH)
def test_where_the_model_is_right_gauss_newton_is_exact(loss: Loss) -> None:
    p, u = softmax(LOGITS), DRAW.normal(size=(3, 4))
    np.testing.assert_allclose(EXACT[loss](p, p, u), CONVEX[loss](p, p, u), rtol=0, atol=32 * EPS)


@pytest.mark.parametrize("loss", BOTH)
def test_the_diagonal_is_the_matrices(loss: Loss) -> None:
    p = softmax(LOGITS[1])
    matrix = _matrix(CONVEX[loss], p, TARGETS[1])
    np.testing.assert_allclose(DIAGONAL[loss](p), np.diag(matrix), rtol=0, atol=32 * EPS)
    values = np.linalg.eigvalsh(matrix)
    assert abs(values[0]) < 32 * EPS  # adding a number to every logit
    assert DIAGONAL[loss](p).sum() / (len(p) - 1) == pytest.approx(values[1:].mean(), rel=64 * EPS)


def test_squared_distance_bends_down_where_it_is_wrong_and_sure() -> None:
    p = softmax(np.array([4.0, 0.0, -4.0]))
    wrong = np.eye(3)[1]
    assert np.linalg.eigvalsh(_matrix(EXACT["squared_distance"], p, wrong))[0] < -1e-3
    assert np.linalg.eigvalsh(_matrix(CONVEX["squared_distance"], p, wrong))[0] > -32 * EPS
