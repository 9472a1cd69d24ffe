"""A run that was stopped and goes on ends as one that never was: the same weights, the same metrics but for time."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.model import Batch, Loss, Params, ValueAndGrad
from manual_vs_auto.runs import checkpoints, machine
from manual_vs_auto.runs.display import Display
from manual_vs_auto.train import keeping, trainer
from manual_vs_auto.train.config import parse
from tests.killing import Killing, ends
from tests.runs.events import expect_the_metrics
from tests.train.conftest import Command, Done, Flags


def stopped(command: Command, out: Path, epoch: int, *flags: object) -> Done:
    """A run that Ctrl-C ends after so many epochs."""
    with pytest.MonkeyPatch.context() as patch:
        done = Display.done

        def interrupting(self: Display, metrics: Any) -> None:
            done(self, metrics)
            if metrics["epoch"] == epoch:
                raise KeyboardInterrupt

        patch.setattr(Display, "done", interrupting)
        return command(*flags, "--out", out)


WAYS: dict[str, Flags] = {
    "both": ("--gradient", "both", "--learning-rate", 0.1),
    "bfloat16": ("--dtype", "bfloat16", "--optimizer", "momentum", "--gradient", "fused"),
    "float64": ("--dtype", "float64", "--optimizer", "lion", "--schedule", "warmup_cosine", "--val", 0.2),
    "lbfgs": ("--optimizer", "lbfgs"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_resume_ends_as_a_run_never_stopped(command: Command, tiny_file: Path, tmp_path: Path, way: str) -> None:
    flags = ("--data", tiny_file, "--epochs", 4, "--seed", 3, *WAYS[way])
    flags = flags if way == "lbfgs" else (*flags, "--batch-size", 16)
    whole = command(*flags, "--out", tmp_path / "whole")
    assert whole.returncode == 0
    first = stopped(command, tmp_path / "run", 2, *flags)
    assert (first.returncode, first.stderr) == (130, "warning: interrupted after 2 of 4 epochs\n")
    assert first.stdout.count("\nepoch ") == 2
    then = command("--resume", tmp_path / "run")
    assert (then.returncode, then.stderr) == (0, whole.stderr)
    assert then.stdout.count("\nepoch ") == 2
    assert [" s since --resume\n" in done.stdout for done in (whole, first, then)] == [False, False, True]
    assert then.stdout.splitlines()[-1] == whole.stdout.splitlines()[-1]
    assert ends(tmp_path / "run") == ends(tmp_path / "whole")


def test_a_finished_run_says_so(command: Command, short: Flags, tmp_path: Path) -> None:
    """And has what is missing of its files again."""
    out = tmp_path / "run"
    command(*short, "--out", out)
    before = ends(out)
    for name in ("model.safetensors", "evaluation.json"):
        (out / name).unlink()
    done = command("--resume", out, "--quiet")
    assert (done.returncode, done.stdout) == (0, f"{out} is finished: all its 3 epochs are done\n")
    assert ends(out) == before


def test_a_run_without_its_checkpoints(command: Command, short: Flags, tmp_path: Path) -> None:
    """What it had learned is not replaced in silence by what is learned anew."""
    out = tmp_path / "run"
    command(*short, "--out", out)
    shutil.rmtree(out / "checkpoints")
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    done = command("--resume", out)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "the run had ended, and checkpoints is gone: begin another, with --out" in done.stderr
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    (out / "evaluation.json").unlink()  # killed before its first checkpoint it has none, either
    done = command("--resume", out)
    assert done.returncode == 0
    assert "there is nothing in checkpoints: the run begins anew" in done.stdout + done.stderr
    assert (out / "model.safetensors").read_bytes() == before[out / "model.safetensors"]


def test_a_run_that_has_had_enough_is_finished(command: Command, tiny_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    flags = ("--data", tiny_file, "--batch-size", 16, "--learning-rate", 0.1, "--target-accuracy", 0.5)
    assert command(*flags, "--out", out).returncode == 0
    done = command("--resume", out, "--quiet")
    assert done.returncode == 0
    assert f"{out} is finished: the test accuracy is" in done.stdout


def test_what_diverged_diverges_again(
    command: Command, tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the third epoch: the last good state is kept, and from there the same happens."""

    def counting(_: Loss) -> ValueAndGrad:
        def gradient(params: Params, _: Batch) -> tuple[jax.Array, Params]:
            step = jnp.zeros_like(params.weight).at[0, 0].set(-1.0)
            return jnp.where(params.weight[0, 0] >= 10, jnp.nan, 1.0), Params(step)

        return gradient

    monkeypatch.setitem(trainer.GRADIENTS, "manual", counting)
    out = tmp_path / "run"
    flags = ("--data", tiny_file, "--batch-size", 16, "--optimizer", "sgd", "--learning-rate", 1)
    first = command(*flags, "--schedule", "constant", "--out", out)
    assert first.returncode == 1
    weights, lines = (out / "model.safetensors").read_bytes(), (out / "metrics.jsonl").read_text().splitlines()
    again = command("--resume", out)
    assert (again.returncode, again.stderr) == (1, first.stderr)
    assert (out / "model.safetensors").read_bytes() == weights
    after = (out / "metrics.jsonl").read_text().splitlines()
    assert after[:2] == lines[:2]
    assert [json.loads(line)["step"] for line in after] == [4, 8, 9]
    assert json.loads(after[2])["diverged_at_step"] == 11


def test_the_best_epoch_is_kept(
    command: Command, tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a rate so large that the first epoch is the best; and all of them after a resume, too."""
    monkeypatch.setattr(checkpoints, "_SHARE", np.inf)
    out = tmp_path / "run"
    flags = ("--data", tiny_file, "--batch-size", 16, "--epochs", 6, "--learning-rate", 30, "--optimizer", "sgd")
    stopped(command, out, 4, *flags, "--schedule", "constant", "--keep-checkpoints", 2)
    command("--resume", out, "--keep-checkpoints", 2)
    losses = [json.loads(line)["test_loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    best = 1 + losses.index(min(losses))
    assert best < 5  # or this shows nothing
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == [f"00000{n}" for n in (best, 5, 6)]


def test_tensorboard_s_files_go_on(command: Command, short: Flags, tmp_path: Path) -> None:
    """Without the flag, since the run began with it; a run that began without it can have them, too."""
    pytest.importorskip("tensorboardX")
    for name, flags in (("with", ("--tensorboard",)), ("without", ())):
        out = tmp_path / name
        stopped(command, out, 2, *short, *flags)
        assert (out / "tensorboard").exists() == bool(flags)
        assert not flags or {step for _, _, step in expect_the_metrics(out)} == {1, 2}
        assert command("--resume", out, *(() if flags else ("--tensorboard",))).returncode == 0
        held = expect_the_metrics(out)
        assert {step for _, _, step in held} == {1, 2, 3}
        assert {"loss", "test_accuracy", "step"} <= {tag for _, tag, _ in held}


REFUSED = {
    "another length": (("--epochs", 9), "epochs is 9 and was 3"),
    "two others": (("--seed", 1, "--loss", "cross_entropy"), "loss is cross_entropy and was squared_distance; seed is"),
    "another directory": (("--out", "elsewhere"), "leave --out out"),
    "a configuration": (("--config", "{out}/config.toml"), "leave --config out"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_run_goes_on_as_it_began(command: Command, short: Flags, tmp_path: Path, name: str) -> None:
    flags, expected = REFUSED[name]
    out = tmp_path / "run"
    stopped(command, out, 1, *short)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    done = command("--resume", out, *(str(flag).format(out=out) for flag in flags))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert expected in done.stderr
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_other_data_are_refused_and_moved_ones_are_not(
    command: Command, short: Flags, tiny_file: Path, tmp_path: Path
) -> None:
    out, moved = tmp_path / "run", tmp_path / "moved.npz"
    stopped(command, out, 1, *short)
    shutil.copy(tiny_file, moved)
    with np.load(tiny_file) as held:
        arrays = dict(held)
    arrays["x_test"][35, 3, 3] ^= 1  # one bit of one pixel
    np.savez(tmp_path / "other.npz", **arrays)
    other = command("--resume", out, "--data", tmp_path / "other.npz")
    assert (other.returncode, other.stderr.count("\n")) == (2, 1)
    assert "the data are not those that the run began with" in other.stderr
    assert command("--resume", out, "--data", moved).returncode == 0


def test_other_versions_are_a_warning(
    command: Command, short: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    stopped(command, out, 1, *short)
    monkeypatch.setattr(keeping, "versions", lambda: machine.versions() | {"jax": "9.9"})
    done = command("--resume", out)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert f"warning: --resume {out}: jax is 9.9 and was {machine.versions()['jax']}: it may not" in done.stderr


def test_what_is_no_run_is_refused(command: Command, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("nowhere", "there"):
        done = command("--resume", tmp_path / name)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert f"{name}: there is no run: it has no config.toml" in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_no_pickle_is_kept(command: Command, short: Flags, tmp_path: Path) -> None:
    """Whose first bytes are known; NumPy's files, which may hold one, have no business there either."""
    command(*short, "--out", tmp_path / "run")
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert not path.read_bytes().startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\x93NUMPY"))


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    with Killing(tmp_path_factory.mktemp("cache")) as process:
        yield process


def test_a_run_that_is_asked_to_end_saves_first(process: Killing, tiny_file: Path, tmp_path: Path) -> None:
    """All that it has reached, whichever signal it is; and it goes on from there."""
    out, flags = tmp_path / "run", ("--data", tiny_file, "--batch-size", 1, "--epochs", 1_000_000, "--quiet")
    metrics, done = out / "metrics.jsonl", 0
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)):
        how = ("--resume", out, "--quiet") if done else (*flags, "--out", out)
        size = 1 + (metrics.stat().st_size if done else 0)
        assert process.run(*how, watched=metrics, size=size, number=number) == status
        before, done = done, metrics.read_bytes().count(b"\n")
        assert done > before
        assert max(int(path.name) for path in (out / "checkpoints").iterdir()) == done


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.whole)])
def test_a_run_that_is_killed_at_random_moments(process: Killing, tiny_file: Path, tmp_path: Path, kills: int) -> None:
    process.at_random(
        *("--data", tiny_file, "--epochs", 60, "--batch-size", 16),
        run=tmp_path / "run", kills=kills, most=(1200, 0.05),
    )  # fmt: skip


def test_event_files_that_a_resume_began_go_on(command: Command, tiny_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command("--data", tiny_file, "--epochs", 2, "--out", run)
    assert not parse(["--resume", str(run)]).tensorboard
    assert parse(["--resume", str(run), "--tensorboard"]).tensorboard
    (run / "tensorboard").mkdir()
    assert parse(["--resume", str(run)]).tensorboard
