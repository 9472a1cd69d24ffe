"""What does not fit into memory is said before anything is trained, with a batch size that does fit."""

from pathlib import Path
from typing import Any

import jax
import pytest

from manual_vs_auto.runs import machine
from manual_vs_auto.runs.errors import NoRoomError
from manual_vs_auto.train import room, trainer
from manual_vs_auto.train.room import expect_room_for_data, taken
from tests.train.conftest import Command


def test_a_batch_that_fits_is_named(
    command: Command, tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it fits: of all powers of two the largest that does."""
    needed: dict[int, int] = {}
    compiled = trainer.Trainer.compile

    def measured(self: trainer.Trainer) -> None:
        compiled(self)
        needed[self._config.batch_size] = taken(self._epoch.longest)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "compile", measured)
        for size in (16, 32):
            command("--data", tiny_file, "--batch-size", size, "--epochs", 1)
    assert needed[16] < needed[32]
    monkeypatch.setattr(room, "free_bytes", lambda _: needed[32] - 1)
    done = command("--data", tiny_file, "--batch-size", 50, "--out", tmp_path / "run")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert done.stderr.endswith(f"bytes of memory, and {needed[32] - 1:,} are free: use --batch-size 16\n")
    assert "a step of 50 images takes" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert command("--data", tiny_file, "--batch-size", 16, "--epochs", 1).returncode == 0


@pytest.mark.parametrize(
    ("flags", "hint"),
    [(("--optimizer", "lbfgs"), "--optimizer adam takes a few images at a time"), ((), "use --batch-size 1\n")],
)
def test_where_little_or_nothing_helps(
    command: Command, tiny_file: Path, flags: tuple[str, ...], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda _: 1)
    done = command("--data", tiny_file, *flags)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert hint in done.stderr


def test_images_that_do_not_fit_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gpu:
        platform = "gpu"

        def memory_stats(self) -> dict[str, int]:
            return {"bytes_limit": 1000, "bytes_in_use": 400}

    gpu: Any = Gpu()
    assert machine.free_bytes(gpu) == 600
    expect_room_for_data(gpu, 600)
    with pytest.raises(NoRoomError, match="the images take 601 bytes, and gpu has 600 free"):
        expect_room_for_data(gpu, 601)
    monkeypatch.setattr(Gpu, "memory_stats", lambda _: None)
    assert machine.free_bytes(gpu) is None
    expect_room_for_data(gpu, 1 << 60)


def test_a_container_s_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, used = tmp_path / "limit", tmp_path / "used"
    monkeypatch.setattr(machine, "_CGROUPS", [(str(limit), str(used))])
    cpu = jax.devices("cpu")[0]
    without = machine.free_bytes(cpu)
    limit.write_text("1000\n")
    used.write_text("300\n")
    assert machine.free_bytes(cpu) == 700
    limit.write_text("max\n")  # none
    assert (machine.free_bytes(cpu) is None) == (without is None)


@pytest.mark.parametrize("error", [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")])
def test_memory_that_ends_on_the_way_is_one_line(
    command: Command, tiny_file: Path, tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the second epoch: the first is kept, with its checkpoint."""
    state = trainer.Trainer._order

    def ends(self: trainer.Trainer, number: int) -> Any:
        if number == 2:
            raise error
        return state(self, number)

    monkeypatch.setattr(trainer.Trainer, "_order", ends)
    out = tmp_path / "run"
    done = command("--data", tiny_file, "--batch-size", 16, "--out", out)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "there is no memory left" in done.stderr or "use a smaller one than --batch-size 16" in done.stderr
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["000001"]
