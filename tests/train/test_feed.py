"""Images that are read from their file as the device works: the same bits, in little memory, and ended at once."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from manual_vs_auto.data import Dataset, load, mapped, split
from manual_vs_auto.runs import signals
from manual_vs_auto.train import Config, feed, trainer
from manual_vs_auto.train.epoch import order
from manual_vs_auto.train.feed import Resident, Stepping, Streamed, feed_of
from manual_vs_auto.train.place import Place
from manual_vs_auto.train.reached import DivergedError, Epoch
from manual_vs_auto.train.trainer import Trainer
from tests.data.writing import IDX_NAMES, idx, idx_header
from tests.killing import ends
from tests.train.conftest import Command
from tests.train.replayed import FLAGS as FLAGS_LATE
from tests.train.replayed import counting, expect_replayed
from tests.train.test_resume import stopped

HERE = Place(jax.devices()[0])


@pytest.fixture(scope="session")
def tiny_files(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same data set in IDX files."""
    root = tmp_path_factory.mktemp("files")
    with np.load(tiny_file) as held:
        for key, name in IDX_NAMES.items():
            (root / name).write_bytes(idx(held[key]))
    return root


@pytest.fixture
def chunk(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says how many bytes of images a chunk has at most."""

    def of(size: int) -> None:
        monkeypatch.setattr(feed, "_CHUNK", size)
        monkeypatch.setattr(feed, "_SHARE", 1)

    return of


@pytest.fixture
def staying(tiny_files: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """The tiny data set, its training images in their file."""
    monkeypatch.setattr(mapped, "LEAST", 0)
    return load(tiny_files)


def made(data: Dataset, **flags: object) -> Trainer:
    config = Config(**{"epochs": 2, "batch_size": 16, "learning_rate": 0.03, **flags}).resolved(len(data.train_labels))  # type: ignore[arg-type]
    trainer = Trainer(config, data, jax.devices()[0])
    trainer.compile()
    return trainer


def ended(data: Dataset, **flags: object) -> tuple[dict[str, Any], list[Epoch]]:
    """The state at the end of a run, and its epochs."""
    trainer = made(data, **flags)
    epochs = list(trainer.epochs())
    return trainer.state(), epochs


def expect_the_same(one: tuple[dict[str, Any], list[Epoch]], other: tuple[dict[str, Any], list[Epoch]]) -> None:
    """To the bit."""
    assert one[0].keys() == other[0].keys()
    for name, leaf in one[0].items():
        assert leaf.tobytes() == other[0][name].tobytes(), name
    for a, b in zip(one[1], other[1], strict=True):
        assert (a.loss, a.step, a.evaluation, a.validation) == (b.loss, b.step, b.evaluation, b.validation)
        for x, y in zip(jax.tree.leaves(a.audits), jax.tree.leaves(b.audits), strict=True):
            assert_array_equal(x, y)


# Of 50 images in batches of 16 there are 4 steps, the last of which has 2. Bytes of a chunk, and its steps.
CHUNKS = {16 * 16 * 3: [2, 2], 16 * 16 * 2: [2, 2], 16 * 16: [1, 1, 1, 1], 1: [1, 1, 1, 1]}
WAYS: dict[str, dict[str, object]] = {
    "adam": {},
    "both": {"gradient": "both", "loss": "cross_entropy", "dtype": "bfloat16"},
    "lbfgs": {"optimizer": "lbfgs", "batch_size": 50, "learning_rate": 0.0},
    "one by one": {"batch_size": 1, "optimizer": "sgd"},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_the_same_to_the_bit(staying: Dataset, tiny: Dataset, way: str, chunk: Any) -> None:
    chunk(16 * 16 * 2)
    expect_the_same(ended(staying, **WAYS[way]), ended(tiny, **WAYS[way]))


@pytest.mark.usefixtures("optimised")
def test_also_as_xla_compiles_for_speed(tmp_path: Path, chunk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digits of MNIST in batches of 64, in chunks of 3 and 2 steps."""
    mnist = load()
    few = {
        "train_images": mnist.train_images[:500],
        "train_labels": mnist.train_labels[:500],
        "test_images": mnist.test_images[:200],
        "test_labels": mnist.test_labels[:200],
    }
    for (name, array), file in zip(few.items(), IDX_NAMES.values(), strict=True):
        (tmp_path / file).write_bytes(idx(array.reshape(-1, 28, 28) if "images" in name else array.astype(np.uint8)))
    monkeypatch.setattr(mapped, "LEAST", 0)
    chunk(3 * 64 * 784)
    flags = {"batch_size": 64, "epochs": 2}
    expect_the_same(ended(load(tmp_path), **flags), ended(replace(mnist, **few), **flags))  # type: ignore[arg-type]


def test_what_is_kept_out_of_the_training_is(staying: Dataset, tiny: Dataset, chunk: Any) -> None:
    chunk(16 * 16)
    expect_the_same(ended(split(staying, 0.2, 3)), ended(split(tiny, 0.2, 3)))


def test_where_images_come_from(staying: Dataset, tiny: Dataset) -> None:
    assert isinstance(feed_of(staying, HERE), Streamed)
    assert isinstance(feed_of(tiny, HERE), Resident)


@pytest.mark.parametrize("size", CHUNKS)
def test_the_chunks_are_the_order(staying: Dataset, tiny: Dataset, size: int, chunk: Any) -> None:
    """Each example once, in its place, with its label; what is none comes after all; and rows are read as they lie."""
    chunk(size)
    drawn = order(1, 2, 50, 16)
    found: list[Any] = []
    streamed = Streamed(staying, HERE)
    for images, labels, rows in streamed.chunks(drawn):
        images, labels, rows = map(np.array, (images, labels, rows))
        assert images.dtype == np.uint8
        assert rows.dtype == labels.dtype == np.int32
        assert len(images) == len(labels) == rows.size
        assert sorted(rows[rows < len(images)]) == list(range((rows < len(images)).sum()))
        real = rows.reshape(-1) < len(images)
        wanted = drawn[sum(len(rows) for rows in found) :][: len(rows)].reshape(-1)
        assert_array_equal(real, wanted < 50)
        assert_array_equal(rows.reshape(-1)[~real], len(images))
        assert_array_equal(images[rows.reshape(-1)[real]], tiny.train_images[wanted[real]])
        assert_array_equal(labels[rows.reshape(-1)[real]], tiny.train_labels[wanted[real]])
        assert_array_equal(images[: real.sum()], tiny.train_images[np.sort(wanted[real])])
        assert not images[real.sum() :].any()
        found.append(rows)
    assert [len(rows) for rows in found] == CHUNKS[size]
    shapes = streamed.shapes(*drawn.shape)
    assert [shape[2].shape[0] for shape in shapes] == list(dict.fromkeys(CHUNKS[size]))
    two = sum(sorted(CHUNKS[size])[-2:]) * 16 * 16  # the pieces of memory that there are
    assert streamed.size(*drawn.shape) == two + 50 * 4
    assert sum(held.nbytes for held in streamed._buffers.values()) == two


def test_some_columns_of_the_order(staying: Dataset, tiny: Dataset, chunk: Any) -> None:
    """As a process takes that has a share of the devices; of the last ones the short batch has nothing."""
    chunk(2 * 5 * 16)
    drawn = order(0, 1, 50, 15)
    for columns in (slice(0, 5), slice(10, 15)):
        mine = drawn[:, columns]
        seen = 0
        for images, labels, rows in Streamed(staying, HERE).chunks(mine):
            for index, row in zip(mine[seen:], np.array(rows), strict=False):
                assert_array_equal(row < len(images), index < 50)
                assert_array_equal(np.array(images)[row[row < len(images)]], tiny.train_images[index[index < 50]])
                assert_array_equal(np.array(labels)[row[row < len(images)]], tiny.train_labels[index[index < 50]])
            seen += len(rows)
        assert seen == 4


def test_how_long_chunks_are(staying: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_CHUNK", 100 * 16)  # 100 images
    monkeypatch.setattr(feed, "_SHARE", 1)
    streamed = Streamed(replace(staying, train_images=np.broadcast_to(np.zeros(16, np.uint8), (10**6, 16))), HERE)
    for steps, batch in ((1, 1), (100, 1), (101, 1), (1000, 7), (999, 33), (7, 100), (7, 101), (5, 10**6)):
        lengths = streamed._lengths(steps, batch)
        assert sum(lengths) == steps
        assert lengths == sorted(lengths, reverse=True)
        assert lengths[0] - lengths[-1] <= 1
        assert lengths[0] * batch <= 100 or lengths[0] == 1
        assert len(lengths) == 1 or (lengths[0] + 1) * batch > 50
    monkeypatch.setattr(feed, "_SHARE", 10**5)  # of the images a chunk has at most ten, where they are in a file
    assert len(streamed._lengths(20, 5)) == 1
    monkeypatch.setattr(feed, "is_mapped", lambda _: True)
    assert streamed._lengths(20, 5) == [2] * 10


def test_the_next_chunk_is_read_while_one_is_there(
    staying: Dataset, chunk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next and no other, to where it is in nobody's way."""
    chunk(16 * 16)
    begun, ended_reading, read = [], threading.Semaphore(0), Streamed._read

    def reading(self: Streamed, part: Any, buffer: Any) -> Any:
        begun.append(part)
        found = read(self, part, buffer)
        ended_reading.release()
        return found

    monkeypatch.setattr(Streamed, "_read", reading)
    chunks = Streamed(staying, HERE).chunks(order(0, 1, 50, 16))
    for number in range(4):
        images, _, _ = next(chunks)
        before = np.array(images)
        for _ in range(2 if number == 0 else number < 3):
            assert ended_reading.acquire(timeout=60)
        assert len(begun) == min(number + 2, 4)
        assert_array_equal(images, before)
    assert next(chunks, None) is None


def test_a_signal_is_heard_between_chunks(staying: Dataset, chunk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chunk(16 * 16)
    heard, ran = threading.Event(), []
    monkeypatch.setattr(signals, "heard", heard)

    def program(state: Any, *_: Any) -> Any:
        ran.append(state)
        if len(ran) == 2:
            heard.set()
        return state + 1, np.zeros(1)

    step = Stepping(Streamed(staying, HERE), {1: program}, None)
    with pytest.raises(KeyboardInterrupt):
        step(0, order(0, 1, 50, 16))
    assert ran == [0, 1]


def test_an_epoch_that_fails_late_is_replayed(
    staying: Dataset, tiny: Dataset, chunk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once more up to the last step whose loss was finite."""
    chunk(16 * 16)
    monkeypatch.setitem(trainer.GRADIENTS, "manual", counting)
    with pytest.raises(DivergedError) as caught:
        ended(staying, **FLAGS_LATE)
    expect_replayed(caught.value, tiny)


FLAGS = ("--epochs", 4, "--batch-size", 16, "--learning-rate", 0.1)


def test_the_command(
    command: Command, tiny_files: Path, tmp_path: Path, chunk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It trains to the same files, also where it was stopped on the way, and says where its images are."""
    flags = ("--data", tiny_files, *FLAGS)
    resident = command(*flags, "--out", tmp_path / "resident")
    assert "read ahead" not in resident.stdout
    monkeypatch.setattr(mapped, "LEAST", 0)
    chunk(16 * 16)
    told = command(*flags, "--out", tmp_path / "streamed")
    assert (told.returncode, told.stderr) == (0, resident.stderr)
    assert f"{tiny_files}: 50 training and 36 test images of 4x4, mapped from the file, read ahead\n" in told.stdout
    assert ends(tmp_path / "streamed") == ends(tmp_path / "resident")
    assert stopped(command, tmp_path / "run", 2, *flags).returncode == 130
    assert command("--resume", tmp_path / "run").returncode == 0
    assert ends(tmp_path / "run") == ends(tmp_path / "resident")


def test_the_dry_run_and_the_range_test(
    command: Command, tiny_files: Path, chunk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("--data", tiny_files, *FLAGS, "--json")
    resident, rates = (command(*flags, flag).stdout for flag in ("--dry-run", "--find-learning-rate"))
    monkeypatch.setattr(mapped, "LEAST", 0)
    chunk(16 * 16)
    streamed = json.loads(command(*flags, "--dry-run").stdout)
    others = 36 * (16 + 4) + 50 * 4  # test images with their labels, and the training labels
    assert json.loads(resident)["memory_bytes"]["data"] == others + 50 * 16
    assert streamed["memory_bytes"]["data"] == others + 2 * 16 * 16
    assert command(*flags, "--find-learning-rate").stdout == rates


def test_a_file_that_is_cut_meanwhile_is_one_line(
    command: Command, tiny_files: Path, tmp_path: Path, chunk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in IDX_NAMES.values():
        (data / name).write_bytes((tiny_files / name).read_bytes())
    monkeypatch.setattr(mapped, "LEAST", 0)
    chunk(16 * 16)
    take, images = Trainer.epochs, data / IDX_NAMES["x_train"]

    def cutting(self: Trainer) -> Iterator[Epoch]:
        for epoch in take(self):
            images.write_bytes(images.read_bytes()[:100])
            yield epoch

    monkeypatch.setattr(Trainer, "epochs", cutting)
    done = command("--data", data, *FLAGS)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"error: {images}: found 100 bytes; expected the 816 that it had" in done.stderr


_COMMAND = """
import os, sys
from manual_vs_auto import command
from manual_vs_auto.data import mapped
from manual_vs_auto.runs import signals
from manual_vs_auto.train import __main__, feed
mapped.LEAST, begun = 0, feed.Streamed.chunks
def chunks(self, order):
    for number, chunk in enumerate(begun(self, order)):
        if number:
            print("begun", flush=True)
        yield chunk
feed.Streamed.chunks = chunks
signals.listen()
command.run(__main__.main, leave=os._exit)
"""


def written(root: Path, count: int, shape: tuple[int, ...]) -> Path:
    """So many training images, of which the disk has one pixel, the first; and a test image of each of ten classes."""
    labels = (np.arange(count) % 10).astype(np.uint8)
    (root / IDX_NAMES["y_train"]).write_bytes(idx(labels))
    (root / IDX_NAMES["y_test"]).write_bytes(idx(labels[:10]))
    (root / IDX_NAMES["x_test"]).write_bytes(idx(np.zeros((10, *shape), np.uint8)))
    with (root / IDX_NAMES["x_train"]).open("wb") as file:
        file.write(idx_header(0x08, count, *shape) + b"\xff")
        file.truncate(file.tell() - 1 + count * int(np.prod(shape)))
    return root


def test_ctrl_c_ends_a_long_epoch_at_once(tmp_path: Path) -> None:
    """One of four million steps, which would take far longer than is waited for."""
    flags = ["--data", str(written(tmp_path, 4_000_000, (1, 1))), "--batch-size", "1", "--epochs", "1"]
    with subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    ) as running:  # fmt: skip
        try:
            assert running.stdout
            assert any(line == "begun\n" for line in iter(running.stdout.readline, ""))
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=5)
        finally:
            running.kill()
    assert running.returncode == 130
    assert err.splitlines()[-1] == "warning: interrupted after 0 of 1 epochs"


_MEMORY = """
import re, sys
from pathlib import Path
import jax
from manual_vs_auto.data import load, mapped
from manual_vs_auto.train.config import Config
from manual_vs_auto.train.trainer import Trainer
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
mapped.LEAST = 0
data = load(sys.argv[1])
trainer = Trainer(Config(batch_size=4096, epochs=2).resolved(len(data.train_labels)), data, jax.devices()[0])
trainer.compile()
before = peak()
for _ in trainer.epochs():
    pass
print(peak() - before, trainer.data_bytes + trainer.working_bytes())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="nobody says here how much memory a process had")
def test_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    """298 MB of them: two epochs take two chunks, of an eighth each, a window of the file, an order, and what XLA says.

    And 100 MB for what it doesn't say: that was 70, and no more where there were three times as many images.
    """
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, written(tmp_path, 380_000, (28, 28))], capture_output=True, text=True,
        check=True, timeout=120, env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    used, said = map(int, done.stdout.split())
    assert said < 2 * 298e6 / 8 + 5e6  # of labels and at work
    assert used < said + mapped._WINDOW + 3 * 8 * 380_000 + 100e6
