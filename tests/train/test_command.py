"""The command as its users meet it: what it prints, what it leaves, and what it refuses."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from threading import Thread

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from manual_vs_auto import model
from manual_vs_auto.data import load
from manual_vs_auto.model import Batch, Loss, Params, ValueAndGrad
from manual_vs_auto.train import trainer
from tests.train.conftest import Command, Flags

KEPT = ["config.toml", "metrics.jsonl", "model.safetensors"]


def test_mnist_with_no_flags(tmp_path: Path) -> None:
    """The promise of the README, from a directory that holds nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "manual_vs_auto.train"], capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"JAX_PLATFORMS": "cpu"}, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    facts = dict(line.split(maxsplit=1) for line in lines[: lines.index("")])
    assert facts["versions"].startswith("python 3.")
    assert "MNIST (embedded): 60,000 training and 10,000 test images of 28x28" in facts["data"]
    assert facts["parameters"].startswith("7,840 (W, 10 classes x 784 pixels)")
    assert facts["gradient"] == "manual, of squared_distance"
    assert facts["device"].startswith("cpu")
    assert facts["precision"] == "float32, matrix products at highest"
    assert facts["optimizer"] == "adam at 0.003, cosine"
    assert facts["length"] == "8 epochs of 938 steps of 64 images"
    assert facts["seed"] == "0, of the order of the images"
    # Two products of 2 B D K each; pixels and labels are read, the weights and Adam's two moments read and written.
    operations, state = 4 * 64 * 7840, 3 * 7840 * 4 + 2 * 4
    moved = 64 * (784 + 4) + 2 * state
    step = f"{operations:,} operations in two matrix products; {moved:,} bytes of pixels, weights and state"
    assert step in done.stdout
    assert sum(line.startswith("epoch ") for line in lines) == 8
    assert "on the first 64 images" in done.stdout
    assert "within the" in done.stdout
    assert "BEYOND" not in done.stdout
    assert any(line.startswith("confused") for line in lines)
    assert not any(line.startswith("kept in") for line in lines)
    assert lines[-1].startswith("test accuracy 93.")
    assert float(lines[-1].split()[2].rstrip("%:")) >= 93.1
    assert list(tmp_path.iterdir()) == []


def test_both_on_mnist_as_json(command: Command, tmp_path: Path) -> None:
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


def test_a_wrong_gradient_is_exit_1(command: Command, short: Flags, monkeypatch: pytest.MonkeyPatch) -> None:
    """One element of a hand-coded gradient that is off by a tenth."""
    right = trainer.GRADIENTS["both"]

    def wrong(loss: Loss) -> ValueAndGrad:
        def gradient(params: Params, batch: Batch) -> tuple[jax.Array, Params]:
            value, grads = right(loss)(params, batch)
            return value, Params(grads.weight.at[1, 7].multiply(0.9))

        return gradient

    monkeypatch.setitem(trainer.GRADIENTS, "both", wrong)
    done = command(*short, "--gradient", "both")
    assert (done.returncode, done.stderr) == (1, "")
    assert "at 0 of 12 steps every element was within its bound" in done.stdout
    (worst,) = (line for line in done.stdout.splitlines() if "the worst" in line)
    assert "class 1, pixel 7: " in worst
    assert "BEYOND the" in worst


def test_what_a_run_leaves(command: Command, short: Flags, tiny_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"
    flags = (*short, "--out", out)
    done = command(*flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"kept in      {out}" in done.stdout
    assert sorted(file.name for file in out.iterdir()) == ["checkpoints", "config.toml", "evaluation.json", *KEPT[1:]]
    config = tomllib.loads((out / "config.toml").read_text())
    assert config["batch_size"] == 16
    assert config["schedule"] == "cosine"  # resolved, though nobody asked
    assert config["data"] == str(tiny_file)
    assert config["run"]["command"] == "train"
    assert config["run"]["device"].startswith("cpu, ")
    assert config["run"]["versions"]["jax"] == jax.__version__
    assert len(config["run"]["data_sha256"]) == 64
    metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in metrics] == [1, 2, 3]
    assert [row["epochs"] for row in metrics] == [3, 3, 3]
    assert [row["step"] for row in metrics] == [4, 8, 12]
    # What is left is the mean epoch's time, as often as epochs are left.
    seconds = np.cumsum([row["seconds"] for row in metrics])
    assert [row["seconds_left"] for row in metrics] == pytest.approx([seconds[0] * 2, seconds[1] / 2, 0])
    assert [row["images_per_second"] * row["seconds"] for row in metrics] == pytest.approx([50, 50, 50])
    assert metrics[0]["seconds_since_start"] < metrics[2]["seconds_since_start"]
    weight = load_file(out / "model.safetensors")["weight"]
    tiny = load(tiny_file)
    assert weight.shape == (3, 16)
    accuracy = model.accuracy(Params(weight), tiny.test_images, tiny.test_labels)
    assert float(accuracy) == pytest.approx(metrics[-1]["test_accuracy"])

    again = command(*flags)
    assert (again.returncode, again.stdout, again.stderr.count("\n")) == (2, "", 1)
    assert "holds a run already (config.toml, metrics.jsonl, model.safetensors, checkpoints)" in again.stderr
    assert np.array_equal(load_file(out / "model.safetensors")["weight"], weight)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_dtypes(command: Command, tiny_file: Path, tmp_path: Path, dtype: str) -> None:
    flags = ("--gradient", "both", "--learning-rate", 0.03)
    done = command("--data", tiny_file, "--dtype", dtype, "--quiet", "--out", tmp_path / "run", *flags)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert done.stdout.startswith("test accuracy ")
    metrics = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert metrics["agreed_steps"] == metrics["steps"]
    stored = (tmp_path / "run" / "model.safetensors").read_bytes()
    assert {"float64": b'"F64"', "bfloat16": b'"F32"', "float16": b'"F16"'}[dtype] in stored


def test_the_seed_reaches_the_order(command: Command, short: Flags) -> None:
    said = [command(*short, "--json", "--seed", seed) for seed in (0, 1)]
    assert json.loads(said[0].stdout.split("\n")[0])["loss"] != json.loads(said[1].stdout.split("\n")[0])["loss"]


REFUSED = {
    "no such data": (["--data", "nowhere"], "nowhere: found nothing there; expected"),
    "no GPU": (["--device", "gpu"], "--device gpu: JAX sees none here, only cpu"),
    "batch too large": (["--batch-size", "51"], "--batch-size 51 is more than the 50 training images"),
    "line search in batches": (["--optimizer", "lbfgs", "--batch-size", "16"], "needs the full batch"),
    "out is a file": (["--out", "{file}"], "can't be written"),
    "out is too long": (["--out", "{file}/../made/" + "a" * 300], "can't be written"),
    "out is empty": (["--out", ""], "an empty path"),
    "a rate beyond float32": (["--learning-rate", "1e300"], "no positive number of float32"),
    "data is a device": (["--data", "/dev/null"], "/dev/null: found neither a file nor a directory"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_one_line_and_exit_2(command: Command, name: str, tiny_file: Path, tmp_path: Path) -> None:
    """And leave nothing, not even a directory that was made for them."""
    flags, expected = REFUSED[name]
    file = tmp_path / "file"
    file.touch()
    where = () if "--out" in flags else ("--out", tmp_path / "made" / "run")
    done = command("--data", tiny_file, *where, *(flag.format(file=file) for flag in flags))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("manual_vs_auto.train: error: ")
    assert expected in done.stderr
    assert list(tmp_path.iterdir()) == [file]


def test_a_terminal_gets_a_bar(command: Command, short: Flags, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    shown = bytearray()

    def read() -> None:
        try:
            while piece := os.read(ours, 1 << 16):
                shown.extend(piece)
        except OSError:  # how a terminal says that its other end is closed
            pass

    reader = Thread(target=read)
    reader.start()
    monkeypatch.setattr("rich._console", None)  # which remembers the first terminal that it met
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        done = command(*short)
    reader.join()
    os.close(ours)
    assert done.returncode == 0
    text = shown.decode()
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in text
    assert text.index("compiling") < text.index("epoch 1/3") < text.index("test accuracy")
    assert text.count("epoch 3/3  loss") == 1


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        # The weights stay finite, and so does the loss, which is at most 2; the logits don't.
        ("--optimizer momentum --schedule constant", 0),
        ("--optimizer sgd --schedule constant --loss cross_entropy", 1),
        ("--optimizer lion --schedule warmup_cosine --dtype bfloat16", 1),
    ],
)
def test_the_largest_rate_is_one_line(command: Command, tiny_file: Path, flags: str, status: int) -> None:
    done = command("--data", tiny_file, "--epochs", 3, "--learning-rate", "3.4e38", *flags.split())
    assert done.returncode == status
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("warning: ")
    assert "lower --learning-rate, 3.4e+38 now" in done.stderr
    assert "nan" not in done.stdout
    assert "BEYOND" not in done.stdout
