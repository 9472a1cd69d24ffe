"""`python -m manual_vs_auto.report RUN [RUN ...]`: one page that compares runs."""

import sys
from collections.abc import Sequence
from pathlib import Path

from manual_vs_auto import command
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.parsing import Parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    parser = Parser(
        prog=command.program("manual_vs_auto.report"),
        description="Compare runs that train or fit left with --out, on one page: curves, weights, confusion matrix, "
        "worst mistakes, calibration. The page is one file, which needs no network and no script.",
        epilog="Exit status: 0 written; 2 used wrongly, a directory that holds no run, or a damaged one.",
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="a directory that train or fit left with --out"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE.html", help="where to (default: report.html in the first RUN)"
    )
    asked = parser.parse_args(arguments)
    from manual_vs_auto.runs.report.page import write

    try:
        print(write(asked.runs, asked.out))
    except UsageError as error:
        print(f"manual_vs_auto.report: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    command.run(main)
