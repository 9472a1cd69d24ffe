"""A small data set of bright and dark patterns, learned in a few steps, and the command within the test's process."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from manual_vs_auto.data import Dataset, load
from manual_vs_auto.runs import signals
from manual_vs_auto.train.__main__ import main

_CONFIGURED = ("jax_enable_x64", "jax_default_matmul_precision", "jax_default_device", "jax_platforms")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]
Flags = tuple[object, ...]


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .npz of 50 training and 36 test images of 4x4, in 3 classes."""
    generator = np.random.default_rng(0)
    patterns = generator.integers(0, 256, size=(3, 4, 4))

    def drawn(examples: int) -> dict[str, Any]:
        labels = np.arange(examples) % 3
        noise = generator.normal(scale=40, size=(examples, 4, 4))
        return {"x": np.clip(patterns[labels] + noise, 0, 255).astype(np.uint8), "y": labels.astype(np.uint8)}

    train, test = drawn(50), drawn(36)
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    np.savez(path, x_train=train["x"], y_train=train["y"], x_test=test["x"], y_test=test["y"])
    return path


@pytest.fixture(scope="session")
def tiny(tiny_file: Path) -> Dataset:
    return load(tiny_file)


@pytest.fixture
def short(tiny_file: Path) -> Flags:
    """The flags of a run of three epochs of four steps that learns: one program, whoever asks for it."""
    return ("--data", tiny_file, "--epochs", 3, "--batch-size", 16, "--learning-rate", 0.1)


@pytest.fixture(scope="session")
def _programs() -> dict[Any, Any]:
    return {}


@pytest.fixture(autouse=True)
def programs(_programs: dict[Any, Any], monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    """What was compiled in this process: the same program for the same trees is not compiled again."""
    compile_anew = jax.stages.Lowered.compile

    def compiled(lowered: jax.stages.Lowered, compiler_options: Any = None) -> jax.stages.Compiled:
        key = (
            jax.config.read("jax_disable_most_optimizations"),
            lowered.as_text(),
            lowered.in_tree,
            lowered.out_tree,
            str(compiler_options),
        )
        if key not in _programs:
            _programs[key] = compile_anew(lowered, compiler_options)
        return _programs[key]  # type: ignore[no-any-return]

    monkeypatch.setattr(jax.stages.Lowered, "compile", compiled)
    return _programs


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """The command in this process: JAX as a user's process has it, and then as it was."""
    before = {name: getattr(jax.config, name) for name in _CONFIGURED}
    jax.config.update("jax_enable_x64", False)

    def run(*flags: object) -> Done:
        capfd.readouterr()
        try:
            status = main([str(flag) for flag in flags])
        except SystemExit as stopped:  # a wrong flag
            status = int(stopped.code or 0)
        return Done(status, *capfd.readouterr())

    assert not signals.heard.is_set()
    yield run
    for name, value in before.items():
        jax.config.update(name, value)
    sys.stdout.flush()
