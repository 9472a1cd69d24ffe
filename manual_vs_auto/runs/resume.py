"""`--resume RUN`: the flags of a run that goes on are those that it began with."""

import sys
from collections.abc import Sequence
from pathlib import Path

from manual_vs_auto.runs.configuration import Parser
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.values import path, whole


def resume_flags(parser: Parser) -> None:
    """Add them to a command's."""
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
        help="with --out or --resume: how many of the last checkpoints stay, beside the best (default: 3)",
    )


def as_begun(run: Path, parser: Parser, arguments: Sequence[str] | None) -> list[str]:
    """The arguments, after those that the run in this directory began with. Ends the command where there is none."""
    from manual_vs_auto.runs.directory import beginning  # it needs NumPy, and --help does not

    given = sys.argv[1:] if arguments is None else [*arguments]
    for flag in ("--out", "--config"):
        if any(argument.split("=")[0] == flag for argument in given):
            parser.error(f"--resume goes on in the run's own directory, as it began: leave {flag} out")
    try:
        return ["--config", str(beginning(run)), *given]
    except UsageError as error:
        parser.exit(2, f"{parser.prog.removeprefix('python -m ')}: error: {error}\n")
