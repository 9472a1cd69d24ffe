"""Ctrl-C, which must not be lost: a KeyboardInterrupt that is raised inside a callback from C vanishes there."""

import signal
import threading
from types import FrameType

heard = threading.Event()


def listen() -> None:
    """From now on Ctrl-C sets `heard`, and raises KeyboardInterrupt the first time."""
    signal.signal(signal.SIGINT, _hear)


def _hear(_: int, __: FrameType | None) -> None:
    if not heard.is_set():
        heard.set()
        raise KeyboardInterrupt
