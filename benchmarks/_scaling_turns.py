"""The processes of `benchmarks.scaling`: started, given their turns in an order drawn anew each round, and ended."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from threading import Timer
from types import TracebackType
from typing import Any

import numpy as np

from benchmarks._cost import Work

_PAUSE = 0.05  # seconds, for the threads of the turn before to fall asleep
_LIMIT, _END = 420, 20  # seconds for all turns, and to end in


class Group:
    """One process with so many devices, or so many processes with one device each, that measure the same works.

    Args: hasty: compile sooner to what is slower.
    """

    def __init__(self, devices: int, processes: int, works: Mapping[str, Any], hasty: bool) -> None:
        self.works: dict[str, Work] = {}
        asked: dict[str, Any] = {"devices": devices, "processes": processes, "port": _free() if processes else 0}
        asked |= {"works": works, "hasty": hasty}
        command = [sys.executable, "-m", "benchmarks._scaling_child"]
        environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115  not a pipe, which could fill up
        self._processes = [
            subprocess.Popen(
                [*command, json.dumps({**asked, "id": number})],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
                env={**environment, "JAX_PLATFORMS": "cpu"},
            )
            for number in range(processes or 1)
        ]

    def begin(self) -> None:
        """Wait until all of it is compiled."""
        (self.works, *_) = ({name: Work(**work) for name, work in told.items()} for told in self._answers())

    def turn(self, name: str) -> tuple[float, float]:
        """Seconds of the slowest of its processes, and how many cores that kept busy."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(name + "\n")
            process.stdin.flush()
        seconds, busy = max(self._answers())
        return seconds, busy

    def close(self) -> None:
        """Nothing more to read ends them together."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()

    def end(self) -> None:
        """Wait for them, and end those that do not."""
        for process in self._processes:
            try:
                process.wait(_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._said.close()

    def kill(self) -> None:
        for process in self._processes:
            process.kill()

    def _answers(self) -> list[Any]:
        return [json.loads(self._line(process)) for process in self._processes]

    def _line(self, process: "subprocess.Popen[str]") -> str:
        """Its next line of JSON; what a library prints beside is not one. Raises: RuntimeError where it has ended."""
        assert process.stdout is not None
        for line in process.stdout:
            if line[0] in "{[" and not line.startswith("[Gloo]"):
                return line
        self._said.seek(0)
        raise RuntimeError(f"a process of the benchmark ended: {self._said.read()[-2000:]}")


class Groups:
    """Groups by name, which all live at once and end with this, or after a while in any case."""

    def __init__(self, asked: Mapping[str, tuple[int, int, Mapping[str, Any]]], hasty: bool) -> None:
        self._groups = {name: Group(*how, hasty) for name, how in asked.items()}
        self._timer = Timer(_LIMIT, self._kill)
        self._timer.daemon = True

    def __enter__(self) -> "Groups":
        self._timer.start()
        try:
            for group in self._groups.values():
                group.begin()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        for group in self._groups.values():
            group.kill() if kind else group.close()
        for group in self._groups.values():
            group.end()

    @property
    def works(self) -> dict[tuple[str, str], Work]:
        """What is to be measured, by group and name."""
        return {(of, name): work for of, group in self._groups.items() for name, work in group.works.items()}

    def turns(self, rounds: int) -> dict[tuple[str, str], list[tuple[float, float]]]:
        """Of each, seconds and how many cores were busy: a turn a round, after a pause, in an order drawn anew."""
        generator = np.random.default_rng(0)
        turns = list(self.works)
        found: dict[tuple[str, str], list[tuple[float, float]]] = {turn: [] for turn in turns}
        for _ in range(rounds):
            for at in generator.permutation(len(turns)):
                group, name = turns[at]
                time.sleep(_PAUSE)
                found[group, name].append(self._groups[group].turn(name))
        return found

    def _kill(self) -> None:
        for group in self._groups.values():
            group.kill()


def _free() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
