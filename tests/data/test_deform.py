"""Deformed copies: a function of seed, copy and image alone, written as IDX files that are whole or not there."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from manual_vs_auto.data import Dataset, deform, load
from manual_vs_auto.data import deformation as d
from manual_vs_auto.data.deformation import deformed
from tests.data.writing import GOOD, TRAIN_LABELS, idx, write_idx


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load()


@pytest.fixture(scope="module")
def digits(mnist: Dataset) -> Any:
    return mnist.train_images[:1000].reshape(-1, 28, 28)


def test_the_bytes_do_not_depend_on_what_is_made_together(digits: Any) -> None:
    whole = deformed(digits[:300], 5, 2, 0)
    assert whole.shape == (300, 28, 28)
    assert whole.dtype == np.uint8
    for step in (1, 7, 64, 299):
        parts = [deformed(digits[at : at + step], 5, 2, at) for at in range(0, 300, step)]
        assert_array_equal(np.concatenate(parts)[:300], whole)


def test_seed_copy_and_index_each_tell(digits: Any) -> None:
    """The same image, but for one of the three: hardly a picture has the same pixels."""
    same = np.repeat(digits[:1], 200, axis=0)
    for one, other in (
        ((0, 1, 0), (1, 1, 0)),
        ((0, 1, 0), (0, 2, 0)),
        ((0, 1, 0), (0, 1, 200)),
        ((0, 1, 0), (1, 0, 0)),
    ):
        differ = (deformed(same, *one) != deformed(same, *other)).any((1, 2))
        assert differ.mean() > 0.99
    assert len({picture.tobytes() for picture in deformed(same, 0, 1, 0)}) == 200
    assert_array_equal(deformed(same, 2**64 + 3, 1, 0), deformed(same, 3, 1, 0))


def test_copy_0_is_the_images(digits: Any) -> None:
    assert_array_equal(deformed(digits, 9, 0, 0), digits)


def test_digits_stay_legible(mnist: Dataset, digits: Any) -> None:
    """By the nearest class mean, which knows four fifths of MNIST as it is, and where it guesses a tenth."""
    labels = mnist.train_labels[:1000]
    means = np.stack([mnist.train_images[mnist.train_labels == k].mean(0) for k in range(10)])
    shown = deformed(digits, 0, 1, 0).reshape(-1, 784).astype(np.float64)
    distances = (means**2).sum(1) - 2 * shown @ means.T
    assert (distances.argmin(1) == labels).mean() > 0.6
    assert 0.85 < shown.mean() / digits.mean() < 1.15  # ink is neither lost nor made


def test_places_between_pixels() -> None:
    image = np.arange(3, 207, 17, dtype=np.uint8).reshape(1, 3, 4)
    rows, columns = (grid.reshape(1, -1).astype(np.float32) for grid in np.mgrid[:3, :4])
    assert_array_equal(d._sampled(image, rows, columns), image)
    right = np.pad(image, ((0, 0), (0, 0), (0, 1)))[:, :, 1:]
    assert_array_equal(d._sampled(image, rows, columns + 1), right)
    assert_array_equal(d._sampled(image, rows, columns + 0.5), (image.astype(int) + right + 1) // 2)
    below = np.pad(image, ((0, 0), (0, 1), (0, 0)))[:, 1:]
    assert_array_equal(d._sampled(image, rows + 0.25, columns), (3 * image.astype(int) + below + 2) // 4)
    for far in (-5, 5, 1e9, -1e9):
        assert not d._sampled(image, rows + np.float32(far), columns).any()
        assert not d._sampled(image, rows, columns + np.float32(far)).any()
    white = np.full((1, 3, 4), 255, np.uint8)
    assert_array_equal(d._sampled(white, rows.clip(0, 1) + 0.7, columns.clip(0, 2) + 0.3), white)


def test_sums_are_exact() -> None:
    """So no order of summing can tell: float32 has every whole number up to 2^24."""
    for size in (1, 2, 3, 28, 31, 224):
        matrix, total, _ = d._gaussian(size)
        assert_array_equal(matrix, np.rint(matrix))
        assert 128 <= total <= 256
        assert matrix.sum(1).max() <= total
    generator = np.random.default_rng(0)
    for noise in (255 * np.ones((1, 2, 28, 28)), generator.integers(-255, 256, (9, 2, 28, 28))):
        over = d._gaussian(28)[0]
        whole = over.astype(np.int64) @ noise.astype(np.int64) @ over.astype(np.int64)
        assert np.abs(whole).max() < 2**24
        assert_array_equal(over @ (noise.astype(np.float32) @ over), whole)


def test_displacements_have_the_deviation_that_they_are_said_to_have() -> None:
    _, noise = d._drawn(0, 1, np.arange(2000, dtype=np.uint64), 28, 28)
    assert abs(noise.mean()) < 1  # of 3.1 million numbers whose deviation is 148
    assert noise.std() == pytest.approx(255 / 3**0.5, rel=0.01)
    for strength, most in ((1.0, d._BEND), (0.0, d._BEND / 2), (-1.0, 0.0)):
        for bend in d._bends(noise, np.full(2000, strength, np.float32)):
            assert bend[:, 14, 14].std() == pytest.approx(most, rel=0.1)  # 2,000 of them, and whole weights


def test_numbers_are_between_minus_one_and_one() -> None:
    numbers, _ = d._drawn(0, 1, np.arange(5000, dtype=np.uint64), 4, 3)
    assert numbers.shape == (5000, 7)
    assert numbers.dtype == np.float32
    assert -1 <= numbers.min() < -0.99
    assert 0.99 < numbers.max() < 1
    # Uniform ones have a variance of 1/3, and are not correlated: five deviations of 5,000 of them
    np.testing.assert_allclose(np.cov(numbers.T), np.eye(7) / 3, rtol=0, atol=5 / 3 / 5000**0.5)


def test_the_affine_map() -> None:
    still = np.zeros((1, 7), np.float32)
    rows, columns = d._places(still, 5, 4)
    grid = np.mgrid[:5, :4].reshape(2, 1, -1)
    assert_array_equal([rows, columns], grid)
    turned = still.copy()
    turned[0, 0] = 1
    angle = 2 * np.arctan(d._TURN / 2)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([2.0, 1.5])[:, None]
    expected = matrix @ (grid[:, 0] - middle) + middle
    np.testing.assert_allclose(np.concatenate(d._places(turned, 5, 4)), expected, atol=1e-5)  # float32 up to 5
    moved = still.copy()
    moved[0, 4:6] = 1, -1
    np.testing.assert_allclose(d._places(moved, 5, 4)[0] - rows, 5 * d._SHIFT, atol=1e-5)
    np.testing.assert_allclose(d._places(moved, 5, 4)[1] - columns, -4 * d._SHIFT, atol=1e-5)


def run(*flags: object) -> int:
    return deform.main([*map(str, flags)])


def read(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_directory_that_our_loader_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_idx(tmp_path / "source")
    assert run(tmp_path / "out", "--copies", 4, "--data", source, "--seed", 2) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{tmp_path / 'out'}: 24 training and 4 test images of 4x3, 0.0 GB, in ")
    assert shown.err == ""
    made = load(tmp_path / "out")
    assert_array_equal(made.train_labels, np.tile(GOOD["y_train"], 4))
    assert_array_equal(made.train_images[:6], GOOD["x_train"].reshape(6, -1))
    for copy in (1, 2, 3):
        expected = deformed(GOOD["x_train"], 2, copy, 0).reshape(6, -1)
        assert_array_equal(made.train_images[6 * copy : 6 * copy + 6], expected)
    assert_array_equal(made.test_images, GOOD["x_test"].reshape(4, -1))
    assert_array_equal(made.test_labels, GOOD["y_test"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


def test_the_same_whatever_pieces_and_threads(mnist: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    few = replace(mnist, train_images=mnist.train_images[:130], train_labels=mnist.train_labels[:130])
    deform.write(tmp_path / "one", few, 3, 7)
    for name, threads, piece, block in (("two", 1, 11, 784), ("three", 5, 64, 9000)):
        monkeypatch.setattr(os, "cpu_count", lambda threads=threads: threads)
        monkeypatch.setattr(deform, "_PIECE", piece)
        monkeypatch.setattr(deform, "_BLOCK", block)
        deform.write(tmp_path / name, few, 3, 7)
        assert read(tmp_path / name) == read(tmp_path / "one")
    deform.write(tmp_path / "other", few, 3, 8)
    assert read(tmp_path / "other")["train-images-idx3-ubyte"] != read(tmp_path / "one")["train-images-idx3-ubyte"]


def test_many_classes_keep_their_labels(tmp_path: Path) -> None:
    labels = np.arange(300, dtype=np.int32)
    images = np.full((300, 2, 2), 200, np.uint8)
    np.savez(tmp_path / "set.npz", x_train=images, y_train=labels, x_test=images[:9], y_test=labels[291:])
    assert run(tmp_path / "out", "--copies", 2, "--data", tmp_path / "set.npz", "--quiet") == 0
    made = load(tmp_path / "out")
    assert_array_equal(made.train_labels, np.tile(labels, 2))
    assert_array_equal(made.test_labels, labels[291:])


def test_how_far_it_is_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deform, "_BETWEEN", (-1.0, -1.0))
    monkeypatch.setattr(deform, "_PIECE", 4)
    source = write_idx(tmp_path / "source")
    assert run(tmp_path / "out", "--copies", 2, "--data", source) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" images, ")[0] for line in lines] == ["4 of 12", "6 of 12", "10 of 12", "12 of 12"]
    assert lines[-1].endswith(" a second, 0:00 left")
    assert run(tmp_path / "quiet", "--copies", 2, "--data", source, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], *flags: object) -> str:
    """What it says where it ends with 2; and it leaves what there was."""
    before = sorted(tmp_path.rglob("*"))
    try:
        status = run(*flags)
    except SystemExit as left:
        status = int(left.code or 0)
    shown = capsys.readouterr()
    assert (status, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert sorted(tmp_path.rglob("*")) == before
    return shown.err


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    data, out = ("--data", write_idx(tmp_path / "source")), tmp_path / "out"
    assert "source is there already" in refused(tmp_path, capsys, tmp_path / "source", *data)
    assert f"there is no directory {tmp_path / 'no'}" in refused(tmp_path, capsys, tmp_path / "no" / "out", *data)
    assert "neither a file nor" not in refused(tmp_path, capsys, out, "--data", tmp_path / "nothing")
    assert "'0' is no whole number from 1" in refused(tmp_path, capsys, out, *data, "--copies", 0)
    most = deform._MOST // 6
    assert f"not {6 * (most + 1):,}" in refused(tmp_path, capsys, out, *data, "--copies", most + 1)
    assert "has fewer than" not in refused(tmp_path, capsys, out, "--data", tmp_path)
    floating = tmp_path / "floating.npz"
    np.savez(floating, **{key: a / 256 if key[0] == "x" else a for key, a in GOOD.items()})  # type: ignore[arg-type]
    said = "found float32 images of 4x3; expected uint8 of two dimensions: grey ones"
    assert said in refused(tmp_path, capsys, out, "--data", floating)
    coloured = tmp_path / "coloured.npz"
    np.savez(coloured, **{key: a[..., None] if key[0] == "x" else a for key, a in GOOD.items()})  # type: ignore[arg-type]
    assert "found uint8 images of 4x3x1; expected" in refused(tmp_path, capsys, out, "--data", coloured)
    (tmp_path / ".out.partial").mkdir()
    assert "another is being made, or it is what a killed one left" in refused(tmp_path, capsys, out, *data)
    (tmp_path / ".out.partial").rmdir()
    needed = 2 * 6 * 13 + 4 * 13
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
    said = refused(tmp_path, capsys, out, *data, "--copies", 2)
    assert f"the images take {needed} bytes, and the disk has {needed - 1} free: use fewer --copies" in said
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed))
    assert run(out, *data, "--copies", 2) == 0
    assert sum(path.stat().st_size for path in out.iterdir()) == needed + 2 * (16 + 8)


def test_a_disk_that_is_full_after_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        assert (tmp_path / ".out.partial").is_dir()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "train-images-idx3-ubyte")

    monkeypatch.setattr(deform, "deformed", full)
    said = refused(tmp_path, capsys, tmp_path / "out", "--data", write_idx(tmp_path / "source"))
    assert said.endswith("error: train-images-idx3-ubyte: No space left on device\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_asks_it_to_end_finds_nothing(tmp_path: Path, number: int, status: int) -> None:
    command = [sys.executable, "-m", "manual_vs_auto.data.deform", "--copies", "4", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            images, end = tmp_path / ".out.partial" / "train-images-idx3-ubyte", time.monotonic() + 60
            while not (images.exists() and images.stat().st_size > 1 << 20):
                assert running.poll() is None
                assert time.monotonic() < end
                time.sleep(0.01)
            running.send_signal(number)
            said = running.communicate(timeout=20)
        finally:
            running.kill()
    assert (running.returncode, said) == (status, ("", ""))
    assert list(tmp_path.iterdir()) == []


def test_labels_of_a_set_with_a_gap_are_the_same_classes(tmp_path: Path) -> None:
    source = write_idx(tmp_path / "source", {TRAIN_LABELS: idx(np.array([0, 3, 0, 0, 2, 0], np.uint8))})
    assert run(tmp_path / "out", "--copies", 2, "--data", source, "--quiet") == 0
    assert load(tmp_path / "out").classes == 4


def test_labels_of_text_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An IDX file would have their numbers alone, and the classes lose their names."""
    images, labels = np.zeros((4, 3, 3), np.uint8), np.array(["kat", "pes", "kat", "pes"])
    images[::2] = 255
    np.savez(tmp_path / "text.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    assert run(tmp_path / "out", "--data", tmp_path / "text.npz", "--copies", 2) == 2
    done = capsys.readouterr()
    assert (done.out, done.err.count("\n")) == ("", 1)
    assert "text.npz: found labels of text: kat, pes; expected whole numbers from 0" in done.err
    assert not (tmp_path / "out").exists()
