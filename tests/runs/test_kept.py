"""A run's directory, read: whole, interrupted, damaged, and another's."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.kept import column, read
from tests.runs.directories import L2S, fitted, trained


def test_what_train_left(tmp_path: Path) -> None:
    found = trained(tmp_path)
    run = read(tmp_path)
    assert (run.name, run.command, run.config["epochs"], run.about["versions"]["jax"]) == (
        str(tmp_path), "train", 3, "0.10.1",
    )  # fmt: skip
    assert run.evaluation == found
    assert run.model is not None
    assert run.model.image_shape == (4, 4)
    assert (len(run.epochs), run.seconds, run.missing) == (3, 0.75, ())
    assert (run.ends, run.best, run.iterations) == ([], None, [])
    assert np.array_equal(column(run.epochs, "step"), [4, 8, 12])
    assert np.all(np.isnan(column(run.epochs, "nothing")))


def test_what_fit_left(tmp_path: Path) -> None:
    fitted(tmp_path)
    run = read(tmp_path)
    assert [line["l2"] for line in run.ends] == sorted(L2S)
    assert run.best is not None
    assert run.best["l2"] == 1e-2, "of two that are as good, the one that is penalised more"
    assert [line["objective"] for line in run.iterations] == [1.01, 0.51, 0.01 + 1 / 3]
    assert run.seconds == pytest.approx(1.2)
    assert (run.epochs, run.missing) == ([], ())


def test_without_validation_the_training_score_says_which_is_best(tmp_path: Path) -> None:
    fitted(tmp_path)
    path = tmp_path / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if "iterations" in line:
            line |= {"val_top1": None, "train_top1": 1 - line["l2"]}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = read(tmp_path)
    assert run.best is not None
    assert (run.score, run.best["l2"]) == ("train_top1", 0.0)


def test_the_end_is_the_last_iteration_where_not_every_one_was_kept(tmp_path: Path) -> None:
    fitted(tmp_path)
    path = tmp_path / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [line for line in lines if line.get("iteration") != 3]
    for line in lines:
        if "iterations" in line:
            line |= {"objective": 0.25, "gradient_norm": 1e-5, "iterations": 7}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = [(line["iteration"], line["objective"]) for line in read(tmp_path).iterations]
    assert told == [(1, 1.01), (2, 0.51), (7, 0.25)]


def test_of_equal_scores_the_surer_is_best(tmp_path: Path) -> None:
    fitted(tmp_path)
    path = tmp_path / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if "iterations" in line:
            line["val_cross_entropy"] = line["l2"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    best = read(tmp_path).best
    assert best is not None
    assert best["l2"] == 1e-4


def test_words_among_the_metrics_are_let_be(tmp_path: Path) -> None:
    trained(tmp_path)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "stopped": "patience", "more": [1]}\n')
    assert read(tmp_path).epochs[-1]["stopped"] == "patience"


def test_an_epoch_that_diverged_is_no_point_of_a_curve(tmp_path: Path) -> None:
    trained(tmp_path)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "loss": null, "diverged_at_step": 14}\n')
    run = read(tmp_path)
    assert (len(run.epochs), len(run.metrics)) == (3, 4)


def test_what_an_interrupted_run_has(tmp_path: Path) -> None:
    trained(tmp_path)
    (tmp_path / "evaluation.json").unlink()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "lo')
    run = read(tmp_path)
    assert len(run.epochs) == 3
    assert ["last line of metrics.jsonl" in run.missing[0], "evaluation.json" in run.missing[1]] == [True, True]
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / "model.safetensors").unlink()
    run = read(tmp_path)
    assert [line.split(":")[0].split(",")[0] for line in run.missing] == [
        "metrics.jsonl", "model.safetensors", "evaluation.json",
    ]  # fmt: skip
    assert (run.epochs, run.seconds, run.model) == ([], None, None)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def _as_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _reseeded(run: Path) -> None:
    path = run / "config.toml"
    path.write_text(path.read_text().replace("seed = 0", "seed = 1"))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no directory": (shutil.rmtree, "is no directory"),
    "no config": (lambda at: (at / "config.toml").unlink(), "holds no run: config.toml is missing"),
    "config of another kind": (lambda at: (at / "config.toml").write_text("[tool]\n"), "is no run's"),
    "config's command": (lambda at: (at / "config.toml").write_text("[run]\ncommand = 1\n"), "is no run's"),
    "config in pieces": (lambda at: (at / "config.toml").write_text("epochs = = 3\n"), "is no run's"),
    "config in bytes": (lambda at: (at / "config.toml").write_bytes(b"\xff\xfe"), "is no run's"),
    "config's value": (_reseeded, "config.toml is not as it was written"),
    "config a directory": (lambda at: _as_directory(at / "config.toml"), "can't be read"),
    "metrics a directory": (lambda at: _as_directory(at / "metrics.jsonl"), "can't be read"),
    "a line": (lambda at: (at / "metrics.jsonl").write_text("{}\n{\n"), "metrics.jsonl, line 2: no JSON object"),
    "a line of text": (lambda at: (at / "metrics.jsonl").write_text('"no"\n'), "line 1: no JSON object"),
    "a line of bytes": (lambda at: (at / "metrics.jsonl").write_bytes(b'\xff{"a": 1}\n'), "line 1: no JSON object"),
    "a value": (lambda at: (at / "metrics.jsonl").write_text('{"loss": "low"}\n'), "line 1: 'loss' is no number"),
    "no l2": (lambda at: (at / "metrics.jsonl").write_text('{"iteration": 1}\n'), "line 1: 'l2' is missing"),
    "weights": (lambda at: _flip(at / "model.safetensors"), "model.safetensors"),
    "evaluation": (lambda at: _flip(at / "evaluation.json"), "evaluation.json is not as it was written"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_or_foreign_directory_is_refused(tmp_path: Path, name: str) -> None:
    damage, said = DAMAGE[name]
    trained(tmp_path / "run")
    damage(tmp_path / "run")
    with pytest.raises(UsageError, match=said) as refused:
        read(tmp_path / "run")
    assert "\n" not in str(refused.value)
