"""What a run leaves in its directory: config.json, metrics.jsonl, model.safetensors."""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from manual_vs_auto.train.claim import claim
from manual_vs_auto.train.config import Config, UsageError

_CONFIG, _METRICS, _WEIGHTS = "config.json", "metrics.jsonl", "model.safetensors"


class Record:
    """A directory with one run in it, which `recorded` opens.

    The last line of the metrics and the weights are of the same step, however the run ends: the process may be
    killed at any time but between the two system calls that end `keep`. (Power is another matter: nothing waits for
    the disk.)
    """

    def __init__(self, directory: Path, metrics: FileIO) -> None:
        self._directory, self._metrics = directory, metrics

    def start(self, config: Config, versions: Mapping[str, str], device: str) -> None:
        """Write the resolved configuration, with the versions and the device that it ran on."""
        resolved = asdict(config) | {"out": str(self._directory)}
        content = {"config": resolved, "versions": dict(versions), "device": device}
        partial = _partial(self._directory / _CONFIG)
        with self._writing(_CONFIG):
            partial.write_text(json.dumps(content, indent=2) + "\n")
            partial.replace(self._directory / _CONFIG)

    def keep(self, metrics: Mapping[str, Any], weight: np.ndarray[Any, Any], about: Mapping[str, str]) -> None:
        """Append a line of metrics and replace the weights, W [K, D]: both, or neither.

        Raises: UsageError, which names the file, where one can't be written.
        """
        line = (json.dumps(metrics) + "\n").encode()
        # All that is said of the weights under one key: the library writes several in an order drawn anew.
        weights = save({"weight": np.ascontiguousarray(weight)}, metadata={"run": json.dumps(dict(about))})
        partial = _partial(self._directory / _WEIGHTS)
        end = os.fstat(self._metrics.fileno()).st_size
        try:
            with self._writing(_WEIGHTS):
                partial.write_bytes(weights)
            with self._writing(_METRICS):
                self._append(line)
            with self._writing(_WEIGHTS):
                partial.replace(self._directory / _WEIGHTS)
        except BaseException:
            # Weights that are still partial are not there yet, so their line must go. Ctrl-C can come after them, too.
            if partial.exists():
                self._metrics.truncate(end)
                partial.unlink()
            raise

    def _append(self, line: bytes) -> None:
        """Without a buffer, which would write what a full disk refused once more when it is closed."""
        while line:
            line = line[self._metrics.write(line) :]

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kept = "the epoch before" if (self._directory / _WEIGHTS).exists() else "nothing"
            raise UsageError(
                f"--out {self._directory}: {name} can't be written: {error.strerror}; it keeps {kept}"
            ) from None


@contextmanager
def recorded(directory: Path) -> Iterator[Record]:
    """A directory that is this run's alone until the block ends, made if need be.

    A run that has kept no epoch by then leaves the directory as if it had never been started, and one that was
    killed before its first epoch blocks nobody.

    Raises: UsageError if the directory holds a run, is another's at this moment, or can't be written.
    """
    made: list[Path] = []
    try:
        try:
            made = [path for path in (directory, *directory.parents) if not path.exists()]
            _expect_no_run(directory)
            metrics = claim(directory / _METRICS)
        except BlockingIOError:
            raise UsageError(f"--out {directory} is another run's at this moment: name another directory") from None
        except OSError as error:
            raise UsageError(f"--out {directory} can't be written: {error.strerror}") from None
        with metrics:
            _expect_no_run(directory)  # which may have ended just before it was claimed
            try:
                yield Record(directory, metrics)
            finally:
                if not (directory / _WEIGHTS).exists():
                    for name in (_CONFIG, _METRICS):
                        _remove(directory / name)
                for name in (_CONFIG, _WEIGHTS):
                    _remove(_partial(directory / name))
    finally:
        for path in made:
            with suppress(OSError):  # not empty, so another's by now
                path.rmdir()


def _expect_no_run(directory: Path) -> None:
    held = [name for name in (_CONFIG, _METRICS, _WEIGHTS) if os.path.lexists(directory / name)]
    if _METRICS in held and _WEIGHTS not in held:
        metrics = (directory / _METRICS).lstat()
        if stat.S_ISREG(metrics.st_mode) and not metrics.st_size:
            return  # interrupted before its first epoch
    if held:
        raise UsageError(f"--out {directory} holds a run already ({', '.join(held)}): name another directory")


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
