"""How a command that works on runs ends: with its status, and what went wrong in one line."""

import contextlib
import sys
from collections.abc import Callable

from manual_vs_auto.runs import signals
from manual_vs_auto.runs.errors import LostError, NoRoomError, UsageError
from manual_vs_auto.runs.strictness import leave_out


def ended(name: str, work: Callable[[], int]) -> int:
    """Do the work, and return the command's exit status.

    Args: name: of the command, in front of what is said: "manual_vs_auto.train".
          work: returns the status. What is refused, 2, has no room in memory, 3, or has lost another process, 4, is
                said in one line.
    """
    leave_out()
    from manual_vs_auto.data import DataError  # only now: --help answers without NumPy

    try:
        return work()
    except DataError as error:
        return _said(name, str(error), UsageError.status)
    except (UsageError, LostError) as error:
        return _said(name, str(error), error.status)
    except MemoryError:
        return _said(name, "there is no memory left", NoRoomError.status)
    except KeyboardInterrupt:
        return signals.status()
    except BrokenPipeError:
        return 141  # as a shell counts the reader's going away
    except OSError as error:
        return _said(name, f"{error.filename or 'standard output'}: {error.strerror or error}", UsageError.status)


def _said(name: str, message: str, status: int) -> int:
    with contextlib.suppress(OSError):
        print(f"{name}: error: {message}", file=sys.stderr)
    return status
