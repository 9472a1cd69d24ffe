"""What the processes of a fit do that is spread over several: the first one writes and talks, the others follow it."""

from collections.abc import Sequence
from contextlib import suppress

from jax.sharding import Mesh

from manual_vs_auto.fit.examples import Examples
from manual_vs_auto.fit.options import Options, as_table
from manual_vs_auto.fit.solving import solved
from manual_vs_auto.fit.training import Training
from manual_vs_auto.runs import together
from manual_vs_auto.runs.arrays import glance
from manual_vs_auto.runs.machine import versions
from manual_vs_auto.runs.processes import agreement
from manual_vs_auto.solve import State


def expect_same(options: Options, examples: Examples) -> None:
    """Raises: UsageError in every process where one has been asked for something else, or has other data."""
    if not together.alone():
        data = {"features": examples.matrix, "labels": examples.labels}
        # Where a process finds them may be another place.
        settings = {name: str(value) for name, value in as_table(options).items() if name not in data}
        agreement.expect_same(settings | versions() | {"data": glance(data)})
        agreement.meet()


def shared(state: State | None) -> State | None:
    """The first process's state, in every process: what the solver goes on from, None from the beginning."""
    agreement.meet()  # whatever one of them had to do before
    arrays, numbers = together.shared(state.arrays() if state else {}, state and state.numbers())
    return state if together.first() or numbers is None else State.of(arrays, numbers)


def follow(options: Options, made: Training, classes: int, l2s: Sequence[float], mesh: Mesh | None) -> None:
    """Take every step with the first process, until all are taken or any process has heard a signal."""
    state = shared(None)
    if state is None or len(state.found) < len(l2s):
        with suppress(KeyboardInterrupt):
            for _ in solved(options, made, classes, l2s, state=state, mesh=mesh):
                pass
