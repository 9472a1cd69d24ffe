"""Signals that ask a run to end, which must not be lost: the first lets it save, a second one leaves at once.

Ctrl-C and SIGTERM, and SIGHUP like SIGTERM unless nohup has it ignored, set `heard` and raise KeyboardInterrupt in the
main thread. One that is raised inside a callback from C vanishes there: whoever waits calls `check`, too.

Where several processes work `together`, one that leaves alone leaves the others in the midst of what they do together.
So the first signal only sets `heard`, and all leave where they agree on it; and where a program does not come to such
a place in time, each leaves as it stands.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

heard = threading.Event()
_ECHO = 0.2  # seconds within which another is the same one once more, as `timeout` and terminals send it
_PATIENCE = 5.0  # seconds after which processes that work together no longer wait for the place to agree
_SOON = 1.0  # seconds in which a patient block may come to its end
_first: tuple[int, float] = 0, 0.0  # which one was heard, and when
_explain: Callable[[BaseException], BaseException] | None = None  # where several processes work together
_end: BaseException | None = None
_depth = 0
_waiting = _listening = _patient = False
_elsewhere = False  # heard by another process, and not yet by this one


def listen() -> None:
    """From now on they are heard; a KeyboardInterrupt that vanishes is not told."""
    global _listening
    _listening = True
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, _hear)
    sys.unraisablehook = _unraisable


def together(explain: Callable[[BaseException], BaseException]) -> None:
    """From now on several processes do the work: see above.

    Args: explain: makes of an error that was raised in what they do together the one to raise instead.
    """
    global _explain
    _explain = explain
    if _listening:  # JAX may have taken a signal for itself
        listen()


def hear(number: int) -> None:
    """Another process has heard this signal, and both shall end as by it."""
    global _first, _elsewhere
    if heard.is_set():
        _first = number, _first[1]
    else:
        _first, _elsewhere = (number, time.monotonic()), True
        heard.set()


def end(error: BaseException) -> None:
    """From now on `check` raises this, from whichever thread it was said. The first one stays."""
    global _end
    _end = _end or error


def check() -> None:
    """Raise what is due: what another thread has said with `end`, or KeyboardInterrupt by a signal that was heard."""
    check_end()
    patience = _PATIENCE if _explain else _SOON if _patient else 0.0
    if heard.is_set() and time.monotonic() - _first[1] >= patience:
        raise KeyboardInterrupt


def check_end() -> None:
    """Raise what another thread has said with `end`."""
    if _end:
        raise _end


def cause(error: BaseException) -> BaseException:
    """What to raise for an error from what runs beside the main thread: itself, or why the processes end."""
    return _explain(error) if _explain else error


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


@contextmanager
def patient() -> Iterator[None]:
    """A block that is worth a second: the first signal is raised at its end, or by `check` if that does not come soon.

    So what it works on is not lost, and a long one is left as it stands.
    """
    global _patient
    check()
    _patient = True
    try:
        yield
    finally:
        _patient = False
    check()


def _hear(number: int, _: FrameType | None) -> None:
    global _first, _elsewhere, _waiting
    number = signal.SIGINT if number == signal.SIGINT else signal.SIGTERM
    if heard.is_set() and not _elsewhere:
        if time.monotonic() - _first[1] > _ECHO:
            os._exit(128 + number)
        return
    _first = _first[0] if _elsewhere else number, time.monotonic()
    _elsewhere = False
    heard.set()
    if _explain or _patient:
        return
    if _depth:
        _waiting = True
    else:
        raise KeyboardInterrupt


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    if lost.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(lost)
