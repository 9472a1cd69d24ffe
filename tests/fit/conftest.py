"""Small features with labels, learned in a moment, and the commands within the test's process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from manual_vs_auto.fit.__main__ import main as fit
from manual_vs_auto.runs.predict import main as predict


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The one line that a wrong use leaves."""
        assert (self.returncode, self.stdout, self.stderr.count("\n")) == (2, "", 1), self
        return self.stderr


Command = Callable[..., Done]


def drawn(rows: int = 90, seed: int = 1) -> tuple[Any, Any]:
    """Features float32 [rows, 5] of three classes that overlap, and labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % 3
    centres = np.random.default_rng(0).normal(0, 1, (3, 5))
    features = (centres[labels] + generator.normal(0, 1, (rows, 5))) * [1, 2, 5, 10, 0.1] + [0, 1, -3, 100, 0]
    return features.astype(np.float32), labels


def ends(run: Path) -> list[dict[str, Any]]:
    """Of a run's metrics, the last line of each l2; the others are of iterations on the way there."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found = [line for line in lines if "iterations" in line]
    for line in lines:
        assert "iterations" in line or set(line) == {"iteration", "objective", "gradient_norm", "seconds", "l2"}
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with x.npy and y.npy, which is the current one."""
    x, y = drawn()
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _command(main: Callable[..., int], capfd: pytest.CaptureFixture[str]) -> Command:
    def run(*flags: object) -> Done:
        capfd.readouterr()
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            try:
                status = main([str(flag) for flag in flags])
            except SystemExit as end:
                status = int(end.code or 0)
        return Done(status, *capfd.readouterr())

    return run


@pytest.fixture
def fitted(capfd: pytest.CaptureFixture[str]) -> Command:
    """The command `fit`."""
    return _command(fit, capfd)


@pytest.fixture
def predicted(capfd: pytest.CaptureFixture[str]) -> Command:
    """The command `predict`."""
    return _command(predict, capfd)
