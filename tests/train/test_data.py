"""What a run makes of data that is not plain: floating pixels, names of classes, odd labels, arrays by other keys."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from manual_vs_auto import manual
from manual_vs_auto.data import Dataset, load
from manual_vs_auto.model import Batch, Params
from manual_vs_auto.train import Config
from manual_vs_auto.train import run as run_module
from manual_vs_auto.train.__main__ import main
from manual_vs_auto.train.config import parse
from manual_vs_auto.train.evaluate import summarised
from manual_vs_auto.train.facts import run_facts
from manual_vs_auto.train.summary import evaluation_lines
from manual_vs_auto.train.trainer import Trainer
from tests.train.conftest import Command


def in_unit(tiny: Dataset) -> Dataset:
    """The same pixels as float32 in 0..1, multiplied as the model does it."""
    scaled = {
        name: getattr(tiny, name).astype(np.float32) * np.float32(1 / 255) for name in ("train_images", "test_images")
    }
    return replace(tiny, **scaled, pixels="float32 pixels in 0..1, as they are")


def trainer_of(data: Dataset, **flags: Any) -> Trainer:
    config = Config(**{"epochs": 2, "batch_size": 16, "learning_rate": 0.03, **flags})
    return Trainer(config.resolved(len(data.train_images)), data, jax.devices()[0])


def test_a_step_on_floating_pixels_is_the_step_on_bytes(tiny: Dataset) -> None:
    """By both gradients, beside NumPy's float64 on the bytes."""
    trainer = trainer_of(in_unit(tiny), gradient="both", optimizer="sgd", schedule="constant", epochs=1, batch_size=50)
    trainer.compile()
    (epoch,) = trainer.epochs()
    zero = Params(np.zeros((3, 16)))
    _, gradient = manual.value_and_grad("squared_distance")(zero, Batch(tiny.train_images, tiny.train_labels))
    # A sum of 50 terms in float32, and pixels that are rounded to it
    np.testing.assert_allclose(epoch.weight, -0.03 * gradient.weight, rtol=0, atol=0.03 * 52 * 2**-24)
    assert epoch.audits is not None
    assert float(np.max(epoch.audits.ratio)) <= 1


def test_facts_of_floating_pixels_and_of_names(tiny: Dataset) -> None:
    config = Config().resolved(50)
    by_bytes = run_facts(config, tiny, jax.devices()[0], trainer_of(tiny))
    assert by_bytes["data"].endswith("of 4x4")
    assert "classes" not in by_bytes
    data = replace(in_unit(tiny), class_names=("ant", "bee", "cat"))
    trainer = trainer_of(data)
    floating = run_facts(config, data, jax.devices()[0], trainer)
    assert floating["data"].endswith("of 4x4, float32 pixels in 0..1, as they are")
    assert floating["classes"] == "ant, bee, cat"
    # 50 images of 16 pixels and a label, of 4 bytes each; W and its state are read and written
    assert f"; {50 * (4 * 16 + 4) + 2 * trainer.state_bytes:,} bytes" in floating["a step"]
    assert f"; {50 * (16 + 4) + 2 * trainer.state_bytes:,} bytes" in by_bytes["a step"]
    many = replace(data, class_names=tuple(f"c{number}" for number in range(21)))
    assert run_facts(config, many, jax.devices()[0], trainer)["classes"].endswith("c18, c19, ...")


def test_the_summary_names_classes() -> None:
    labels, predictions = np.array([0] * 10 + [1] * 10), np.array([0] * 9 + [1] + [0] * 9 + [1])
    evaluation = summarised(np.ones(20), predictions, labels, classes=2)
    numbers = evaluation_lines(evaluation)
    assert numbers[0].split() == ["class", "0", "1"]
    assert numbers[2].endswith("1 taken for 0, 9 times: the mistake most made")
    names = evaluation_lines(evaluation, ("ant", "a" * 30))
    assert names[0].split() == ["class", "ant", "a" * 20]
    assert len(names[0]) == len(names[1])
    assert names[2].endswith(f"{'a' * 20} taken for ant, 9 times: the mistake most made")


def test_keys_and_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings stand at the start, on standard error, also where nothing but the last line is asked for."""
    monkeypatch.setattr(run_module, "configure", lambda config: jax.devices()[0])
    images, labels = np.full((20, 2, 2), 255, np.uint8), np.arange(20) % 2 + 1
    images[::2, 0] = 0
    path = tmp_path / "set.npz"
    np.savez(path, a=images, b=labels, c=images, d=labels)
    assert main(["--data", str(path), "--npz-keys", "a,b, c,d", "--epochs", "1", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.err == f"warning: {path}[b]: 1 of 3 classes has no image (0)\n"
    assert printed.out.startswith("test accuracy")
    assert main(["--data", str(path)]) == 2
    assert "found an archive of a, b, c, d; expected x_train, y_train" in capsys.readouterr().err


def test_named_keys_are_four() -> None:
    assert parse(["--data", "x.npz", "--npz-keys", "a,b,c,d"]).npz_keys == ("a", "b", "c", "d")
    assert parse([]).npz_keys == ()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--data x.npz --npz-keys a,b,c", "'a,b,c' is not four names with commas between them"),
        ("--data x.npz --npz-keys a,b,,d", "is not four names"),
        ("--npz-keys a,b,c,d", "--npz-keys tells the names within an .npz archive: say which with --data"),
    ],
)
def test_keys_that_can_not_be(flags: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(flags.split())
    assert expected in capsys.readouterr().err


def test_the_images_are_not_copied_to_a_cpu(tiny_file: Path) -> None:
    """Training would hold them twice."""
    data = load(tiny_file)
    taken = jax.device_put(data.train_images, jax.devices("cpu")[0])
    assert taken.unsafe_buffer_pointer() == data.train_images.ctypes.data


def test_a_run_s_own_configuration_finds_its_data(
    command: Command, tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From wherever it is used; and where they are others, it is one line."""
    (tmp_path / "away").mkdir()
    shutil.copy(tiny_file, tmp_path / "tiny.npz")
    monkeypatch.chdir(tmp_path)
    assert command("--data", "tiny.npz", "--epochs", 1, "--batch-size", 16, "--out", "run").returncode == 0
    monkeypatch.chdir(tmp_path / "away")
    assert command("--config", "../run/config.toml", "--out", "again").returncode == 0
    assert command("--resume", "../run").returncode == 0
    arrays = dict(np.load(tiny_file))
    np.savez(tmp_path / "tiny.npz", **arrays | {"x_test": arrays["x_test"] // 2})
    for flags in ((), ("--seed", 2), ("--dry-run",)):  # the order alone
        done = command("--config", "../run/config.toml", *flags)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "--config ../run/config.toml: the data are not those that its run learned from" in done.stderr
    assert command("--config", "../run/config.toml", "--data", "../tiny.npz").returncode == 0
    assert command("--config", "../run/config.toml", "--val", 0.2).returncode == 0
    (tmp_path / "tiny.npz").unlink()
    assert f"{tmp_path / 'tiny.npz'}: found nothing" in command("--config", "../run/config.toml").stderr
