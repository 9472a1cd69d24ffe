"""A run that stops before its last epoch, on images that were kept out of the training or on the test images."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from manual_vs_auto import model
from manual_vs_auto.data import Dataset, split
from manual_vs_auto.model import Batch, Params
from manual_vs_auto.train import Config
from manual_vs_auto.train.configured import held_out
from manual_vs_auto.train.reached import DivergedError
from manual_vs_auto.train.trainer import Trainer
from tests.train.conftest import Command, Flags

# Steps so large that the loss goes up and down; one program, whoever asks for however many epochs.
WORSE = ("--optimizer", "sgd", "--learning-rate", 30, "--schedule", "constant", "--loss", "cross_entropy", "--val", 0.2)


def test_patience_stops_a_run_that_gets_worse(command: Command, short: Flags, tmp_path: Path) -> None:
    flags = (*short, *WORSE, "--epochs", 40, "--patience", 2, "--out", tmp_path / "run")
    done = command(*flags)
    assert (done.returncode, done.stderr) == (0, "")
    metrics = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["val_loss"] for line in metrics]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 40
    why = f"no better validation loss in 2 epochs: the best was {losses[best]:.4f}, after epoch {best + 1}"
    assert [line.get("stopped") for line in metrics] == [None] * (len(losses) - 1) + [why]
    assert f"stopped      after epoch {len(losses)}: {why}\n" in done.stdout
    assert "data         tiny.npz" not in done.stdout
    assert "40 training, 10 validation and 36 test images" in done.stdout
    assert "stopping     after 2 epochs without a better validation loss\n" in done.stdout
    assert f"  val {losses[0]:.4f}, {metrics[0]['val_accuracy']:.2%}\n" in done.stdout


def test_an_accuracy_stops_a_run(command: Command, short: Flags) -> None:
    flags = (*short, *WORSE, "--json", "--epochs")
    everything = [json.loads(line) for line in command(*flags, 6).stdout.splitlines()]
    accuracies = [line["val_accuracy"] for line in everything]
    target = max(accuracies[:-1])
    expected = accuracies.index(target) + 1
    stopped = command(*flags, 6, "--target-accuracy", f"{100 * target}%").stdout.splitlines()
    assert len(stopped) == expected < 6
    # The same epochs, bit for bit: who stops is not trained otherwise.
    assert [json.loads(line)["loss"] for line in stopped] == [line["loss"] for line in everything[:expected]]
    last = command(*flags, expected, "--target-accuracy", f"{100 * target}%").stdout.splitlines()[-1]
    assert "stopped" in json.loads(stopped[-1])
    assert "stopped" not in json.loads(last)  # it has come to its end


def test_time_stops_a_run(command: Command, short: Flags) -> None:
    """Too little for anything: one epoch is trained, and no other is begun."""
    done = command(*short, *WORSE, "--max-time", "0.001s")
    assert done.returncode == 0
    assert "epoch 1/3" in done.stdout
    assert "epoch 2/3" not in done.stdout
    assert "would end later than the 0.001 s of --max-time" in done.stdout
    assert "epoch 3/3" in command(*short, *WORSE, "--max-time", "2h").stdout


HELD = Config(epochs=3, batch_size=10, optimizer="sgd", schedule="constant", val=0.2).resolved(40)


def test_what_is_held_out_is_judged_and_not_trained_on(tiny: Dataset) -> None:
    cut = split(tiny, 0.2, 0)
    trainer = Trainer(HELD, cut, jax.devices()[0])
    trainer.compile()
    epoch = next(trainer.epochs())
    assert epoch.step == 4  # of 40 images, not 50
    assert epoch.validation is not None
    for found, images, labels in (
        (epoch.validation, cut.val_images, cut.val_labels), (epoch.evaluation, cut.test_images, cut.test_labels),
    ):  # fmt: skip
        assert images is not None
        assert labels is not None
        loss = model.loss(Params(epoch.weight), Batch(images, labels), "squared_distance")
        assert found.loss == pytest.approx(float(loss), rel=1e-5)  # float32 sums of 36 terms
        assert found.accuracy == pytest.approx(float(model.accuracy(Params(epoch.weight), images, labels)))
    assert epoch.validation.loss != epoch.evaluation.loss


def test_a_validation_loss_that_is_lost_ends_the_run(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    reached = Trainer._reached

    def losing(self: Trainer, step: int, state: Any) -> object:
        found = reached(self, step, state)
        assert found.validation
        return replace(found, validation=replace(found.validation, loss=np.inf)) if step > 4 else found

    monkeypatch.setattr(Trainer, "_reached", losing)
    trainer = Trainer(HELD, split(tiny, 0.2, 0), jax.devices()[0])
    trainer.compile()
    with pytest.raises(DivergedError) as caught:
        list(trainer.epochs())
    assert (caught.value.step, caught.value.last.step) == (9, 4)


def test_a_share_that_is_no_image_is_refused(command: Command, short: Flags) -> None:
    done = command(*short, "--val", 0.001)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "--val 0.001 of 50 training images, where each class keeps one, is no image" in done.stderr


def test_a_batch_must_fit_what_is_left(command: Command, short: Flags) -> None:
    done = command(*short, "--val", 0.5, "--batch-size", 30)
    assert "--batch-size 30 is more than the 25 training images" in done.stderr


def test_a_file_makes_the_same_run(command: Command, short: Flags, tmp_path: Path) -> None:
    """What --dry-run prints is such a file; a run in place of one leaves nothing and trains nothing."""
    flags = (*short, *WORSE, "--seed", 3)
    dry = command(*flags, "--dry-run", "--out", tmp_path / "run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "run.toml").write_text(dry.stdout)
    command(*flags, "--out", tmp_path / "one")
    command("--config", tmp_path / "run.toml", "--out", tmp_path / "two")
    command("--config", tmp_path / "one" / "config.toml", "--out", tmp_path / "three")
    weights = {(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two", "three")}
    assert len(weights) == 1


def test_a_dry_run_tells_what_a_run_would_be(command: Command, short: Flags, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "epochs", lambda _: pytest.fail("a dry run trained"))
    flags = (*short, *WORSE, "--dry-run")
    said = command(*flags).stdout.splitlines()
    assert "# parameters   48 (W, 3 classes x 16 pixels)" in said
    assert "# length       3 epochs of 3 steps of 16 images" in said
    # 40, 10 and 36 images with their labels, and W; sgd remembers nothing but the number of the step
    data, state = (40 + 10 + 36) * (16 + 4), 48 * 4
    (memory,) = (line for line in said if line.startswith("# memory  "))
    assert f"in bytes: {data:,} of images and labels, " in memory
    assert {"batch_size = 16", 'schedule = "constant"', "learning_rate = 30.0"} < set(said)
    (line,) = command(*flags, "--json").stdout.splitlines()
    told = json.loads(line)
    assert (told["parameters"], told["epochs"], told["steps"]) == (48, 3, 9)
    assert told["config"]["batch_size"] == 16
    assert told["memory_bytes"]["data"] == data
    assert state <= told["memory_bytes"]["state"] <= state + 8
    assert told["memory_bytes"]["working"] > 16 * 16 * 4  # a batch in float32
    assert command(*flags, "--batch-size", 51).returncode == 2


def test_nothing_is_done_in_place_of_a_run_without_being_asked(tiny: Dataset) -> None:
    assert held_out(Config(), tiny) is tiny


def test_a_run_that_has_stopped_is_finished_until_it_may_go_on(command: Command, short: Flags, tmp_path: Path) -> None:
    """Resumed, it decides from the epochs before as if it had never ended; and what it stops at may be changed."""
    flags = (*short, *WORSE, "--epochs", 8)
    whole = [json.loads(line) for line in command(*flags, "--json").stdout.splitlines()]
    losses = [line["val_loss"] for line in whole]
    first = next(at for at in range(1, 8) if losses[at] >= min(losses[:at])) + 1
    assert command(*flags, "--patience", 1, "--out", tmp_path / "run").returncode == 0
    metrics = tmp_path / "run" / "metrics.jsonl"
    assert metrics.read_text().count("\n") == first < 8
    again = command("--resume", tmp_path / "run", "--quiet")
    assert (again.returncode, again.stderr) == (0, "")
    assert f"is finished: no better validation loss in 1 epoch: the best was {min(losses[:first]):.4f}" in again.stdout
    on = command("--resume", tmp_path / "run", "--patience", 8, "--max-time", "1h", "--json")
    assert (on.returncode, on.stderr) == (0, "")
    assert [json.loads(line)["val_loss"] for line in metrics.read_text().splitlines()] == losses
    assert command("--resume", tmp_path / "run", "--find-learning-rate").returncode == 2
