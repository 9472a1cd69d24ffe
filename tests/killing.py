"""A process that has imported all that a command needs, and forks: each child is a run of it, until it is killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.runs.events import expect_the_metrics

_CODE = """
import contextlib, gc, importlib, json, os, pathlib, random, signal, sys, time, warnings
warnings.simplefilter("ignore")  # JAX's, of forking: no thread of it runs yet
import jax
import orbax.checkpoint
from manual_vs_auto.data import load
from manual_vs_auto.runs import checkpoints, machine, signals
importlib.import_module(f"manual_vs_auto.{sys.argv[2]}.run")
with contextlib.suppress(ImportError):
    import tensorboardX.event_file_writer
main = importlib.import_module(f"manual_vs_auto.{sys.argv[2]}.__main__").main
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
jax.config.update("jax_disable_most_optimizations", True)
checkpoints._SHARE = 1.0  # half of the time
os.fsync = lambda file: None  # what a process has written outlives it: the wait is for a loss of power
machine.versions()
gc.freeze()  # no child looks through it for garbage
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


TIMES = ("compile_seconds", "seconds_since_start", "seconds", "seconds_left", "images_per_second")


def told(run: Path) -> list[dict[str, Any]]:
    """A run's metrics without times."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def ends(run: Path) -> tuple[bytes, list[dict[str, Any]], bytes]:
    """What must be the same: the weights' file, the metrics without times, and how good they are."""
    return (run / "model.safetensors").read_bytes(), told(run), (run / "evaluation.json").read_bytes()


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

    def at_random(
        self,
        *flags: object,
        run: Path,
        kills: int,
        most: tuple[int, float],
        status: int = 0,
        seed: int = 0,
    ) -> None:
        """A run that is killed again and again, and each time goes on; at its end it is as if it never had been.

        Then another one begins, until there were so many kills.

        Args: run:    a directory that is not there.
              most:   how many bytes of metrics, and seconds after them, there are at most from kill to kill.
              status: of a run that is never killed. seed: of the moments.
        """
        events = ("--tensorboard",) if find_spec("tensorboardX") else ()
        flags = (*flags, "--quiet", *events)
        generator, killed, metrics = random.Random(seed), 0, run / "metrics.jsonl"
        whole = run.with_name("whole")
        assert self.run(*flags, "--out", whole) == status
        expected = ends(whole)
        while killed < kills or run.exists():
            begun = metrics.stat().st_size if metrics.exists() else 0
            how = ("--resume", run, "--quiet") if begun else (*flags, "--out", run)
            size, seconds = begun + generator.randrange(most[0]), generator.uniform(0, most[1])
            watched = metrics if killed < kills else None
            found = self.run(*how, watched=watched, size=size, seconds=seconds)
            where = f"seed {seed}, after {killed} kills"
            assert found in (status, -signal.SIGKILL), where
            killed += found == -signal.SIGKILL
            if found == status:
                assert ends(run) == expected, where
                if events:
                    expect_the_metrics(run)
                shutil.rmtree(run)
            elif metrics.exists():
                assert (lines := told(run)) == expected[1][: len(lines)], where
