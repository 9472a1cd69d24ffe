"""Two functions as one program: the first is always computed anew, the second is never another's."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Verdict, check_vjp
from manual_vs_auto.gradcheck.engines.jax.together import Together, beside


class Counted:
    """Two functions, joined or not, that count how often each is called."""

    def __init__(self, joined: bool, refuses: bool = False) -> None:
        self.calls: list[str] = []

        def double(x: Any) -> Any:
            self.calls.append("double")
            return [2 * a for a in x]

        def square(x: Any) -> Any:
            self.calls.append("square")
            if refuses:
                raise ValueError("no squares")
            return [a * a for a in x]

        self.both = Together(double, square, beside(double, square) if joined else None)


X, Y = [np.array([1.0, 2.0])], [np.array([3.0, 4.0])]


@pytest.mark.parametrize("joined", [True, False])
def test_each_answers_for_the_numbers_it_is_given(joined: bool) -> None:
    both = Counted(joined).both
    for given in (X, Y, X):
        np.testing.assert_array_equal(both.first(given)[0], 2 * given[0])
        np.testing.assert_array_equal(both.second(given)[0], given[0] ** 2)
    both.first(X)
    np.testing.assert_array_equal(both.second(Y)[0], [9.0, 16.0])
    np.testing.assert_array_equal(both.second([np.array([5.0])])[0], [25.0])


def test_the_second_is_computed_with_the_first() -> None:
    counted = Counted(True)
    counted.both.first(X)
    assert counted.calls == ["double", "square"]
    counted.both.second(X)
    assert counted.calls == ["double", "square"]


def test_the_first_is_computed_whenever_it_is_asked_for() -> None:
    counted = Counted(True)
    for _ in range(3):
        counted.both.first(X)
    assert counted.calls.count("double") == 3


def test_numbers_that_were_changed_in_place_are_others() -> None:
    both, given = Counted(True).both, [np.array([1.0, 2.0])]
    both.first(given)
    given[0][0] = 5.0
    np.testing.assert_array_equal(both.second(given)[0], [25.0, 4.0])


def test_nothing_is_lost_where_the_second_refuses() -> None:
    both = Counted(True, refuses=True).both
    np.testing.assert_array_equal(both.first(X)[0], [2.0, 4.0])
    with pytest.raises(ValueError, match="no squares"):
        both.second(X)


def _nearest(x: Any) -> Any:
    codes = jnp.array([-1.0, 0.25, 2.0])
    return x + codes[jnp.argmin((x[:, None] - codes) ** 2, axis=-1)]


@pytest.mark.parametrize(
    ("f", "vjp"),
    [
        (lambda x: x[jnp.argmax(x)], lambda ct, x: (jnp.zeros_like(x).at[jnp.argmax(x)].set(ct),)),
        (lambda x: jax.nn.one_hot(jnp.argmin(x), 3) * x, lambda ct, x: (ct * (jnp.arange(3) == jnp.argmin(x)),)),
        (_nearest, lambda ct, x: (ct,)),
    ],
)
def test_nothing_is_lost_where_the_second_can_be_traced_but_not_compiled(f: Any, vjp: Any) -> None:
    """JAX traces argmax of complex numbers, and refuses it when it is compiled: the complex step has no say."""
    x = np.array([0.3, -1.2, 2.5], np.float32)
    assert check_vjp(f, vjp, x).verdict is Verdict.AGREE
    assert check_vjp(f, lambda ct, x: (2 * vjp(ct, x)[0],), x).verdict is Verdict.DISAGREE


def test_both_are_one_program() -> None:
    program = jax.jit(beside(jnp.sin, jnp.cos))
    found = program(X[0])
    np.testing.assert_allclose(found, (np.sin(X[0]), np.cos(X[0])), rtol=1e-12)
