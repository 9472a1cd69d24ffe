"""What a report says beside its verdict: each sentence follows from what was done."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Verdict, check_custom_rule, check_vjp
from manual_vs_auto.gradcheck.claims.arguments import inputs_of
from manual_vs_auto.gradcheck.numerics.differences import Slope
from manual_vs_auto.gradcheck.numerics.tolerance import allowed
from manual_vs_auto.gradcheck.report.wording import hiding, resolution_of
from manual_vs_auto.gradcheck.search import properties
from manual_vs_auto.gradcheck.witnesses import panel

X = np.array([0.4, -1.3, 0.9], np.float32)


def _hides(a: Any) -> str:
    inputs = inputs_of(lambda x: x, (a,), None)
    return hiding(inputs, inputs.sample)


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (np.ones(3), "x is 1 everywhere"),
        (np.array([[1.0, 2.0], [2.0, -1.0]]), "x is symmetric"),
        (np.array([1.0, 2.0]), "x is positive"),
        (np.array([-1.0, -2.0]), "x is negative"),
        (np.array([[1.0, -2.0]]), "x is a batch of one"),
        (np.array([[1.0, -2.0], [0.5, 3.0]]), ""),
        (np.array([-1.0]), ""),
        (np.array([1.0, -2.0]), ""),
        (np.array(-1.0), ""),
    ],
)
def test_what_a_sample_hides(sample: Any, said: str) -> None:
    assert _hides(sample) == (f" ({said})" if said else "")


def test_how_many_ulp_are_allowed() -> None:
    assert [allowed(n) for n in (0, 1, 4)] == [32, 32, 64]
    assert [allowed(1, own) for own in (5, 8, 10)] == [32, 32, 40]


@pytest.mark.parametrize(("bound", "says"), [(5e-5, panel.YES), (2e-4, panel.ABSTAINS)])
def test_a_witness_of_less_than_four_digits_has_no_say(
    bound: float, says: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the size of what any of them reads."""
    seen: list[Any] = []
    honest = panel.finite_differences

    def coarse(question: panel.Question) -> Slope:
        found = honest(question)
        return Slope(found.value, np.maximum(found.bound, bound * np.abs(found.value)))

    monkeypatch.setitem(panel.WITNESSES, "finite differences", coarse)
    ask = panel.ask

    def listening(question: panel.Question) -> panel.Answer:
        answer = ask(question)
        seen.append(answer)
        return answer

    monkeypatch.setattr("manual_vs_auto.gradcheck.witnesses.vote.ask", listening)
    check_vjp(jnp.sin, lambda ct, x: (ct * jnp.cos(x),), X, probes=False)
    assert {int(vote) for answer in seen for vote in answer.votes["finite differences"]} == {says}


@pytest.mark.parametrize(("off", "verdict"), [(1e-8, Verdict.DISAGREE), (1e-12, Verdict.AGREE)])
def test_the_forward_of_a_rule_is_held_to_nine_digits(off: float, verdict: Verdict) -> None:
    import jax

    f = jax.custom_vjp(jnp.sin)
    f.defvjp(lambda x: ((1 + off) * jnp.sin(x), x), lambda x, ct: (ct * jnp.cos(x),))
    assert check_custom_rule(f, X.astype(np.float64)).verdict is verdict


def test_a_probe_adds_three_notes_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = properties.called_twice

    def talkative(*args: Any) -> Any:
        outcome = honest(*args)
        outcome.notes += [f"remark {n}" for n in range(5)]
        return outcome

    monkeypatch.setattr(properties, "called_twice", talkative)
    report = check_vjp(jnp.sin, lambda ct, x: (ct * jnp.cos(x),), X, effort="quick")
    assert [note for note in report.notes if "remark" in note] == ["remark 0", "remark 1", "remark 2"]


def test_what_rounds_inside_is_said_to_hide_faults() -> None:
    def f(x: Any) -> Any:
        return jnp.sin(x.astype(jnp.bfloat16)).astype(x.dtype)

    def rule(ct: Any, x: Any) -> Any:
        return (ct * jnp.cos(x.astype(jnp.bfloat16)).astype(x.dtype),)

    (sentence,) = (line for line in check_vjp(f, rule, X).coverage if "cotangents" in line)
    assert "is not seen: f rounds inside" in sentence
    report = check_vjp(jnp.sin, lambda ct, x: (ct * jnp.cos(x),), X)
    (sentence,) = (line for line in report.coverage if "cotangents" in line)
    assert "a fault of 1e-3 in one entry of the Jacobian escapes with a chance below" in sentence
    assert report.outcome is not None
    assert resolution_of(report.outcome) < 1e-8
