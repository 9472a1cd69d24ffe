"""A run's checkpoints: the last few and the best, each whole or absent, the arrays by orbax-checkpoint."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manual_vs_auto.runs import arrays, files
from manual_vs_auto.runs.arrays import Array

_ARRAYS, _ABOUT, _METRICS, _CONFIG = "arrays", "about.json", "metrics.jsonl", "config.toml"
_SHARE = 0.1  # of a run's time, that writing checkpoints may take


@dataclass(frozen=True)
class Snapshot:
    """All that a run needs to go on as if it had never stopped.

    number:  of epochs, or iterations, that are done.
    arrays:  parameters and the solver's state, by name, on the host.
    about:   what else there is to know, as JSON has it.
    metrics: the lines of the metrics up to here.
    config:  the run's config.toml.
    """

    number: int
    arrays: Mapping[str, Array]
    about: Mapping[str, Any]
    metrics: bytes
    config: bytes

    def lines(self) -> list[dict[str, Any]]:
        """The metrics, read."""
        return [json.loads(line) for line in self.metrics.splitlines()]


class Checkpoints:
    """The directory of them, made with the first.

    Args: directory: which nobody else writes to.
          keep:      how many of the last ones stay, beside the best.
    """

    def __init__(self, directory: Path, keep: int) -> None:
        self._directory, self._keep = directory, keep
        self._waiting: list[Snapshot] = []
        self._best: int | None = None
        self._ended, self._cost = time.monotonic(), 0.0

    def offer(self, snapshot: Snapshot, best: bool) -> None:
        """Take the snapshot, and write it if that has not taken too much of the time lately: `flush` writes it anyhow.

        Args:   best: whether it is the best so far.
        Raises: OSError.
        """
        if best:
            self._best = snapshot.number
        self._waiting = [one for one in self._waiting if one.number == self._best] + [snapshot]
        if (time.monotonic() - self._ended) * _SHARE >= self._cost:
            self.flush()

    def flush(self) -> None:
        """Write what waits, the best and the last, and remove what is neither. Raises: OSError."""
        start = time.monotonic()
        while self._waiting:
            self._write(self._waiting[0])
            last = self._waiting.pop(0)
            if not self._waiting:
                # What is after the last one was damaged, and the run has gone on from before it.
                for number in self.numbers():
                    if number > last.number:
                        files.remove(self.path(number))
                self._prune(self.numbers())
                self._ended = time.monotonic()
                self._cost = self._ended - start

    def go_on(self, number: int, best: int | None) -> None:
        """From the one of this number, in a run whose best so far is known. Raises: OSError."""
        self._best = best
        self._prune([other for other in self.numbers() if other <= number])

    def numbers(self) -> list[int]:
        """Of those that are there, whole or damaged, the last one first."""
        names = (path.name for path in self._directory.glob("*") if path.is_dir())
        return sorted((int(name) for name in names if name.isascii() and name.isdecimal()), reverse=True)

    def last_whole(self) -> tuple[Snapshot | None, list[int]]:
        """The last one that is whole, if any, and the numbers of those after it, which are damaged."""
        damaged: list[int] = []
        for number in self.numbers():
            path = self.path(number)
            if files.is_whole(path) and path.is_dir():
                return self._read(path), damaged
            damaged.append(number)
        return None, damaged

    def path(self, number: int) -> Path:
        """Where the one of this number is, if it is kept."""
        return self._directory / f"{number:06}"

    def _write(self, snapshot: Snapshot) -> None:
        self._directory.mkdir(exist_ok=True)
        path = self.path(snapshot.number)
        aside = files.partial(path)
        files.remove_nameless(self._directory)
        try:
            aside.mkdir()
            arrays.save(aside / _ARRAYS, snapshot.arrays)
            files.write(aside / _ABOUT, json.dumps({"number": snapshot.number} | dict(snapshot.about)).encode())
            files.write(aside / _METRICS, snapshot.metrics)
            files.write(aside / _CONFIG, snapshot.config)
            files.publish(path)
        except BaseException:
            files.remove_nameless(self._directory)
            raise

    def _prune(self, numbers: Sequence[int]) -> None:
        """Remove what is neither among the last few of these nor the best."""
        for number in numbers[self._keep :]:
            if number != self._best:
                files.remove(self.path(number))

    def _read(self, path: Path) -> Snapshot:
        about = json.loads((path / _ABOUT).read_bytes())
        return Snapshot(
            number=about.pop("number"),
            arrays=arrays.load(path / _ARRAYS),
            about=about,
            metrics=(path / _METRICS).read_bytes(),
            config=(path / _CONFIG).read_bytes(),
        )
