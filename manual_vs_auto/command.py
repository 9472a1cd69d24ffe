"""How a command ends: with its status, and without a traceback where what it says can't be written."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TextIO

_INTERRUPTED, _UNREAD, _UNWRITTEN = 130, 141, 120  # as a shell counts two signals, and Python a failed last flush

SCRIPT = "manual-vs-auto"  # what pip puts beside python, and then a command's name


def program(module: str) -> str:
    """How a command was called, for its usage: `python -m manual_vs_auto.train`, or `manual-vs-auto train`."""
    return _called.get(module, f"python -m {module}")


def called(module: str, name: str) -> None:
    """From now on the module's command is `manual-vs-auto NAME`."""
    _called[module] = f"{SCRIPT} {name}".rstrip()


_called: dict[str, str] = {}


def run(main: Callable[[], int | None], leave: Callable[[int], NoReturn] = sys.exit) -> NoReturn:
    """Run a command and leave with its status, also where its reader goes away, as `head` does, or the disk is full.

    Args: main: returns the status; None is 0.
          leave: ends the process: sys.exit, or os._exit where nobody should wait for threads.
    """
    # Closed before the start they are None: what is written there leads nowhere, and not to the other one.
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    try:
        status = main() or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else _said(end.code, 1)
    except KeyboardInterrupt:
        status = _INTERRUPTED
    except OSError as error:
        status = _unwritten(error)
    try:
        sys.stdout.flush()
    except OSError as error:
        status = status or _unwritten(error)  # what went wrong before has been said
        # Python flushes once more at its end, and would say that it could not.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    leave(status)


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _unwritten(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):
        return _UNREAD
    if error.errno == errno.ENOSPC:
        return _said(f"{sys.argv[0]}: {error}", _UNWRITTEN)
    raise error


def _said(message: object, status: int) -> int:
    print(message, file=sys.stderr)
    return status
