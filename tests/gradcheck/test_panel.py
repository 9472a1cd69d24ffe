"""The panel: every judge alone, who is admitted, and what becomes of a judge that lies."""

from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Report, Verdict, check_gradient, check_vjp
from manual_vs_auto.gradcheck.engines.jax.engine import JaxEngine
from manual_vs_auto.gradcheck.numerics.differences import STEPS, Slope, Sweep
from manual_vs_auto.gradcheck.witnesses import panel as panel

X = np.array([0.4, -1.3, 0.9])


def energy(x: Any) -> Any:
    return (x * x * x).sum() + (x[1:] * x[:-1]).sum()


def energy_grad(x: Any) -> Any:
    xp = x.__array_namespace__()
    zero = 0 * x[:1]
    return 3 * x * x + xp.concat([x[1:], zero]) + xp.concat([zero, x[:-1]])


def wrong_grad(x: Any) -> Any:
    return 1.01 * energy_grad(x)


def _says(report: Report) -> dict[str, str]:
    return {witness.name: witness.says for witness in report.witnesses}


def test_all_five_judges_agree_on_a_right_gradient() -> None:
    assert set(_says(check_gradient(energy, energy_grad, X)).values()) == {"AGREE"}


def test_all_five_judges_refuse_a_wrong_one() -> None:
    report = check_gradient(energy, wrong_grad, X)
    assert report.verdict is Verdict.DISAGREE
    assert set(_says(report).values()) == {"DISAGREE"}


@pytest.mark.parametrize("only", panel.WITNESSES)
@pytest.mark.parametrize("right", [True, False])
def test_each_judge_alone_tells_right_from_wrong(only: str, right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel, "WITNESSES", {only: panel.WITNESSES[only]})
    if only == "complex step":
        # Alone it is never believed: the next test.
        monkeypatch.setattr(panel, "_admit", lambda *_: None)
    report = check_gradient(energy, energy_grad if right else wrong_grad, X, probes=False)
    assert _says(report)[only] == ("AGREE" if right else "DISAGREE")


def test_a_complex_step_that_nobody_seconds_is_not_admitted() -> None:
    report = check_gradient(lambda x: jnp.sum(jnp.abs(x)), jnp.sign, X)
    assert report.verdict is Verdict.AGREE
    notes = {witness.name: witness.note for witness in report.witnesses}
    assert _says(report)["complex step"] == "ABSTAINS"
    assert "no other judge" in notes["complex step"]


def _lie(judge: Any) -> Any:
    def lying(question: panel.Question) -> Slope:
        honest = judge(question)
        return Slope(2 * honest.value + 0.1, honest.bound)

    return lying


@pytest.mark.parametrize("liar", ["autodiff", "finite differences", "NumPy float64"])
def test_a_judge_that_lies_is_outvoted_and_reported(liar: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(panel.WITNESSES, liar, _lie(panel.WITNESSES[liar]))
    right = check_gradient(energy, energy_grad, X)
    assert right.verdict is Verdict.AGREE
    assert _says(right)[liar] == "DISAGREE"
    assert any("witnesses disagree" in note and f"{liar} is outvoted" in note for note in right.notes)
    assert check_gradient(energy, wrong_grad, X).verdict is Verdict.DISAGREE


def test_a_complex_step_that_lies_has_no_second_and_so_no_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(panel.WITNESSES, "complex step", _lie(panel.complex_step))
    report = check_gradient(energy, energy_grad, X)
    assert report.verdict is Verdict.AGREE
    assert _says(report)["complex step"] == "ABSTAINS"


def test_autodiff_that_is_wrong_everywhere_is_outvoted(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = JaxEngine.value_and_autodiff

    def lying(*args: Any) -> Any:
        value, derivative = honest(*args)
        return value, [2 * a for a in derivative]

    monkeypatch.setattr(JaxEngine, "value_and_autodiff", lying)
    right = check_gradient(energy, energy_grad, X)
    assert right.verdict is Verdict.AGREE
    assert any("autodiff is outvoted" in note for note in right.notes)
    fooled = check_gradient(energy, lambda x: 2 * energy_grad(x), X)
    assert fooled.verdict is Verdict.DISAGREE
    assert _says(fooled)["autodiff"] == "AGREE"


def test_a_stop_gradient_in_the_function_is_no_verdict() -> None:
    from jax import lax

    report = check_gradient(
        lambda x: jnp.sum(x * lax.stop_gradient(x)), lambda x: x, np.array([0.3, 2.0], np.float32), probes=False
    )
    assert report.verdict is Verdict.INCONCLUSIVE
    assert any("surrogate" in note for note in report.notes)


def test_the_bound_is_part_of_the_answer() -> None:
    report = check_vjp(lambda x: jnp.exp(x), lambda ct, x: (-ct * jnp.exp(x),), X)
    differences = next(witness for witness in report.witnesses if witness.name == "finite differences")
    value, bound = differences.note.split(" +- ")
    assert float(bound) < 1e-9 * abs(float(value))


def test_what_does_not_move_reads_as_not_moving_in_a_sum_of_many() -> None:
    """Each step and the point itself, summed in another order each, would differ by more than the slope of one."""
    generator = np.random.default_rng(0)
    here, weights = generator.normal(size=(2, 1 << 16))
    question = SimpleNamespace(claim=SimpleNamespace(forward=False), weights=weights)
    steps = np.broadcast_to(here, (len(STEPS), here.size))
    read = panel.Question.read(question, Sweep(steps, steps, here))  # type: ignore[arg-type]
    assert np.all(read.ahead == read.here)
    assert np.all(read.behind == read.here)
