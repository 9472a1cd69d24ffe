"""`--resume RUN`: the flags of a run that goes on are those that it began with."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from manual_vs_auto.runs import origin
from manual_vs_auto.runs.configuration import Parser
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.events import FOLDER
from manual_vs_auto.runs.values import path, whole

_AS_IT_BEGAN = "--resume goes on in the run's own directory, as it began: leave {} out"


def run_flags(parser: Parser) -> None:
    """Add those of a run's directory to a command's, beside --out and --plot."""
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="with --out: write the metrics also as TensorBoard's event files, to tensorboard/ there, by tensorboardX",
    )
    parser.add_argument(
        "--resume",
        type=path,
        metavar="DIR",
        help="go on with the run in DIR from its last checkpoint, as if it had never stopped: its flags are there",
    )
    parser.add_argument(
        "--keep-checkpoints",
        type=whole(1),
        default=3,
        metavar="N",
        help="with --out or --resume: how many of the last checkpoints stay; train's best one does, too (default: 3)",
    )


def parsed(parser: Parser, arguments: Sequence[str] | None) -> dict[str, Any]:
    """A command's flags by name. With --resume the rest are those that the run began with, `out` is its directory.

    Ends the command where a flag is wrong, where there is no run to go on with, or where files have no directory to go
    to. `resume` is whether a run goes on; `expected` is the parser's, of a new run.
    """
    run = parser.first("--resume", arguments)
    values = vars(parser.parse_args(_as_begun(run, parser, arguments) if run else arguments))
    if not run and values["resume"]:  # which a file has asked for
        parser.error(_AS_IT_BEGAN.format("--config"))
    values |= {"resume": bool(run), "expected": None if run else parser.expected} | ({"out": run} if run else {})
    for name, what in (("plot", "pictures"), ("tensorboard", "event files")):
        if values[name] and values["out"] is None:
            parser.error(f"--{name} leaves its {what} in the run's directory: say which with --out")
    return values


def _as_begun(run: Path, parser: Parser, arguments: Sequence[str] | None) -> list[str]:
    """The arguments, after those that the run in this directory began with. Ends the command where there is none."""
    from manual_vs_auto.runs.directory import beginning  # it needs NumPy, and --help does not

    given = sys.argv[1:] if arguments is None else [*arguments]
    for flag in ("--out", "--config"):
        if any(argument.split("=")[0] == flag for argument in given):
            parser.error(_AS_IT_BEGAN.format(flag))
    try:
        # A resume may have begun them.
        return ["--config", str(beginning(run)), *(["--tensorboard"] if (run / FOLDER).is_dir() else []), *given]
    except UsageError as error:
        parser.exit(2, f"{parser.prog.removeprefix('python -m ')}: error: {error}\n")


def expect_as_begun(
    where: str, config: bytes, settings: Mapping[str, Any], machine: Mapping[str, Any], free: Sequence[str]
) -> list[str]:
    """What is not as it was when the run began, and may keep it from ending with the same bits: a line, or none.

    Args:   where:    what is said first. config: the run's config.toml.
            settings: as config.toml has them; of those in `free`, another value does not matter.
            machine:  of [run], what only tells on what it runs.
    Raises: UsageError where it can't go on so.
    """
    begun = origin.table(config) or {}
    run = begun.pop("run")
    now, then = ({name: value for name, value in table.items() if name not in free} for table in (settings, begun))
    if other := origin.differences(now, then):
        raise UsageError(f"{where}: {'; '.join(other)}: a run goes on as it began, or another one does with --out")
    other = origin.differences(machine, {name: run[name] for name in machine})
    return [f"{where}: {'; '.join(other)}: it may not end with the same bits as it would have"] if other else []
