"""Archives that load, as what was written, and odd ones that may load or not."""

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto.data import load
from tests.data.outcome import outcome
from tests.data.test_idx import check_good
from tests.data.writing import (
    GOOD,
    Array,
    directory_entry,
    npy,
    npy_header,
    npz,
    overwritten,
    with_directory,
)


def archive(directory: Path, content: bytes) -> Path:
    path = directory / "set.npz"
    path.write_bytes(content)
    return path


def archive_with(directory: Path, **changed: Array) -> Path:
    return archive(directory, npz({key: npy(array) for key, array in changed.items()}))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_or_deflated(method: int, tmp_path: Path) -> None:
    check_good(load(archive(tmp_path, npz(method=method))))


def test_written_by_numpy_under_another_name(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **GOOD, more=np.array("more"))
    check_good(load(path))


def test_header_of_version_2(tmp_path: Path) -> None:
    literal = "{'descr': '|u1', 'fortran_order': False, 'shape': (6, 4, 3), }\n"
    check_good(load(archive(tmp_path, npz({"x_train": npy_header(literal, (2, 0)) + GOOD["x_train"].tobytes()}))))


@pytest.mark.parametrize("dtype", ["i1", "u2", ">i2", "<i4", ">u4", "i8", ">u8", "f2", ">f2", "f4", ">f8"])
def test_labels_of_every_type(dtype: str, tmp_path: Path) -> None:
    labels = {key: GOOD[key].astype(dtype) for key in ("y_train", "y_test")}
    check_good(load(archive_with(tmp_path, **labels)))


def test_labels_in_a_column(tmp_path: Path) -> None:
    labels = {key: GOOD[key].reshape(-1, 1) for key in ("y_train", "y_test")}
    check_good(load(archive_with(tmp_path, **labels)))


@pytest.mark.parametrize(("key", "shape"), [("x_train", (6, 4, 3)), ("x_test", (4, 4, 3)), ("y_train", (6, 1))])
def test_fortran_order(key: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    header = npy_header(f"{{'descr': '|u1', 'fortran_order': True, 'shape': {shape}}}\n")
    check_good(load(archive(tmp_path, npz({key: header + GOOD[key].reshape(shape).tobytes("F")}))))


@pytest.mark.parametrize("shape", [(12,), (4, 3), (4, 3, 1), (2, 2, 3), (2, 2, 3, 1, 1)])
def test_images_of_every_rank(shape: tuple[int, ...], tmp_path: Path) -> None:
    data = load(archive_with(tmp_path, **{key: GOOD[key].reshape(-1, *shape) for key in ("x_train", "x_test")}))
    assert data.image_shape == shape
    np.testing.assert_array_equal(data.train_images, GOOD["x_train"].reshape(6, 12))
    np.testing.assert_array_equal(data.test_images, GOOD["x_test"].reshape(4, 12))


def test_more_images_than_a_half_precision_label_counts(tmp_path: Path) -> None:
    half = (np.arange(70_000) % 3).astype(np.float16)
    many = archive_with(tmp_path, x_train=np.zeros((70_000, 4, 3), np.uint8), y_train=half)
    np.testing.assert_array_equal(load(many).train_labels, half)


def test_pixels_may_look_like_what_is_refused_in_the_directory(tmp_path: Path) -> None:
    """An empty Unicode path begins like this."""
    images = np.full((6, 4, 3), 255, np.uint8)
    images.reshape(-1)[20:25] = list(struct.pack("<HHB", 0x7075, 5, 1))
    path = archive(tmp_path, npz({"x_train": npy(images)}, zipfile.ZIP_STORED))
    np.testing.assert_array_equal(load(path).train_images, images.reshape(6, 12))


def literal(descr: str, shape: str) -> bytes:
    return npy_header(f"{{{descr}, 'fortran_order': False, 'shape': {shape}}}\n") + GOOD["x_train"].tobytes()


def with_first_entry(entry: bytes, more: bytes = b"") -> bytes:
    """The good archive with x_train's entry in its directory another, and more entries after it."""
    good = npz()
    start = directory_entry(good, "x_train")
    return with_directory(good, entry + more + good[good.index(b"PK\1\2", start + 1) : good.rindex(b"PK\5\6")])


def first_entry() -> bytes:
    good = npz()
    start = directory_entry(good, "x_train")
    return good[start : good.index(b"PK\1\2", start + 1)]


def empty_unicode_path() -> bytes:
    name = struct.pack("<HHBL", 0x7075, 5, 1, zlib.crc32(b"x_train.npy"))
    return overwritten(first_entry(), 30, struct.pack("<H", len(name))) + name


ODD: dict[str, bytes] = {
    "long integers of Python 2": npz({"x_train": literal("'descr': '|u1'", "(6L, 4L, 3L)")}),
    "an unknown escape": npz({"x_train": literal(r"'\descr': '|u1'", "(6, 4, 3)")}),
    "an escape that is no digit": npz({"x_train": literal(r"'descr': '\791'", "(6, 4, 3)")}),
    "a number beside a word": npz({"x_train": literal("'descr': '|u1'", "(6if 1else 2, 4, 3)")}),
    "NumPy's old name of a type": npz({"x_train": literal("'descr': '|a1'", "(6, 4, 3)")}),
    "an empty Unicode path": with_first_entry(empty_unicode_path()),
    "entries that overlap": with_first_entry(first_entry(), overwritten(first_entry(), 46, b"z")),
    "an entry twice": with_first_entry(first_entry(), first_entry()),
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD.keys())
def test_odd_archives_load_or_are_refused_without_a_warning(content: bytes, tmp_path: Path) -> None:
    outcome(archive(tmp_path, content))
