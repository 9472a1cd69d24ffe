"""Finite differences alone, against closed forms: the bound that they state must hold."""

from collections.abc import Callable

import numpy as np
import pytest

from manual_vs_auto.gradcheck.numerics.differences import STEPS, Sweep, central, kinked, one_sided, unbounded
from manual_vs_auto.gradcheck.numerics.taylor import remainder

Function = Callable[[np.ndarray], np.ndarray]

CLOSED_FORMS: dict[str, tuple[Function, Function]] = {
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "linear": (lambda x: 3 * x + 1, lambda x: 3 + 0 * x),
    "constant": (lambda x: 7 + 0 * x, lambda x: 0 * x),
    "root": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "log": (np.log, lambda x: 1 / x),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2),
    "cancelling": (lambda x: (1e6 + x) - 1e6, lambda x: 1 + 0 * x),
    "waves": (lambda x: np.sin(50 * x), lambda x: 50 * np.cos(50 * x)),
}


def _sweep(f: Function, x: np.ndarray, scale: np.ndarray) -> Sweep:
    steps = STEPS[:, None] * scale
    with np.errstate(all="ignore"):
        return Sweep(f(x + steps), f(x - steps), f(x))


def _points() -> np.ndarray:
    generator = np.random.default_rng(0)
    return np.concatenate([generator.uniform(0.1, 3, 400), 10 ** generator.uniform(-6, 3, 100)])


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_the_bound_of_central_differences_holds(name: str) -> None:
    f, slope = CLOSED_FORMS[name]
    x = _points() if name != "exp" else _points().clip(max=50)
    found = central(_sweep(f, x, x))
    right = slope(x) * x
    told = np.isfinite(found.bound)
    assert np.mean(told) > 0.98
    beyond = np.abs(found.value - right)[told] > found.bound[told] + 4e-16 * np.abs(right[told])
    # The bound is an estimate: one in two hundred may miss it, none by much.
    assert np.mean(beyond) <= 0.005
    assert np.all(np.abs(found.value - right)[told] <= 10 * found.bound[told] + 1e-15 * np.abs(right[told]))


@pytest.mark.parametrize("name", ["sin", "exp", "cube", "linear", "root", "log", "tanh", "reciprocal"])
def test_smooth_functions_are_known_to_ten_digits(name: str) -> None:
    f, slope = CLOSED_FORMS[name]
    x = np.random.default_rng(1).uniform(0.2, 1.2, 300)
    found = central(_sweep(f, x, x))
    assert np.median(found.bound / np.maximum(np.abs(slope(x) * x), 0.1)) < 1e-10


def test_a_jump_has_no_slope() -> None:
    found = central(_sweep(np.sign, np.zeros(1), np.ones(1)))
    assert not found.bound[0] < 1


def test_what_is_not_finite_at_coarse_steps_is_left_out() -> None:
    x = np.array([1e-3])
    found = central(_sweep(np.sqrt, x, np.ones(1)))
    assert found.value[0] == pytest.approx(0.5 / np.sqrt(1e-3), rel=1e-6)


def test_stairs_of_rounding_inside_are_seen_from_both_sides() -> None:
    # x - tanh(x) of tiny numbers goes in ulps of x: ahead the smallest move seen is three of them, behind one.
    x = np.array([-1.073851535693393e-06])
    sweep = _sweep(lambda x: x - np.tanh(x), x, np.abs(x))
    assert sweep.stair()[0] == pytest.approx(2.0**-72, rel=1e-9)
    assert central(sweep).bound[0] >= np.abs(central(sweep).value[0] - np.tanh(x[0]) ** 2 * abs(x[0]))


def test_noise_widens_the_bound() -> None:
    generator = np.random.default_rng(0)
    x = np.full(1, 0.7)
    sweep = _sweep(np.sin, x, x)
    ahead, behind, here = (a + 1e-7 * generator.normal(size=a.shape) for a in (sweep.ahead, sweep.behind, sweep.here))
    noisy = Sweep(ahead, behind, here)
    quiet, loud = central(sweep), central(noisy)
    assert loud.bound[0] > 1e3 * quiet.bound[0]
    assert abs(loud.value[0] - 0.7 * np.cos(0.7)) <= loud.bound[0]


@pytest.mark.parametrize(
    ("f", "ahead", "behind"),
    [(np.abs, 1.0, -1.0), (lambda x: np.maximum(x, 0), 1.0, 0.0), (lambda x: x + np.abs(x) * np.cos(x), 2.0, 0.0)],
)
def test_a_kink_has_two_slopes(f: Function, ahead: float, behind: float) -> None:
    found = one_sided(_sweep(f, np.zeros(1), np.ones(1)))
    assert kinked(*found).all()
    assert found[0].value[0] == pytest.approx(ahead, abs=1e-9)
    assert found[1].value[0] == pytest.approx(behind, abs=1e-9)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_smooth_functions_have_no_kink(name: str) -> None:
    x = np.random.default_rng(2).uniform(0.1, 3, 500)
    assert not np.any(kinked(*one_sided(_sweep(CLOSED_FORMS[name][0], x, x))))


def test_a_step_that_lands_on_a_plateau_settles_nothing() -> None:
    # A saturated probability: ahead it dies within a coarse step, and what is left there looks like a slope near 0.
    rate, depth = (a.ravel() for a in np.meshgrid(4.0 ** np.arange(1, 8), np.arange(2.0, 32, 2)))

    def f(x: np.ndarray) -> np.ndarray:
        return np.asarray(2 / (1 + np.exp(rate * x + depth)) - 9.27)

    sweep = _sweep(f, np.zeros(rate.size), np.ones(rate.size))
    p = 1 / (1 + np.exp(depth))
    assert not np.any(kinked(*one_sided(sweep)))
    for found in (central(sweep), *one_sided(sweep)):
        assert np.all(np.abs(found.value + 2 * rate * p * (1 - p)) <= 10 * found.bound)


@pytest.mark.parametrize("name", ["sin", "exp", "root", "log", "tanh", "reciprocal"])
def test_the_remainder_of_the_right_slope_falls_as_the_square(name: str) -> None:
    f, slope = CLOSED_FORMS[name]
    x = np.array([0.8])
    sweep = _sweep(f, x, x)
    right = remainder(sweep, slope(x) * x)
    assert right.order == pytest.approx(2, abs=0.1)
    assert right.right is True


@pytest.mark.parametrize("factor", [0.5, 0.999, 1.001, 2.0, -1.0])
@pytest.mark.parametrize("name", ["sin", "exp", "linear", "root", "reciprocal"])
def test_the_remainder_of_a_wrong_slope_falls_as_the_step_and_shows_the_error(name: str, factor: float) -> None:
    f, slope = CLOSED_FORMS[name]
    x = np.array([0.8])
    wrong = remainder(_sweep(f, x, x), factor * slope(x) * x)
    assert wrong.right is False
    assert wrong.order == pytest.approx(1, abs=0.2)
    error = abs((factor - 1) * float(slope(x)[0]) * 0.8)
    assert wrong.intercept == pytest.approx(error, rel=0.1)


def test_the_remainder_of_a_linear_function_is_exact_and_not_noise() -> None:
    x = np.array([0.8])
    found = remainder(_sweep(CLOSED_FORMS["linear"][0], x, x), 3 * x)
    assert np.isinf(found.order)
    assert found.right is True
    assert found.resolution < 1e-13


def test_an_error_below_the_resolution_is_not_claimed_to_be_seen() -> None:
    x = np.array([0.8])
    found = remainder(_sweep(np.sin, x, x), np.cos(x) * x * (1 + 1e-15))
    assert found.right is True
    assert found.resolution > 1e-15 * 0.8


def test_a_jump_at_coarse_steps_is_no_error_of_the_slope() -> None:
    found = remainder(_sweep(np.floor, np.array([0.9]), np.ones(1)), np.zeros(1))
    assert found.right is True


STEEP: dict[str, Function] = {
    "a jump": lambda x: np.where(x >= 0, 2.0, -1.0),
    "a cut": lambda x: np.arctan2(np.where(x >= 0, 1e-300, -1e-300), -1.0) + x,
    "a root": lambda x: np.sqrt(np.abs(x)),
    "a root of one side": lambda x: np.where(x > 0, np.abs(x) ** 0.3, 0.0),
}


@pytest.mark.parametrize("name", [*STEEP, *CLOSED_FORMS])
def test_slopes_without_a_bound(name: str) -> None:
    """At a jump and under a root there is none; where f is smooth, or has a corner, there is."""
    if name in STEEP:
        assert np.all(unbounded(_sweep(STEEP[name], np.zeros(3), np.array([1e-3, 1.0, 1e3]))))
    else:
        x = _points().clip(max=50)
        # Where rounding makes stairs a stair may look like a jump: one in two hundred, as above.
        assert np.mean(unbounded(_sweep(CLOSED_FORMS[name][0], x, x))) <= (0.005 if name == "cancelling" else 0)
        assert not np.any(unbounded(_sweep(np.abs, np.zeros(2), np.ones(2))))
