"""What a path of fits tells: where it is after each iteration, where each fit ended, and what it needs to go on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from manual_vs_auto.rules import Array
from manual_vs_auto.solve.ahead import End
from manual_vs_auto.solve.descent import Halfway
from manual_vs_auto.solve.lbfgs import Pair
from manual_vs_auto.solve.objective import Theta

_PLAIN = ("objective", "gradient_norm", "iterations", "evaluations", "converged")  # of a Solution


@dataclass(frozen=True)
class Solution:
    """Where a solver ended.

    weight:        float64 [K, D].
    bias:          float64 [K]; 0 without an intercept.
    objective:     the mean loss and the penalty there. In float64 where it has converged to a tolerance that float32
                   can't tell from 0; else of a large problem's float32 rows, to about 1e-7.
    gradient_norm: the gradient's largest entry there, in the same way.
    iterations:    steps taken.
    evaluations:   passes over the rows: of the loss and its gradient, and Hessian products.
    converged:     whether gradient_norm is at most the tolerance.
    """

    weight: Array
    bias: Array
    objective: float
    gradient_norm: float
    iterations: int
    evaluations: int
    converged: bool


@dataclass(frozen=True, eq=False)
class State:
    """All that a path needs to go on with the same bits: `path(..., resume=state)`, with the arguments that it had.

    It refers to the solver's own arrays, which never change, and copies none.

    l2:       the penalty of the fit that runs, or of the last one that ended.
    found:    the solutions so far, by their penalties.
    begin:    theta where the path began, or, once there are ends, any that has its shape.
    ends:     of the last few of them, the oldest first.
    passes:   over the rows, since the fit that runs began.
    halfway:  of that fit.
    """

    l2: float
    found: Mapping[float, Solution]
    begin: Theta
    ends: tuple[End, ...]
    passes: int
    halfway: Halfway

    def arrays(self) -> dict[str, Array]:
        """Its arrays by name, none of them empty; with `numbers` they are all of it."""
        halfway = self.halfway
        named: dict[str, Array | None] = {
            "begin": None if self.ends else self.begin, "theta": halfway.theta, "made_at": halfway.made_at,
        }  # fmt: skip
        for number, end in enumerate(self.ends):
            named |= {f"end{number}.theta": end.theta, f"end{number}.slope": end.slope}
        for number, pair in enumerate(halfway.pairs):
            named |= {f"pair{number}.step": pair.step, f"pair{number}.change": pair.change}
        for number, solution in enumerate(self.found.values()):
            named |= {f"solution{number}.weight": solution.weight, f"solution{number}.bias": solution.bias}
        return {name: array for name, array in named.items() if array is not None and array.size}

    def numbers(self) -> dict[str, Any]:
        """What else it is, as JSON has it."""
        halfway = self.halfway
        return {
            "l2": self.l2,
            "passes": self.passes,
            "ends": [end.value for end in self.ends],
            "iteration": halfway.iteration,
            "single": halfway.single,
            "taken": halfway.taken,
            "own": halfway.own,
            "metric_l2": halfway.l2,
            "pairs": [[pair.bend, pair.scale] for pair in halfway.pairs],
            "found": [
                {"l2": l2} | {name: asdict(solution)[name] for name in _PLAIN} for l2, solution in self.found.items()
            ],
        }

    @classmethod
    def of(cls, arrays: Mapping[str, Array], numbers: Mapping[str, Any]) -> "State":
        """The state with these `arrays` and `numbers`."""
        pairs = tuple(
            Pair(arrays[f"pair{number}.step"], arrays[f"pair{number}.change"], bend, scale)
            for number, (bend, scale) in enumerate(numbers["pairs"])
        )
        found = {
            plain["l2"]: Solution(
                arrays[f"solution{number}.weight"],
                arrays[f"solution{number}.bias"],
                **{name: plain[name] for name in _PLAIN},
            )
            for number, plain in enumerate(numbers["found"])
        }
        plain = {name: numbers[name] for name in ("iteration", "single", "taken")}
        # What an older state lacks is found anew, and then the bits are others.
        own, l2 = numbers.get("own", 0), numbers.get("metric_l2", 0.0)
        halfway = Halfway(arrays.get("theta"), made_at=arrays.get("made_at"), own=own, l2=l2, pairs=pairs, **plain)
        # An older state has "here" for the last end, without its slope.
        ends = tuple(
            End(arrays[f"end{number}.theta"], value, arrays[f"end{number}.slope"])
            for number, value in enumerate(numbers.get("ends", []))
        )
        begin = ends[-1].theta if ends else arrays.get("begin", arrays.get("here"))
        assert begin is not None
        return cls(numbers["l2"], found, begin, ends, numbers["passes"], halfway)


@dataclass(frozen=True)
class Progress:
    """What a solver says after an iteration.

    l2:            the penalty of this fit.
    iteration:     from 1.
    objective:     of the mean, in nats for cross-entropy; in float32 until near the optimum.
    gradient_norm: the gradient's largest entry.
    weight, bias:  [K, D] and [K] float64, as they are at this moment.
    state:         what the path needs to go on from here.
    """

    l2: float
    iteration: int
    objective: float
    gradient_norm: float
    weight: Array
    bias: Array
    state: State
