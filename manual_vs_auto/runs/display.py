"""How a command talks while it runs: facts at its start, a line or a bar, a table at its end."""

import json as json_module
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

Metrics = Mapping[str, Any]


def in_all(started: float, resumed: bool) -> str:
    """How long this process has been at a run, from `started` of the performance counter.

    Args: resumed: whether the run's other times are of the processes before it, too.
    """
    return f"in all {time.perf_counter() - started:.2f} s{' since --resume' if resumed else ''}"


@dataclass(frozen=True)
class Words:
    """How a command calls what it counts.

    unit:  "epoch" or "fit": the word, and its key in what `done` is given: how many of them are done.
    total: how many there will be at most.
    line:  the metrics of one as a line for a person.
    now:   the same, shorter, beside the bar.
    """

    unit: str
    total: int
    line: Callable[[Metrics], str]
    now: Callable[[Metrics], str]


class Display:
    """Standard output in one of four ways: live on a terminal, plain lines, JSON lines, or the last line only.

    Warnings always go to standard error.
    """

    def __init__(self, words: Words, *, json: bool, quiet: bool) -> None:
        self._words, self._json = words, json
        self._talks = not (json or quiet)
        self._final = not json
        self._bar = _Bar(words) if self._talks and sys.stdout and sys.stdout.isatty() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def facts(self, facts: Mapping[str, str]) -> None:
        """One line a fact, and after them the bar, where there is one."""
        if self._talks:
            for name, fact in facts.items():
                print(f"{name:<12} {fact}")
            print(flush=True)
        if self._bar:
            self._bar.progress.start()

    def done(self, metrics: Metrics) -> None:
        """One more of what is counted, with its metrics."""
        if self._json:
            print(json_module.dumps(metrics), flush=True)
        elif self._bar:
            self._bar.done(metrics)
        elif self._talks:
            print(self._words.line(metrics), flush=True)

    def unfinished(self, metrics: Metrics) -> None:
        """One that ended before its time: for a program, since a person gets a warning."""
        if self._json:
            print(json_module.dumps(metrics), flush=True)

    def lines(self, *lines: str) -> None:
        """Lines of the summary, all but the last one."""
        self._stop()
        if self._talks:
            print(*lines, sep="\n", flush=True)

    def last(self, line: str) -> None:
        """The one line that --quiet leaves."""
        if self._final:
            print(line, flush=True)

    def warn(self, line: str) -> None:
        """A warning, to standard error."""
        self._stop()
        print(f"warning: {line}", file=sys.stderr, flush=True)

    def _stop(self) -> None:
        if self._bar:
            self._bar.progress.stop()


class _Bar:
    """A live line below the others: how far, how good, how fast, and the time left."""

    def __init__(self, words: Words) -> None:
        # Only a terminal needs rich, whose import takes as long as reading MNIST.
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._words = words
        self.progress = Progress(
            TextColumn(words.unit),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[now]}"),
            TimeRemainingColumn(),
            transient=True,
            redirect_stdout=False,  # which would break long lines into short ones
            redirect_stderr=False,
        )
        self._task = self.progress.add_task("", total=words.total, now="compiling")

    def done(self, metrics: Metrics) -> None:
        self.progress.console.print(self._words.line(metrics), highlight=False, soft_wrap=True)
        self.progress.update(self._task, completed=metrics[self._words.unit], now=self._words.now(metrics))
