"""IDX files that load, as what was written."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto.data import DataError, Dataset, load
from manual_vs_auto.data.idx import open_idx
from tests.data.writing import (
    GOOD,
    IDX_CODES,
    IDX_NAMES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    idx,
    idx_header,
    write_idx,
)


def check_good(data: Dataset) -> None:
    np.testing.assert_array_equal(data.train_images, GOOD["x_train"].reshape(6, 12))
    np.testing.assert_array_equal(data.train_labels, GOOD["y_train"])
    np.testing.assert_array_equal(data.test_images, GOOD["x_test"].reshape(4, 12))
    np.testing.assert_array_equal(data.test_labels, GOOD["y_test"])
    assert data.train_images.dtype == data.test_images.dtype == np.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == np.int32
    assert data.image_shape == (4, 3)
    assert data.classes == 3


def in_two_members(content: bytes) -> bytes:
    return gzip.compress(content[:7]) + gzip.compress(b"") + gzip.compress(content[7:])


def with_a_name_and_a_comment(content: bytes) -> bytes:
    plain = gzip.compress(content)
    return plain[:3] + b"\x18" + plain[4:10] + b"images\0comment\0" + plain[10:]


def test_raw(tmp_path: Path) -> None:
    check_good(load(write_idx(tmp_path)))


@pytest.mark.parametrize("pack", [gzip.compress, in_two_members, with_a_name_and_a_comment])
def test_gzipped(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    check_good(load(write_idx(tmp_path, {f"{name}.gz": pack(idx(GOOD[key])) for key, name in IDX_NAMES.items()})))


def test_gzipped_or_not_by_the_content_and_not_by_the_name(tmp_path: Path) -> None:
    check_good(load(write_idx(tmp_path, {TRAIN_IMAGES: gzip.compress(idx(GOOD["x_train"]))})))
    check_good(load(write_idx(tmp_path, {f"{TRAIN_IMAGES}.gz": idx(GOOD["x_train"])})))


def test_the_unpacked_of_two_is_read(tmp_path: Path) -> None:
    write_idx(tmp_path, {f"{name}.gz": b"not read" for name in IDX_NAMES.values()})
    check_good(load(write_idx(tmp_path)))


@pytest.mark.parametrize("dtype", IDX_CODES)
def test_labels_of_every_type(dtype: str, tmp_path: Path) -> None:
    labels = {name: idx(GOOD[key].astype(dtype)) for key, name in IDX_NAMES.items() if key.startswith("y")}
    check_good(load(write_idx(tmp_path, labels)))


@pytest.mark.parametrize(
    ("rename", "prefix"),
    [
        (lambda name: name.replace("-idx", ".idx"), ""),
        (lambda name: name.replace("t10k", "test"), ""),
        (lambda name: f"emnist-letters-{name}", ""),
        (lambda name: f"emnist-letters-{name}", "emnist-letters"),
        (lambda name: f"a-train-test-{name}", "a-train-test"),
    ],
)
def test_names(rename: Callable[[str], str], prefix: str, tmp_path: Path) -> None:
    for name in IDX_NAMES.values():
        file = write_idx(tmp_path / "written") / name
        (tmp_path / "read").mkdir(exist_ok=True)
        file.rename(tmp_path / "read" / rename(name))
    check_good(load(tmp_path / "read" / prefix))


def test_one_of_several_sets_by_its_prefix(tmp_path: Path) -> None:
    other = {
        f"emnist-digits-{TRAIN_IMAGES}.gz": gzip.compress(idx(np.zeros((2, 5), np.uint8))),
        f"emnist-digits-{TRAIN_LABELS}.gz": gzip.compress(idx(np.array([0, 1], np.uint8))),
        f"emnist-digits-{TEST_IMAGES}.gz": gzip.compress(idx(np.zeros((1, 5), np.uint8))),
        f"emnist-digits-{TEST_LABELS}.gz": gzip.compress(idx(np.array([1], np.uint8))),
    }
    letters = {f"emnist-letters-{name}": idx(GOOD[key]) for key, name in IDX_NAMES.items()}
    for name, content in {**other, **letters, "emnist-letters-mapping.txt": b"1 65 97\n"}.items():
        (tmp_path / name).write_bytes(content)
    check_good(load(tmp_path / "emnist-letters"))
    digits = load(tmp_path / "emnist-digits")
    assert digits.train_images.shape == (2, 5)
    assert digits.image_shape == (5,)
    assert digits.classes == 2


def test_labels_of_qmnist(tmp_path: Path) -> None:
    for key, name in IDX_NAMES.items():
        qmnist = name.replace("t10k", "test").replace("idx1-ubyte", "idx2-int")
        content = idx(GOOD[key])
        if key.startswith("y"):
            rows = np.arange(1000, 1000 + 8 * len(GOOD[key]), dtype=np.int32).reshape(-1, 8)
            rows[:, 0] = GOOD[key]
            content = idx(rows)
        (tmp_path / f"qmnist-{qmnist}").write_bytes(content)
    check_good(load(tmp_path))
    check_good(load(tmp_path / "qmnist"))


def test_labels_in_a_column(tmp_path: Path) -> None:
    check_good(load(write_idx(tmp_path, {TRAIN_LABELS: idx(GOOD["y_train"].reshape(-1, 1))})))


@pytest.mark.parametrize("shape", [(12,), (4, 3), (2, 2, 3)])
def test_images_of_every_rank(shape: tuple[int, ...], tmp_path: Path) -> None:
    images = {IDX_NAMES[key]: idx(GOOD[key].reshape(-1, *shape)) for key in ("x_train", "x_test")}
    data = load(write_idx(tmp_path, images))
    assert data.image_shape == shape
    np.testing.assert_array_equal(data.train_images, GOOD["x_train"].reshape(6, 12))
    np.testing.assert_array_equal(data.test_images, GOOD["x_test"].reshape(4, 12))


@pytest.mark.parametrize("padding", [1, 1 << 17])
def test_a_gzip_file_padded_with_zeros(padding: int, tmp_path: Path) -> None:
    """As tapes and disks pad: after the last member, and between two."""
    zeros = bytes(padding)
    content = idx(GOOD["x_train"])
    padded = gzip.compress(content[:20]) + zeros + gzip.compress(content[20:]) + zeros
    check_good(load(write_idx(tmp_path, {f"{TRAIN_IMAGES}.gz": padded})))


def test_an_unknown_type_is_named(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(idx_header(0x0A, 6, 4, 3))
    with pytest.raises(DataError, match="found IDX type code 0x0a; expected one of 0x08, 0x09, 0x0b"):
        open_idx(tmp_path / "images")


def test_a_header_that_is_cut_says_how_long_it_should_be(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(idx_header(8, 6, 4, 3)[:15])
    with pytest.raises(DataError, match="found a header of 15 bytes; expected 16 for 3 dimensions"):
        open_idx(tmp_path / "images")


def test_as_much_as_deflate_can_hold(tmp_path: Path) -> None:
    """A gzip file may declare 1,032 times its own length, and not a byte more."""
    path = tmp_path / "images.gz"

    def write(count: int) -> int:
        return path.write_bytes(gzip.compress(idx_header(8, count, 1), 0))

    most = 1032 * write(1) - 12
    write(most)
    assert open_idx(path).shape == (most, 1)
    write(most + 1)
    with pytest.raises(DataError, match=f"a header that declares {most + 13:,} bytes"):
        open_idx(path)
    path.write_bytes(idx_header(8, 2, 1) + bytes(2))
    assert open_idx(path).shape == (2, 1)


def test_how_much_of_a_short_file_there_is(tmp_path: Path) -> None:
    short = gzip.compress(idx(GOOD["x_train"])[:-2])  # of the 72 pixels
    with pytest.raises(DataError, match="found 70 bytes of data; expected the 72 that the header declares"):
        load(write_idx(tmp_path, {f"{TRAIN_IMAGES}.gz": short}))
