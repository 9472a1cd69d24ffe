"""The command as its users meet it: what it prints, what it leaves, and how it ends."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from manual_vs_auto import model
from manual_vs_auto.data import load
from manual_vs_auto.model import Params

ENVIRONMENT = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONUNBUFFERED": "1"}
COMMAND = [sys.executable, "-m", "manual_vs_auto.train"]


def command(*flags: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, flags)], capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False, cwd=cwd
    )


@contextmanager
def started(*flags: object) -> Iterator[subprocess.Popen[str]]:
    """The command while it runs; ended with the block."""
    running = subprocess.Popen(
        [*COMMAND, *map(str, flags)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    assert running.stdout
    assert running.stderr
    with running.stdout, running.stderr:
        try:
            yield running
        finally:
            running.kill()
            running.wait()


def lines_of(running: subprocess.Popen[str]) -> Iterator[str]:
    """What it prints, as it comes."""
    assert running.stdout
    return iter(running.stdout.readline, "")


def test_mnist_with_no_flags(tmp_path: Path) -> None:
    """The promise of the README, from a directory that holds nothing."""
    done = command(cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    facts = dict(line.split(maxsplit=1) for line in lines[: lines.index("")])
    assert facts["versions"].startswith("python 3.")
    assert "MNIST (embedded): 60,000 training and 10,000 test images of 28x28" in facts["data"]
    assert facts["parameters"].startswith("7,840 (W, 10 classes x 784 pixels)")
    assert facts["gradient"] == "manual, of squared_distance"
    assert facts["device"].startswith("cpu")
    assert facts["precision"] == "float32, matrix products at highest"
    assert "2,007,040 operations" in done.stdout
    assert sum(line.startswith("epoch ") for line in lines) == 8
    assert "within the" in done.stdout
    assert "BEYOND" not in done.stdout
    assert any(line.startswith("confused") for line in lines)
    assert lines[-1].startswith("test accuracy 93.")
    assert float(lines[-1].split()[2].rstrip("%:")) >= 93.1
    assert list(tmp_path.iterdir()) == []


def test_both_on_mnist_as_json(tmp_path: Path) -> None:
    done = command("--gradient", "both", "--epochs", 1, "--json", "--out", tmp_path / "run")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    metrics = json.loads(line)
    assert metrics["agreed_steps"] == metrics["steps"] == metrics["step"] == 938
    assert metrics["worst_difference"] <= metrics["worst_bound"]
    assert 1 <= metrics["worst_step"] <= 938
    assert metrics["test_accuracy"] > 0.9
    assert metrics["images_per_second"] == pytest.approx(60_000 / metrics["seconds"])
    assert [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()] == [metrics]


def test_a_wrong_gradient_is_exit_1(tiny_file: Path) -> None:
    """The command itself, with a hand-coded gradient that is off by a hundredth."""
    code = f"""
import sys
from manual_vs_auto.train import trainer, __main__
right = trainer.GRADIENTS["manual"]
def wrong(loss):
    def gradient(params, batch):
        value, grads = right(loss)(params, batch)
        return value, type(grads)(grads.weight * 1.01)
    return gradient
trainer.GRADIENTS["both"] = wrong
sys.exit(__main__.main(["--gradient", "both", "--epochs", "1", "--data", {str(tiny_file)!r}]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "BEYOND the" in done.stdout
    assert "at 0 of 1 steps every element was within its bound" in done.stdout


def test_what_a_run_leaves(tiny_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"
    flags = ("--data", tiny_file, "--epochs", 3, "--batch-size", 16, "--learning-rate", 0.03, "--out", out)
    done = command(*flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(file.name for file in out.iterdir()) == ["config.json", "metrics.jsonl", "model.safetensors"]
    config = json.loads((out / "config.json").read_text())
    assert config["config"]["batch_size"] == 16
    assert config["config"]["schedule"] == "cosine"  # resolved, though nobody asked
    assert config["versions"]["jax"]
    metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in metrics] == [1, 2, 3]
    weight = load_file(out / "model.safetensors")["weight"]
    tiny = load(tiny_file)
    assert weight.shape == (3, 16)
    accuracy = model.accuracy(Params(weight), tiny.test_images, tiny.test_labels)
    assert float(accuracy) == pytest.approx(metrics[-1]["test_accuracy"])

    again = command(*flags)
    assert again.returncode == 2
    assert again.stdout == ""
    assert again.stderr.count("\n") == 1
    assert "holds a run already (config.json, metrics.jsonl, model.safetensors)" in again.stderr
    assert np.array_equal(load_file(out / "model.safetensors")["weight"], weight)


def test_quiet_is_one_line(tiny_file: Path) -> None:
    done = command("--data", tiny_file, "--quiet", "--epochs", 2)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert done.stdout.startswith("test accuracy ")


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_dtypes(tiny_file: Path, tmp_path: Path, dtype: str) -> None:
    flags = ("--gradient", "both", "--learning-rate", 0.03)
    done = command("--data", tiny_file, "--dtype", dtype, "--quiet", "--out", tmp_path / "run", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    metrics = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert metrics["agreed_steps"] == metrics["steps"]
    stored = (tmp_path / "run" / "model.safetensors").read_bytes()
    assert {"float64": b'"F64"', "bfloat16": b'"BF16"', "float16": b'"F16"'}[dtype] in stored


def test_a_lost_loss_is_exit_1_and_keeps_good_weights(tiny_file: Path, tmp_path: Path) -> None:
    flags = [
        "--optimizer",
        "sgd",
        "--learning-rate",
        "3e38",
        "--schedule",
        "constant",
        "--loss",
        "cross_entropy",
        "--batch-size",
        "16",
    ]
    done = command("--data", tiny_file, "--out", tmp_path / "run", *flags)
    assert done.returncode == 1
    assert "the loss stopped being finite at step" in done.stderr
    assert "lower --learning-rate, 3e+38 now" in done.stderr
    assert np.all(np.isfinite(load_file(tmp_path / "run" / "model.safetensors")["weight"]))


def test_a_collapse_warns_and_says_what_to_change() -> None:
    done = command("--optimizer", "sgd", "--learning-rate", 10, "--schedule", "constant", "--epochs", 2)
    assert done.returncode == 0
    assert "never predicted: squared distance behind softmax is flat" in done.stderr
    assert "lower --learning-rate, 10 now, or use --loss cross_entropy" in done.stderr


REFUSED = {
    "no such data": (["--data", "nowhere"], "nowhere: found nothing there; expected"),
    "no GPU": (["--device", "gpu"], "--device gpu: JAX sees none here, only cpu"),
    "batch too large": (["--batch-size", "60001"], "--batch-size 60,001 is more than the 60,000 training images"),
    "line search in batches": (["--optimizer", "lbfgs", "--batch-size", "64"], "needs the full batch"),
    "out is a file": (["--out", "{file}"], "can't be written"),
    "out is too long": (["--out", "a" * 300], "can't be written: File name too long"),
    "out is empty": (["--out", ""], "an empty path"),
    "a rate beyond float32": (["--learning-rate", "1e300"], "no positive number of float32"),
    "data is a device": (["--data", "/dev/null"], "/dev/null: found neither a file nor a directory"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_one_line_and_exit_2(name: str, tmp_path: Path) -> None:
    flags, expected = REFUSED[name]
    file = tmp_path / "file"
    file.touch()
    done = command(*(flag.format(file=file) for flag in flags))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("manual_vs_auto.train: error: ")
    assert expected in done.stderr


def test_ctrl_c_ends_at_once_with_what_was_reached(tmp_path: Path) -> None:
    """In the middle of a run that would take far longer than the test allows."""
    with started("--batch-size", 1, "--epochs", 1000, "--out", tmp_path / "run") as running:
        next(line for line in lines_of(running) if line.startswith("epoch"))
        time.sleep(0.2)  # into the next epoch
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "interrupted after" in err
    assert "Traceback" not in err
    assert "test accuracy" in out
    assert "confused" in out
    assert load_file(tmp_path / "run" / "model.safetensors")["weight"].shape == (10, 784)


def test_ctrl_c_before_the_first_epoch() -> None:
    with started("--epochs", 1000) as running:
        next(lines_of(running))
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "interrupted after" in err
    assert "Traceback" not in err


def test_a_reader_that_goes_away_is_no_traceback(tiny_file: Path) -> None:
    with started("--data", tiny_file, "--epochs", 2000, "--json") as running:
        assert json.loads(next(lines_of(running)))["epoch"] == 1
        assert running.stdout
        assert running.stderr
        running.stdout.close()
        assert running.wait(timeout=60) == 141
        assert running.stderr.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_full_disk_is_one_line(tiny_file: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "--data", str(tiny_file)], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
            env=ENVIRONMENT, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


def test_a_terminal_gets_a_bar(tiny_file: Path) -> None:
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [*COMMAND, "--data", str(tiny_file), "--epochs", "3"], stdout=theirs, stderr=theirs,
        env=ENVIRONMENT | {"TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 1 << 16):
            shown += piece
    except OSError:  # how a terminal says that its other end is closed
        pass
    finally:
        os.close(ours)
        running.kill()
    assert running.wait(timeout=60) == 0
    text = shown.decode()
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in text
    assert text.index("compiling") < text.index("epoch 1/3") < text.index("test accuracy")
    assert text.count("epoch 3/3  loss") == 1


def test_ctrl_c_does_not_wait_for_the_epoch(tmp_path: Path) -> None:
    """Three million steps an epoch, each audited: whoever waited for its end would be here after the time-out."""
    path = tmp_path / "dots.npz"
    images, labels = np.ones((3_000_000, 1, 1), np.uint8), np.arange(3_000_000, dtype=np.uint8) % 2
    np.savez(path, x_train=images, y_train=labels, x_test=images[:9], y_test=labels[:9])
    with started("--data", path, "--batch-size", 1, "--gradient", "both") as running:
        next(line for line in lines_of(running) if line == "\n")
        time.sleep(5)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=5)
    assert running.returncode == 130
    assert "interrupted after 0 of 8 epochs" in err


def test_a_lost_ctrl_c_is_heard(tiny_file: Path) -> None:
    """A KeyboardInterrupt that a callback swallows, as JAX's own at a garbage collection may."""
    code = f"""
import os, signal, sys
from manual_vs_auto.train import __main__, interrupt
interrupt.listen()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    pass
sys.exit(__main__.main(["--data", {str(tiny_file)!r}]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 130
    assert "interrupted after 0 of 8 epochs" in done.stderr


def test_an_interrupted_start_does_not_block_its_directory(tiny_file: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    (tmp_path / "run" / "metrics.jsonl").touch()
    done = command("--data", tiny_file, "--quiet", "--epochs", 1, "--out", tmp_path / "run")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_model_that_has_hardly_begun_is_not_told_to_slow_down(tmp_path: Path) -> None:
    done = command("--epochs", 1, "--optimizer", "sgd", "--learning-rate", "1e-6", "--quiet")
    assert done.returncode == 0
    assert "has hardly begun to learn; raise --epochs or --learning-rate" in done.stderr
    assert "lower" not in done.stderr
