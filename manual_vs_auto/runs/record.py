"""What a run writes while it goes: config.toml, metrics.jsonl, model.safetensors, checkpoints."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

from manual_vs_auto.runs import evaluation, files, origin
from manual_vs_auto.runs.arrays import Array
from manual_vs_auto.runs.checkpoints import Checkpoints, Snapshot
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.events import FOLDER, Events

CONFIG, METRICS, WEIGHTS, CHECKPOINTS = origin.FILE, "metrics.jsonl", "model.safetensors", "checkpoints"


class Record:
    """A directory with one run in it, which `directory.recorded` and `directory.resumed` open.

    The last line of the metrics and the weights are of the same step, however the run ends: the process may be
    killed at any time but between the two system calls that end `keep`. (Power is another matter: what waits for the
    disk are the checkpoints, and these hold both.)
    """

    def __init__(self, directory: Path, metrics: FileIO, keep: int, events: Events | None = None) -> None:
        self._directory, self._metrics, self._events = directory, metrics.fileno(), events
        self._config = b""
        self._lines = bytearray()
        self.checkpoints = Checkpoints(directory / CHECKPOINTS, keep)

    def start(self, settings: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Write config.toml: the resolved settings, and versions, device, data and command under [run]."""
        self._config = origin.text(settings, about)
        with self._writing(CONFIG):
            origin.write(self._directory / CONFIG, self._config)
        if self._events:
            with self._writing(FOLDER):
                self._events.write_anew(())

    def keep(self, metrics: Mapping[str, Any], weights: bytes, before: Sequence[Mapping[str, Any]] = ()) -> None:
        """Append a line of metrics and replace the weights, the content of their file: both, or neither.

        Args:   before: more lines, before that one.
        Raises: UsageError, which names the file, where one can't be written.
        """
        line = "".join(json.dumps(one) + "\n" for one in (*before, metrics)).encode()
        partial = files.partial(self._directory / WEIGHTS)
        try:
            with self._writing(WEIGHTS):
                files.write(partial, weights)
            with self._writing(METRICS):
                files.append(self._metrics, line)
            with self._writing(WEIGHTS):
                partial.replace(self._directory / WEIGHTS)
        except BaseException:
            # Weights that are still partial are not there yet, so their line must go. Ctrl-C can come after them, too.
            if partial.exists():
                os.ftruncate(self._metrics, len(self._lines))
                partial.unlink()
            if os.fstat(self._metrics).st_size > len(self._lines):
                self._lines += line
            raise
        self._lines += line
        if self._events:  # last: whoever is killed here has them written anew when the run goes on
            with self._writing(FOLDER):
                self._events.add((*before, metrics))

    def snapshot(self, number: int, arrays: Mapping[str, Array], about: Mapping[str, Any], best: bool) -> None:
        """Take a checkpoint of what has just been kept; it is written now, or with `flush`.

        Args: number: of epochs, or iterations, that are done.
              arrays, about: as a Snapshot has them; they must not change any more.
              best:   whether it is the best so far.
        """
        with self._writing(CHECKPOINTS):
            self.checkpoints.offer(Snapshot(number, arrays, about, bytes(self._lines), self._config), best)

    def flush(self) -> None:
        """Have the last checkpoint and the best on the disk."""
        with self._writing(CHECKPOINTS):
            self.checkpoints.flush()

    def restore(self, config: bytes, metrics: bytes, weights: bytes | None) -> None:
        """Go back to this: the metrics lose what is after it, and weights that are None are removed.

        What was said of other weights, evaluation.json, goes: it is written again when the run ends.
        """
        self._config = config
        with self._writing(evaluation.FILE):
            (self._directory / evaluation.FILE).unlink(missing_ok=True)
        with self._writing(METRICS):
            path = self._directory / METRICS
            if path.read_bytes()[: len(metrics)] != metrics:
                os.ftruncate(self._metrics, 0)
                files.append(self._metrics, metrics)
            os.ftruncate(self._metrics, len(metrics))
        self._lines = bytearray(metrics)
        with self._writing(WEIGHTS):
            path = self._directory / WEIGHTS
            if weights is None:
                path.unlink(missing_ok=True)
            elif not path.exists() or path.read_bytes() != weights:
                files.write(files.partial(path), weights)
                files.partial(path).replace(path)
        if self._events:
            with self._writing(FOLDER):
                self._events.write_anew(self.lines())

    def go_on(self, number: int, best: int | None) -> None:
        """Know which checkpoint the run goes on from, and which was the best until then."""
        with self._writing(CHECKPOINTS):
            self.checkpoints.go_on(number, best)

    def lines(self) -> list[dict[str, Any]]:
        """The metrics that are kept."""
        return [json.loads(line) for line in self._lines.splitlines()]

    def close(self) -> None:
        """Write what still waits, if it can be written, and leave nothing half done."""
        with suppress(OSError):
            self.checkpoints.flush()
        with suppress(OSError):
            if self._events:
                self._events.close()
        for name in (CONFIG, WEIGHTS):
            with suppress(OSError):
                files.partial(self._directory / name).unlink()

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"{self._directory}: {name} can't be written: {error.strerror}; it keeps {self._kept(name)}"
            ) from None

    def _kept(self, name: str) -> str:
        if not (self._directory / WEIGHTS).exists():
            return "nothing"
        if name == FOLDER:
            return "the metrics and the weights"
        if name != CHECKPOINTS:
            return "what it had before"
        numbers = self.checkpoints.numbers()
        return f"the checkpoint {self.checkpoints.path(numbers[0]).name}" if numbers else "the weights"
