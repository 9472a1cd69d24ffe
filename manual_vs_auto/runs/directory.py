"""A run's directory: whose it is, what may be in it, and what a run that goes on finds there."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from manual_vs_auto.runs import evaluation, files, origin
from manual_vs_auto.runs.checkpoints import Checkpoints, Snapshot
from manual_vs_auto.runs.claim import claim
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.events import Events
from manual_vs_auto.runs.record import CHECKPOINTS, CONFIG, METRICS, WEIGHTS, Record


@contextmanager
def recorded(directory: Path, keep: int = 3, events: bool = False) -> Iterator[Record]:
    """A directory that is this new run's alone until the block ends, made if need be.

    A run that has kept nothing by then leaves the directory as if it had never been started, and one that was killed
    before it kept anything blocks nobody.

    Args:   keep:   how many of the last checkpoints stay.
            events: whether TensorBoard's files are written, too.
    Raises: UsageError if the directory holds a run, is another's at this moment, or can't be written.
    """
    made: list[Path] = []
    try:
        with suppress(OSError):
            made = [path for path in (directory, *directory.parents) if not path.exists()]
        with _claimed(directory, "--out", [CONFIG, METRICS, WEIGHTS, CHECKPOINTS]) as metrics:
            record = Record(directory, metrics, keep, Events(directory) if events else None)
            try:
                yield record
            finally:
                if (directory / WEIGHTS).exists():
                    record.close()
                else:
                    for name in (CONFIG, METRICS, files.partial(Path(CONFIG)), files.partial(Path(WEIGHTS))):
                        with suppress(OSError):
                            (directory / name).unlink()
    finally:
        for path in made:
            with suppress(OSError):  # not empty, so another's by now
                path.rmdir()


@dataclass(frozen=True)
class Resumed:
    """A run that goes on.

    record:   of its directory, which is as it was found until `record.restore`.
    snapshot: the last whole checkpoint; None before the first.
    said:     what was damaged, and what is done about it, a line each.
    config:   its config.toml, as it began.
    """

    record: Record
    snapshot: Snapshot | None
    said: Sequence[str]
    config: bytes


@contextmanager
def resumed(directory: Path, keep: int, events: bool = False) -> Iterator[Resumed]:
    """The directory of a run, which is this process's alone until the block ends.

    Args:   keep:   how many of the last checkpoints stay.
            events: whether TensorBoard's files are written, too.
    Raises: UsageError if it holds no run, is another's at this moment, can't be written, began otherwise than its
            config.toml says, or has ended and lost its checkpoints.
    """
    beginning(directory)
    with _claimed(directory, "--resume", []) as metrics:
        record, said = Record(directory, metrics, keep, Events(directory) if events else None), list[str]()
        files.remove_nameless(directory / CHECKPOINTS)
        config = (source := beginning(directory)).read_bytes()
        if source != directory / CONFIG:
            origin.write(directory / CONFIG, config)
            said.append(f"{CONFIG} was damaged: it is restored from {CHECKPOINTS}")
        snapshot, damaged = record.checkpoints.last_whole()
        after = f"goes on after {snapshot.number}" if snapshot else "begins anew"
        if damaged:
            names = ", ".join(record.checkpoints.path(number).name for number in damaged)
            said.append(f"damaged, so not used: {CHECKPOINTS}/{names}; the run {after}")
        elif not snapshot and (directory / METRICS).stat().st_size:
            if (directory / evaluation.FILE).exists():
                raise UsageError(
                    f"{directory}: the run had ended, and {CHECKPOINTS} is gone: begin another, with --out"
                )
            said.append(f"there is nothing in {CHECKPOINTS}: the run begins anew")
        if snapshot:
            _expect_same(directory, config, snapshot.config)
            if (directory / METRICS).read_bytes()[: len(snapshot.metrics)] != snapshot.metrics:
                said.append(f"{METRICS} was damaged: its lines are restored from {CHECKPOINTS}")
        try:
            yield Resumed(record, snapshot, said, config)
        finally:
            record.close()


def beginning(directory: Path) -> Path:
    """A run's config.toml as it was written: its own, or where that can't be read a checkpoint's.

    Raises: UsageError if there is none, or if the run's own says what the run did not begin with.
    """
    path, checkpoints = directory / CONFIG, Checkpoints(directory / CHECKPOINTS, 1)
    try:
        content = path.read_bytes() if path.exists() else b""
        if origin.is_sealed(content):
            return path
        if not content and not checkpoints.numbers():
            raise UsageError(f"--resume {directory}: there is no run: it has no {CONFIG}")
        whole = [number for number in checkpoints.numbers() if files.is_whole(checkpoints.path(number))]
        if not whole:
            raise UsageError(f"--resume {directory}: {CONFIG} is not as it was written, and no checkpoint is whole")
        kept = checkpoints.path(whole[0]) / CONFIG
        _expect_same(directory, content, kept.read_bytes())
    except OSError as error:
        raise UsageError(f"--resume {directory}: {CONFIG} can't be read: {error.strerror}") from None
    return kept


def _expect_same(directory: Path, found: bytes, expected: bytes) -> None:
    """Raises UsageError where the one says another thing than the other; what says nothing is merely damaged."""
    now, then = origin.table(found), origin.table(expected)
    if found and now is not None and then is not None and (other := origin.differences(now, then)):
        raise UsageError(
            f"--resume {directory}: {CONFIG} has been changed: {'; '.join(other)}: put that back, or start another run "
            "with --out"
        )


@contextmanager
def _claimed(directory: Path, flag: str, no_run: Sequence[str]) -> Iterator[FileIO]:
    """The file of the metrics, claimed, in a directory that holds none of these names, but what a start may leave."""
    try:
        _expect_none(directory, no_run)
        metrics = claim(directory / METRICS)
    except BlockingIOError:
        wait = "name another directory" if no_run else "wait for its end"
        raise UsageError(f"{flag} {directory} is another run's at this moment: {wait}") from None
    except OSError as error:
        raise UsageError(f"{flag} {directory} can't be written: {error.strerror}") from None
    with metrics:
        _expect_none(directory, no_run)  # a run may have ended just before it was claimed
        yield metrics


def _expect_none(directory: Path, names: Sequence[str]) -> None:
    held = [name for name in names if os.path.lexists(directory / name)]
    if METRICS in held and WEIGHTS not in held and CHECKPOINTS not in held:
        metrics = (directory / METRICS).lstat()
        if stat.S_ISREG(metrics.st_mode) and not metrics.st_size:
            return  # interrupted before it kept anything
    if held:
        raise UsageError(f"--out {directory} holds a run already ({', '.join(held)}): name another directory")
