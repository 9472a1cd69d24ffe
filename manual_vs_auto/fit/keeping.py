"""What a fit keeps in its directory, and how it goes on from there."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.fit.examples import Examples, places_of
from manual_vs_auto.fit.options import Options, as_table
from manual_vs_auto.runs import arrays, keeping, signals
from manual_vs_auto.runs.directory import Resumed
from manual_vs_auto.runs.machine import versions
from manual_vs_auto.runs.record import Record
from manual_vs_auto.solve import Progress, State

Line: TypeAlias = Mapping[str, Any]
_KEPT = 4  # times as long as keeping an iteration takes must have passed before the next one is kept


class Keeping(keeping.Keeping):
    """A run's directory, as a fit uses it. Every iteration has its line; those that come fast are kept together."""

    def __init__(self, options: Options, examples: Examples, device: str, found: Record | Resumed) -> None:
        # Where the data are may be another place, since what they are is compared.
        free = ["features", "labels", "tensorboard", *(["val"] if options.val_file else [])]
        super().__init__(options.out, found, as_table(options), {"device": device, "versions": versions()}, free)
        self._options, self._examples = options, examples
        self._ready = ThreadPoolExecutor(1).submit(arrays.ready)  # beside the first iterations
        self._waiting: list[Line] = []  # the lines that are not kept yet
        self._last: tuple[Progress, Callable[[], bytes]] | None = None  # whose the last of them is, and its weights
        self._kept = self._keeping = 0.0

    def begin(self) -> tuple[State | None, Progress | None, list[dict[str, Any]]]:
        """Write down how the run begins; or see that it has begun so.

        Returns: what the solver goes on from, where it was if a fit had not ended, and the metrics until then.
        Raises:  UsageError if it has begun otherwise, or if the directory can't be written.
        """
        self._start("fit", digest(self._examples), places_of(self._options))
        if not (snapshot := self.snapshot):
            return None, None, []
        self._ready.result()
        state = State.of(snapshot.arrays, snapshot.about["solver"])
        lines = snapshot.lines()
        self._kept = lines[-1]["seconds"]
        if state.halfway.theta is None:
            return state, None, lines
        last = lines[-1]
        where = (last["l2"], last["iteration"], last["objective"], last["gradient_norm"])
        return state, Progress(*where, snapshot.arrays["weight"], snapshot.arrays["bias"], state), lines

    def restore(self, content: bytes | None) -> None:
        """Go back to what `begin` has returned. Args: content: the weights' then, None where there were none."""
        if self._resumed:
            snapshot = self.snapshot
            with signals.held():
                self._record.restore(self._resumed.config, snapshot.metrics if snapshot else b"", content)
                if snapshot:
                    self._record.go_on(snapshot.number, None)

    def iteration(self, metrics: Line, progress: Progress, content: Callable[[], bytes]) -> None:
        """Take note of it, and keep it where that costs little. Args: content: makes that of the weights' file."""
        with signals.held():
            self._waiting.append(metrics)
            self._last = progress, content
        if self._ready.done() and metrics["seconds"] - self._kept >= _KEPT * self._keeping:
            before = time.perf_counter()
            self._keep_waiting()
            self._keeping, self._kept = time.perf_counter() - before, metrics["seconds"]

    def end(self, metrics: Line, content: bytes, state: State | None) -> None:
        """Keep the end of a fit. Args: state: what the next one goes on from; None where this one is to go on."""
        self._ready.result()
        with signals.held():
            self._record.keep(metrics, content, self._waiting)
            self._waiting = []
            if state:
                self._snapshot(state, {})

    def save(self) -> None:
        """Have the last iteration, and its checkpoint, on the disk."""
        with signals.held():
            if self._waiting:
                self._keep_waiting()
            self._record.flush()

    def _keep_waiting(self) -> None:
        assert self._last
        progress, content = self._last
        weights = content()
        self._ready.result()
        with signals.held():
            self._record.keep(self._waiting[-1], weights, self._waiting[:-1])
            self._waiting = []
            self._snapshot(progress.state, {"weight": progress.weight, "bias": progress.bias})

    def _snapshot(self, state: State, beside: dict[str, Any]) -> None:
        self._record.snapshot(state.halfway.taken, state.arrays() | beside, {"solver": state.numbers()}, best=False)


def digest(examples: Examples) -> str:
    """SHA-256 of all that is learned from and judged by."""
    held = {"features": examples.matrix, "labels": examples.labels, "rows": examples.rows}
    if examples.val is not examples.matrix:
        held |= {"val": examples.val, "val_labels": examples.val_labels}
    if examples.names:
        held["names"] = np.array(examples.names)
    return arrays.digest({name: array for name, array in held.items() if array is not None})
