"""A fit that was stopped and goes on ends as one that never was: the same weights, the same metrics but for time."""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manual_vs_auto.fit import keeping
from manual_vs_auto.fit.solving import solved
from manual_vs_auto.runs import checkpoints, machine
from tests.fit.conftest import Command, Done, drawn
from tests.killing import Killing, ends
from tests.runs.events import expect_the_metrics

SWEEP = ("x.npy", "--labels", "y.npy", "--sweep", "1,0.1,0.01", "--standardize")


def stopped(fitted: Command, after: int, *flags: object) -> Done:
    """A run that Ctrl-C ends after so many iterations and ends of fits."""

    def interrupted(*arguments: Any, **how: Any) -> Any:
        for number, said in enumerate(solved(*arguments, **how), 1):
            yield said
            if number == after:
                raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("manual_vs_auto.fit.run.solved", interrupted)
        return fitted(*flags)


@pytest.mark.parametrize(
    ("step", "flags"),
    [
        (1, SWEEP),
        (4, (*SWEEP, "--device", "cpu", "--tol", 1e-7)),
        (3, ("x.npy", "--labels", "y.npy", "--loss", "squared_distance", "--no-intercept", "--l2", 0.01)),
    ],
)
def test_it_goes_on_from_wherever_it_was(folder: Path, fitted: Command, step: int, flags: tuple[object, ...]) -> None:
    """Stopped after each of its steps, and gone on with, again and again."""
    whole = fitted(*flags, "--out", "whole")
    assert whole.returncode == 0
    count = 0
    done = stopped(fitted, step, *flags, "--out", "run")
    while done.returncode == 130:
        count += 1
        done = stopped(fitted, step, "--resume", "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert count >= (len(ends(folder / "whole")[1]) - 1) // step > 2
    assert ends(folder / "run") == ends(folder / "whole")


def test_what_is_slow_to_write_is_written_at_the_end(
    folder: Path, fitted: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once: iterations and their checkpoint, where there was no time for them on the way."""
    fitted(*SWEEP, "--out", "whole")
    with monkeypatch.context() as patch:
        patch.setattr(keeping, "_KEPT", np.inf)
        patch.setattr(checkpoints, "_SHARE", 0)
        assert stopped(fitted, 10, *SWEEP, "--out", "run").returncode == 130
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 10 + ("iterations" not in json.loads(lines[9]))  # one more: the fit as it was then
    then = fitted("--resume", "run")
    assert then.returncode == 0
    assert " s since --resume\n" in then.stdout
    assert ends(folder / "run") == ends(folder / "whole")


def test_a_finished_run_says_so(folder: Path, fitted: Command) -> None:
    """And has what is missing of its files again."""
    fitted(*SWEEP, "--out", "run")
    before = ends(folder / "run")
    for name in ("model.safetensors", "evaluation.json"):
        (folder / "run" / name).unlink()
    done = fitted("--resume", "run", "--quiet")
    assert (done.returncode, done.stdout) == (0, "run is finished: all its 3 fits are done\n")
    assert ends(folder / "run") == before


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    folder: Path, fitted: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_SHARE", np.inf)
    fitted(*SWEEP, "--out", "run")
    before = ends(folder / "run")
    held = sorted((folder / "run" / "checkpoints").iterdir())
    assert len(held) == 3
    (held[-1] / "about.json").write_text("{}")
    done = fitted("--resume", "run")
    warning = f"damaged, so not used: checkpoints/{held[-1].name}; the run goes on after {int(held[-2].name)}"
    assert (done.returncode, done.stderr) == (0, f"warning: {warning}\n")
    assert ends(folder / "run") == before


def test_tensorboard_s_files_go_on(folder: Path, fitted: Command) -> None:
    """By a configuration, which the run keeps; a curve for each penalty."""
    pytest.importorskip("tensorboardX")
    (folder / "my.toml").write_text("tensorboard = true\n")
    stopped(fitted, 10, *SWEEP, "--config", "my.toml", "--out", "run")
    assert len(expect_the_metrics(folder / "run")) > 10
    assert fitted("--resume", "run").returncode == 0
    held = expect_the_metrics(folder / "run")
    assert {curve for curve, _, _ in held} == {".", "l2=1.0", "l2=0.1", "l2=0.01"}
    assert {step for curve, _, step in held if curve == "."} == {1, 2, 3}
    assert {"val_top1", "objective"} <= {tag for _, tag, _ in held}


def test_tensorboard_s_files_need_their_package(folder: Path, fitted: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert "the extra `tensorboard` installs it" in fitted(*SWEEP, "--tensorboard", "--out", "run").error
    assert not (folder / "run").exists()


REFUSED = {
    "another loss": (("--loss", "squared_distance"), "loss is squared_distance and was cross_entropy"),
    "other penalties": (("--sweep", "1,0.1"), "sweep is [1.0, 0.1] and was [1.0, 0.1, 0.01]"),
    "another share": (("--val", 0.3), "val is [0.3] and was [0.1]"),
    "other data": (("new.npy",), "the data are not those that the run began with"),
    "another directory": (("--out", "elsewhere"), "leave --out out"),
    "no directory": (("--resume", "elsewhere"), "--resume elsewhere: there is no run: it has no config.toml"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_run_goes_on_as_it_began(folder: Path, fitted: Command, name: str) -> None:
    flags, expected = REFUSED[name]
    stopped(fitted, 3, *SWEEP, "--out", "run")
    x, _ = drawn()
    x[89, 4] += 1e-3
    np.save("new.npy", x)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert expected in fitted("--resume", "run", *flags, "--quiet").error
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_moved_data_and_other_versions(folder: Path, fitted: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(fitted, 3, *SWEEP, "--out", "run")
    (folder / "x.npy").rename(folder / "z.npy")
    monkeypatch.setattr(keeping, "versions", lambda: machine.versions() | {"jax": "9.9"})
    done = fitted("--resume", "run", "z.npy")
    assert done.returncode == 0
    was = machine.versions()["jax"]
    assert done.stderr == (
        f"warning: --resume run: jax is 9.9 and was {was}: it may not end with the same bits as it would have\n"
    )


def test_a_file_of_flags_does_not_resume(folder: Path, fitted: Command) -> None:
    (folder / "my.toml").write_text('resume = "run"\n')
    assert "leave --config out" in fitted(*SWEEP, "--config", "my.toml").error


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    with Killing(tmp_path_factory.mktemp("cache"), "fit") as process:
        yield process


def _long(folder: Path) -> tuple[object, ...]:
    """The flags of a fit that takes a second, in NumPy."""
    generator = np.random.default_rng(0)
    features, labels = generator.normal(size=(3000, 20)), generator.integers(0, 5, 3000)
    np.savez(folder / "data.npz", x=features, y=labels)
    return (folder / "data.npz", "--labels", "y", "--sweep", "1e-1,1e-2,1e-3,1e-9", "--tol", 1e-300, "--quiet")


@pytest.mark.whole
def test_a_fit_that_is_asked_to_end_saves_first(process: Killing, tmp_path: Path) -> None:
    out, flags = tmp_path / "run", _long(tmp_path)
    assert process.run(*flags, "--out", tmp_path / "whole") == 1
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        how = ("--resume", out, "--quiet") if out.exists() else (*flags, "--out", out)
        metrics = out / "metrics.jsonl"
        size = 1 + (metrics.stat().st_size if metrics.exists() else 0)
        assert process.run(*how, watched=metrics, size=size, number=number) == status
        assert (out / "evaluation.json").exists()
    assert process.run("--resume", out, "--quiet") == 1
    assert ends(out) == ends(tmp_path / "whole")


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.whole)])
def test_a_fit_that_is_killed_at_random_moments(process: Killing, tmp_path: Path, kills: int) -> None:
    """Within an iteration, between two, and between two fits, of which none comes to its end before it is cut off."""
    x, y = drawn(300)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    process.at_random(
        *(tmp_path / "data.npz", "--labels", "y", "--sweep", 8, "--tol", 1e-300, "--max-iter", 40),
        run=tmp_path / "run", kills=kills, most=(1500, 0.02), status=1,
    )  # fmt: skip
