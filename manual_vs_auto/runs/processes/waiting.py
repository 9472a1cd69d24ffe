"""Waiting for what can't be interrupted, so that signals are heard meanwhile."""

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

R = TypeVar("R")
_HEARING = 0.1  # seconds


def finished(function: Callable[[], R], seconds: float, check: Callable[[], None]) -> R:
    """function(), in a thread of its own. Raises: TimeoutError after so many seconds, what it raises, or `check`."""
    future: Future[R] = Future()

    def work() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=work, daemon=True).start()
    until = time.monotonic() + seconds
    while not wait([future], timeout=min(_HEARING, seconds)).done:
        check()
        if time.monotonic() > until:
            raise TimeoutError
    return future.result()
