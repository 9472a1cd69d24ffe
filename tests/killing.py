"""A process that has imported all that a command needs, and forks: each child is a run of it, until it is killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

_CODE = """
import importlib, json, os, pathlib, random, signal, sys, time, warnings
warnings.simplefilter("ignore")  # JAX's, of forking: no thread of it runs yet
import jax
import orbax.checkpoint
from manual_vs_auto.data import load
from manual_vs_auto.runs import checkpoints, signals
importlib.import_module(f"manual_vs_auto.{sys.argv[2]}.run")
main = importlib.import_module(f"manual_vs_auto.{sys.argv[2]}.__main__").main
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
jax.config.update("jax_disable_most_optimizations", True)
checkpoints._SHARE = 1.0  # half of the time
for line in sys.stdin:
    flags, watched, size, seconds, number = json.loads(line)
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        signals.listen()
        os._exit(main(flags))
    status = None
    while status is None:
        ended, code = os.waitpid(child, os.WNOHANG)
        if ended:
            status = os.waitstatus_to_exitcode(code)
        elif watched and os.path.exists(watched) and os.path.getsize(watched) >= size:
            time.sleep(seconds)
            os.kill(child, number)
            watched = None
        else:
            time.sleep(0.001)
    print(status, flush=True)
"""


class Killing:
    """Commands in children of one process.

    Args: cache: a directory for what is compiled, once for all. command: "train" or "fit".
    """

    def __init__(self, cache: Path, command: str = "train") -> None:
        self._cache, self._command = cache, command

    def __enter__(self) -> Self:
        self._parent = subprocess.Popen(
            [sys.executable, "-c", _CODE, self._cache, self._command], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=os.environ | {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parent.communicate()

    def run(
        self,
        *flags: object,
        watched: Path | None = None,
        size: int = 0,
        seconds: float = 0,
        number: int = signal.SIGKILL,
    ) -> int:
        """Its exit status; it is sent the signal so many seconds after the watched file has this size."""
        assert self._parent.stdin
        assert self._parent.stdout
        asked = [str(flag) for flag in flags], watched and str(watched), size, seconds, number
        print(json.dumps(asked), file=self._parent.stdin, flush=True)
        return int(self._parent.stdout.readline())
