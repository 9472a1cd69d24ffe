"""Where the next optimum lies, on a parabola, where one can say so exactly."""

from typing import Any

import numpy as np
import pytest

from manual_vs_auto.solve import descent, path
from manual_vs_auto.solve.ahead import ENDS, End, ahead
from manual_vs_auto.solve.lbfgs import Memory
from manual_vs_auto.solve.metric import Metric
from tests.solve.problems import Array, made

_WIDTH = 3
_CURVED = np.diag([1.0, 0.1, 0.01]) + 0.02
_WANTED = np.array([1.0, -2.0, 3.0])


class _Parabola:
    """theta = [t, -t], and what the rows say of it is |t - wanted|^2 in the curvature."""

    l2 = 0.0

    def pull(self, theta: Array, l2: float) -> Array:
        return np.asarray(l2 * theta)


class _Metric:
    def solve(self, gradient: Array) -> Array:
        return np.asarray(gradient / np.array([1.0, 0.3, 0.1]))


def _both(row: Array) -> Array:
    return np.stack([row, -row])


def _end(row: Array) -> End:
    return End(_both(row), 0.0, _both(_CURVED @ (row - _WANTED)))


def _optimum(l2: float) -> Array:
    return np.linalg.solve(_CURVED + l2 * np.eye(_WIDTH), _CURVED @ _WANTED)


def _ahead(ends: list[End], l2: float, memory: Memory | None = None) -> Array:
    objective: Any = _Parabola()
    objective.l2 = l2
    metric: Any = _Metric()
    found = ahead(ends, objective, metric, memory or Memory())
    np.testing.assert_allclose(found[0], -found[1], atol=1e-12)
    return np.asarray(found[0])


def test_as_many_ends_as_say_all_of_a_parabola_say_where_its_optimum_is() -> None:
    ends = [_end(_optimum(l2)) for l2 in (1.0, 0.5, 0.2, 0.1)]
    np.testing.assert_allclose(_ahead(ends, 0.05), _optimum(0.05), rtol=1e-5)
    np.testing.assert_allclose(_ahead(ends, 0.0), _optimum(0.0), rtol=1e-4)


def test_it_does_not_matter_that_fits_ended_short_of_their_optima() -> None:
    generator = np.random.default_rng(0)
    ends = [_end(_optimum(l2) + 0.1 * generator.normal(size=_WIDTH)) for l2 in (1.0, 0.5, 0.2, 0.1)]
    np.testing.assert_allclose(_ahead(ends, 0.05), _optimum(0.05), rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_of_them_come_nearer_than_the_last(count: int) -> None:
    ends = [_end(_optimum(l2)) for l2 in (0.5, 0.2, 0.1)[-count:]]
    near, last = _ahead(ends, 0.05), ends[-1].theta[0]
    apart = [float((at - _optimum(0.05)) @ _CURVED @ (at - _optimum(0.05))) for at in (near, last)]
    assert apart[0] < 0.5 * apart[1]


def test_what_the_memory_knows_is_used() -> None:
    """Pairs that say all of the parabola lead there from a single end."""
    memory = Memory()
    metric: Any = _Metric()
    for row in np.linalg.eigh(_CURVED)[1].T:  # their bends do not mix
        memory.add(_both(row), _both((_CURVED + 0.05 * np.eye(_WIDTH)) @ row), metric)
    np.testing.assert_allclose(_ahead([_end(_optimum(0.1))], 0.05, memory), _optimum(0.05), rtol=1e-9)
    memory.change(lambda step: -0.04 * step)
    np.testing.assert_allclose(_ahead([_end(_optimum(0.1))], 0.01, memory), _optimum(0.01), rtol=1e-9)


def test_an_end_that_is_the_optimum_is_it_and_the_same_twice_is_once() -> None:
    known = End(_both(_WANTED), 0.0, np.zeros((2, _WIDTH)))
    np.testing.assert_array_equal(_ahead([_end(_optimum(0.5)), known], 0.0), _WANTED)
    one = _end(_optimum(0.1))
    np.testing.assert_allclose(_ahead([one] * ENDS, 0.05), _ahead([one], 0.05), rtol=1e-6)


def test_a_path_takes_fewer_passes_than_its_penalties_one_by_one() -> None:
    features, labels = made(3000, 20, 6)
    l2s = np.geomspace(1.0, 1e-5, 20)
    found = path(features, labels, 6, l2s, tol=1e-4)
    alone = [path(features, labels, 6, [l2], tol=1e-4)[0] for l2 in l2s]
    passes = sum(each.evaluations for each in found), sum(each.evaluations for each in alone)
    assert passes[0] < 0.3 * passes[1]  # straight on along log(l2), from the last two, it was 0.41
    for one, other in zip(found, alone, strict=True):
        assert one.converged
        assert one.objective == pytest.approx(other.objective, rel=1e-4)


@pytest.mark.parametrize("wrong", [-30.0, 1e6, np.nan])
def test_where_it_looks_wrong_a_fit_begins_where_the_last_one_ended(monkeypatch: Any, wrong: float) -> None:
    features, labels = made(300, 8, 4)
    l2s = [0.1, 0.05, 0.02]
    found = path(features, labels, 4, l2s, tol=1e-8)
    monkeypatch.setattr(descent, "ahead", lambda ends, *_: wrong * ends[-1].theta)
    misled = path(features, labels, 4, l2s, tol=1e-8)
    for one, other in zip(found, misled, strict=True):
        assert other.converged
        assert other.evaluations <= 2 * one.evaluations + 2
        assert one.objective == pytest.approx(other.objective, rel=1e-12)


def test_a_path_keeps_the_last_few_ends_and_no_more() -> None:
    features, labels = made(300, 8, 4)
    counts: list[int] = []
    path(features, labels, 4, np.geomspace(1.0, 1e-2, 8), on_solution=lambda *told: counts.append(len(told[2].ends)))
    assert counts == [1, 2, 3, 4, 5, 5, 5, 5]


@pytest.mark.parametrize(("own", "inverted"), [(0, [1.0, 0.5, 0.3, 0.2]), (4, [1.0, 0.3])])
def test_inverses_by_class_follow_a_penalty_that_is_far_one_for_all_any(own: int, inverted: list[float]) -> None:
    made_of: list[float] = []

    class Objective(_Parabola):
        def gram(self, theta: Array, own: int) -> None:
            pass

        def inverse(self, found: None, l2: float) -> None:
            made_of.append(l2)

    objective: Any = Objective()
    objective.l2 = 1.0
    metric = Metric(objective)
    metric.refresh(_both(_WANTED), own)
    for l2 in (0.5, 0.3, 0.2):
        objective.l2 = l2
        metric.follow()
    assert made_of == inverted
