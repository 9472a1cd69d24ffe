"""What is wrong at single points only is a finding of its own; where f has no derivative nothing is claimed."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import (
    Settings,
    UsageError,
    Verdict,
    assert_gradients,
    check_custom_rule,
    check_gradient,
    check_jvp,
    check_vjp,
)
from tests.gradcheck.commands import Command

X = np.array([0.4, -1.3, 0.9, 2.1], np.float32)


def product_by_division(x: Any) -> Any:
    return jnp.prod(x) / x


def test_right_but_at_a_single_point_is_special() -> None:
    report = check_gradient(jnp.prod, product_by_division, X)
    assert report.verdict is Verdict.SPECIAL
    assert report.diagnosis is not None
    assert report.diagnosis.kind == "division"
    assert "overflow" not in str(report)
    assert "is 0, and right at every input beside it" in report.diagnosis.text
    assert report.minimal is not None
    assert report.hidden is not None


@pytest.mark.parametrize(("asked", "verdict"), [("fail", Verdict.DISAGREE), ("ignore", Verdict.AGREE)])
def test_how_strict_is_for_the_author_to_say(asked: Any, verdict: Verdict) -> None:
    report = check_gradient(jnp.prod, product_by_division, X, special_points=asked)
    assert report.verdict is verdict
    assert any("ignored, as asked for" in note for note in report.notes) == (asked == "ignore")


def test_what_is_wrong_elsewhere_too_is_wrong() -> None:
    report = check_gradient(jnp.prod, lambda x: jnp.where(x < -5, 0.0, product_by_division(x)), X)
    assert report.verdict is Verdict.DISAGREE
    assert check_gradient(jnp.prod, lambda x: jnp.where(jnp.abs(x) < 1e-5, 0.0, product_by_division(x)),
                          X).verdict is not Verdict.AGREE  # fmt: skip


def test_an_assertion_is_as_strict_as_the_command() -> None:
    with pytest.raises(AssertionError, match="SPECIAL"):
        assert_gradients(jnp.prod, product_by_division, X)
    assert_gradients(jnp.prod, product_by_division, X, special_points="ignore")


def test_what_has_no_meaning_is_refused() -> None:
    for wrong in ({"special_points": "perhaps"}, {"f_accuracy": 1.5}, {"f_accuracy": -1e-3}, {"f_accuracy": "some"}):
        settings: Settings = wrong  # type: ignore[assignment]
        with pytest.raises(UsageError, match=next(iter(wrong))):
            check_gradient(jnp.prod, product_by_division, X, **settings)


def sorted_vjp(ct: Any, x: Any) -> Any:
    # Another order among equals than JAX's own.
    order = x.shape[0] - 1 - jnp.argsort(x[::-1])
    return (jnp.zeros_like(x).at[order].set(ct),)


WITHOUT: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = {
    "sorting ties in another order": (jnp.sort, sorted_vjp, (np.zeros(5, np.float32),)),
    "arctan2 at (0, 0)": (
        lambda y, x: jnp.arctan2(y, x),
        lambda ct, y, x: (ct * x / jnp.where(r := x * x + y * y, r, 1), -ct * y / jnp.where(r, r, 1)),
        (np.zeros(2, np.float32), np.zeros(2, np.float32)),
    ),
    "the floor": (jnp.floor, lambda ct, x: (0 * ct,), (np.array([0.0, 1.0, -2.5], np.float32),)),
    "the norm at 0": (
        lambda x: jnp.sqrt(jnp.sum(x * x)),
        lambda ct, x: (ct * x / jnp.where(r := jnp.sqrt(jnp.sum(x * x)), r, 1),),
        (np.zeros(3, np.float32),),
    ),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_where_f_has_no_derivative_nothing_is_claimed(name: str) -> None:
    f, rule, args = WITHOUT[name]
    assert check_vjp(f, rule, *args).verdict is Verdict.AGREE


def test_a_number_that_only_the_rule_lacks_at_a_corner_is_special() -> None:
    def length(x: Any) -> Any:
        square = jnp.sum(x * x)
        return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)

    assert check_gradient(length, lambda x: x / length(x), X).verdict is Verdict.SPECIAL


def test_a_rule_adds_up_at_every_point() -> None:
    def pushed(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return jnp.where(x == 0, jnp.abs(t), 2 * x * t)

    report = check_jvp(lambda x: x * x, pushed, X)
    assert report.verdict is Verdict.SPECIAL


def test_numbers_that_the_program_names_are_tried() -> None:
    def huber(x: Any) -> Any:
        return jnp.where(jnp.abs(x) <= 1.5, 0.5 * x * x, 1.5 * jnp.abs(x) - 1.125)

    def rule(ct: Any, x: Any) -> Any:
        return (ct * jnp.where(jnp.abs(x) < 1.5, x, jnp.where(jnp.abs(x) > 1.5, 1.5 * jnp.sign(x), 0.0)),)

    report = check_vjp(huber, rule, X)
    assert report.verdict is Verdict.SPECIAL
    assert report.hidden is not None
    assert "at a bound" in report.hidden


LOGITS, LABELS = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32), np.array([1, 0, 4, 2], np.int32)


def _cross_entropy(logits: Any, labels: Any) -> Any:
    """Labels of -100 do not count."""
    counts = labels != -100
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.where(counts, labels, 0)[:, None], 1)[:, 0]
    return -jnp.sum(jnp.where(counts, picked, 0.0))


def _unmasked(logits: Any, labels: Any) -> Any:
    return jax.nn.softmax(logits) - jax.nn.one_hot(labels, 5)


def test_labels_that_f_ignores_are_tried() -> None:
    report = check_gradient(_cross_entropy, _unmasked, LOGITS, LABELS)
    assert report.verdict is Verdict.DISAGREE
    assert report.hidden is not None
    assert "labels holds -100" in report.hidden
    masked = check_gradient(lambda z, y: _cross_entropy(z, y), lambda z, y: _unmasked(z, y) * (y != -100)[:, None],
                            LOGITS, LABELS)  # fmt: skip
    assert masked.verdict is Verdict.AGREE


def test_an_index_that_is_nobodys_is_not_tried() -> None:
    """JAX takes -1 from the end, and clamps what is too large: a one-hot rule is right for all that people pass."""
    table = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    report = check_vjp(lambda t, i: t[i], lambda ct, t, i: (jax.nn.one_hot(i, 5).T @ ct,), table, LABELS)
    assert report.verdict is Verdict.AGREE


def test_a_group_that_is_empty_is_tried() -> None:
    ids = np.array([0, 2, 1, 2, 0], np.int32)

    def means(x: Any, ids: Any) -> Any:
        hot = jax.nn.one_hot(ids, 3, dtype=x.dtype)
        return x @ hot / jnp.maximum(hot.sum(0), 1)

    def rule(ct: Any, x: Any, ids: Any) -> Any:
        hot = jax.nn.one_hot(ids, 3, dtype=x.dtype)
        return (hot @ (ct / hot.sum(0)),)

    assert check_vjp(means, rule, np.ones(5, np.float32), ids).verdict is Verdict.DISAGREE


def _root(a: Any, steps: int) -> Any:
    return jax.lax.fori_loop(0, steps, lambda _, x: 0.25 * (3 * x + a / x), jnp.ones_like(a))


@pytest.mark.parametrize("steps", [14, 20])
def test_a_derivative_is_held_to_no_more_than_f_is_good_for(steps: int) -> None:
    root = jax.custom_vjp(lambda a: _root(a, steps))
    root.defvjp(lambda a: ((x := _root(a, steps)), x), lambda x, ct: (0.5 * ct / x,))
    report = check_custom_rule(root, np.array([0.5, 2.0, 3.0], np.float32))
    assert report.verdict is Verdict.AGREE
    assert any("f is exact to" in note for note in report.notes)
    wrong = jax.custom_vjp(lambda a: _root(a, steps))
    wrong.defvjp(lambda a: ((x := _root(a, steps)), x), lambda x, ct: (0.6 * ct / x,))
    assert check_custom_rule(wrong, np.array([0.5, 2.0, 3.0], np.float32)).verdict is Verdict.DISAGREE


def test_what_f_is_good_for_may_be_declared() -> None:
    def f(x: Any) -> Any:
        return jnp.sum(x * x)

    def off(x: Any) -> Any:
        return 2.0001 * x

    assert check_gradient(f, off, X).verdict is Verdict.DISAGREE
    assert check_gradient(f, off, X, f_accuracy=1e-3).verdict is Verdict.AGREE
    assert check_gradient(f, lambda x: 2.1 * x, X, f_accuracy=1e-3).verdict is Verdict.DISAGREE


def test_a_loop_that_goes_to_no_limit_is_held_to_all_its_digits() -> None:
    def f(x: Any) -> Any:
        return jax.lax.fori_loop(0, 8, lambda _, y: jnp.sin(3 * y) + x, x)

    report = check_vjp(f, lambda ct, x: (1.001 * jax.vjp(f, x)[1](ct)[0],), X)
    assert report.verdict is Verdict.DISAGREE


def test_the_last_digits_of_what_nobody_can_read_are_doubted() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.asarray(x) ** 2)

    for off, verdict in ((3e-7, Verdict.INCONCLUSIVE), (3e-5, Verdict.DISAGREE)):
        report = check_vjp(f, lambda ct, x, off=off: ((2 + off) * x * ct,), np.array([0.5, 2.0, 3.0]))
        assert report.verdict is verdict
        assert any("declare f_accuracy" in note for note in report.notes) is (verdict is Verdict.INCONCLUSIVE)
    report = check_vjp(f, lambda ct, x: ((2 + 3e-7) * x * ct,), np.array([0.5, 2.0, 3.0]), f_accuracy=1e-6)
    assert report.verdict is Verdict.AGREE


def test_a_constant_of_float32_is_no_fault_in_float32() -> None:
    # Exponential below 0 and the identity above, with 1 / 0.7 as a float32: the two parts are not off by one factor.
    alpha, rate = 0.7, float(np.float32(1 / 0.7))

    def celu(x: Any) -> Any:
        return np.maximum(x, 0) + np.minimum(alpha * np.expm1(np.minimum(x, 0) / alpha), 0)

    def rule(ct: Any, x: Any) -> Any:
        return (ct * np.where(x > 0, 1.0, alpha * rate * np.exp(x * rate)),)

    assert check_vjp(celu, rule, np.abs(X), domain=(0.01, 3)).verdict is Verdict.AGREE
    assert check_vjp(celu, rule, X).verdict is Verdict.AGREE


def test_a_series_of_jax_s_own_is_held_to_what_a_series_is_good_for() -> None:
    x = np.array([-29.3, -21.5, -35.6, 3.0], np.float32)
    assert check_custom_rule(jax.scipy.special.log_ndtr, x).verdict is not Verdict.DISAGREE


def test_stairs_and_the_slope_of_zero() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.floor(np.asarray(x) / np.asarray(y))

    def rule(ct: Any, x: Any, y: Any) -> Any:
        return np.zeros_like(x), np.zeros_like(y)

    x, y = np.array([2.6, -0.73, 0.14, 10.3, -0.6]), np.array([1.1, 0.14, 2.0, 0.9, 1.9])
    report = check_vjp(f, rule, x, y, domain=[None, (0.1, 50)])
    assert report.verdict is Verdict.AGREE
    assert check_vjp(f, lambda ct, x, y: (ct / y, -ct * x / y**2), x, y, domain=[None, (0.1, 50)]).verdict is (
        Verdict.DISAGREE
    )


@pytest.mark.parametrize("f", [np.floor, np.trunc, np.round, np.sign])
def test_a_stair_has_no_slope_however_far_out(f: Any) -> None:
    x = np.array([0.3, -1.6, 2.2, -0.4, 0.9])
    report = check_vjp(lambda x: f(np.asarray(x)), lambda ct, x: (np.zeros_like(x),), x)
    assert report.verdict is Verdict.AGREE, str(report)


@pytest.mark.parametrize("kind", ["complex beside", "another shape"])
def test_a_function_that_returns_something_else_at_a_step(kind: str) -> None:
    def f(x: Any) -> Any:
        x = np.asarray(x)
        if np.iscomplexobj(x) and kind == "another shape":
            return np.stack([x.real, x.imag])
        whole = x * x
        return whole if np.all(x.real < 0.9) else (whole + 0j if kind == "complex beside" else whole[:1])

    assert check_vjp(f, lambda ct, x: (2 * x * ct,), np.array([0.5, 0.7]), domain=(0.1, 0.89)).verdict is Verdict.AGREE


FILE = """
import jax.numpy as jnp
def f(x): return jnp.prod(x)
def f_grad(x): return jnp.prod(x) / x
def f_inputs(): return jnp.array([0.4, -1.3, 0.9])
"""


def test_the_command_has_a_status_of_its_own_for_it(command: Command, tmp_path: Any) -> None:
    (tmp_path / "points.py").write_text(FILE)
    for options, status in (((), 4), (("--special-points", "fail"), 1), (("--special-points", "ignore"), 0)):
        assert command("points.py", *options).status == status
    assert command("points.py", "--f-accuracy", "2").status == 3
