"""The flags of a command whose work several processes share: no JAX here, so that --help is quick."""

import argparse
import math
from dataclasses import dataclass
from typing import Any

from manual_vs_auto.runs.values import address, duration, whole

NAMES = ("coordinator", "num_processes", "process_id", "distributed", "start_timeout", "heartbeat_timeout")
_START, _HERE, _AFAR = 60.0, 10.0, 100.0  # seconds; the last is JAX's own
_LOOPBACK = ("127.", "localhost:", "[::1]:")


@dataclass(frozen=True)
class Asked:
    """What the command line says of the processes.

    coordinator:       HOST:PORT, where process 0 listens; "" where JAX finds it, as the next two.
    count, process:    how many there are, and which one this is, from 0.
    start_timeout:     seconds within which all must have come.
    heartbeat_timeout: seconds without a sign of life, after which a process counts as gone.
    """

    coordinator: str = ""
    count: int = 0
    process: int = 0
    start_timeout: float = _START
    heartbeat_timeout: float = _AFAR


def timeouts(parser: Any) -> None:
    """Add --start-timeout and --heartbeat-timeout to a parser, or to a group of one."""
    parser.add_argument(
        "--start-timeout",
        type=duration,
        metavar="T",
        help="seconds, or 5m, within which all of them must have come (default: 60s)",
    )
    parser.add_argument(
        "--heartbeat-timeout",
        type=duration,
        metavar="T",
        help="how long one may give no sign of life before the others end (default: 10s on one machine, else 100s)",
    )


def flags(parser: argparse.ArgumentParser) -> None:
    """Add all of them to a command's parser; `taken` reads them."""
    group = parser.add_argument_group(
        "several processes", "start the same command once for each; they end together, and process 0 alone tells"
    )
    group.add_argument(
        "--coordinator", type=address, metavar="HOST:PORT", help="where process 0 listens: on its machine, a free port"
    )
    group.add_argument("--num-processes", type=whole(1), metavar="N", help="how many there are")
    group.add_argument("--process-id", type=whole(0), metavar="I", help="which one this is: 0 to N-1")
    group.add_argument(
        "--distributed",
        action="store_true",
        help="instead of these three: as SLURM, Open MPI, Kubernetes or Cloud TPU say, where one has started it",
    )
    timeouts(group)


def taken(parser: argparse.ArgumentParser, values: dict[str, Any]) -> Asked | None:
    """What the flags say, taken out of the parsed values; None for one process.

    Ends the command where one of those that go together is missing, or two say the same.
    """
    found = {name: values.pop(name) for name in NAMES}
    flag = {name: f"--{name.replace('_', '-')}" for name in NAMES}
    named = [name for name in NAMES[:3] if found[name] is not None]
    if found["distributed"] and named:
        parser.error(f"--distributed finds the processes: leave {flag[named[0]]} out")
    if named and len(named) < 3:
        missing = next(flag[name] for name in NAMES[:3] if name not in named)
        parser.error(f"--coordinator, --num-processes and --process-id go together: {missing} is missing")
    if not named and not found["distributed"]:
        for name in NAMES[4:]:
            if found[name] is not None:
                parser.error(
                    f"{flag[name]} is of several processes: say which, with --coordinator or with --distributed"
                )
        return None
    count, process = found["num_processes"] or 0, found["process_id"] or 0
    if named and process >= count:
        parser.error(f"--process-id {process} is none of --num-processes {count}: they are counted from 0")
    coordinator = found["coordinator"] or ""
    return Asked(
        coordinator=coordinator,
        count=count,
        process=process,
        start_timeout=found["start_timeout"] or _START,
        # JAX counts whole seconds.
        heartbeat_timeout=math.ceil(found["heartbeat_timeout"] or (_HERE if is_loopback(coordinator) else _AFAR)),
    )


def is_loopback(coordinator: str) -> bool:
    """Whether only this machine can reach it."""
    return coordinator.startswith(_LOOPBACK)
