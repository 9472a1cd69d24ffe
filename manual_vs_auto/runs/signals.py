"""Signals that ask a run to end, which must not be lost: the first lets it save, a second one leaves at once.

Ctrl-C and SIGTERM, and SIGHUP like SIGTERM unless nohup has it ignored, set `heard` and raise KeyboardInterrupt in the
main thread. One that is raised inside a callback from C vanishes there: whoever waits looks at `heard`, too.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

heard = threading.Event()
_ECHO = 0.2  # seconds within which another is the same one once more, as `timeout` and terminals send it
_first: tuple[int, float] = 0, 0.0  # which one was heard, and when
_depth = 0
_waiting = False


def listen() -> None:
    """From now on they are heard; a KeyboardInterrupt that vanishes is not told."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, _hear)
    sys.unraisablehook = _unraisable


def status() -> int:
    """The exit status of a command that has been asked to end: 130 by Ctrl-C, 143 by the others."""
    return 128 + (_first[0] or signal.SIGINT)


def said() -> str:
    """What has happened, in a word: "interrupted" or "terminated"."""
    return "interrupted" if status() == 128 + signal.SIGINT else "terminated"


@contextmanager
def held() -> Iterator[None]:
    """A block that is done as a whole: the first signal is raised at its end."""
    global _depth, _waiting
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
    if _waiting and not _depth:
        _waiting = False
        raise KeyboardInterrupt


def _hear(number: int, _: FrameType | None) -> None:
    global _first, _waiting
    number = signal.SIGINT if number == signal.SIGINT else signal.SIGTERM
    if heard.is_set():
        if time.monotonic() - _first[1] > _ECHO:
            os._exit(128 + number)
        return
    _first = number, time.monotonic()
    heard.set()
    if _depth:
        _waiting = True
    else:
        raise KeyboardInterrupt


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    if lost.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(lost)
