"""Every way in which an operation's derivative is bent, alone: against the wrong derivative written by hand."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck.claims.arguments import inputs_of
from manual_vs_auto.gradcheck.claims.claim import vjp_claim
from manual_vs_auto.gradcheck.explain import terms, values, ways
from manual_vs_auto.gradcheck.explain.observation import Observation, Tolerance

Rule = Callable[..., tuple[Any, ...]]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def found(f: Callable[..., Any], wrong: Rule, *args: np.ndarray) -> tuple[terms.Terms, Observation]:
    """f's program, and what a wrong rule says of it at one input."""
    with jax.enable_x64(True):
        inputs = inputs_of(f, args, None)
        out, pull = jax.vjp(f, *args)
        ct = normal(*out.shape, seed=9)
        manual, right = ([np.asarray(a) for a in side] for side in (wrong(ct, *args), pull(ct)))
    observation = Observation(list(args), [ct], manual, right)
    return terms.Terms(vjp_claim(f, wrong, inputs), observation, Tolerance(1e-8)), observation


def softmax(x: Any) -> Any:
    e = jnp.exp(x)
    return e / jnp.sum(e, 1, keepdims=True)


X, Y, W, SQUARE = normal(2, 3), normal(2, 3, seed=1), normal(3, seed=2), normal(3, 3, seed=3)
IDS = np.array([1, 0, 1, 1])
WAYS: dict[str, tuple[Callable[..., Any], Rule, tuple[np.ndarray, ...], int, str]] = {
    "the factor of operand 1 of mul": (
        lambda x, w: jnp.tanh(x) * w, lambda ct, x, w: (ct / np.cosh(x) ** 2, np.sum(ct * np.tanh(x), 0)),
        (X, W), ways.PASSED, "term"),
    "the factor of operand 1 of div": (
        lambda x, w: jnp.tanh(x) / w,
        lambda ct, x, w: (3.0 * ct / np.cosh(x) ** 2, -np.sum(ct * np.tanh(x), 0) / w**2),
        (X, W), ways.PASSED, "count"),
    "is transposed": (lambda a: jnp.tanh(a) @ SQUARE, lambda ct, a: ((ct @ SQUARE.T).T / np.cosh(a) ** 2,),
        (normal(3, 3, seed=4),), ways.PASSED, "transpose"),
    "is not transposed going back": (
        lambda x: jnp.tanh(SQUARE @ x), lambda ct, x: (SQUARE @ (ct / np.cosh(SQUARE @ x) ** 2),),
        (W,), ways.COPIED, "untransposed"),
    "only the first counts": (lambda b: jnp.tanh(b) + X, lambda ct, b: (ct[0] / np.cosh(b) ** 2,),
        (W,), ways.COPIED, "group"),
    "the mean stands where the sum": (lambda b: jnp.tanh(b) + X, lambda ct, b: (ct.mean(0) / np.cosh(b) ** 2,),
        (W,), ways.COPIED, "reduction"),
    "the first stands for all": (lambda b: jnp.tanh(b) + X, lambda ct, b: (2 * ct[0] / np.cosh(b) ** 2,),
        (W,), ways.COPIED, "group"),
    "reads more than once only the last": (
        lambda t: jnp.tanh(t)[IDS], lambda ct, t: (np.stack([ct[1], ct[3]]) / np.cosh(t) ** 2,),
        (X,), ways.COPIED, "repeats"),
    "counts, not only what it chooses": (
        lambda x: jnp.max(jnp.tanh(x), 1), lambda ct, x: (ct[:, None] / np.cosh(x) ** 2,),
        (X,), ways.COPIED, "mask"),
    "the logarithm of the base is missing": (
        lambda x, p: jnp.sum(jnp.exp(x) ** p, 0),
        lambda ct, x, p: (ct * p * np.exp(x * p), ct * np.exp(x) ** p), (X, Y), ways.ELSEWHERE, "term"),
    "averaged over axis 0": (
        lambda x: jnp.sum(jnp.tanh(x), 1),
        lambda ct, x: (np.broadcast_to(ct.mean(), x.shape) / np.cosh(x) ** 2,), (X,), ways.COPIED, "statistics"),
    "is taken at its result": (
        lambda x: jnp.sum(jnp.tanh(x), 0), lambda ct, x: (ct / np.cosh(np.tanh(x)) ** 2,),
        (X,), ways.ELSEWHERE, "slope"),
    "at what goes into tanh": (
        lambda x, y: x * jnp.tanh(y), lambda ct, x, y: (ct * y, ct * x / np.cosh(y) ** 2),
        (X, Y), ways.ELSEWHERE, "slope"),
    "is one in the derivative by the other": (
        lambda x, y: jnp.tanh(x) @ y, lambda ct, x, y: (ct @ np.ones((3, 3)).T / np.cosh(x) ** 2, np.tanh(x).T @ ct),
        (X, normal(3, 3, seed=5)), ways.ELSEWHERE, "term"),
    "taken to be 1 minus its result": (
        lambda x: jnp.sum(jnp.tanh(x), 0), lambda ct, x: (ct * (1 - np.tanh(x)),), (X,), ways.ELSEWHERE, "variant"),
}  # fmt: skip


@pytest.mark.parametrize("said", WAYS)
def test_a_way_explains_the_rule_that_is_wrong_so(said: str) -> None:
    f, wrong, args, stage, kind = WAYS[said]
    program, observation = found(f, wrong, *args)
    guesses = [guess for guess in program.bendings(stage) if said in guess.text]
    assert guesses, [guess.text for guess in program.bendings(stage)]
    assert guesses[0].kind == kind
    for leaf, manual in enumerate(observation.manual):
        np.testing.assert_allclose(guesses[0].predict(observation, leaf), manual, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("stage", [ways.PASSED, ways.COPIED, ways.ELSEWHERE])
def test_what_is_wrong_in_no_such_way_is_not_explained(stage: int) -> None:
    program, _ = found(lambda x, w: jnp.tanh(x * w), lambda ct, x, w: (ct * x**3, ct.sum(0) * w**5), X, W)
    assert list(program.bendings(stage)) == []


def test_what_flows_through_an_edge_is_scaled() -> None:
    """softmax with its sum held constant; the file is named with the line."""
    program, _ = found(softmax, lambda ct, x: (softmax(x) * ct,), X)
    first = next(program.scaled())
    assert first.kind == "term"
    assert "test_ways.py:" in first.text
    assert first.text.endswith("is missing")


def test_two_edges_at_once() -> None:
    """x' A x with A x for both terms, and mean and deviation held constant."""
    a = normal(4, 4, seed=6)
    program, _ = found(lambda x: x @ jnp.asarray(a) @ x, lambda ct, x: (2 * ct * (a @ x),), normal(4))
    list(program.scaled())
    assert any("is missing, and that" in guess.text or "is taken twice" in guess.text for guess in program.pairs())

    def standard(x: Any) -> Any:
        apart = x - jnp.mean(x)
        return apart / jnp.sqrt(jnp.mean(apart**2))

    program, observation = found(standard, lambda ct, x: (ct / np.std(x),), normal(5))
    list(program.scaled())
    both = next(program.pairs())
    assert both.text.count("is missing") == 2
    np.testing.assert_allclose(both.predict(observation, 0), observation.manual[0], rtol=1e-9)


def test_a_factor_that_is_missing_on_one_path() -> None:
    """The root mean square norm with its weight inside the mean alone."""

    def norm(x: Any, g: Any) -> Any:
        return x * jax.lax.rsqrt(jnp.mean(x**2)) * g

    def wrong(ct: Any, x: Any, g: Any) -> tuple[Any, ...]:
        r = 1 / np.sqrt(np.mean(x**2))
        return r * (ct - x * r * np.mean(ct * g * x * r)), ct * x * r

    program, observation = found(norm, wrong, normal(4), normal(4, seed=1))
    list(program.scaled())
    guesses = [guess for guess in program.bendings(ways.PASSED) if "where it flows through" in guess.text]
    assert guesses
    np.testing.assert_allclose(guesses[0].predict(observation, 0), observation.manual[0], rtol=1e-9)


def test_an_operand_that_stands_twice_may_be_bent_once() -> None:
    program, observation = found(lambda x: x * x, lambda ct, x: (ct * x,), normal(3))
    said = [guess.text for guess in program.scaled()]
    assert any("operand 1" in text and "missing" in text for text in said)
    assert observation.manual[0].shape == (3,)


def test_what_is_added_and_forgotten() -> None:
    """The epsilon of a norm, and a variance over n - 1 where it is one over n."""

    def rms(x: Any) -> Any:
        return x * jax.lax.rsqrt(jnp.mean(x**2) + 0.01)

    def without(ct: Any, x: Any) -> Any:
        r = 1 / np.sqrt(np.mean(x**2))
        return (r * ct - x * r**3 * np.mean(ct * x),)

    program, observation = found(rms, without, normal(5))
    first = next(values.of_values(program))
    assert first.kind == "value"
    assert first.text.startswith("0.01 is forgotten, which add in ")
    np.testing.assert_allclose(first.predict(observation, 0), observation.manual[0], rtol=1e-6)
    program, _ = found(
        lambda x, v: x / jnp.sqrt(v), lambda ct, x, v: (ct / np.sqrt(1.25 * v), -0.5 * ct * x * v**-1.5),
        normal(5), normal(5, seed=1) ** 2,
    )  # fmt: skip
    text = next(values.of_values(program.of([0]))).text
    assert text.startswith("it is the derivative where what enters sqrt in ")
    assert text.endswith("is 1.25 times as large")
    right, _ = found(rms, lambda ct, x: (1.01 * jax.vjp(rms, x)[1](ct)[0] + x,), normal(5))
    assert list(values.of_values(right)) == []
