"""From one penalty to the next: each fit begins where those before it point to."""

from collections.abc import Callable, Sequence

from manual_vs_auto.solve.ahead import ENDS, End, end_of
from manual_vs_auto.solve.descent import Descent, Solver
from manual_vs_auto.solve.objective import Objective, Point, Theta
from manual_vs_auto.solve.told import Progress, Solution, State


class Walk:
    """A path of fits of one objective, from theta on.

    Args: on_iteration, on_solution: as `minimise.path` takes them.
    """

    def __init__(
        self,
        objective: Objective,
        solver: Solver,
        theta: Theta,
        on_iteration: Callable[[Progress], bool | None] | None,
        on_solution: Callable[[float, Solution, State], None] | None,
    ) -> None:
        self._objective, self._descent = objective, Descent(objective, solver, self._told)
        self._on_iteration, self._on_solution = on_iteration, on_solution
        self._begin = theta
        self._ends: tuple[End, ...] = ()
        self._found: dict[float, Solution] = {}
        self._began = 0  # passes until this fit
        self._halfway: float | None = None  # the l2 of a fit that goes on

    def take_up(self, state: State) -> None:
        """Be where another path was. Raises: ValueError if that was of another shape."""
        if state.begin.shape != self._objective.shape:
            raise ValueError(f"resume is of theta {state.begin.shape}, and this one is {self._objective.shape}")
        self._begin, self._ends, self._found = state.begin, state.ends, dict(state.found)
        self._objective.l2 = state.l2
        self._descent.take_up(state.halfway)
        if state.halfway.theta is not None:
            self._halfway = state.l2
            self._began = self._objective.passes + 1 - state.passes  # the one where it goes on is not another one

    def go(self, l2s: Sequence[float], tol: float, max_iter: int) -> dict[float, Solution]:
        """The solution for each of the penalties, which descend."""
        for l2 in l2s:
            if l2 in self._found:
                continue
            if l2 == self._halfway:
                point, iterations, converged = self._descent.go_on(tol, max_iter)
            else:
                self._began = self._objective.passes
                self._descent.penalise(l2)
                if self._ends:
                    point, iterations, converged = self._descent.follow(self._ends, tol, max_iter)
                else:
                    point, iterations, converged = self._descent.go(self._begin, tol, max_iter)
            self._ends = (*self._ends, end_of(point, self._objective))[-ENDS:]
            weight, bias = self._objective.parts(point.theta)
            passes = self._objective.passes - self._began
            self._found[l2] = Solution(weight, bias, point.value, point.norm, iterations, passes, converged)
            if self._on_solution is not None:
                self._on_solution(l2, self._found[l2], self._state(None))
        return self._found

    def _told(self, iteration: int, point: Point) -> bool | None:
        if self._on_iteration is None:
            return None
        where = (self._objective.l2, iteration, point.value, point.norm, *self._objective.parts(point.theta))
        return self._on_iteration(Progress(*where, self._state(point.theta)))

    def _state(self, theta: Theta | None) -> State:
        passes = self._objective.passes - self._began
        found = dict(self._found)
        return State(self._objective.l2, found, self._begin, self._ends, passes, self._descent.halfway(theta))
