"""What is judged is a user's own code, and may mix numbers of all kinds and ranks; and the command that judges it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from tests.gradcheck.commands import Command, Done, called, forgotten


@pytest.fixture(autouse=True)
def _lenient_for_users() -> Iterator[None]:
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """The command in this process, in a directory of its own, which is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with forgotten(tmp_path) as forget:

        def run(*arguments: object) -> Done:
            forget()
            return called(arguments, capsys.readouterr)

        yield run
