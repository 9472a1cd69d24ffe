"""A run without training, whose every byte is known: what it leaves, however it is stopped, can be told from it."""

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manual_vs_auto.runs import arrays, files
from manual_vs_auto.runs.arrays import Array
from manual_vs_auto.runs.directory import recorded, resumed
from manual_vs_auto.runs.errors import UsageError

EPOCHS = 3
_OPERATIONS = ("open", "write", "fsync", "mkdir", "rename", "replace", "unlink", "rmdir", "ftruncate")


def state(epoch: int) -> dict[str, Array]:
    """What the state is after an epoch."""
    return {"params.weight": np.full((2, 3), epoch, np.float32), "count": np.array(epoch, np.int32)}


def metrics(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "loss": 1 / epoch if epoch != 2 else 9.0}  # the best is not always the last


def weights(epoch: int) -> bytes:
    return f"weights after {epoch}".encode()


def run(directory: Path, keep: int = 2) -> list[str]:
    """The run from where it is to its end. Returns what was damaged. Raises UsageError as a command would."""
    try:
        with resumed(directory, keep) as found:
            done = found.snapshot.number if found.snapshot else 0
            if found.snapshot:
                expect_as_it_was(found.snapshot.number, found.snapshot.arrays)
            lines = found.snapshot.metrics if found.snapshot else b""
            found.record.restore(found.config, lines, weights(done) if done else None)
            found.record.go_on(done, best(done))
            _go(found.record, done)
            return list(found.said)
    except UsageError as error:
        if "there is no run" not in str(error):
            raise
    with recorded(directory, keep) as record:
        record.start({"epochs": EPOCHS}, {"command": "simulated"})
        _go(record, 0)
    return []


def best(epoch: int) -> int | None:
    """Of the first epochs, the best."""
    return min(range(1, epoch + 1), key=lambda number: metrics(number)["loss"], default=None)


def expect_as_it_was(epoch: int, found: Mapping[str, Array]) -> None:
    """Every bit of a state."""
    expected = state(epoch)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def _go(record: Any, done: int) -> None:
    for epoch in range(done + 1, EPOCHS + 1):
        record.keep(metrics(epoch), weights(epoch))
        record.snapshot(epoch, state(epoch), {"tally": epoch}, best(epoch) == epoch)
    record.flush()


def left(directory: Path) -> dict[str, bytes]:
    """What a run has left: the content of every file by its name."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def put_back(directory: Path, content: Mapping[str, bytes]) -> None:
    """Have the files as they were."""
    for name in left(directory).keys() - content.keys():
        (directory / name).unlink()
    for name, each in content.items():
        path = directory / name
        if not path.exists() or path.read_bytes() != each:
            path.write_bytes(each)


class Crash(BaseException):
    """The end of a process, as far as its files can tell."""


def crash_at(patch: pytest.MonkeyPatch, operation: int) -> Callable[[], int]:
    """From the operation of this number on, none is done, but half a write. Returns how many were asked for."""
    asked = [0]

    def guarded(call: Any, name: str) -> Any:
        def wrapper(*args: Any, **flags: Any) -> Any:
            if name == "open" and not args[1] & (os.O_CREAT | os.O_TRUNC):
                return call(*args, **flags)  # it changes nothing
            asked[0] += 1
            if asked[0] < operation:
                return call(*args, **flags)
            if asked[0] == operation and name == "write":
                call(args[0], args[1][: len(args[1]) // 2])
            raise Crash

        return wrapper

    for name in _OPERATIONS:
        patch.setattr(os, name, guarded(getattr(os, name), name))
    return lambda: asked[0]


def save_plainly(directory: Path, content: Mapping[str, Array]) -> None:
    """As `arrays.save`, without the library: its own files can't be made to crash, and it takes its time."""
    directory.mkdir()
    for name, array in content.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        files.write(directory / f"{name}.npy", buffer.getvalue())


def load_plainly(directory: Path) -> dict[str, Array]:
    return {path.stem: np.load(path) for path in directory.iterdir()}


def plainly(patch: pytest.MonkeyPatch) -> None:
    """Have arrays saved without the library, every epoch at once, and no wait for the disk."""
    patch.setattr(os, "fsync", lambda file: None)
    patch.setattr(arrays, "save", save_plainly)
    patch.setattr(arrays, "load", load_plainly)
    patch.setattr("manual_vs_auto.runs.checkpoints._SHARE", float("inf"))
