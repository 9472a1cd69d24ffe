"""What a run says: facts at its start, a line or a bar while it runs, a table at its end."""

import json
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from manual_vs_auto.train.config import Config


class Display:
    """Standard output in one of four ways: live on a terminal, plain lines, JSON lines, or the last line only.

    Warnings always go to standard error.
    """

    def __init__(self, config: Config) -> None:
        self._json = config.json
        self._talks = not (config.json or config.quiet)
        self._final = not config.json
        self._bar = _Bar(config.epochs) if self._talks and sys.stdout and sys.stdout.isatty() else None

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

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """An epoch that is done."""
        if self._json:
            print(json.dumps(metrics), flush=True)
        elif self._bar:
            self._bar.epoch(metrics)
        elif self._talks:
            print(epoch_line(metrics), flush=True)

    def unfinished(self, metrics: Mapping[str, Any]) -> None:
        """An epoch that ended before its last step: for a program, since a person gets a warning."""
        if self._json:
            print(json.dumps(metrics), flush=True)

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
    """A live line below the epochs' lines: loss, accuracy, images a second and time left."""

    def __init__(self, epochs: int) -> None:
        # Only a terminal needs rich, whose import takes as long as reading MNIST.
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.progress = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[now]}"),
            TimeRemainingColumn(),
            transient=True,
            redirect_stdout=False,  # which would break long lines into short ones
            redirect_stderr=False,
        )
        self._task = self.progress.add_task("train", total=epochs, now="compiling")

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        self.progress.console.print(epoch_line(metrics), highlight=False, soft_wrap=True)
        rate = f"{metrics['images_per_second']:,.0f} images/s"
        now = f"loss {metrics['loss']:.4f}  accuracy {metrics['test_accuracy']:.2%}  {rate}"
        self.progress.update(self._task, completed=metrics["epoch"], now=now)


def epoch_line(metrics: Mapping[str, Any]) -> str:
    """One line for a person."""
    width = len(str(metrics["epochs"]))
    line = (
        f"epoch {metrics['epoch']:>{width}}/{metrics['epochs']}  loss {metrics['loss']:.4f}, "
        f"test {metrics['test_loss']:.4f}  accuracy {metrics['test_accuracy']:.2%}  "
        f"{metrics['images_per_second']:>9,.0f} images/s  {metrics['seconds_left']:.1f} s left"
    )
    if "agreed_steps" in metrics:
        line += f"  agreed at {metrics['agreed_steps']:,} of {metrics['steps']:,} steps"
    return line
