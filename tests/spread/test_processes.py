"""train and fit as two processes: the same optimum, and a run that loses one goes on to the same end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manual_vs_auto.launch import free_port
from tests.killing import ends
from tests.processes.conftest import slurms
from tests.solve.problems import made

ENVIRONMENT = os.environ | {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
SECONDS = 90


class Two:
    """A command as two processes."""

    def __init__(
        self,
        *command: object,
        each: tuple[tuple[object, ...], ...] = ((), ()),
        slurm: list[dict[str, str]] | None = None,
    ) -> None:
        at = f"127.0.0.1:{free_port()}"
        self.both = []
        for number in (0, 1):
            where: list[object] = ["--coordinator", at, "--num-processes", 2, "--process-id", number]
            words = (
                *command,
                *(where if slurm is None else ["--distributed"]),
                "--heartbeat-timeout",
                3,
                *each[number],
            )
            self.both.append(
                subprocess.Popen(
                    [sys.executable, "-m", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    text=True, env=ENVIRONMENT | (slurm[number] if slurm else {}),
                )
            )  # fmt: skip

    def __enter__(self) -> "Two":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.both:
            process.kill()
            process.communicate()

    def ends(self, seconds: float = SECONDS) -> list[tuple[int, str, str]]:
        """Status, output and errors of each; all end within these seconds."""
        until = time.monotonic() + seconds
        said = [process.communicate(timeout=max(0.1, until - time.monotonic())) for process in self.both]
        return [(process.returncode, *text) for process, text in zip(self.both, said, strict=True)]


def whole(*command: object) -> str:
    """What process 0 says of a run that nothing happens to."""
    with Two(*command) as two:
        (status, said, errors), (other, silent, _) = two.ends()
    assert (status, other, silent) == (0, 0, ""), errors
    return said


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(0)
    patterns, labels = draw.integers(0, 256, size=(3, 4, 4)), np.arange(75) % 3
    drawn = np.clip(patterns[labels] + draw.normal(scale=40, size=(75, 4, 4)), 0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("images") / "x.npz"
    np.savez(path, x_train=drawn[:50], y_train=labels[:50], x_test=drawn[50:], y_test=labels[50:])
    return path


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    root = tmp_path_factory.mktemp("features")
    x, y = made(1009, 13, 5)
    np.save(root / "x.npy", x)
    np.save(root / "y.npy", y)
    return "manual_vs_auto.fit", root / "x.npy", "--labels", root / "y.npy", "--tol", 1e-7


def test_a_fit_ends_at_the_same_optimum(features: tuple[object, ...]) -> None:
    flags = (*features, "--standardize", "--l2", 1e-3, "--json")
    alone = subprocess.run(
        [sys.executable, "-m", *map(str, flags)], capture_output=True, text=True, check=True, env=ENVIRONMENT
    ).stdout
    one, two = (json.loads(said.splitlines()[-1]) for said in (alone, whole(*flags)))
    assert two["objective"] == pytest.approx(one["objective"], rel=1e-6)
    assert two["iterations"] == one["iterations"]
    assert two["train_top1"] == one["train_top1"]


def _until(path: Path, lines: int) -> None:
    until = time.monotonic() + SECONDS
    while not path.exists() or path.read_text().count("\n") < lines:
        assert time.monotonic() < until
        time.sleep(0.01)


def _expect_the_same_end(run: Path, flags: tuple[object, ...], killed: int, number: int, lines: int) -> None:
    """A run of two processes one of which gets a signal, and that goes on, ends as one that nothing has happened to."""
    with Two(*flags, "--out", run) as two:
        _until(run / "metrics.jsonl", lines)
        two.both[killed].send_signal(number)
        found = two.ends(3 + 5 if number == signal.SIGKILL else 10)
    statuses = [status for status, _, _ in found]
    if number == signal.SIGKILL:
        assert statuses[killed] == -signal.SIGKILL
        assert statuses[1 - killed] == 4
        assert f"process {killed} is gone" in found[1 - killed][2]
    else:
        assert statuses == [128 + number] * 2, found
    whole(flags[0], "--resume", run)


@pytest.mark.parametrize(
    ("killed", "number"),
    [(1, signal.SIGKILL)]
    + [
        pytest.param(which, number, marks=pytest.mark.whole)
        for which, number in ((0, signal.SIGKILL), (0, signal.SIGTERM), (1, signal.SIGTERM), (1, signal.SIGINT))
    ],
)
def test_a_training_goes_on(images: Path, tmp_path: Path, killed: int, number: int) -> None:
    flags: tuple[object, ...] = ("manual_vs_auto.train", "--data", images, "--epochs", 60, "--batch-size", 15)
    _expect_the_same_end(tmp_path / "run", flags, killed, number, 3)
    whole(*flags, "--out", tmp_path / "whole")
    assert ends(tmp_path / "run") == ends(tmp_path / "whole")


@pytest.mark.whole
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("killed", [0, 1])
def test_each_ten_times(images: Path, tmp_path: Path, killed: int, number: int) -> None:
    flags: tuple[object, ...] = ("manual_vs_auto.train", "--data", images, "--epochs", 60, "--batch-size", 15)
    whole(*flags, "--out", tmp_path / "whole")
    for time_ in range(10):
        _expect_the_same_end(tmp_path / "run", flags, killed, number, 1 + 3 * time_)
        assert ends(tmp_path / "run") == ends(tmp_path / "whole")
        shutil.rmtree(tmp_path / "run")


@pytest.mark.whole
def test_a_sweep_goes_on(features: tuple[object, ...], tmp_path: Path) -> None:
    flags = (*features, "--sweep", "1,0.1,0.01,0.001")
    _expect_the_same_end(tmp_path / "run", flags, 1, signal.SIGTERM, 2)
    whole(*flags, "--out", tmp_path / "whole")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()


def test_what_differs_is_refused_by_name(images: Path) -> None:
    flags = ("manual_vs_auto.train", "--data", images, "--epochs", 2)
    with Two(*flags, each=((), ("--seed", 3))) as two:
        for status, _, errors in two.ends():
            assert status == 2
            assert (
                errors == "manual_vs_auto.train: error: the processes differ: seed is 0 in process 0, 3 in process 1\n"
            )


def test_a_mesh_that_does_not_divide_is_refused(images: Path) -> None:
    with Two("manual_vs_auto.train", "--data", images, "--mesh", "data=3") as two:
        line = "manual_vs_auto.train: error: --mesh data=3 is of 3 devices: 2 processes need a multiple of 2\n"
        assert two.ends() == [(2, "", line)] * 2


def test_a_mesh_of_processes_that_slurm_has_started(images: Path) -> None:
    """As many devices in each as if the command line had said how many there are."""
    port = free_port()
    each = [slurms(number, 2, port) for number in (0, 1)]
    with Two("manual_vs_auto.train", "--data", images, "--epochs", 1, "--mesh", "data=4", slurm=each) as two:
        (status, said, errors), (other, _, _) = two.ends()
    assert (status, other) == (0, 0), errors
    assert "data=4 in 2 processes" in said


@pytest.mark.whole
def test_data_that_differ_are_refused(features: tuple[Any, ...], tmp_path: Path) -> None:
    x = np.load(features[1])
    x[500, 3] += 1
    np.save(tmp_path / "x.npy", x)
    with Two("manual_vs_auto.fit", each=(features[1:], (tmp_path / "x.npy", *features[2:]))) as two:
        for status, _, errors in two.ends():
            assert status == 2
            assert "data is " in errors
