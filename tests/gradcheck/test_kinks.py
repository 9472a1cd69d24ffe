"""At a kink there is no derivative, but there are wrong answers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Verdict, check_gradient, check_jvp, check_vjp

AT_ZERO = np.array([-1.5, 0.0, 2.0, 0.0], np.float32)


def _relu_sum(x: Any) -> Any:
    return jnp.sum(jnp.maximum(x, 0))


def _slope(at_zero: float) -> Any:
    return lambda x: jnp.where(x > 0, 1.0, jnp.where(x < 0, 0.0, at_zero)).astype(x.dtype)


@pytest.mark.parametrize("at_zero", [0.0, 0.3, 0.5, 1.0])
def test_any_slope_between_the_two_is_a_subgradient(at_zero: float) -> None:
    assert check_gradient(_relu_sum, _slope(at_zero), AT_ZERO).verdict is Verdict.AGREE


@pytest.mark.parametrize("at_zero", [-0.1, 1.1, 5.0, -3.0])
def test_a_slope_outside_is_refused_with_the_kink_as_its_cause(at_zero: float) -> None:
    report = check_gradient(_relu_sum, _slope(at_zero), AT_ZERO)
    assert report.verdict is Verdict.DISAGREE
    assert report.diagnosis is not None
    assert report.diagnosis.kind == "kink"
    assert report.worst is not None
    assert AT_ZERO[report.worst.index] == 0


@pytest.mark.parametrize(("declared", "right"), [(0.0, True), (1.0, False), (0.5, False), ((-0.1, 0.2), True)])
def test_a_convention_is_held_to(declared: Any, right: bool) -> None:
    report = check_gradient(_relu_sum, _slope(0.0), AT_ZERO, convention=declared)
    assert (report.verdict is Verdict.AGREE) == right


def test_a_convention_counts_although_autodiff_has_the_same_slope() -> None:
    # jnp.maximum's own slope at 0 is 0.5.
    assert check_gradient(_relu_sum, _slope(0.5), AT_ZERO).verdict is Verdict.AGREE
    assert check_gradient(_relu_sum, _slope(0.5), AT_ZERO, convention=0.0).verdict is Verdict.DISAGREE


def test_the_convention_goes_with_the_cotangent() -> None:
    slope = _slope(1.0)
    report = check_vjp(lambda x: jnp.maximum(x, 0), lambda ct, x: (ct * slope(x),), AT_ZERO, convention=1.0)
    assert report.verdict is Verdict.AGREE


def test_a_tie_may_go_to_one_or_be_split_but_not_be_counted_twice() -> None:
    x = np.array([2.0, 2.0, 1.0], np.float32)
    split = check_gradient(jnp.max, lambda x: (x == x.max()) / jnp.sum(x == x.max()), x)
    first = check_gradient(jnp.max, lambda x: jnp.zeros_like(x).at[jnp.argmax(x)].set(1), x)
    twice = check_gradient(jnp.max, lambda x: (x == x.max()) * jnp.ones_like(x), x)
    assert [r.verdict for r in (split, first, twice)] == [Verdict.AGREE, Verdict.AGREE, Verdict.DISAGREE]


def test_forward_mode_has_the_same_freedom() -> None:
    def jvp(at_zero: float) -> Any:
        return lambda primals, tangents: _slope(at_zero)(primals[0]) * tangents[0]

    def relu(x: Any) -> Any:
        return jnp.maximum(x, 0)

    assert check_jvp(relu, jvp(0.2), AT_ZERO).verdict is Verdict.AGREE
    assert check_jvp(relu, jvp(1.7), AT_ZERO).verdict is Verdict.DISAGREE


def test_numpy_functions_have_kinks_too() -> None:
    def total(x: Any) -> Any:
        return float(np.sum(np.abs(np.asarray(x))))

    x = np.array([0.0, 1.0, -2.0])
    assert check_gradient(total, lambda x: np.sign(np.asarray(x)), x).verdict is Verdict.AGREE
    assert check_gradient(total, lambda x: np.where(np.asarray(x) >= 0, 1.0, -1.0), x).verdict is Verdict.AGREE
    assert check_gradient(total, lambda x: np.where(np.asarray(x) == 0, 2.0, np.sign(x)), x).verdict is Verdict.DISAGREE


def test_where_points_meet_neither_has_a_number_and_nothing_is_claimed() -> None:
    def distances(x: Any) -> Any:
        apart = x[:, None] - x[None, :]
        return jnp.sum(jnp.sqrt(jnp.sum(apart**2, -1) + jnp.eye(len(x))) - jnp.eye(len(x)))

    def rule(x: Any) -> Any:
        apart = x[:, None] - x[None, :]
        length = jnp.sqrt(jnp.sum(apart**2, -1) + jnp.eye(len(x)))
        return 2 * jnp.sum(apart / length[..., None], 1)

    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    assert check_gradient(distances, rule, x).verdict is Verdict.AGREE


def test_numpy_alone_in_float32_may_lose_what_nothing_says_could_be_kept() -> None:
    def softmax(z: Any) -> Any:
        e = np.exp(np.asarray(z) - np.max(z, -1, keepdims=True))
        return e / np.sum(e, -1, keepdims=True)

    def rule(ct: Any, z: Any) -> Any:
        s = softmax(z)
        return (s * (ct - np.sum(s * ct, -1, keepdims=True)),)

    z = (30 * np.random.default_rng(0).normal(size=(3, 5))).astype(np.float32)
    assert check_vjp(softmax, rule, z).verdict is Verdict.AGREE


def _chaotic(x: Any) -> Any:
    return jax.lax.fori_loop(0, 30, lambda _, x: 3.99 * x * (1 - x), x)


def test_what_is_too_steep_for_differences_has_no_kink() -> None:
    """Its slope is about 1e8, and another 1e-5 beside: 0 lies between, and is nobody's."""
    x = np.array([0.3, 0.6], np.float32)
    report = check_vjp(_chaotic, lambda ct, x: (0 * ct,), x, domain=(0, 1))
    assert report.verdict is Verdict.DISAGREE


@pytest.mark.parametrize(
    ("slope", "verdict"), [(0.9995, Verdict.AGREE), (1.0005, Verdict.AGREE), (1.1, Verdict.DISAGREE)]
)
def test_a_slight_kink_is_one(slope: float, verdict: Verdict) -> None:
    report = check_vjp(
        lambda x: x + 1e-3 * jnp.abs(x),
        lambda ct, x: (ct * jnp.where(x == 0, slope, 1 + 1e-3 * jnp.sign(x)),),
        AT_ZERO,
    )
    assert report.verdict is verdict
