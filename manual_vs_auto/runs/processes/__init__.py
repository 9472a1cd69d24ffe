"""Several processes on JAX's own distributed runtime: they start, agree and end together.

A command adds `flags` to its parser, takes what they say out with `taken`, and does its work `through` them. There,
`agreement` and `runtime.is_first` are for all: with one process they cost nothing.
"""

import traceback
from collections.abc import Callable

from manual_vs_auto.runs import signals
from manual_vs_auto.runs.ending import ended
from manual_vs_auto.runs.errors import LostError
from manual_vs_auto.runs.processes.asked import NAMES, Asked, flags, taken, timeouts
from manual_vs_auto.runs.strictness import leave_out

__all__ = ["NAMES", "Asked", "flags", "taken", "through", "timeouts"]


def through(asked: Asked | None, name: str, work: Callable[[], int]) -> int:
    """Do the work as one of the processes, and return the exit status, that of all where they end together.

    Args: asked: by the command line; None is one process.
          name, work: as `ended` takes them.
    """
    if asked is None:
        return ended(name, work)
    leave_out()
    from manual_vs_auto.runs.processes import runtime  # only now: --help answers without jax

    def joined() -> int:
        runtime.join(asked)
        try:
            return work()
        except Exception as error:  # of a collective that the main thread has waited for itself
            cause = signals.cause(error)
            if isinstance(cause, LostError):
                runtime.saying()
            raise cause from error.__cause__

    try:
        status = ended(name, joined)
        return ended(name, lambda: runtime.leave(status))
    except Exception:
        traceback.print_exc()  # now: Python's own end would wait for threads that wait for the others
        return runtime.leave(1, abruptly=True)
