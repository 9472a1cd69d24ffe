"""Why JAX aborts a process, in one line where it has a page.

Its C++ ends the process from a thread of its own where another one has given no sign of life, or process 0 is gone.
There is no asking it not to: in jaxlib 0.10 and 0.12 the callback that could be given fails at its argument. So C's
handler of SIGABRT says why, in the place of what C++ has just written; an abort for any other reason stays one.
"""

import ctypes
import faulthandler
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from tempfile import TemporaryFile
from threading import Event, Lock, Thread
from typing import TextIO

from manual_vs_auto.runs.errors import LostError
from manual_vs_auto.runs.processes.rollcall import gone, named

_LATER = 0.3  # seconds after which what C++ has written is passed on, if it has not been its last
_SAYING = 2.0  # seconds in which a process has said why it ends, and says with what status
_MOST = 1 << 20  # bytes of it at once
_FATAL = b"the JAX distributed service detected fatal errors"
_LAST = re.compile(b"coordination_service|detected fatal errors")  # in what it writes before it aborts, and not else
_UNHEALTHY = re.compile(r"stopped sending heartbeats\):\n((?:.*\d+\n)+)")
_UNREACHED = re.compile("Failed to send RPC to coordination service|absl::Status: DEADLINE_EXCEEDED")
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int)


def reason(written: bytes) -> str:
    """Why JAX has ended the process; "" where it was not because of another one.

    Args: written: to standard error, until then.
    """
    if _FATAL not in written:
        return ""
    said = written.decode(errors="replace")
    if unhealthy := _UNHEALTHY.search(said):
        numbers = sorted(map(int, re.findall(r"(\d+)\n", unhealthy[1])))
        return f"{named(numbers)} gave no sign of life in time"
    if _UNREACHED.search(said):
        return gone([0])
    return f"JAX's runtime has failed: {said.partition('absl::Status: ')[2].partition(chr(10))[0]}"


class Aborts:
    """From its making on, they end the process with one line and LostError's status.

    Args: known: the status that the process is ending with, for a reason that has been said; None if it isn't.
    """

    def __init__(self, known: Callable[[], int | None]) -> None:
        self._known = known
        self._first, self._mine = Lock(), False
        self._stderr = os.dup(2)
        self._file = TemporaryFile(buffering=0)  # noqa: SIM115  a pipe that is full would hold C++ up
        self._position, self._written = 0, b""
        sys.stderr = rewritten(sys.stderr, os.dup(2))
        if faulthandler.is_enabled():
            faulthandler.enable(sys.stderr)
        os.dup2(self._file.fileno(), 2)
        Thread(target=self._relay, daemon=True).start()
        self._handler = _Handler(self._aborted)  # C only points to it
        libc = ctypes.CDLL(None)
        libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, _Handler), ctypes.c_void_p
        libc.signal(signal.SIGABRT, self._handler)

    def saying(self) -> None:
        """The process is about to say why it ends: then no abort does. Where one has begun to, this does not return."""
        if not self._mine and not self._first.acquire(blocking=False):
            Event().wait()
        self._mine = True

    def pass_on(self) -> None:
        """Pass on what C++ has written until now, if that is news."""
        self._read()
        if not _LAST.search(self._written) and self._known() is None:
            self._write(self._written)
            self._written = b""

    def _read(self) -> None:
        more = os.pread(self._file.fileno(), _MOST, self._position)
        self._position += len(more)
        self._written += more

    def _write(self, text: bytes) -> None:
        with suppress(OSError):
            os.write(self._stderr, text)

    def _relay(self) -> None:
        while True:
            time.sleep(_LATER)
            self.pass_on()

    def _aborted(self, _: int) -> None:
        self._read()
        why, status = reason(self._written), self._known()
        if not why:
            self._write(self._written)  # and when this returns, it aborts
            return
        if status is None and self._first.acquire(blocking=False):
            self._write(f"manual_vs_auto: error: {why}\n".encode())
            status = LostError.status
        until = time.monotonic() + _SAYING
        while status is None and time.monotonic() < until:  # it is being said
            time.sleep(_LATER / 10)
            status = self._known()
        os._exit(LostError.status if status is None else status)


def rewritten(stream: TextIO, descriptor: int) -> TextIO:
    """The same stream, line by line to another descriptor."""
    stream.flush()
    return open(descriptor, "w", buffering=1, encoding=stream.encoding, errors=stream.errors)
