"""Images that stay in their file: the same data set as one that is read, in memory that does not grow with it."""

import gzip
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from manual_vs_auto.data import DataError, Dataset, load, mapped, split
from manual_vs_auto.data.mapped import gather, gathered, is_mapped, pieces
from manual_vs_auto.runs import arrays
from tests.data.outcome import refusal
from tests.data.writing import GOOD, TRAIN_IMAGES, TRAIN_LABELS, idx, idx_header, npy, npz, write_idx


@pytest.fixture
def stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small they are."""
    monkeypatch.setattr(mapped, "LEAST", 0)


def expect_the_same(one: Dataset, other: Dataset) -> None:
    for field in fields(Dataset):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            assert_array_equal(a, b)
        else:
            assert a == b, field.name


def test_from_how_many_bytes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_idx(tmp_path)
    assert mapped.LEAST == 1 << 30
    for least, there in ((73, False), (72, True), (0, True)):
        monkeypatch.setattr(mapped, "LEAST", least)
        assert is_mapped(load(path).train_images) == there


def test_the_same_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_idx(tmp_path)
    before = load(path)
    monkeypatch.setattr(mapped, "LEAST", 0)
    after = load(path)
    assert is_mapped(after.train_images)
    assert not is_mapped(after.test_images)  # what is evaluated again and again is in memory
    expect_the_same(before, after)
    with pytest.raises(ValueError, match="read-only"):
        after.train_images[0, 0] = 1
    assert not is_mapped(after.train_images[[0, 1]])
    held = [{"images": data.train_images, "labels": data.train_labels} for data in (before, after)]
    assert arrays.digest(held[0]) == arrays.digest(held[1])


@pytest.mark.usefixtures("stay")
@pytest.mark.parametrize("kind", ["gzipped", "float32", "npz"])
def test_others_are_read(tmp_path: Path, kind: str) -> None:
    images = {"gzipped": gzip.compress(idx(GOOD["x_train"])), "float32": idx(GOOD["x_train"].astype(np.float32))}
    if kind == "npz":
        path = tmp_path / "set.npz"
        path.write_bytes(npz({key: npy(array) for key, array in GOOD.items()}, 0))
    else:
        path = write_idx(tmp_path, {f"{TRAIN_IMAGES}{'.gz' if kind == 'gzipped' else ''}": images[kind]})
    assert not is_mapped(load(path).train_images)


@pytest.mark.usefixtures("stay")
def test_the_same_is_refused(tmp_path: Path) -> None:
    whole = idx(GOOD["x_train"])
    for content, said in (
        (whole[:-1], "found 87 bytes; expected the 88 that the header declares (6x4x3)"),
        (whole + b"\0", "found 89 bytes; expected the 88"),
        (idx_header(0x08, 6, 12, 0), "no pixel in shape (6, 12, 0)"),
        (idx(GOOD["x_train"][:5]), "found 6 labels; expected 5"),
        (idx(GOOD["x_train"].astype(np.int32)), "found images of int32"),
    ):
        assert said in refusal(write_idx(tmp_path, {TRAIN_IMAGES: content}))


@pytest.mark.parametrize("least", [0, 1 << 30])
def test_dim_images_are_told(tmp_path: Path, least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the only bright pixel is the last one, too."""
    monkeypatch.setattr(mapped, "LEAST", least)
    monkeypatch.setattr("manual_vs_auto.data.pixels.PIECE", 24)
    images = np.full((6, 4, 3), 63, np.uint8)
    images[-2:] = 5
    (said,) = load(write_idx(tmp_path, {TRAIN_IMAGES: idx(images)})).warnings
    assert "the brightest pixel is 63 where white is 255" in said
    images[-1, -1, -1] = 64
    assert load(write_idx(tmp_path, {TRAIN_IMAGES: idx(images)})).warnings == ()


@pytest.fixture
def rows(tmp_path: Path) -> tuple[Any, Any]:
    """A matrix of numbers, and the same in a file."""
    matrix = np.random.default_rng(0).integers(0, 256, (1000, 7), np.uint8)
    (tmp_path / "rows").write_bytes(b"head" + matrix.tobytes())
    return matrix, np.memmap(tmp_path / "rows", np.uint8, "r", 4, (1000, 7))


@pytest.mark.parametrize("window", [1, 70, 1 << 26])
def test_rows_are_gathered(rows: tuple[Any, Any], window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "_WINDOW", window)
    matrix, file = rows
    generator = np.random.default_rng(1)
    for wanted in (generator.permutation(1000)[:300], np.array([999, 0, 999]), np.arange(1000), np.array([], int)):
        for array in (matrix, file):
            assert_array_equal(gathered(array, wanted), matrix[wanted])
            out = np.full((len(wanted) + 1, 7), 9, np.uint8)
            gather(array, np.sort(wanted), out[:-1])
            assert_array_equal(out[:-1], matrix[np.sort(wanted)])
            assert (out[-1] == 9).all()


def test_pieces_are_the_whole(rows: tuple[Any, Any]) -> None:
    matrix, file = rows
    for array in (matrix, file, file[10:]):
        for step in (1, 300, 1000, 5000):
            found = [np.array(piece) for piece in pieces(array, step)]
            assert max(map(len, found)) <= step
            assert_array_equal(np.concatenate(found), array)


def test_what_was_written_to_a_private_copy_is_not_let_go_of(rows: tuple[Any, Any], tmp_path: Path) -> None:
    _, file = rows
    private = np.memmap(tmp_path / "rows", np.uint8, "c", 4, (1000, 7))
    private[5] = 255 - file[5]
    for array in (private, private[1:]):
        list(pieces(array, 100))
        gather(array, np.arange(9), np.empty((9, 7), np.uint8))
    assert_array_equal(private[5], 255 - file[5])


@pytest.mark.usefixtures("stay")
def test_a_file_that_has_become_shorter_is_no_crash(tmp_path: Path) -> None:
    data = load(write_idx(tmp_path))
    (tmp_path / TRAIN_IMAGES).write_bytes(idx(GOOD["x_train"])[:50])
    with pytest.raises(DataError, match=f"{TRAIN_IMAGES}: found 50 bytes; expected the 88 that it had"):
        gathered(data.train_images, np.array([5]))


def test_what_is_kept_out_is_read_and_the_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    images, labels = generator.integers(0, 256, (90, 4, 3), np.uint8), (np.arange(90) % 4).astype(np.uint8)
    path = write_idx(tmp_path, {TRAIN_IMAGES: idx(images), TRAIN_LABELS: idx(labels)})
    before = split(load(path), 0.2, 3)
    monkeypatch.setattr(mapped, "LEAST", 0)
    after = split(load(path), 0.2, 3)
    assert before.train_rows is None
    assert after.train_rows is not None
    assert is_mapped(after.train_images)
    assert len(after.train_images) == 90
    assert_array_equal(after.train_images[after.train_rows], before.train_images)
    for name in ("train_labels", "val_images", "val_labels", "test_images"):
        assert_array_equal(getattr(after, name), getattr(before, name))


COUNT = 380_000
_MEMORY = """
import re, sys
from pathlib import Path
import numpy as np
from manual_vs_auto.data import load, mapped
from manual_vs_auto.runs import arrays
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
mapped.LEAST = 0
before = peak()
data = load(sys.argv[1])
loaded = peak()
arrays.digest({"images": data.train_images})
rows = np.sort(np.random.default_rng(0).permutation(len(data.train_images))[:20_000])
mapped.gathered(data.train_images, rows)
print(loaded - before, peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="nobody says here how much memory a process had")
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """298 MB of black pixels, each of which is looked at: where it is loaded, for its digest, and for rows of all."""
    labels = (np.arange(COUNT) % 10).astype(np.uint8)
    write_idx(
        tmp_path,
        {TRAIN_LABELS: idx(labels), "t10k-images-idx3-ubyte": idx(np.zeros((4, 28, 28), np.uint8))},
    )
    with (tmp_path / TRAIN_IMAGES).open("wb") as file:
        file.write(idx_header(0x08, COUNT, 28, 28))
        file.truncate(16 + COUNT * 784)
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, tmp_path], capture_output=True, text=True, check=True, timeout=120
    )
    loaded, used = map(int, done.stdout.split())
    # Labels of four bytes, and a piece of the images.
    assert loaded < 20e6
    # A window of the file, the rows twice, and a piece for the digest.
    assert used < (64 << 20) + 2 * 20_000 * 784 + (16 << 20) + 20e6
