"""The time that a check may take: whatever calls f or the rule asks the clock first."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

NO_TIME = "no time left"
# The methods of an engine that run code that is not ours.
_RUNS = ("value", "value_and_manual", "value_and_autodiff", "sweep", "further", "complex_step", "traced_anew")


class OutOfTime(Exception):  # noqa: N818, it is no error
    """The budget is spent, and nobody waits for what was asked."""

    def __init__(self) -> None:
        super().__init__(NO_TIME)


class Clock:
    """Runs from when it is made: for ever, unless a budget in seconds is given.

    Where somebody is patient, what is asked for is waited for, whatever the time.
    """

    def __init__(self, budget: float = math.inf) -> None:
        self.began, self.patient = time.perf_counter(), False
        self._budget, self._until = budget, self.began + budget

    @property
    def over(self) -> bool:
        """Whether the budget is spent."""
        return time.perf_counter() > self._until

    def ask(self) -> None:
        """Raises: OutOfTime if the budget is spent, unless somebody is patient."""
        if self.over and not self.patient:
            raise OutOfTime

    @contextlib.contextmanager
    def patience(self, patient: bool = True) -> Iterator[None]:
        """Be patient, or no longer."""
        before, self.patient = self.patient, patient
        try:
            yield
        finally:
            self.patient = before

    @contextlib.contextmanager
    def extended(self) -> Iterator[None]:
        """Have twice the budget."""
        before, self._until = self._until, self.began + 2 * self._budget
        try:
            yield
        finally:
            self._until = before


class Timed:
    """An engine whose every run asks its clock first; engines made from one share it."""

    clock = Clock()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in filter(cls.__dict__.__contains__, _RUNS):
            setattr(cls, name, _asking(getattr(cls, name)))
        cls.of = _shared(cls.of)  # type: ignore[attr-defined]


def _asking(run: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(run)
    def asked(self: Timed, *args: Any) -> Any:
        self.clock.ask()
        return run(self, *args)

    return asked


def _shared(make: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(make)
    def made(self: Timed, *args: Any) -> Any:
        found = make(self, *args)
        found.clock = self.clock
        return found

    return made
