"""What one process has to tell all the others at once, through the key-value store of JAX's runtime.

A signal that one has heard; that one has failed; and, where what they do together has failed in one of them, the
question who is still there. A thread waits for each piece of news, so it is heard while a program runs.
"""

import json
import re
import time
from itertools import count
from threading import Thread
from typing import Any

from manual_vs_auto.runs import signals
from manual_vs_auto.runs.errors import LostError
from manual_vs_auto.runs.processes.rollcall import gone

EVER = 10**9  # milliseconds: more than any run takes
_NEWS = "manual_vs_auto/news"
_ANSWERING = 1.0  # seconds in which those who are there say so
_TELLING = 2.0  # seconds after which a store that says nothing counts as gone with process 0
_HEARING = 0.1  # seconds
_TOGETHER = re.compile("gloo|nccl|coordination", re.IGNORECASE)  # what an error of what they do together names


class News:
    """The news of one process.

    Args: store: JAX's client of its key-value store. process: which one this is. processes: how many there are.
    """

    def __init__(self, store: Any, process: int, processes: int) -> None:
        self._store, self._process, self._processes = store, process, processes
        self._next, self._leaving, self._signalled = 0, False, False
        for work in (self._listen, self._spread):
            Thread(target=work, daemon=True).start()

    def tell(self, **what: int) -> None:
        """Tell all, this one too."""
        text = json.dumps(what | {"process": self._process})
        for number in count(self._next):
            try:
                self._store.key_value_set(f"{_NEWS}/{number}", text)
            except Exception as error:
                if "ALREADY_EXISTS" in str(error):  # other news came first
                    continue
            return  # where process 0 is gone nobody hears it, and the thread that listens says so

    def leave(self) -> None:
        """From now on it is no news that the others go."""
        self._leaving = True

    def cause(self, error: BaseException) -> BaseException:
        """What to raise for an error of what the processes do together: why they end, or itself if that's not why."""
        if not _TOGETHER.search(str(error)):
            return error
        if not signals.heard.is_set():
            Thread(target=self.tell, kwargs={"lost": 1}, daemon=True).start()
        until = time.monotonic() + _ANSWERING + _TELLING
        while time.monotonic() < until:
            if signals.heard.is_set():
                return KeyboardInterrupt()
            try:
                signals.check()
            except LostError as lost:
                return lost
            time.sleep(_HEARING)
        return error

    def _listen(self) -> None:
        try:
            for number in count():
                key = f"{_NEWS}/{number}"
                news = json.loads(self._store.blocking_key_value_get(key, EVER))
                self._next = number + 1
                self._hear(key, **news)
        except Exception:
            if not self._leaving:
                signals.end(LostError(gone([0])))

    def _hear(self, key: str, process: int, signal: int = 0, status: int = 0, lost: int = 0) -> None:
        if signal and not self._signalled:  # the first is everybody's
            self._signalled = True
            signals.hear(signal)
        if status and process != self._process:
            signals.end(LostError(f"process {process} has ended with {status}, and says why", status))
        if lost:
            self._store.key_value_set(f"{key}/{self._process}", "here")
            time.sleep(_ANSWERING)
            here = {int(name.rpartition("/")[2]) for name, _ in self._store.key_value_dir_get(f"{key}/")}
            if missing := sorted(set(range(self._processes)) - here):
                signals.end(LostError(gone(missing)))

    def _spread(self) -> None:
        """Tell the others of a signal that this one has heard."""
        signals.heard.wait()
        if not self._signalled:
            self.tell(signal=signals.status() - 128)
