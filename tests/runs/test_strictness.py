"""A shell that asks JAX to be strict, or to compile nothing: the commands do as without, and say so in one line."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fit.conftest import drawn

STRICT = {"JAX_DISABLE_JIT": "1", "JAX_DEBUG_INFS": "1", "JAX_TRANSFER_GUARD": "disallow"}
BORNE = {"JAX_NUMPY_DTYPE_PROMOTION": "strict", "JAX_NUMPY_RANK_PROMOTION": "raise", "JAX_ENABLE_X64": "0"}
NAMES = ", ".join(STRICT)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    x, y = drawn()
    np.savez(tmp_path / "xy.npz", x=x, y=y)
    images = np.zeros((40, 4, 4), np.uint8)
    images[::2, :2], images[1::2, 2:] = 255, 255
    labels = np.arange(40) % 2
    np.savez(tmp_path / "images.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    return tmp_path


def ran(folder: Path, command: str, *flags: str, **environment: str) -> Any:
    words = [sys.executable, "-m", f"manual_vs_auto.{command}", *flags]
    return subprocess.run(words, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_every_command(files: Path) -> None:
    commands = {
        "train": ("--data", "images.npz", "--batch-size", "4", "--learning-rate", "0.1", "--quiet", "--no-cache"),
        "fit": ("xy.npz:x", "--labels", "y", "--out", "run", "--quiet"),
        "predict": ("run", "xy.npz:x", "--labels", "y", "--score"),
    }
    for command, flags in commands.items():
        done = ran(files, command, *flags, **STRICT, **BORNE)
        assert done.returncode == 0
        assert done.stderr == f"warning: {NAMES}: not heeded, for JAX would refuse what is done here\n"


def test_what_is_plain_is_not_told(files: Path) -> None:
    plain = {"JAX_DISABLE_JIT": "0", "JAX_NUMPY_RANK_PROMOTION": "allow", "JAX_DEBUG_NANS": "False"}
    done = ran(files, "fit", "xy.npz:x", "--labels", "y", "--quiet", **plain)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_loss_that_is_not_finite_is_said_as_ever(files: Path) -> None:
    flags = ("--data", "images.npz", "--optimizer", "adamw", "--learning-rate", "1e6", "--schedule", "constant")
    done = ran(
        files, "train", *flags, "--batch-size", "1", "--quiet", "--no-cache", JAX_DEBUG_NANS="1", JAX_DEBUG_INFS="1"
    )
    assert done.returncode == 1
    assert "stopped being finite at step" in done.stderr
    assert "Traceback" not in done.stderr
