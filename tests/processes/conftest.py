"""Commands of the tests in several processes, which end with the test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from manual_vs_auto.launch import free_port

ENVIRONMENT = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
HEARTBEAT = 3  # seconds


def slurms(process: int, count: int, port: int) -> dict[str, str]:
    """What SLURM tells a task, and where its first one listens."""
    named = {"JOB_ID": 1, "STEP_NODELIST": "127.0.0.1", "NTASKS": count, "PROCID": process, "LOCALID": process}
    return {f"SLURM_{name}": str(value) for name, value in named.items()} | {"JAX_COORDINATOR_PORT": str(port)}


class Several:
    """The same command of the tests, `steps`, in processes of their own, which keep in `out`."""

    def __init__(self, out: Path, flags: list[object], each: list[list[object]], slurm: int | None = None) -> None:
        self.out = out
        where: list[object] = ["--coordinator", f"127.0.0.1:{free_port()}", "--num-processes", len(each)]
        self.processes = []
        for number, own in enumerate(each):
            which: list[object] = [*where, "--process-id", number]
            environment = ENVIRONMENT
            if slurm is not None:
                which, environment = (
                    ["--distributed"],
                    ENVIRONMENT | (slurms(number, len(each), slurm) if slurm else {}),
                )
            words = map(str, ["--out", out, *which, *flags, *own])
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.processes.steps", *words], stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
                )
            )  # fmt: skip

    def reach(self, step: int) -> None:
        """Wait until process 0 has told this step."""
        stdout = self.processes[0].stdout
        assert stdout
        assert next((line for line in stdout if line == f"step {step}\n"), None), self.ends(1)

    def send(self, process: int, number: int) -> None:
        self.processes[process].send_signal(number)
        self.sent = time.monotonic()

    def ends(self, seconds: float) -> list[tuple[int, str]]:
        """Each one's status and what it has said on standard error; all end within these seconds."""
        until = time.monotonic() + seconds
        said = [process.communicate(timeout=max(0.1, until - time.monotonic()))[1] for process in self.processes]
        return [(process.returncode, text) for process, text in zip(self.processes, said, strict=True)]

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


Start = Callable[..., Several]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start them: start(2, *flags of all, each=flags of each); as SLURM would with a port; 0 is no SLURM."""
    running: list[Several] = []

    def started(
        count: int, *flags: object, each: list[list[object]] | None = None, slurm: int | None = None
    ) -> Several:
        running.append(Several(tmp_path, list(flags), each or [[]] * count, slurm))
        return running[-1]

    yield started
    for several in running:
        several.kill()


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    """Two minutes for a test: one of many repetitions has more of its own."""

    def late(number: int, _: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
