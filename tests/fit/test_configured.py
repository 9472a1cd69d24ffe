"""A run's own config.toml, for another run: the same data from wherever it begins, or one line."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.fit.conftest import Command, drawn

OTHER = "run/config.toml: the data are not those that its run learned from"


def kept(run: str) -> bytes:
    return load_file(Path(run, "model.safetensors"))["weight"].tobytes()


@pytest.fixture
def away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Go to a folder beside."""

    def go() -> None:
        (folder / "away").mkdir(exist_ok=True)
        monkeypatch.chdir(folder / "away")

    return go


WAYS = {
    "files": ("x.npy", "--labels", "y.npy", "--val", 0.2),
    "an archive": ("xy.npz:x", "--labels", "y"),
    "an array of another": ("x.npy", "--labels", "xy.npz:y"),
    "validated": ("x.npy", "--labels", "y.npy", "--val", "v.npz:x", "y"),
    "validated by files": ("x.npy", "--labels", "y.npy", "--val", "x.npy", "y.npy"),
}


@pytest.mark.parametrize("way", WAYS)
def test_from_elsewhere(fitted: Command, away: Any, way: str) -> None:
    x, y = drawn()
    np.savez("xy.npz", x=x, y=y)
    np.savez("v.npz", x=x, y=y)
    assert fitted(*WAYS[way], "--out", "run").returncode == 0
    away()
    for other in ("x.npy", "y"):  # what is here is not meant
        np.save(Path(other).with_suffix(".npy"), np.zeros(3))
    done = fitted("--config", "../run/config.toml", "--out", "again")
    assert (done.returncode, done.stderr) == (0, "")
    assert kept("again") == kept("../run")
    done = fitted("--resume", "../run")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_data_that_have_moved_with_the_run(fitted: Command, folder: Path, away: Any) -> None:
    fitted("x.npy", "--labels", "y.npy", "--out", "run")
    away()
    error = folder / "x.npy"
    shutil.move(folder / "x.npy", "x.npy")
    shutil.move(folder / "y.npy", "y.npy")
    assert fitted("--config", "../run/config.toml", "--out", "again").returncode == 0
    Path("x.npy").unlink()
    assert f"{error}: found no such file" in fitted("--config", "../run/config.toml").error


def test_other_data_than_the_run_s(fitted: Command, folder: Path) -> None:
    fitted("x.npy", "--labels", "y.npy", "--val", 0.2, "--out", "run")
    np.save("x.npy", drawn(seed=2)[0])
    assert OTHER in fitted("--config", "run/config.toml").error
    assert OTHER in fitted("--config", "run/config.toml", "--out", "again", "--l2", 3).error
    assert not (folder / "again").exists()
    np.save("z.npy", drawn(seed=2)[0])
    for flags in (("z.npy",), ("--val", 0.3), ("--seed", 3)):  # other data are asked for
        assert fitted("--config", "run/config.toml", *flags).returncode == 0


ORDERS = {
    "a share": ("--val", 0.2, "x.npy", "--labels", "y.npy"),
    "a share last": ("--labels", "y.npy", "--val", 0.2, "x.npy"),
    "a share first": ("--val", 0.2, "--labels", "y.npy", "x.npy"),
    "a file and its labels": ("--val", "v.npz:x", "y", "x.npy", "--labels", "y.npy"),
    "a file": ("--labels", "y", "--val", "v.npz:x", "v.npz:x"),
    "a sweep": ("--sweep", 2, "x.npy", "--labels", "y.npy"),
    "a switch": ("--standardize", "x.npy", "--no-intercept", "--labels", "y.npy"),
}


@pytest.mark.parametrize("order", ORDERS)
def test_any_order(folder: Path, fitted: Command, order: str) -> None:
    x, y = drawn()
    np.savez("v.npz", x=x, y=y)
    done = fitted(*ORDERS[order], "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("training" if order == "a switch" else "validation")


def test_no_features_are_said(folder: Path, fitted: Command) -> None:
    for flags in ((), ("--val", 0.2), ("--val", "x.npy")):
        assert "the following arguments are required: FEATURES" in fitted("--labels", "y.npy", *flags).error
    assert "what is y.npy" in fitted("x.npy", "--labels", "y.npy", "--val", 0.2, "y.npy").error
    assert "not 3 things" in fitted("x.npy", "--labels", "y.npy", "--val", "x.npy", "y.npy", "y.npy").error
