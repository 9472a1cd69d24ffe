"""Where the seconds of a run went, from the start of its process to its summary: what --profile prints."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Stages:
    """Seconds by stage, in the order in which they were first told.

    started: time.perf_counter() when the command began.
    """

    def __init__(self) -> None:
        self.started = self._last = time.perf_counter()
        self._begun = self.started - _before(self.started)
        self._seconds = {"Python": self.started - self._begun} if self.started > self._begun else {}
        self._beside: dict[str, float] = {}

    def next(self) -> None:
        """What was until now is in no stage, or has been told."""
        self._last = time.perf_counter()

    def was(self, stage: str, but: float = 0.0) -> None:
        """What has been since `next`, or since the last of these, was this stage, but for these seconds."""
        now = time.perf_counter()
        self.add(stage, now - self._last - but)
        self._last = now

    def add(self, stage: str, seconds: float) -> None:
        """So many seconds more of this stage."""
        self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def beside(self, stage: str, function: Callable[P, R]) -> Callable[P, R]:
        """The function, which a thread does beside the others' stages."""

        @wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._beside[stage] = time.perf_counter() - start

        return timed

    def lines(self) -> list[str]:
        """For a person, until now: what is in no stage is the rest."""
        whole = time.perf_counter() - self._begun
        shown = self._seconds | {"the rest": whole - sum(self._seconds.values())}
        table = [f"  {stage:<11}{seconds:6.2f} s  {seconds / whole:4.0%}" for stage, seconds in shown.items()]
        beside = [f"  {stage:<11}{seconds:6.2f} s  beside these" for stage, seconds in self._beside.items()]
        return [f"{'profile':<12} {whole:.2f} s from the start of the process", *table, *beside]


def _before(started: float) -> float:
    """Seconds of this process before, to a hundredth; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError, AttributeError):
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        born = ticks / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - born
        return max(0.0, age - (time.perf_counter() - started))
    return 0.0
