"""A run's directory as a command uses it, new or to go on in: what train and fit have in common."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from manual_vs_auto.runs import origin, signals
from manual_vs_auto.runs.checkpoints import Snapshot
from manual_vs_auto.runs.directory import Resumed, recorded, resumed
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.record import Record
from manual_vs_auto.runs.resume import expect_as_begun


@contextmanager
def opened(out: Path | None, resume: bool, keep: int, events: bool) -> Iterator[Record | Resumed | None]:
    """The directory that --out or --resume names, this process's alone until the block ends; None without one.

    Args:   keep: how many of the last checkpoints stay. events: whether TensorBoard's files are written, too.
    Raises: UsageError.
    """
    if out is None:
        yield None
    elif resume:
        with resumed(out, keep, events) as found:
            yield found
    else:
        with recorded(out, keep, events) as record:
            yield record


def expect_data(expected: tuple[str, str] | None, digest: Callable[[], str]) -> None:
    """Raises UsageError where a run's own file asks for other data than these. Args: expected: the parser's."""
    if expected and digest() != expected[0]:
        raise UsageError(
            f"{expected[1]}: the data are not those that its run learned from: name them by a flag if they are meant"
        )


class Keeping:
    """A run's directory.

    said: what a person has to know of how the run goes on, a line each.

    Args:
        out:      the directory, as it was named.
        found:    of `opened`.
        settings: as config.toml has them.
        machine:  of its table [run], what only tells on what the run is.
        free:     those of the settings that may be others when the run goes on.

    Raises: UsageError where the run began otherwise.
    """

    def __init__(
        self,
        out: Path | None,
        found: Record | Resumed,
        settings: Mapping[str, Any],
        machine: Mapping[str, Any],
        free: Sequence[str],
    ) -> None:
        self._where, self._settings, self._machine = f"--resume {out}", settings, machine
        self._resumed = found if isinstance(found, Resumed) else None
        self._record = found.record if isinstance(found, Resumed) else found
        self.said: list[str] = []
        if self._resumed:
            others = expect_as_begun(self._where, self._resumed.config, settings, machine, free)
            self.said = [*self._resumed.said, *others]

    @property
    def snapshot(self) -> Snapshot | None:
        """What the run goes on from; None from its beginning."""
        return self._resumed.snapshot if self._resumed else None

    def flush(self) -> None:
        """Have the last checkpoint and the best on the disk."""
        with signals.held():
            self._record.flush()

    def _start(self, command: str, data: str, places: Mapping[str, Any]) -> None:
        """Write down how the run begins, or see that it began with these data.

        Args:   command: "train" or "fit". data: their digest.
                places:  where they are, by the settings that say so, with paths from the root.
        Raises: UsageError if it did not, or if the directory can't be written.
        """
        if not self._resumed:
            other = {name: place for name, place in places.items() if place != self._settings.get(name)}
            about = {"command": command, "data_sha256": data, **self._machine} | ({"places": other} if other else {})
            self._record.start(self._settings, about)
        elif (origin.table(self._resumed.config) or {})["run"]["data_sha256"] != data:
            raise UsageError(f"{self._where}: the data are not those that the run began with")
