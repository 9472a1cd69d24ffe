"""What is said of a rule that no hypothesis explains: a fact that can be seen, and nothing of right ones."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import check_vjp
from manual_vs_auto.gradcheck.claims.arguments import inputs_of
from manual_vs_auto.gradcheck.claims.claim import vjp_claim
from manual_vs_auto.gradcheck.engines.jax.engine import JaxEngine
from manual_vs_auto.gradcheck.explain.facts import Fact, Facts
from manual_vs_auto.gradcheck.explain.observation import Observation, Tolerance, observation
from manual_vs_auto.gradcheck.explain.truth import Truth
from manual_vs_auto.gradcheck.witnesses.outcome import Case
from tests.corpus.functions import normal

IDS = np.array([2, 0, 1, 0, 1], np.int32)


def f(x: Any, w: Any) -> Any:
    """[3]: sums of groups."""
    return jax.ops.segment_sum(x**3 * w, IDS, 3)


def right(ct: Any, x: Any, w: Any) -> Any:
    return 3 * x**2 * w * ct[IDS]


RULES: dict[str, tuple[Callable[..., Any], str, str]] = {
    "only upwards": (lambda ct, x, w: right(jnp.maximum(ct, 0) * w[0], x, w), "nonlinear",
        "x: it is not linear in the cotangent: of -1 times that it is not -1 times"),
    "squared": (lambda ct, x, w: right(ct * ct * jnp.sign(ct) * w[0], x, w), "nonlinear", "of 2 times that"),
    "without x": (lambda ct, x, w: jnp.sin(3 * w) * ct[IDS], "independent",
        "x: it does not depend on x, and the derivative does"),
    "sorted": (lambda ct, x, w: 3.1 * x**2 * jnp.sin(w) * ct[np.sort(IDS)], "misplaced",
        "x[0] takes a share of the cotangent at (0,), and the output there does not depend on it, and x[3] takes none"),
    "dropped": (lambda ct, x, w: jnp.sin(right(ct, x, w)).at[2].set(0) / ct[IDS] * ct[IDS], "nonlinear", "not linear"),
    "one is left out": (lambda ct, x, w: (jnp.cos(x) * w * ct[IDS]).at[2].set(0), "misplaced",
        "x[2] takes no share of the cotangent at (1,), and the output there depends on it"),
}  # fmt: skip


def first(rule: Callable[..., Any]) -> Fact | None:
    args = normal(0, 5, scale=1.0), normal(1, 5)
    inputs = inputs_of(f, args, (0,))
    claim = vjp_claim(f, lambda ct, x, w: (rule(ct, x, w),), inputs)
    engine = JaxEngine(claim)
    shown: list[Observation] = []
    for seed in range(8):
        arrays = [np.asarray(normal(seed, 5), np.float64), np.asarray(normal(seed + 50, 5), np.float64)]
        case = Case("", arrays, [np.asarray(normal(seed + 99, 3), np.float64)])
        made = observation(claim, engine, partial(lambda case: case, case))
        assert made is not None
        shown.append(made)
    return Facts(claim, engine, Truth(claim, engine), shown, Tolerance(1e-9)).first([0], "x: ")


@pytest.mark.parametrize("name", RULES)
def test_what_is_seen_is_said(name: str) -> None:
    rule, kind, said = RULES[name]
    fact = first(rule)
    assert fact
    assert fact.kind == kind
    assert said in fact.text


def test_of_a_right_rule_there_is_nothing_to_say() -> None:
    assert first(right) is None
    assert first(lambda ct, x, w: 1.1 * right(ct, x, w)) is None


def test_what_depends_on_more_than_the_derivative() -> None:
    report = check_vjp(lambda x: 3 * x, lambda ct, x: (ct * (2 + jnp.cos(x)),), normal(0, 4))
    assert report.diagnosis
    assert report.diagnosis.kind == "dependent"
    assert report.diagnosis.text.startswith("it depends on x, and the derivative does not; so it is on")


def test_what_the_derivative_depends_on_elsewhere_is_no_fact() -> None:
    """x over its length, or over 1 where it is shorter: near 0 the derivative is 1, whatever x is."""

    def f(x: Any) -> Any:
        return x / jnp.maximum(jnp.linalg.norm(x), 1.0)

    def without_a_floor(ct: Any, x: Any) -> Any:
        r = jnp.linalg.norm(x)
        return (jnp.where(r < 1, ct / r, (ct - x * (ct @ x) / r**2) / r),)

    report = check_vjp(f, without_a_floor, normal(0, 4))
    assert report.diagnosis
    assert report.diagnosis.kind not in ("dependent", "independent"), str(report)


def test_of_indices_that_are_clamped_to_the_same_rows_nothing_is_said() -> None:
    """The derivative depends on them, though not where they are changed beyond the table's end."""
    x, ids = normal(0, 4, 3), np.array([2, 0, 3], np.int32)
    report = check_vjp(
        lambda x, ids: jnp.asarray(x)[jnp.clip(ids, 0, 3)],
        lambda ct, x, ids: (jnp.zeros_like(x).at[ids].add(ct),), x, ids,
    )  # fmt: skip
    assert report.diagnosis
    assert report.diagnosis.kind not in ("dependent", "independent"), str(report)
