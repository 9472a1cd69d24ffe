"""How a run ends: in time, by Ctrl-C, on a full disk, before a reader that goes away, or with a loss that is lost."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from manual_vs_auto.runs import files, model, signals
from manual_vs_auto.runs.awaited import awaited
from manual_vs_auto.train import trainer
from tests.train.conftest import Command, Flags


@contextmanager
def started(*flags: object) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, while it runs; ended with the block."""
    running = subprocess.Popen(
        [sys.executable, "-m", "manual_vs_auto.train", *map(str, flags)], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert running.stdout
    assert running.stderr
    with running.stdout, running.stderr:
        try:
            yield running
        finally:
            running.kill()
            running.wait()


def test_ctrl_c_ends_at_once_with_what_was_reached(tiny_file: Path, tmp_path: Path) -> None:
    """In the middle of a run that would take far longer than the test allows."""
    out = tmp_path / "run"
    with started("--data", tiny_file, "--batch-size", 1, "--epochs", 1_000_000, "--out", out) as running:
        assert running.stdout
        next(line for line in iter(running.stdout.readline, "") if line.startswith("epoch"))
        running.send_signal(signal.SIGINT)
        printed, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "interrupted after" in err
    assert err.count("\n") == 1
    assert "test accuracy" in printed
    assert "confused" in printed or "100.00%" in printed
    assert same_step(out) % 50 == 0


def same_step(out: Path) -> int:
    """The step of the weights, which must be that of the last line of the metrics."""
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    assert model.read(out).about["step"] == last["step"]
    return int(last["step"])


def test_a_reader_that_goes_away_is_no_traceback(tiny_file: Path) -> None:
    with started("--data", tiny_file, "--epochs", 1_000_000, "--json") as running:
        assert running.stdout
        assert running.stderr
        assert json.loads(running.stdout.readline())["epoch"] == 1
        running.stdout.close()
        assert running.wait(timeout=60) == 141
        assert running.stderr.read() == ""


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Whether Ctrl-C was heard, for this test alone."""
    event = threading.Event()
    monkeypatch.setattr(signals, "heard", event)
    return event


def test_an_epoch_that_is_soon_done_is_kept(
    command: Command, heard: threading.Event, short: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the second epoch runs: that one is kept, and gone on from."""
    run, begun = awaited, []

    def interrupted(function: Any, *args: Any) -> Any:
        begun.append(function)
        if begun.count(begun[0]) == 2:
            signals._hear(signal.SIGINT, None)
        return run(function, *args)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "awaited", interrupted)
        patch.setattr(signals, "_first", signals._first)
        done = command(*short, "--out", tmp_path / "run")
    heard.clear()
    assert (done.returncode, done.stderr) == (130, "warning: interrupted after 2 of 3 epochs\n")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    assert command("--resume", tmp_path / "run").returncode == 0


def test_ctrl_c_does_not_wait_for_the_epoch(
    command: Command, heard: threading.Event, short: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch that has no end: whoever waited for it would still be here."""
    compiled, ended = trainer.Trainer.compile, threading.Event()
    left: list[str] = []

    def endless(*_: Any) -> Any:
        left.extend(path.name for path in (tmp_path / "run").iterdir())
        heard.set()
        ended.wait(60)

    def compile_endless(self: Any) -> None:
        compiled(self)
        self._epoch = endless

    monkeypatch.setattr(trainer.Trainer, "compile", compile_endless)
    done = command(*short, "--out", tmp_path / "run")
    ended.set()
    assert done.returncode == 130
    assert done.stderr == "warning: interrupted after 0 of 3 epochs\n"
    assert "test accuracy" not in done.stdout
    assert sorted(left) == ["config.toml", "metrics.jsonl"]
    assert list(tmp_path.iterdir()) == []  # so it blocks nobody


def test_a_lost_ctrl_c_is_heard(command: Command, heard: threading.Event, short: Flags) -> None:
    """A KeyboardInterrupt that a callback swallows, as JAX's own at a garbage collection may."""
    with pytest.raises(KeyboardInterrupt):
        signals._hear(signal.SIGINT, None)
    assert heard.is_set()
    done = command(*short)
    assert (done.returncode, done.stderr) == (130, "warning: interrupted after 0 of 3 epochs\n")


def test_an_interrupt_while_data_are_read_is_130(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("manual_vs_auto.data.load", interrupted)
    assert command().returncode == 130


@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("file", ["model.safetensors", "metrics.jsonl"])
def test_a_full_disk_is_one_line_that_names_the_file(
    command: Command, short: Flags, tmp_path: Path, file: str, epoch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full at an epoch. The one before stays whole; where there is none, the directory is free."""
    append, calls = files.append, [0]
    name = ".model.safetensors.partial" if file == "model.safetensors" else file

    def full(opened: int, content: bytes) -> None:
        path = tmp_path / "run" / name
        mine = path.exists() and os.path.samestat(path.stat(), os.fstat(opened))
        calls[0] += mine
        if mine and calls[0] == epoch:
            append(opened, content[:9])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(opened, content)

    monkeypatch.setattr(files, "append", full)
    done = command(*short, "--json", "--out", tmp_path / "run")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"run: {file} can't be written: No space left on device" in done.stderr
    assert done.stdout.count("\n") == epoch - 1
    if epoch == 1:
        assert "it keeps nothing" in done.stderr
        assert list(tmp_path.iterdir()) == []
    else:
        assert "it keeps what it had before" in done.stderr
        assert (tmp_path / "run" / "metrics.jsonl").read_text() == done.stdout
        assert same_step(tmp_path / "run") == 4 * (epoch - 1)
        assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
            "checkpoints", "config.toml", "metrics.jsonl", "model.safetensors",
        ]  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
@pytest.mark.parametrize("flags", [(), ("--json",), ("--quiet",)])
def test_a_full_disk_behind_standard_output(
    command: Command, short: Flags, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115  closing it is what fails
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        done = command(*short, *flags)
    with pytest.raises(OSError, match="No space"):
        full.close()
    assert done.returncode == 2
    assert done.stderr == "manual_vs_auto.train: error: standard output: No space left on device\n"


def test_two_runs_in_one_directory(
    command: Command, short: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second starts while the first compiles, and is refused; the first is none the worse for it."""
    flags = (*short, "--json", "--out", tmp_path / "run")
    compiled, second = trainer.Trainer.compile, []

    def beside(self: Any) -> None:
        monkeypatch.setattr(trainer.Trainer, "compile", compiled)
        second.append(command(*flags))
        compiled(self)

    monkeypatch.setattr(trainer.Trainer, "compile", beside)
    first = command(*flags)
    assert (first.returncode, first.stderr, first.stdout.count("\n")) == (0, "", 3)
    assert (second[0].returncode, second[0].stdout, second[0].stderr.count("\n")) == (2, "", 1)
    assert "run is another run's at this moment: name another directory" in second[0].stderr
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == first.stdout
    assert same_step(tmp_path / "run") == 12


LOST = ("--optimizer", "sgd", "--schedule", "constant", "--loss", "cross_entropy", "--batch-size", 16)


def test_a_lost_loss_is_exit_1_and_keeps_good_weights(command: Command, tiny_file: Path, tmp_path: Path) -> None:
    done = command("--data", tiny_file, "--json", "--out", tmp_path / "run", "--learning-rate", "3e38", *LOST)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "the loss stopped being finite at step" in done.stderr
    assert "lower --learning-rate, 3e+38 now" in done.stderr
    assert np.all(np.isfinite(load_file(tmp_path / "run" / "model.safetensors")["weight"]))
    step = same_step(tmp_path / "run")
    assert f"kept the parameters after step {step:,}" in done.stderr
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == done.stdout
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["loss"] is None
    assert last["diverged_at_step"] == step + 2  # the step that began where the kept one ended was the last good one
    assert last["epoch"] == done.stdout.count("\n") == -(-last["diverged_at_step"] // 4)


def test_an_absurd_loss_is_exit_1(command: Command, tmp_path: Path) -> None:
    """Labels that the images say nothing of, so that each step undoes the others."""
    generator, data = np.random.default_rng(0), tmp_path / "noise.npz"
    images, labels = generator.integers(0, 256, (50, 4, 4), np.uint8), generator.integers(0, 3, 50, np.uint8)
    labels[:3] = 0, 1, 2
    np.savez(data, x_train=images, y_train=labels, x_test=images, y_test=labels)
    done = command("--data", data, "--quiet", "--out", tmp_path / "run", "--learning-rate", "3e6", *LOST)
    assert (done.returncode, done.stdout.count("\n"), done.stderr.count("\n")) == (1, 1, 1)
    loss = float(done.stdout.split()[-1])
    assert 1e3 < loss < 1e9
    assert done.stderr == (
        f"warning: the training diverged: the loss ends at {loss:,.4g}, where a guess has 1.099; "
        "lower --learning-rate, 3e+06 now\n"
    )
    assert same_step(tmp_path / "run") == 32


def test_a_collapse_warns_and_says_what_to_change(command: Command) -> None:
    done = command("--optimizer", "sgd", "--learning-rate", 10, "--schedule", "constant", "--epochs", 2)
    assert done.returncode == 0
    assert "never predicted: squared distance behind softmax is flat" in done.stderr
    assert "lower --learning-rate, 10 now, or use --loss cross_entropy" in done.stderr


def test_a_run_of_a_few_steps_is_not_told_to_slow_down(command: Command) -> None:
    done = command("--epochs", 1, "--batch-size", 10000, "--quiet")
    assert done.returncode == 0
    assert done.stderr.endswith("never predicted: the model is not sure of most images yet; raise --epochs\n")


@pytest.mark.parametrize("rate", ["1e4", "1e30"])
def test_a_squared_distance_that_has_diverged_is_exit_1(command: Command, rate: str) -> None:
    done = command("--optimizer", "sgd", "--learning-rate", rate, "--epochs", 1, "--quiet")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("warning: the training diverged: the loss ends at 1.")


def test_a_model_that_has_hardly_begun_is_not_told_to_slow_down(command: Command) -> None:
    done = command("--epochs", 1, "--optimizer", "sgd", "--learning-rate", "1e-6", "--quiet")
    assert done.returncode == 0
    assert "has hardly begun to learn; raise --epochs or --learning-rate" in done.stderr
    assert "lower" not in done.stderr
