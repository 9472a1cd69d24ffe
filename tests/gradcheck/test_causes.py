"""Causes from end to end, where what is wrong is seldom seen, or is not one thing."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Report, check_gradient, check_jvp, check_vjp
from manual_vs_auto.gradcheck.claims.arguments import Leaf, inputs_of
from manual_vs_auto.gradcheck.claims.claim import vjp_claim
from manual_vs_auto.gradcheck.claims.errors import Refused
from manual_vs_auto.gradcheck.engines.jax.engine import JaxEngine
from manual_vs_auto.gradcheck.explain import elsewhere
from manual_vs_auto.gradcheck.explain.explanation import Explanation
from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis
from manual_vs_auto.gradcheck.explain.observation import Observation, observation
from manual_vs_auto.gradcheck.explain.truth import Truth
from manual_vs_auto.gradcheck.search.held import held_changed
from manual_vs_auto.gradcheck.witnesses.outcome import Case
from tests.corpus.functions import normal


def said(report: Report, kind: str) -> str:
    assert report.diagnosis is not None
    assert report.diagnosis.kind == kind, str(report)
    return report.diagnosis.text


def test_where_f_is_defined_on_a_part_alone() -> None:
    """Nobody declares the domain of a logarithm: of fresh numbers one in 64 is positive in every place."""
    x = np.array([0.5, 1.5, 0.8, 1.1, 2.0, 0.7], np.float32)
    said(check_gradient(lambda x: jnp.sum(jnp.log(x) + x**2), lambda x: 2 * x, x), "term")


def test_one_of_two_faults_is_named_and_the_other_is_said_to_be_unknown() -> None:
    def vjp(ct: Any, x: Any, w: Any) -> tuple[Any, ...]:
        return ct * w, ct * jnp.sinh(x) * (1 + jnp.cos(w) ** 2)

    text = said(check_vjp(lambda x, w: jnp.sinh(x) * w, vjp, normal(0, 4), normal(1, 4)), "term")
    assert text.startswith("x: the factor of sinh")
    assert text.endswith("; w: another cause, unknown")


@pytest.mark.parametrize(("more", "kind"), [(0.0, "cast"), (1e-6, "unknown")])
def test_a_cast_has_no_preference_also_where_a_few_numbers_are_much_the_largest(more: float, kind: str) -> None:
    """So the ratio of the whole is known by these few, and not as surely as by as many as there are."""

    def rule(x: Any) -> Any:
        return (jnp.exp(x.astype(jnp.float32)) * np.float32(1 + more)).astype(jnp.float64)

    said(check_gradient(lambda x: jnp.sum(jnp.exp(x)), rule, normal(0, 3, 4, dtype=np.float64)), kind)


def test_two_faults_are_not_one() -> None:
    """A factor for both would be wrong of either."""
    report = check_vjp(lambda x, w: x * w, lambda ct, x, w: (2 * ct * w, 3 * ct * x), normal(0, 4), normal(1, 4))
    text = said(report, "factor")
    assert text.startswith("x: it is 2 times the right one")
    assert "; w: it is 3 times the right one" in text


def test_an_inverse_transform_stands_for_the_one_it_undoes() -> None:
    z = (normal(0, 5) + 1j * normal(1, 5)).astype(np.complex64)
    text = said(check_vjp(jnp.fft.fft, lambda ct, z: (jnp.fft.ifft(ct),), z), "conjugate")
    assert "conjugated" in text
    assert "0.2 times" in text


def test_a_tangent_that_is_transposed_in_a_trace_is_said_to_be_so() -> None:
    """tr(A^-1 T) is no sum over one axis alone."""
    a = np.eye(3, dtype=np.float32) * 3 + normal(0, 3, 3)
    report = check_jvp(
        lambda a: jnp.linalg.slogdet(a)[1], lambda p, t: jnp.sum(jnp.linalg.inv(p[0]) * t[0]), a, probes=False
    )
    assert said(report, "transpose").startswith("the tangent is transposed")


def test_where_a_guess_leads_to_no_value_it_is_no_cause() -> None:
    """A factor of exp may be a shift; of log, beyond 0, there is neither a value nor a derivative."""
    x = np.array([0.5, 1.5, 0.1])
    claim = vjp_claim(jnp.log, lambda ct, x: (ct / x,), inputs_of(jnp.log, (x,), None))
    engine = JaxEngine(claim)
    seen = observation(claim, engine, lambda: Case("", [x], [np.ones(3)]))
    assert seen is not None
    with pytest.raises(Refused, match="not finite"):
        Truth(claim, engine).at(seen, elsewhere.moved("x", 0, -1.0))

    def refused(*_: Any) -> np.ndarray:
        raise Refused(ArithmeticError("not finite there"))

    wrong = Observation([x], [np.ones(3)], [2 / x], [1 / x])
    assert not Explanation(claim, engine, [wrong], 1e-16)._holds(Hypothesis("shift", "", refused))


def test_how_many_labels_are_ignored_is_no_constant() -> None:
    """A mean over all of them where it is one over those that count: 3/4 of it in the sample, and no factor."""

    def loss(z: Any, y: Any) -> Any:
        rows = jnp.take_along_axis(jax.nn.log_softmax(z), jnp.maximum(y, 0)[:, None], 1)[:, 0]
        return -jnp.sum(jnp.where(y < 0, 0.0, rows)) / jnp.maximum(jnp.sum(y >= 0), 1)

    def grad(z: Any, y: Any) -> Any:
        apart = jax.nn.softmax(z) - jax.nn.one_hot(y, z.shape[1], dtype=z.dtype)
        return jnp.where((y < 0)[:, None], 0.0, apart) / y.size

    report = check_gradient(loss, grad, normal(0, 4, 3), np.array([0, -100, 2, 1], np.int32))
    assert "is taken to be 0.25, a constant" in said(report, "count")


def test_labels_are_drawn_anew_and_indices_that_may_not_repeat_are_rearranged() -> None:
    leaf, labels = Leaf("y", 0, "int32", False), np.array([0, -100, 2, 1])
    generator = np.random.default_rng(0)
    drawn = [held_changed(leaf, labels, generator, 3, True) for _ in range(20)]
    assert {int(np.sum(a == -100)) for a in drawn} >= {0, 1, 2}
    assert set(np.unique(drawn)) == set(labels)
    for _ in range(5):
        assert sorted(held_changed(leaf, labels, generator, 3, False)) == sorted(labels)
