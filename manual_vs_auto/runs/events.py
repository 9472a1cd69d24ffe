"""A run's numbers for TensorBoard: event files, by the package tensorboardX, which is imported only here."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from manual_vs_auto.runs.errors import UsageError

FOLDER = "tensorboard"
MISSING = "--tensorboard: tensorboardX is not here, the extra `tensorboard` installs it: pip install tensorboardX"


def require() -> None:
    """Raises: UsageError where the package is missing, or is of no use: beside a protobuf that is too old, say."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise UsageError(MISSING) from None
    except Exception as error:
        words = str(error).strip().partition("\n")[0]
        raise UsageError(f"--tensorboard: tensorboardX can't be imported: {type(error).__name__}: {words}") from None


class Events:
    """The numbers in the lines of a run's metrics.jsonl, by their names, in its folder tensorboard/.

    Of train each line is a step, its epoch. Of fit the iterations towards an l2 are the steps of a folder of its own,
    l2=0.01 say, which TensorBoard draws as one curve of several; the ends of the fits are the steps 1, 2, ... of
    tensorboard/ itself. Words and numbers that are not there (null) are left out.

    Args: directory: of the run.
    """

    def __init__(self, directory: Path) -> None:
        self._folder = directory.absolute() / FOLDER
        self._writers: dict[str, Any] = {}
        self._ends = 0
        self._open = ""  # the curve whose file is, beside that of the ends

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write these lines of the metrics, which come after all that were added before. Raises: OSError."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        touched: dict[str, Any] = {}
        for line in lines:
            self._ends += "iterations" in line
            curve, key = (f"l2={line['l2']}", "iteration") if "iteration" in line else ("", "epoch")
            step = int(line.get(key, self._ends))
            numbers = {name: line[name] for name in line if name != key and isinstance(line[name], int | float)}
            values = [Summary.Value(tag=name, simple_value=float(value)) for name, value in numbers.items()]
            if curve and curve != self._open:  # one at a time, however many there are
                if self._open and (done := self._writers.pop(self._open, None)):
                    touched.pop(self._open, None)
                    done.close()
                self._open = curve
            touched[curve] = writer = self._writer(curve)
            writer.write_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        for writer in touched.values():
            writer.flush()

    def write_anew(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write these lines, and no others: what a process that was killed has written goes. Raises: OSError."""
        self.close()
        for path in self._folder.rglob("events.out.tfevents.*"):
            path.unlink()
        self._writers, self._ends, self._open = {}, 0, ""
        self.add(lines)

    def close(self) -> None:
        """Close the files. Raises: OSError."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, curve: str) -> Any:
        """Of a file that is made with its first line: a run that keeps nothing leaves nothing."""
        from tensorboardX.event_file_writer import EventsWriter

        if curve not in self._writers:
            folder = self._folder / curve
            folder.mkdir(parents=True, exist_ok=True)
            self._writers[curve] = EventsWriter(str(folder / "events"))
        return self._writers[curve]
