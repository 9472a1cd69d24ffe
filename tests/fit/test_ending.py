"""A fit that is asked to end: what was reached is kept and told, at once."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from manual_vs_auto.fit.solving import solved
from manual_vs_auto.report import main as report
from manual_vs_auto.runs import files
from manual_vs_auto.runs.kept import read as kept
from manual_vs_auto.runs.model import read
from tests.fit.conftest import Command, ends


@pytest.mark.parametrize("large", [False, True])
def test_ctrl_c_keeps_what_was_reached(
    folder: Path, fitted: Command, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """The first fit, which is done, and the second one, as it was after its second iteration; if judging is quick."""

    def interrupted(*arguments: Any, **how: Any) -> Any:
        for l2, reached, ended in solved(*arguments, **how):
            yield l2, reached, ended
            if l2 == 0.1 and reached.iteration == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr("manual_vs_auto.fit.run.solved", interrupted)
    if large:
        monkeypatch.setattr("manual_vs_auto.fit.run._AT_ONCE", 0)
    done = fitted("x.npy", "--labels", "y.npy", "--sweep", "1,0.1,0.01", "--out", "run", "--plot")
    assert done.returncode == 130
    assert done.stderr == "warning: interrupted after 1 of 3 fits\n"
    assert "validation top-1 " in done.stdout.splitlines()[-1]
    if large:
        last = json.loads((folder / "run" / "metrics.jsonl").read_text().splitlines()[-1])
        assert (len(ends(folder / "run")), last["l2"], last["iteration"]) == (1, 0.1, 2)
        assert read(folder / "run").about["l2"] == 1
        return
    first, second = ends(folder / "run")
    assert (first["l2"], first["converged"], second["l2"], second["iterations"]) == (1, True, 0.1, 2)
    assert not second["converged"]
    best = max((first, second), key=lambda line: (line["val_top1"], -line["val_cross_entropy"]))
    assert read(folder / "run").about["l2"] == best["l2"]
    assert kept(folder / "run").evaluation is not None
    assert (folder / "run" / "pictures" / "sweep.png").exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [(MemoryError(), "there is no memory left"),
     (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of it"), "no memory left for 1,800 bytes of features: use ")],
)  # fmt: skip
def test_no_memory_is_one_line(
    folder: Path, fitted: Command, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def path(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("manual_vs_auto.solve.path", path)
    done = fitted("x.npy", "--labels", "y.npy", "--out", "run")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert said in done.stderr
    assert not (folder / "run").exists()


def test_what_is_not_judged_is_said_and_can_be(
    folder: Path, fitted: Command, predicted: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped twice in its first fit, the second time without being judged: the first time is of other weights."""
    pytest.importorskip("matplotlib")

    def interrupted(*arguments: Any, **how: Any) -> Any:
        for number, said in enumerate(solved(*arguments, **how)):
            yield said
            if number == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr("manual_vs_auto.fit.run.solved", interrupted)
    flags = ("x.npy", "--labels", "y.npy", "--sweep", "1,0.1", "--tol", 1e-9, "--val", 0.2)
    assert fitted(*flags, "--out", "run").returncode == 130
    assert kept(folder / "run").evaluation is not None
    monkeypatch.setattr("manual_vs_auto.fit.run._AT_ONCE", 0)
    assert fitted("--resume", "run").returncode == 130
    found = kept(folder / "run")
    assert (found.evaluation, found.ends, len(found.iterations)) == (None, [], 4)
    assert found.missing == (
        "evaluation.json, which is written when a run ends: it was stopped, or is still going; no confusion matrix, "
        "mistakes or calibration before fit --resume has ended it",
    )
    assert report(["run"]) == 0
    assert "it was stopped, or is still going" in (folder / "run" / "report.html").read_text()
    score = json.loads(predicted("run", "x.npy", "--labels", "y.npy", "--score", "--json").stdout)
    assert score["examples"] == 90
    assert score["top1"] > 0.5


def test_a_full_disk_is_one_line(folder: Path, fitted: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the second penalty; in words that are true of a fit, which has no epochs."""
    append = files.append

    def full(file: int, content: bytes) -> None:
        if b'"l2": 0.1,' in content:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(file, content)

    monkeypatch.setattr(files, "append", full)
    done = fitted("x.npy", "--labels", "y.npy", "--sweep", "1,0.1,0.01", "--out", "run", "--quiet")
    assert done.error == (
        "manual_vs_auto.fit: error: run: metrics.jsonl can't be written: No space left on device; it keeps what it had "
        "before\n"
    )
    assert [line["l2"] for line in ends(folder / "run")] == [1]
    assert read(folder / "run").about["l2"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_sigterm_ends_a_fit_at_once(folder: Path) -> None:
    generator = np.random.default_rng(0)
    np.save("x.npy", generator.normal(size=(20_000, 60)))
    np.save("y.npy", generator.integers(0, 30, 20_000))
    command = [sys.executable, "-m", "manual_vs_auto.fit", "x.npy", "--labels", "y.npy", "--out", "run"]
    flags = ["--tol", "1e-300", "--max-iter", "1000000", "--l2", "1e-9"]
    with subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (folder / "run" / "model.safetensors").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err.startswith("warning: terminated after 0 of 1 fits\n")
    assert out.splitlines()[-1].startswith("training top-1 ")
    assert ends(folder / "run")[0]["converged"] is False
    assert read(folder / "run").weight.shape == (30, 60)
