"""What a run leaves at its end beside its weights: how good it is, its pictures, and what report makes of both."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto import report
from manual_vs_auto.data import Dataset
from manual_vs_auto.runs.evaluation import read
from manual_vs_auto.train.agreement import Agreement, epoch_metrics
from manual_vs_auto.train.config import Config
from manual_vs_auto.train.leave import leave
from tests.train.conftest import Command, Flags


def test_a_run_with_its_pictures_and_its_page(command: Command, short: Flags, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "run"
    done = command(*short, "--gradient", "both", "--out", out, "--plot", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    found = read(out / "evaluation.json")
    assert (found.of, found.examples, found.classes) == ("test images", 36, 3)
    assert found.top1 == pytest.approx(lines[-1]["test_accuracy"])
    # What is told of an epoch is at its own step that came closest: the run's worst is the worst of these.
    ratios = [line["epoch_difference"] / line["epoch_bound"] for line in lines]
    assert max(ratios) == pytest.approx(lines[-1]["worst_difference"] / lines[-1]["worst_bound"])
    drawn = {path.stem for path in (out / "pictures").iterdir()}
    assert drawn - {"mistakes"} == {"loss", "accuracy", "agreement", "weights", "calibration", "confusion"}
    assert report.main([str(out)]) == 0
    text = (out / "report.html").read_text(encoding="utf-8")
    assert f"{100 * found.top1:.2f} % of 36 test images" in text
    assert "at 12 of 12 steps" in text


def test_pictures_need_a_directory(command: Command, short: Flags) -> None:
    done = command(*short, "--plot")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "--plot leaves its pictures in the run's directory: say which with --out" in done.stderr


def test_pictures_need_matplotlib_before_anything_is_trained(
    command: Command, short: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = command(*short, "--plot", "--out", tmp_path / "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "manual_vs_auto.train: error: the pictures need matplotlib: pip install matplotlib\n"
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_s_files_need_their_package_before_anything_is_trained(
    command: Command, short: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    done = command(*short, "--tensorboard", "--out", tmp_path / "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "manual_vs_auto.train: error: --tensorboard: tensorboardX is not here, the extra `tensorboard` installs it: "
        "pip install tensorboardX\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(16,), (4, 4), (4, 2, 2), (4, 4, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_of_every_kind(tiny: Dataset, tmp_path: Path, shape: tuple[int, ...], dtype: type) -> None:
    """Only what can be looked at has a picture; every kind can be judged."""
    images = tiny.test_images if dtype == np.uint8 else tiny.test_images / np.float32(255)
    weight = np.zeros((3, 16), np.float32)
    leave(Config(out=tmp_path), replace(tiny, test_images=images, image_shape=shape), weight)
    found = read(tmp_path / "evaluation.json")
    assert found.top1 == float(np.mean(tiny.test_labels == 0))
    assert found.cross_entropy == pytest.approx(np.log(3))
    seen = [mistake.picture is not None for mistake in found.mistakes]
    assert seen == [shape in ((4, 4), (4, 4, 1))] * 24
    for mistake in found.mistakes:
        if mistake.picture is not None:
            assert np.array_equal(mistake.picture.array().reshape(-1), tiny.test_images[mistake.index])


def test_of_an_epoch_the_step_is_told_that_came_closest_to_its_bound() -> None:
    def audits(*ratios: float) -> Agreement:
        """The bound is 4 at every step, and the difference what the ratio says."""
        ratio = np.array(ratios)
        zero = np.zeros(len(ratios), int)
        return Agreement(ratio, 4 * ratio, np.full(len(ratios), 4.0), zero, zero)

    assert epoch_metrics(None) == {}
    assert epoch_metrics(audits(0.25, 0.5, 0.125)) == {"epoch_difference": 2.0, "epoch_bound": 4.0}
    assert epoch_metrics(audits(0.25, np.nan, 0.5)) == {"epoch_difference": None, "epoch_bound": 4.0}
