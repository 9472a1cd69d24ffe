"""`--mesh` as a person gives it: the same result as on one device, and what it moves."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto.runs.values import mesh
from tests.solve.problems import made


def ran(*command: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_training(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    patterns = draw.integers(0, 256, size=(3, 4, 4))
    labels = np.arange(75) % 3
    images = np.clip(patterns[labels] + draw.normal(scale=40, size=(75, 4, 4)), 0, 255).astype(np.uint8)
    np.savez(tmp_path / "x.npz", x_train=images[:50], y_train=labels[:50], x_test=images[50:], y_test=labels[50:])
    flags = ("manual_vs_auto.train", "--data", tmp_path / "x.npz", "--epochs", 2, "--batch-size", 15)
    # An image more or less in a device's share of a batch; the last one is short, and of 5.
    said = ran(*flags, "--mesh", "data=2", "--out", tmp_path / "two")
    assert "data=2" in said
    assert re.search(rf"^moved +{4 * 3 * 16 + 8} bytes a step by all-reduce$", said, re.MULTILINE)
    ran(*flags, "--out", tmp_path / "one")
    one, two = (
        [json.loads(line) for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("one", "two")
    )
    for line, other in zip(one, two, strict=True):
        assert line["loss"] == pytest.approx(other["loss"], rel=1e-6)
        assert line["test_accuracy"] == other["test_accuracy"]
    # A run goes on with other devices than it began with, and says so.
    warned = subprocess.run(
        [sys.executable, "-m", "manual_vs_auto.train", "--resume", str(tmp_path / "two")],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert warned.returncode == 0
    assert "data=2" in warned.stderr + warned.stdout


def test_fitting(tmp_path: Path) -> None:
    features, labels = made(501, 7, 3)
    np.save(tmp_path / "x.npy", features.astype(np.float32))
    np.save(tmp_path / "y.npy", labels)
    flags = ("manual_vs_auto.fit", tmp_path / "x.npy", "--labels", tmp_path / "y.npy", "--standardize", "--l2", 0.01)
    said = ran(*flags, "--mesh", "data=2")
    assert re.search(rf"^moved +{8 * 3 * 8 + 8} bytes a pass by all-reduce$", said, re.MULTILINE)
    assert said.splitlines()[-1] == ran(*flags, "--quiet").splitlines()[-1]


def test_what_a_mesh_may_be() -> None:
    assert mesh(" classes=2,data=4 ") == "data=4,classes=2"
    assert mesh("") == ""
    for wrong in (
        "2",
        "data",
        "data=0",
        "data=-1",
        "data=2,data=",
        "data=2,data=2",
        "data=3,data=2",
        "rows=2",
        "data=2,",
        ",",
    ):
        with pytest.raises(Exception, match=r"is no mesh: data=4, or data=2,classes=4"):
            mesh(wrong)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("train --mesh data=2,classes=4",
         "--mesh data=2,classes=4: there is no axis classes here; --gradient fused has it"),
        ("fit x.npy --labels y.npy --mesh classes=2",
         "--mesh classes=2: there is no axis classes here; only rows are cut"),
        ("train --mesh rows=2", "argument --mesh: 'rows=2' is no mesh: data=4, or data=2,classes=4 (see --help)"),
        ("train --find-learning-rate --coordinator 127.0.0.1:1 --num-processes 2 --process-id 0",
         "--find-learning-rate is for one process: leave the others out (see --help)"),
    ],
)  # fmt: skip
def test_refusals_are_one_line_and_exit_2(command: str, line: str) -> None:
    name, *flags = command.split()
    done = subprocess.run(
        [sys.executable, "-m", f"manual_vs_auto.{name}", *flags],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"manual_vs_auto.{name}: error: {line}\n"
