"""Ctrl-C, which must not be lost: a KeyboardInterrupt that is raised inside a callback from C vanishes there."""

import signal
import sys
import threading
from types import FrameType

heard = threading.Event()


def listen() -> None:
    """From now on Ctrl-C sets `heard`, and raises KeyboardInterrupt the first time; one that vanishes is not told."""
    signal.signal(signal.SIGINT, _hear)
    sys.unraisablehook = _unraisable


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    if lost.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(lost)


def _hear(_: int, __: FrameType | None) -> None:
    if not heard.is_set():
        heard.set()
        raise KeyboardInterrupt
