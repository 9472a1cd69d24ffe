"""Waiting for JAX so that Ctrl-C is heard at once."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import Any, TypeVar

import jax

from manual_vs_auto.runs import signals

R = TypeVar("R")
_HEARING = 0.1  # seconds after which a Ctrl-C that was lost elsewhere is heard


def awaited(function: Callable[..., R], *args: Any) -> R:
    """function(*args), with every array in the result computed. Raises: what it raises, or `signals.check` does.

    It runs in a thread of its own: Python hands KeyboardInterrupt to the main thread, and one that waits
    inside a compiled program would only notice when that is done, an epoch later.
    """
    future: Future[R] = Future()

    def work() -> None:
        try:
            future.set_result(jax.block_until_ready(function(*args)))
        except BaseException as error:
            future.set_exception(error)

    Thread(target=work, daemon=True).start()
    while True:
        signals.check()
        if wait([future], timeout=_HEARING).done:
            if error := future.exception():
                raise signals.cause(error)
            return future.result()
