"""Kept programs: read where they are whole, compiled and kept again where they are not, and never more than so many."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.runs import programs
from manual_vs_auto.runs.programs import compiled, directory, quiet

CPU = jax.devices("cpu")[0]
X = np.arange(6.0, dtype=np.float32).reshape(2, 3)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MANUAL_VS_AUTO_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


class Counted:
    """A lowered program that counts how often it is compiled."""

    def __init__(self, factor: float) -> None:
        self._lowered = jax.jit(lambda x: {"twice": factor * x, "sum": jnp.sum(x)}, donate_argnums=0).lower(X)
        self.times = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lowered, name)

    def compile(self, **how: Any) -> Any:
        self.times += 1
        return self._lowered.compile(**how)


def run(factor: float = 2.0, **how: Any) -> int:
    """How often it was compiled, after a look at what it computes."""
    lowered = Counted(factor)
    found = compiled(lowered, device=CPU, **how)(jnp.asarray(X))
    np.testing.assert_array_equal(found["twice"], factor * X)
    assert float(found["sum"]) == 15
    return lowered.times


def kept(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.program"))


def test_the_next_one_reads_it(folder: Path) -> None:
    assert run() == 1
    assert len(kept(folder)) == 1
    assert run() == 0
    assert run(3.0) == 1  # another
    assert len(kept(folder)) == 2
    assert not [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".program"]


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "longer", "a directory", "of another"])
def test_a_damaged_one_is_compiled_and_kept_again(
    folder: Path, damage: str, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    run()
    (path,) = kept(folder)
    whole = path.read_bytes()
    if damage == "a directory":
        path.unlink()
        path.mkdir()
    elif damage == "of another":  # whole, and can't be read
        path.write_bytes(hashlib.sha256(b"nothing").digest() + b"nothing")
    else:
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        path.write_bytes({"flipped": flipped, "cut": whole[:middle], "empty": b"", "longer": whole + b"0"}[damage])
    assert run() == 1
    assert run() == (damage == "a directory")
    said = [
        line for line in capfd.readouterr().err.splitlines() if "cpu_aot_loader" not in line
    ]  # XLA is not hushed here
    assert (said, list(recwarn)) == ([], [])


def test_a_folder_that_cannot_be_is_none(folder: Path) -> None:
    folder.write_text("a file")
    assert (run(), run()) == (1, 1)


def test_where_nobody_has_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def expanduser(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MANUAL_VS_AUTO_CACHE")
    monkeypatch.setattr(Path, "expanduser", expanduser)
    assert (run(), run()) == (1, 1)


def test_what_it_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (run(), run()) == (1, 0)
    assert run(options={"xla_backend_optimization_level": "0"}) == 1
    monkeypatch.setenv("XLA_FLAGS", "--another")  # which XLA has read long ago
    assert run() == 1
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.setattr(programs, "_processor", lambda: ("another",))
    assert run() == 1
    monkeypatch.setattr(programs, "version", lambda _: "0.0.1")
    assert run() == 1
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", not before)
    try:
        assert run() == 1
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
    assert run() == 0


def test_the_oldest_go_where_there_are_too_many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(2.0)
    size = kept(folder)[0].stat().st_size
    run(3.0)
    for age, path in enumerate(kept(folder)):
        os.utime(path, (1000 - age, 1000 - age))
    run(2.0)  # wanted again: it is the newest now
    monkeypatch.setattr(programs, "_BOUND", size * 5 // 2)
    run(4.0)
    assert len(kept(folder)) == 2
    assert (run(2.0), run(4.0), run(3.0)) == (0, 0, 1)


def test_what_others_have_there_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder may be anybody's: a home, say."""
    monkeypatch.setattr(programs, "_BOUND", 1000)
    others = [folder / "thesis.tex", folder / "photos" / "1.program", folder / "jaxlib-1" / "notes"]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(2000))
        os.utime(path, (0, 0))
    (half := folder / "jaxlib-1" / "half.program").write_bytes(bytes(2000))  # of a process that was killed
    os.utime(half, (0, 0))
    run()
    assert all(path.exists() for path in others)
    assert not half.exists()


def test_others_are_not_kept(folder: Path) -> None:
    for device in (None, SimpleNamespace(platform="gpu")):
        lowered = Counted(2.0)
        compiled(lowered, device=device)
        assert lowered.times == 1
    assert not folder.exists()


def test_where_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> None:
    assert directory() == folder
    monkeypatch.delenv("MANUAL_VS_AUTO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert directory() == tmp_path / "manual_vs_auto"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    here = Path.home()
    for system, place in {"linux": here / ".cache", "darwin": here / "Library" / "Caches", "win32": tmp_path}.items():
        monkeypatch.setattr(sys, "platform", system)
        assert directory() == place / "manual_vs_auto"


@pytest.mark.parametrize(
    ("jaxlib", "there", "loaded", "before", "expected"),
    [
        ("0.10.1", (), False, None, (True, "3")),
        ("0.10.1", (), True, None, (False, None)),
        ("0.10.1", (), True, "3", (True, "3")),
        ("0.10.1", (), False, "1", (True, "3")),
        ("0.10.1", (), True, "1", (False, "1")),
        ("0.10.1", (), False, "0", (False, "0")),
        ("0.11.2", ("libtpu",), False, None, (False, None)),
        ("0.10.1", ("jax_plugins",), False, None, (False, None)),
        ("0.12.0", ("jax_plugins",), True, None, (True, None)),
    ],
)
def test_xla_is_hushed_only_where_it_says_nothing_else(
    jaxlib: str,
    there: tuple[str, ...],
    loaded: bool,
    before: str | None,
    expected: tuple[bool, str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", before or "")  # so that it is put back
    if before is None:
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    monkeypatch.setattr(programs, "version", lambda _: jaxlib)
    monkeypatch.setattr(programs, "find_spec", lambda name: name if name in there else None)
    monkeypatch.setattr(sys, "modules", {"jaxlib": None} if loaded else {})
    assert (quiet(), os.environ.get("TF_CPP_MIN_LOG_LEVEL")) == expected


def test_the_command(folder: Path, tmp_path: Path) -> None:
    def trained(*flags: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "manual_vs_auto.train", "--data", str(data), "--epochs", "1", "--quiet", *flags],
            capture_output=True, text=True, check=True, timeout=120,
            env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
        )  # fmt: skip
        assert done.stderr == ""
        return done.stdout

    data = tmp_path / "data.npz"
    images, labels = np.arange(96, dtype=np.uint8).reshape(12, 2, 4), np.arange(12, dtype=np.uint8) % 3
    np.savez(data, x_train=images, y_train=labels, x_test=images, y_test=labels)
    without = trained("--no-cache")
    assert not folder.exists()
    first = trained()
    there = {path.name: path.stat().st_ino for path in kept(folder)}
    assert len(there) == 4  # the state, the epoch, the evaluation, and the comparison of the first batch
    assert trained() == first == without
    assert {path.name: path.stat().st_ino for path in kept(folder)} == there
