"""A learning rate found by trying: what is tried, what is suggested, and that the rule is the one that is told."""

import json
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from manual_vs_auto import manual
from manual_vs_auto.data import Dataset
from manual_vs_auto.model import Batch, Params
from manual_vs_auto.train import Config
from manual_vs_auto.train import learning_rates as module
from manual_vs_auto.train.epoch import order
from manual_vs_auto.train.learning_rates import judged, last, lines, tried
from tests.train.conftest import Command, Flags

RATES = 10.0 ** np.linspace(-4, 2, 601)  # a hundred a decade


def test_the_suggestion_is_a_third_of_where_the_loss_is_lowest() -> None:
    found = judged(RATES, (np.log10(RATES) + 1) ** 2 + 1)  # lowest at 0.1, and even around it
    assert found.suggestion == 0.033
    at = int(np.argmin(found.averages))
    assert found.centres[at] == pytest.approx(0.1)
    assert len(found.averages) == len(found.centres) == 601 - 33 + 1
    # The mean of (log r + 1)^2 over 33 rates around its minimum.
    assert found.averages[at] == pytest.approx(1 + np.mean((np.arange(-16, 17) / 100) ** 2))


def test_where_nothing_is_left_to_learn_no_rate_is_seen_to_be_too_large() -> None:
    losses = np.maximum(2 - np.log10(RATES / 1e-4), 0)  # 0 from 0.01 on, whatever the rate
    losses += 1e-9 * np.arange(601)[::-1]  # and lowest at 100
    found = judged(RATES, losses)
    assert found.suggestion == pytest.approx(0.01 / 3, rel=0.3)
    assert last(found).endswith("a third of where the loss is a twentieth of the first")
    (marked,) = (row for row in lines(found) if "a twentieth of the first" in row)
    assert float(marked.split()[0]) == pytest.approx(0.01, rel=0.3)


def test_images_that_are_soon_known_by_heart() -> None:
    drawn = np.random.default_rng(0)
    middles = drawn.integers(0, 256, (5, 64))
    labels = np.arange(200) % 5
    images = np.clip(middles[labels] + drawn.normal(0, 30, (200, 64)), 0, 255).astype(np.uint8)
    labels = labels.astype(np.int32)
    five = Dataset("five", images, labels, images, labels, (8, 8), 5)
    found = tried(Config().resolved(200), five, jax.devices()[0])
    assert found.suggestion is not None
    assert 1e-3 < found.suggestion < 0.1  # it was 0.4 to 0.8, which ruins a training


def test_one_lucky_batch_is_not_the_lowest() -> None:
    losses = (np.log10(RATES) + 1) ** 2 + 1
    losses[50] = 0
    assert judged(RATES, losses).suggestion == 0.033


def test_what_follows_a_lost_loss_is_left_out() -> None:
    losses = (np.log10(RATES) + 1) ** 2 + 1
    losses[400:] = -100.0
    losses[399] = np.nan
    assert judged(RATES, losses).suggestion == 0.033
    losses[20] = np.inf
    nothing = judged(RATES, losses)
    assert (nothing.suggestion, len(nothing.averages), lines(nothing)) == (None, 0, [])
    assert last(nothing) == "no rate lowered the loss: there is nothing to suggest"


def test_rates_that_help_nothing_suggest_nothing() -> None:
    assert judged(RATES, np.log10(RATES)).suggestion is None
    assert judged(RATES, np.ones(601)).suggestion is None


def test_the_table_is_small_and_marks_the_lowest() -> None:
    head, *rows, blank = lines(judged(RATES, (np.log10(RATES) + 1) ** 2 + 1))
    assert head.split() == ["learning", "rate", "loss"]
    assert blank == ""
    assert len(rows) <= 13
    (marked,) = (row for row in rows if "the lowest" in row)
    assert float(marked.split()[0]) == pytest.approx(0.1)
    shown = [float(row.split()[0]) for row in rows]
    assert shown == sorted(shown)


def test_the_losses_are_those_of_a_plain_loop(tiny: Dataset) -> None:
    """From W = 0, at each step a rate that is larger by the same factor; as many passes as make 100 steps."""
    config = Config(optimizer="sgd", batch_size=16, seed=5).resolved(50)
    found = tried(config, tiny, jax.devices()[0])
    assert len(found.rates) == len(found.losses) == 100
    assert found.rates[[0, -1]] == pytest.approx([0.5e-3, 0.5e3])
    assert np.diff(np.log(found.rates)) == pytest.approx(np.full(99, np.log(1e6) / 99))
    weight, losses = np.zeros((3, 16)), []
    for rate, row in zip(found.rates, (row for epoch in range(1, 26) for row in order(5, epoch, 50, 16)), strict=True):
        index = row[row < 50]
        value, grads = manual.value_and_grad("squared_distance")(
            Params(weight), Batch(tiny.train_images[index], tiny.train_labels[index])
        )
        losses.append(float(value))
        weight = weight - rate * np.asarray(grads.weight)
    # float32 beside float64, while the steps are small enough not to double an error each time
    np.testing.assert_allclose(found.losses[:50], losses[:50], rtol=1e-4)


def test_the_suggestion_trains(command: Command, short: Flags) -> None:
    done = command(*short[:2], "--find-learning-rate", "--json", "--batch-size", 16)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert len(told["rates"]) == len(told["losses"])
    trained = command(*short[:2], "--batch-size", 16, "--epochs", 3, "--json", "--learning-rate", told["learning_rate"])
    assert json.loads(trained.stdout.splitlines()[-1])["test_accuracy"] > 0.9


def test_what_is_printed(command: Command, short: Flags, tmp_path: Path) -> None:
    flags = (*short[:2], "--batch-size", 16, "--find-learning-rate")
    done = command(*flags, "--out", tmp_path / "run")
    assert (done.returncode, done.stderr) == (0, "")
    *_, blank, suggested = done.stdout.splitlines()
    assert blank == ""
    assert suggested.startswith("suggested: --learning-rate 0.")
    assert command(*flags, "--quiet").stdout == suggested + "\n"
    # The picture and nothing else: a run may go there next.
    assert [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("*.*"))] == [
        Path("run/pictures/learning-rate.png")
    ]
    assert (tmp_path / "run/pictures/learning-rate.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_has_its_axes_named() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    module.draw(judged(RATES, (np.log10(RATES) + 1) ** 2 + 1), figure, "cross_entropy")
    (axis,) = figure.axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("learning rate", "cross entropy, mean per example")
    assert axis.get_xscale() == "log"
    legend = axis.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()][-1] == "suggested: 0.033"


def test_a_batch_that_does_not_fit_gets_one_that_does(
    command: Command, short: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("manual_vs_auto.train.room.free_bytes", lambda _: 100)
    monkeypatch.setattr("manual_vs_auto.train.room.taken", lambda program: 10 * program.args_info[0][3].shape[1])
    done = command(*short, "--find-learning-rate")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "a step of 16 images takes 160 bytes of memory, and 100 are free: use --batch-size 8" in done.stderr


def test_nothing_to_suggest_is_exit_1(command: Command, short: Flags, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "tried", lambda *_: judged(RATES, np.ones(601)))
    done = command(*short, "--find-learning-rate", "--quiet")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "no rate lowered the loss: there is nothing to suggest\n"


def test_a_picture_that_cannot_be_drawn_or_written_is_one_line(
    command: Command, short: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "tried", lambda *_: judged(RATES, (np.log10(RATES) + 1) ** 2))
    (tmp_path / "file").touch()
    done = command(*short, "--find-learning-rate", "--quiet", "--out", tmp_path / "file")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the picture can't be written: Not a directory" in done.stderr
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = command(*short, "--find-learning-rate", "--out", tmp_path / "run")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "pip install matplotlib" in done.stderr
    assert command(*short, "--find-learning-rate").returncode == 0
