"""A path that was stopped, wherever it was, ends with the bits of one that never was."""

import json
from typing import Any

import numpy as np
import pytest

from manual_vs_auto.solve import Progress, Solution, State, descent, path
from tests.solve.problems import made

FEATURES, LABELS = made(200, 6, 4)
SHARES = np.random.default_rng(0).integers(0, 3, 200).astype(np.float64)
L2S = [1e-1, 1e-3, 1e-4, 5e-5]  # the last so near that inverses by class are kept
# Of D = 1, arrays are as well in one order as in the other.
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "shifted": {"features": FEATURES + 100, "weights": SHARES},
    "narrow": {"features": FEATURES[:, :1], "intercept": True},
    "no intercept": {"features": FEATURES[:, :1], "intercept": False},
    "squared distance": {"loss": "squared_distance"},
    "never there": {"tol": 0.0, "max_iter": 12},
}


def bits(solution: Solution) -> tuple[Any, ...]:
    plain = (solution.objective, solution.gradient_norm, solution.iterations, solution.evaluations, solution.converged)
    return (solution.weight.tobytes(), solution.bias.tobytes(), *plain)


def through_json(state: State) -> State:
    """As a file has it: the arrays in order, none empty."""
    arrays = {name: np.ascontiguousarray(array) for name, array in state.arrays().items()}
    assert all(array.size for array in arrays.values())
    return State.of(arrays, json.loads(json.dumps(state.numbers())))


@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_from_wherever_it_was(kind: str, solver: Any, device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descent, "_SHARED", 2)
    monkeypatch.setattr(descent, "_REFRESHED", dict.fromkeys(("lbfgs", "newton"), (0, 2, 16)))  # by class from 2 on
    if device == "cpu" and kind not in ("plain", "shifted", "squared distance"):
        pytest.skip("in NumPy, which is quicker")
    options: dict[str, Any] = {"features": FEATURES, "tol": 1e-7, "solver": solver, "device": device} | KINDS[kind]
    states: list[State] = []
    told: list[tuple[Any, ...]] = []

    def iterated(progress: Progress) -> None:
        states.append(progress.state)
        told.append((progress.l2, progress.iteration, progress.objective, progress.weight.tobytes()))

    def ended(l2: float, solution: Solution, state: State) -> None:
        states.append(state)
        told.append((l2, *bits(solution)))

    whole = path(labels=LABELS, classes=4, l2s=L2S, on_iteration=iterated, on_solution=ended, **options)
    assert len(states) > 10
    assert any(state.halfway.own for state in states)
    assert len({state.halfway.single for state in states if state.halfway.theta is not None}) == 1 + (device == "cpu")
    # Compiled, or with products, each resume takes longer: every third or seventh is of every penalty and both dtypes.
    for number in range(0, len(states), 7 if solver == "newton" else 3 if device == "cpu" else 1):
        rest, told_then = told[number + 1 :], len(told)
        found = path(
            labels=LABELS, classes=4, l2s=L2S, on_iteration=iterated, on_solution=ended,
            resume=through_json(states[number]), **options,
        )  # fmt: skip
        assert told[told_then:] == rest
        assert list(map(bits, found)) == list(map(bits, whole))
        del told[told_then:], states[told_then:]


def test_a_state_of_another_problem_is_refused() -> None:
    states: list[State] = []
    path(FEATURES, LABELS, 4, [0.1], on_solution=lambda *told: states.append(told[2]))
    with pytest.raises(ValueError, match=r"resume is of theta \(4, 7\), and this one is \(4, 4\)"):
        path(FEATURES[:, :3], LABELS, 4, [0.1], resume=states[0])


def test_the_first_end_may_come_before_any_step() -> None:
    """There is no metric yet, and no pair."""
    states: list[State] = []
    whole = path(FEATURES, LABELS, 4, [0.1, 0.01], tol=10, on_solution=lambda *told: states.append(told[2]))
    kept = {"end0.theta", "end0.slope", "solution0.weight", "solution0.bias"}
    assert (whole[0].iterations, set(states[0].arrays())) == (0, kept)
    found = path(FEATURES, LABELS, 4, [0.1, 0.01], tol=10, resume=through_json(states[0]))
    assert list(map(bits, found)) == list(map(bits, whole))


def test_a_state_of_before_there_was_a_metric_by_class_or_a_slope_of_an_end_is_taken_up() -> None:
    states: list[State] = []
    whole = path(FEATURES, LABELS, 4, L2S, tol=1e-7, on_iteration=lambda progress: states.append(progress.state))
    state = states[-2]
    arrays = {name: array for name, array in state.arrays().items() if name != "made_at"}
    arrays = {name: array for name, array in arrays.items() if not name.startswith("end")}
    arrays |= {"before": state.ends[-2].theta, "here": state.ends[-1].theta}
    numbers = {name: part for name, part in state.numbers().items() if name not in ("own", "metric_l2", "ends")}
    again = path(FEATURES, LABELS, 4, L2S, tol=1e-7, resume=State.of(arrays, numbers))
    for one, other in zip(again, whole, strict=True):
        assert one.converged
        assert one.objective == pytest.approx(other.objective, rel=1e-9)
