"""Files with one thing wrong: each is refused in one line, quickly, and in little memory."""

import gzip
import lzma
import os
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from manual_vs_auto.data import load
from tests.data.outcome import refusal
from tests.data.writing import (
    GOOD,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    Array,
    directory_entry,
    idx,
    idx_header,
    npy,
    npy_header,
    npy_of,
    npz,
    overwritten,
    with_directory,
    write_idx,
)

# Given an empty directory, writes a data set there: what to load, and the name that the refusal must hold.
Case: TypeAlias = Callable[[Path], tuple[Path, str]]

SECONDS = 1.0
SPARE = 64 << 20

IMAGES = idx(GOOD["x_train"])
LABELS = idx(GOOD["y_train"])
ZIPPED = gzip.compress(IMAGES)
UNIT = idx(GOOD["x_train"] / 255)
TEXT = "{'descr': '<U1', 'fortran_order': False, 'shape': (6,)}\n"
ALSO = {"train": TRAIN_IMAGES, "train_labels": TRAIN_LABELS, "test_images": TEST_IMAGES, "test_labels": TEST_LABELS}
HTML = b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"
ONE_LABEL = np.zeros(1, np.uint8)
TWO_LABELS = np.arange(2, dtype=np.uint8)
SIDE = 3750  # of the large images: six of them make 80 MiB


def idx_with(name: str, content: bytes | Callable[[], bytes], **also: bytes) -> Case:
    """The good IDX files with one in place of its namesake, and another where the fault needs both."""

    def write(root: Path) -> tuple[Path, str]:
        changed = {name: content if isinstance(content, bytes) else content()}
        return write_idx(root / "set", changed | {ALSO[key]: value for key, value in also.items()}), name

    return write


def idx_images(content: bytes, **also: bytes) -> Case:
    return idx_with(TRAIN_IMAGES, content, **also)


def idx_zipped(content: bytes) -> Case:
    return idx_with(f"{TRAIN_IMAGES}.gz", content)


def idx_labels(dtype: str, *labels: float) -> Case:
    return idx_with(TRAIN_LABELS, idx(np.array(labels, dtype)))


def pixel(dtype: str, value: float) -> Array:
    """The good images with one pixel of the last another."""
    images = GOOD["x_train"].astype(dtype)
    images[5, 1, 2] = value
    return images


def idx_pixel(dtype: str, value: float) -> Case:
    return idx_images(idx(pixel(dtype, value)))


def signalling(dtype: str, bits: int) -> Array:
    """Six labels, the first a signalling NaN, which floating-point operations warn of."""
    labels = np.zeros(6, dtype)
    labels.view(f"u{labels.itemsize}")[0] = bits
    return labels


def packed(header: bytes, size: int, tail: bytes = b"") -> bytes:
    """A gzip file of a header, zeros and a tail."""
    return gzip.compress(header + bytes(size) + tail, 1)


def large_idx(change: Callable[[bytes], bytes], tail: bytes = b"") -> Case:
    """80 MiB of gzipped training images, truthfully declared, but broken at their very end."""

    def write(root: Path) -> tuple[Path, str]:
        images = change(packed(idx_header(8, 6, SIDE, SIDE), 6 * SIDE**2, tail))
        test = {f"{TEST_IMAGES}.gz": packed(idx_header(8, 1, SIDE, SIDE), SIDE**2), TEST_LABELS: idx(ONE_LABEL)}
        return write_idx(root / "set", {f"{TRAIN_IMAGES}.gz": images} | test), TRAIN_IMAGES

    return write


def two_idx_of_40_mib(root: Path) -> tuple[Path, str]:
    size = 40 << 20
    changed = {
        f"{TRAIN_IMAGES}.gz": packed(idx_header(8, 2, size // 2), size - 1),
        f"{TEST_IMAGES}.gz": packed(idx_header(8, 2, size // 2), size),
        TRAIN_LABELS: idx(TWO_LABELS),
        TEST_LABELS: idx(TWO_LABELS),
    }
    return write_idx(root / "set", changed), TRAIN_IMAGES


def many_idx_labels(code: int, last: bytes, test_label: int, named: str) -> Case:
    """Eighteen million gzipped labels, zero but for the last, over images of one pixel."""
    count = 18_000_000

    def write(root: Path) -> tuple[Path, str]:
        changed = {
            f"{TRAIN_IMAGES}.gz": packed(idx_header(8, count, 1), count),
            f"{TRAIN_LABELS}.gz": packed(idx_header(code, count), (count - 1) * len(last), last),
            TEST_IMAGES: idx(np.zeros((1, 1), np.uint8)),
            TEST_LABELS: idx(np.array([test_label], np.uint8)),
        }
        return write_idx(root / "set", changed), named

    return write


def archive_of(content: bytes | Callable[[], bytes], named: str = "") -> Case:
    def write(root: Path) -> tuple[Path, str]:
        path = root / "set.npz"
        path.write_bytes(content if isinstance(content, bytes) else content())
        return path, f"set.npz{named}"

    return write


def npz_with(**changed: bytes | Array) -> Case:
    """The good archive with arrays changed, of which the first is named in the refusal."""
    members = {key: value if isinstance(value, bytes) else npy(value) for key, value in changed.items()}
    return archive_of(lambda: npz(members), f"[{next(iter(changed))}]")


def npz_literal(literal: str) -> Case:
    return npz_with(x_train=npy_header(literal))


def npz_shape(shape: str, size: int = 0) -> Case:
    return npz_with(x_train=npy_header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}\n") + bytes(size))


def npz_labels(dtype: str, *labels: float) -> Case:
    return npz_with(y_train=np.array(labels, dtype))


def npz_entry(at: int, new: bytes, method: int = zipfile.ZIP_DEFLATED) -> Case:
    """Bytes of x_train's entry in the archive's directory overwritten."""
    good = npz(method=method)
    return archive_of(overwritten(good, directory_entry(good, "x_train") + at, new), "[x_train]")


def npz_longer_than_it_says(method: int) -> Callable[[], bytes]:
    """x_train holds more than its entry says, whose checksum is that of as much as it says."""

    def content() -> bytes:
        said = npy(GOOD["x_train"])
        archive = npz({"x_train": said + b"more"}, method)
        at = directory_entry(archive, "x_train")
        archive = overwritten(archive, at + 16, struct.pack("<I", zlib.crc32(said)))
        return overwritten(archive, at + 24, struct.pack("<I", len(said)))

    return content


def npz_far_offset() -> bytes:
    """x_train begins at byte 2**64 - 1."""
    good = npz()
    start, end = good.index(b"PK\1\2"), good.index(b"PK\1\2", good.index(b"PK\1\2") + 1)
    entry = overwritten(overwritten(good[start:end], 42, b"\xff" * 4), 30, struct.pack("<H", 12))
    entry += struct.pack("<HHQ", 1, 8, 2**64 - 1)
    return with_directory(good, entry + good[end : good.rindex(b"PK\5\6")])


def npz_of_many_entries_by_zip64() -> bytes:
    """The last record says that the directory is short; the one for large archives, which is before it, says more."""
    many = npz_of_many_entries()
    start, end = many.index(b"PK\1\2"), many.rindex(b"PK\5\6")
    record = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 200_003, 200_003, end - start, start)
    locator = struct.pack("<IIQI", 0x07064B50, 0, end, 1)
    return many[:end] + record + locator + overwritten(many[end:], 12, struct.pack("<I", 100))


def npz_of_many_entries() -> bytes:
    good = npz({"y_test": None})
    directory = good[good.index(b"PK\1\2") : good.rindex(b"PK\5\6")]
    extra = overwritten(directory[:46], 28, struct.pack("<H", 1)) + b"x"
    return with_directory(good, directory + extra * 200_000)


def large_npz(extra: int, said: int) -> Case:
    """80 MiB of training images, with some bytes more or fewer than both headers say."""

    def content() -> bytes:
        size = 6 * SIDE**2
        large = npy_of((6, SIDE, SIDE), size=size + extra)
        archive = npz({"x_train": large, "x_test": npy_of((1, SIDE, SIDE)), "y_test": npy(ONE_LABEL)})
        at = directory_entry(archive, "x_train") + 24
        return overwritten(archive, at, struct.pack("<I", len(large) - extra + said))

    return archive_of(content, "[x_train]")


def large_npz_bad_checksum() -> bytes:
    large = {"x_train": npy_of((6, SIDE, SIDE)), "x_test": npy_of((1, SIDE, SIDE))}
    archive = npz(large | {"y_test": npy(ONE_LABEL)})
    return overwritten(archive, directory_entry(archive, "x_train") + 16, b"\1\2\3\4")


def two_arrays_of_40_mib() -> bytes:
    labels = npy(TWO_LABELS)
    images = npy_of((2, 20 << 20))
    archive = npz({"x_train": images, "x_test": images, "y_train": labels, "y_test": labels})
    return overwritten(archive, directory_entry(archive, "x_train") + 16, b"\1\2\3\4")


def many_npz_labels() -> bytes:
    count = 9_000_000
    labels = npy_of((count,), "<f8", 8 * (count - 1)) + struct.pack("<d", 0.5)
    test = {"x_test": npy_of((1, 1)), "y_test": npy_of((1,))}
    return npz({"x_train": npy_of((count, 1)), "y_train": labels} | test)


def many_texts() -> dict[str, bytes | Array]:
    """Each label another one of a thousand characters."""
    count = 5000
    return {
        "y_train": np.char.rjust(np.arange(count).astype(str), 1000),
        "y_test": np.full(1, "a"),
        "x_train": npy_of((count, 1)),
        "x_test": npy_of((1, 1)),
    }


def pathless(make: Callable[[Path], Any], path: str, named: str | None = None) -> Case:
    """A directory that `make` spoils, or leaves empty, and a path in it."""

    def write(root: Path) -> tuple[Path, str]:
        make(root)
        return root / path, Path(path).name if named is None else named

    return write


def without(name: str) -> Case:
    return pathless(lambda root: (write_idx(root / "set") / name).unlink(), "set")


def replaced(make: Callable[[Path], Any]) -> Case:
    def spoil(root: Path) -> None:
        path = write_idx(root / "set") / TRAIN_IMAGES
        path.unlink()
        make(path)

    return pathless(spoil, "set", TRAIN_IMAGES)


def two_sets(root: Path) -> None:
    for prefix in ("emnist-letters", "emnist-digits"):
        for file in write_idx(root / "set").glob("t*"):
            file.rename(file.with_name(f"{prefix}-{file.name}"))


ONE_HOT = {"y_train": np.eye(8, dtype=np.uint8)[GOOD["y_train"]], "y_test": np.eye(8, dtype=np.uint8)[GOOD["y_test"]]}
NO_PIXELS = {"x_train": np.zeros((6, 0, 3), np.uint8), "x_test": np.zeros((4, 0, 3), np.uint8)}

CASES: dict[str, Case] = {
    # what is no IDX file
    "idx: empty": idx_images(b""),
    "idx: one zero byte": idx_images(b"\0"),
    "idx: HTML page": idx_images(HTML),
    "idx: an xz file": idx_images(lzma.compress(IMAGES)),
    "idx: a zip archive": idx_images(npz()),
    "idx: a .npy file": idx_images(npy(GOOD["x_train"])),
    "idx: line ends translated": idx_images(IMAGES.replace(b"\n", b"\r\n")),
    # headers
    "idx: magic alone": idx_images(IMAGES[:4]),
    "idx: header cut short": idx_images(IMAGES[:15]),
    "idx: header alone": idx_images(IMAGES[:16]),
    "idx: wrong magic": idx_images(b"\1" + IMAGES[1:]),
    "idx: magic of the other byte order": idx_images(IMAGES[3::-1] + IMAGES[4:]),
    "idx: sizes of the other byte order": idx_images(IMAGES[:4] + struct.pack("<3I", 6, 4, 3) + IMAGES[16:]),
    "idx: type code unknown": idx_images(idx_header(0x0A, 6, 4, 3) + bytes(72)),
    "idx: type code zero": idx_images(idx_header(0, 6, 4, 3) + bytes(72)),
    "idx: rank 0": idx_images(idx_header(8)),
    "idx: rank 5": idx_images(idx_header(8, 6, 4, 3, 1, 1) + bytes(72)),
    "idx: rank 255": idx_images(idx_header(8, *[1] * 255) + b"\0"),
    # sizes
    "idx: trailing byte": idx_images(IMAGES + b"\0"),
    "idx: last byte missing": idx_images(IMAGES[:-1]),
    "idx: count too high": idx_images(idx_header(8, 7, 4, 3) + IMAGES[16:]),
    "idx: count too low": idx_images(idx_header(8, 5, 4, 3) + IMAGES[16:]),
    "idx: count -1": idx_images(idx_header(8, 2**32 - 1, 4, 3) + IMAGES[16:]),
    "idx: product that is 0 in 32 bits": idx_images(idx_header(8, 2**16, 2**16)),
    "idx: product that is 0 in 64 bits": idx_images(idx_header(8, 2**16, 2**16, 2**16, 2**16)),
    "idx: product that is the size in 64 bits": idx_images(idx_header(8, 2**31 + 1, 2**31 - 1, 4, 1) + bytes(2**3)),
    "idx: no images": idx_images(idx_header(8, 0, 4, 3), train_labels=idx_header(8, 0)),
    "idx: no pixels": idx_images(idx(NO_PIXELS["x_train"]), test_images=idx(NO_PIXELS["x_test"])),
    # images
    "idx: images int8": idx_images(idx(GOOD["x_train"].astype(np.int8))),
    "idx: images int32": idx_images(idx(GOOD["x_train"].astype(np.int32))),
    "idx: pixel NaN": idx_pixel("f4", np.nan),
    "idx: pixel signalling NaN": idx_images(
        idx(np.concatenate((signalling("f8", 0x7FF0000000000001), np.zeros(66))).reshape(6, 4, 3))
    ),
    "idx: pixel inf": idx_pixel("f8", np.inf),
    "idx: pixel -1": idx_pixel("f4", -1),
    "idx: pixel 256": idx_pixel("f8", 256),
    "idx: test pixel -0.5": idx_with(TEST_IMAGES, idx(GOOD["x_test"] / np.float32(255) - np.float32(0.5))),
    "idx: images in 0..1, test images in 0..255": idx_with(TEST_IMAGES, idx(GOOD["x_test"] / 1), train=UNIT),
    "idx: images in 0..255, test images in 0..1": idx_with(TEST_IMAGES, idx(GOOD["x_test"] / 255)),
    "idx: images of rank 1": idx_images(idx(np.zeros(6, np.uint8))),
    "idx: images where labels belong": idx_with(TRAIN_LABELS, IMAGES),
    "idx: labels where images belong": idx_images(LABELS),
    "idx: test images of another shape": idx_with(TEST_IMAGES, idx(np.zeros((4, 3, 4), np.uint8))),
    "idx: test images of another rank": idx_with(TEST_IMAGES, idx(np.zeros((4, 4, 3, 1), np.uint8))),
    # labels
    "idx: a label too many": idx_labels("u1", 0, 1, 2, 0, 1, 2, 0),
    "idx: a label too few": idx_labels("u1", 0, 1, 2, 0, 1),
    "idx: a test label too many": idx_with(TEST_LABELS, idx(np.zeros(5, np.uint8))),
    "idx: one-hot labels": idx_with(TRAIN_LABELS, idx(np.eye(3, dtype=np.uint8)[GOOD["y_train"]])),
    "idx: one-hot labels of eight classes": idx_with(
        TRAIN_LABELS, idx(ONE_HOT["y_train"]), test_labels=idx(ONE_HOT["y_test"])
    ),
    "idx: labels of rank 3": idx_with(TRAIN_LABELS, idx(np.zeros((6, 1, 1), np.uint8))),
    "idx: one class": idx_labels("u1", *[0] * 6),
    "idx: one class of two": idx_labels("u1", *[1] * 6),
    "idx: every label 255": idx_labels("u1", *[255] * 6),
    "idx: a label 255": idx_labels("u1", 0, 1, 2, 0, 1, 255),
    "idx: a label beyond most classes": idx_labels("u1", 0, 1, 2, 0, 1, 8),
    "idx: label NaN": idx_labels("f4", 0, 1, 2, 0, 1, np.nan),
    "idx: label signalling NaN": idx_with(TRAIN_LABELS, idx(signalling("f8", 0x7FF0000000000001))),
    "idx: label inf": idx_labels("f8", 0, 1, 2, 0, 1, np.inf),
    "idx: label -inf": idx_labels("f4", 0, 1, 2, 0, 1, -np.inf),
    "idx: label 1.5": idx_labels("f4", 0, 1, 2, 0, 1, 1.5),
    "idx: label 1e300": idx_labels("f8", 0, 1, 2, 0, 1, 1e300),
    "idx: label -1": idx_labels("i1", 0, 1, 2, 0, 1, -1),
    "idx: label 256 of six": idx_labels("i2", 0, 1, 2, 0, 1, 256),
    "idx: label 2**31 - 1": idx_labels("i4", 0, 1, 2, 0, 1, 2**31 - 1),
    "idx: label -2**31": idx_labels("i4", 0, 1, 2, 0, 1, -(2**31)),
    "idx: test label that training lacks": idx_with(TEST_LABELS, idx(np.array([0, 1, 2, 3], np.uint8))),
    "idx: test label -1": idx_with(TEST_LABELS, idx(np.array([0, 1, 2, -1], np.int16))),
    # gzip
    "gz: magic alone": idx_zipped(ZIPPED[:2]),
    "gz: header alone": idx_zipped(ZIPPED[:10]),
    "gz: of nothing": idx_zipped(gzip.compress(b"")),
    "gz: of an HTML page": idx_zipped(gzip.compress(HTML)),
    "gz: gzipped twice": idx_zipped(gzip.compress(ZIPPED)),
    "gz: HTML page": idx_zipped(HTML),
    "gz: zlib's header": idx_zipped(zlib.compress(IMAGES)),
    "gz: unknown method": idx_zipped(overwritten(ZIPPED, 2, b"\7")),
    "gz: broken block": idx_zipped(overwritten(ZIPPED, 10, b"\xff\xff")),
    "gz: cut in the middle": idx_zipped(ZIPPED[: len(ZIPPED) // 2]),
    "gz: trailer missing": idx_zipped(ZIPPED[:-8]),
    "gz: last byte missing": idx_zipped(ZIPPED[:-1]),
    "gz: bad CRC": idx_zipped(overwritten(ZIPPED, -8, b"\1\2\3\4")),
    "gz: wrong ISIZE": idx_zipped(overwritten(ZIPPED, -4, b"\1\2\3\4")),
    "gz: trailing bytes": idx_zipped(ZIPPED + b"trailing"),
    "gz: second member broken": idx_zipped(ZIPPED + gzip.compress(b"")[:-3]),
    "gz: second member too much": idx_zipped(ZIPPED + gzip.compress(b"\0")),
    "gz: second member cut": idx_zipped(gzip.compress(IMAGES[:50]) + gzip.compress(IMAGES[50:])[:-8]),
    "gz: a byte too many": idx_zipped(gzip.compress(IMAGES + b"\0")),
    "gz: a byte too few": idx_zipped(gzip.compress(IMAGES[:-1])),
    "gz: header cut short": idx_zipped(gzip.compress(IMAGES[:15])),
    "gz: declares 16 GiB": idx_zipped(gzip.compress(idx_header(8, 2**34 // 12, 4, 3) + bytes(10000))),
    "gz: product that is 0 in 64 bits": idx_zipped(gzip.compress(idx_header(8, *[2**16] * 4))),
    "gz: bomb of 80 MB": idx_with(f"{TRAIN_IMAGES}.gz", lambda: packed(IMAGES, 80_000_000)),
    "gz: bomb of 80 MB in whole members": idx_with(
        f"{TRAIN_IMAGES}.gz", lambda: ZIPPED + gzip.compress(bytes(1_000_000)) * 80
    ),
    "gz: name without end": idx_with(f"{TRAIN_IMAGES}.gz", lambda: b"\x1f\x8b\x08\x08" + b"\1" * (16 << 20)),
    "gz: 80 MiB, then cut": large_idx(lambda content: content[:-8]),
    "gz: 80 MiB, then a byte too many": large_idx(bytes, b"\0"),
    "gz: 80 MiB, then a bad CRC": large_idx(lambda content: overwritten(content, -8, b"\1\2\3\4")),
    "gz: 80 MiB, then trailing bytes": large_idx(lambda content: content + b"trailing"),
    "gz: 40 MiB a byte too few, beside 40 MiB": two_idx_of_40_mib,
    "gz: the last of many labels -1": many_idx_labels(9, b"\xff", 0, TRAIN_LABELS),
    "gz: many labels, then a wrong test label": many_idx_labels(8, b"\1", 2, TEST_LABELS),
    "gz: the last of many labels 2**24 - 1": many_idx_labels(12, b"\0\xff\xff\xff", 0, TRAIN_LABELS),
    "gz: the last of many labels 2**24": many_idx_labels(12, b"\1\0\0\0", 0, TRAIN_LABELS),
    # paths
    "path: missing": pathless(lambda root: None, "nothing"),
    "path: missing in a missing directory": pathless(lambda root: None, "no/nothing"),
    "path: missing archive": pathless(lambda root: None, "nothing.npz"),
    "path: name too long": pathless(lambda root: None, "a" * 300),
    "path: directory empty": pathless(lambda root: (root / "set").mkdir(), "set"),
    "path: directory named like an archive": pathless(lambda root: (root / "set.npz").mkdir(), "set.npz"),
    "path: pipe": pathless(lambda root: os.mkfifo(root / "pipe"), "pipe"),
    "path: one IDX file": pathless(lambda root: write_idx(root / "set"), f"set/{TRAIN_IMAGES}"),
    "path: no training images": without(TRAIN_IMAGES),
    "path: no training labels": without(TRAIN_LABELS),
    "path: no test images": without(TEST_IMAGES),
    "path: no test labels": without(TEST_LABELS),
    "path: two sets": pathless(two_sets, "set"),
    "path: prefix of no set": pathless(two_sets, "set/emnist-letter"),
    "path: directory as a file": replaced(Path.mkdir),
    "path: pipe as a file": replaced(os.mkfifo),
    "path: link to nothing": replaced(lambda path: path.symlink_to("nothing")),
    "path: link to itself": replaced(lambda path: path.symlink_to(path.name)),
    # what is no archive
    "npz: empty": archive_of(b""),
    "npz: HTML page": archive_of(HTML),
    "npz: gzipped": archive_of(gzip.compress(npz())),
    "npz: a .npy file": archive_of(npy(GOOD["x_train"])),
    "npz: cut in the middle": archive_of(npz()[: len(npz()) // 2]),
    "npz: first bytes missing": archive_of(npz()[50:]),
    "npz: last byte missing": archive_of(npz()[:-1]),
    "npz: no members": archive_of(npz(dict.fromkeys(GOOD))),
    "npz: without x_train": archive_of(npz({"x_train": None})),
    "npz: without y_test": archive_of(npz({"y_test": None})),
    "npz: a member's name of two lines": archive_of(npz({"y_test": None, "a\nb": b""})),
    "npz: many entries": archive_of(npz_of_many_entries),
    "npz: many entries, by the record of large archives": archive_of(npz_of_many_entries_by_zip64),
    # entries
    "npz: lzma": archive_of(npz(method=zipfile.ZIP_LZMA), "[x_train]"),
    "npz: encrypted": npz_entry(8, b"\1\0"),
    "npz: strongly encrypted": npz_entry(8, b"\x40\0"),
    "npz: unknown method": npz_entry(10, b"\x63\0"),
    "npz: bad CRC": npz_entry(16, b"\1\2\3\4"),
    "npz: packed size 0": npz_entry(20, bytes(4)),
    "npz: packed size too low": npz_entry(20, struct.pack("<I", 100)),
    "npz: size too high": npz_entry(24, struct.pack("<I", 1000)),
    "npz: size too low": npz_entry(24, struct.pack("<I", 150)),
    "npz: size 4 GiB": npz_entry(24, struct.pack("<I", 2**32 - 2)),
    "npz: stored size too high": npz_entry(24, struct.pack("<I", 1000), zipfile.ZIP_STORED),
    "npz: stored size too low": npz_entry(24, struct.pack("<I", 150), zipfile.ZIP_STORED),
    "npz: stored, more than it says": archive_of(npz_longer_than_it_says(zipfile.ZIP_STORED), "[x_train]"),
    "npz: offset of another member": npz_entry(42, struct.pack("<I", npz().index(b"PK\3\4", 1))),
    "npz: offset beyond the end": npz_entry(42, struct.pack("<I", 2**31)),
    "npz: offset 2**64 - 1": archive_of(npz_far_offset, "[x_train]"),
    "npz: member's own header broken": archive_of(overwritten(npz(), 0, b"PK\7\7"), "[x_train]"),
    "npz: member's own name no UTF-8": archive_of(
        overwritten(overwritten(npz(), 6, struct.pack("<H", 0x800)), 30, b"\xff"), "[x_train]"
    ),
    "npz: broken block": archive_of(overwritten(npz(), 30 + len("x_train.npy"), b"\xff\xff"), "[x_train]"),
    # headers
    "npz: member empty": npz_with(x_train=b""),
    "npz: member an HTML page": npz_with(x_train=HTML),
    "npz: magic alone": npz_with(x_train=b"\x93NUMPY\1\0"),
    "npz: version 3.0": npz_with(x_train=overwritten(npy(GOOD["x_train"]), 6, b"\3\0")),
    "npz: version 9.9": npz_with(x_train=overwritten(npy(GOOD["x_train"]), 6, b"\x09\x09")),
    "npz: header cut short": npz_with(x_train=npy(GOOD["x_train"])[:40]),
    "npz: header of 4 GiB": npz_with(x_train=b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1)),
    "npz: header of 80 MB": archive_of(
        lambda: npz({"x_train": b"\x93NUMPY\2\0" + struct.pack("<I", 80_000_000) + bytes(80_000_000)}), "[x_train]"
    ),
    "npz: header of zeros": npz_literal("\0" * 100),
    "npz: header no literal": npz_literal("__import__('os').getcwd()\n"),
    "npz: header of brackets": npz_literal("[" * 2000),
    "npz: header of minus signs": npz_literal("-" * 9000 + "1\n"),
    "npz: header a list": npz_literal("[1, 2, 3]\n"),
    "npz: header without shape": npz_literal("{'descr': '|u1', 'fortran_order': False}\n"),
    "npz: order no truth value": npz_literal("{'descr': '|u1', 'fortran_order': 2, 'shape': (6, 4, 3)}\n"),
    "npz: dtype unknown": npz_literal("{'descr': '|q9', 'fortran_order': False, 'shape': (6, 4, 3)}\n"),
    # shapes
    "npz: shape no tuple": npz_shape("72", 72),
    "npz: shape of floats": npz_shape("(6.0, 4.0, 3.0)", 72),
    "npz: shape with True": npz_with(
        y_train=npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (6, True)}\n") + bytes(6)
    ),
    "npz: shape ()": npz_shape("()", 1),
    "npz: shape negative": npz_shape("(-6, -4, 3)", 72),
    "npz: shape -1": npz_shape("(-1, 4, 3)", 72),
    "npz: shape of 33 dimensions": npz_shape(f"(6, 4, 3, {'1, ' * 30})", 72),
    "npz: count too high": npz_shape("(7, 4, 3)", 72),
    "npz: count too low": npz_shape("(5, 4, 3)", 72),
    "npz: product that is 0 in 64 bits": npz_shape(f"({2**32}, {2**32})"),
    "npz: size of 4000 digits": npz_shape(f"({'9' * 4000}, 4, 3)", 72),
    "npz: product of 8000 digits": npz_shape(f"({'9' * 4000}, {'9' * 4000})", 72),
    "npz: negative size of 9000 hexadecimal digits": npz_shape(f"(-0x{'f' * 9000},)", 72),
    "npz: trailing bytes": npz_with(x_train=npy(GOOD["x_train"]) + b"trailing"),
    "npz: last byte missing from a member": npz_with(x_train=npy(GOOD["x_train"])[:-1]),
    "npz: no images": npz_with(x_train=np.zeros((0, 4, 3), np.uint8), y_train=np.zeros(0, np.uint8)),
    "npz: no pixels": npz_with(**NO_PIXELS),
    # images
    "npz: images in 0..1, test images in 0..255": npz_with(x_test=GOOD["x_test"], x_train=GOOD["x_train"] / 255),
    "npz: pixel NaN of half precision": npz_with(x_train=pixel("f2", np.nan)),
    "npz: pixel NaN in Fortran order": npz_with(x_train=np.asfortranarray(pixel("f4", np.nan))),
    "npz: pixel 256": npz_with(x_train=pixel("f2", 256)),
    "npz: pixel -1e-30": npz_with(x_train=pixel("f4", -1e-30)),
    "npz: images long double": npz_with(x_train=npy_of((6, 4, 3), "<f16")),
    "npz: images complex": npz_with(x_train=GOOD["x_train"].astype(np.complex64)),
    "npz: images text": npz_with(x_train=GOOD["x_train"].astype(str)),
    "npz: images of shape (2, 5000 ones)": npz_shape(f"(2, {'1, ' * 3000})", 2),
    "npz: a size of many digits and no comma": npz_shape(f"({'1' * 9000}", 2),
    "npz: images int64": npz_with(x_train=GOOD["x_train"].astype(np.int64)),
    "npz: images bool": npz_with(x_train=GOOD["x_train"] > 0),
    "npz: images objects": npz_with(x_train=GOOD["x_train"].astype(object)),
    "npz: images structured": npz_with(x_train=GOOD["x_train"].view([("r", "u1"), ("g", "u1"), ("b", "u1")])),
    "npz: images of rank 1": npz_with(x_train=np.zeros(6, np.uint8)),
    "npz: test images of another shape": npz_with(x_test=np.zeros((4, 3, 4), np.uint8)),
    # labels
    "npz: a label too many": npz_labels("u1", 0, 1, 2, 0, 1, 2, 0),
    "npz: a test label too few": npz_with(y_test=np.zeros(3, np.uint8)),
    "npz: label one scalar": npz_with(y_train=np.array(1, np.uint8)),
    "npz: one-hot labels": npz_with(y_train=np.eye(3)[GOOD["y_train"]]),
    "npz: one-hot labels of eight classes": npz_with(**ONE_HOT),
    "npz: labels bool": npz_with(y_train=GOOD["y_train"] > 0),
    "npz: labels complex": npz_with(y_train=GOOD["y_train"].astype(np.complex64)),
    "npz: labels text, test labels numbers": npz_with(y_test=GOOD["y_test"], y_train=GOOD["y_train"].astype(str)),
    "npz: labels numbers, test labels bytes": npz_with(y_test=GOOD["y_test"].astype("S1")),
    "npz: one class of text": npz_with(y_train=np.array(["cat"] * 6), y_test=np.array(["cat"] * 4)),
    "npz: a test label that is no training label": npz_with(
        y_test=np.array(["d", *"abc"]), y_train=np.array([*"abcabc"])
    ),
    "npz: labels text in a matrix": npz_with(y_train=np.full((6, 2), "a"), y_test=np.full((4, 2), "a")),
    "npz: labels text of no character": npz_with(y_train=npy_of((6,), "<U0"), y_test=npy_of((4,), "<U0")),
    "npz: labels text of a million characters": npz_with(y_train=npy_of((6,), "|S999999"), y_test=np.full(4, b"a")),
    "npz: labels text beyond Unicode": npz_with(y_train=npy_header(TEXT) + b"\xff" * 24, y_test=np.full(4, "a")),
    "npz: labels bytes that are no UTF-8": npz_with(y_train=np.array([b"\xff", *[b"a"] * 5]), y_test=np.full(4, b"a")),
    "npz: many different labels": npz_with(**many_texts()),
    "npz: labels objects": npz_with(y_train=GOOD["y_train"].astype(object)),
    "npz: labels structured": npz_with(y_train=np.zeros(6, [("a\nb", "i4"), ("c", "i4")])),
    "npz: labels dates": npz_with(y_train=GOOD["y_train"].astype("M8[D]")),
    "npz: labels durations": npz_with(y_train=GOOD["y_train"].astype("m8[s]")),
    "npz: labels long double": npz_with(y_train=npy_of((6,), "<f16")),
    "npz: label NaN": npz_labels("f2", 0, 1, 2, 0, 1, np.nan),
    "npz: label signalling NaN": npz_with(y_train=signalling("f4", 0x7F800001)),
    "npz: label inf": npz_labels("f4", 0, 1, 2, 0, 1, np.inf),
    "npz: label 1.5": npz_labels("f8", 0, 1, 2, 0, 1, 1.5),
    "npz: label 1e300": npz_labels("f8", 0, 1, 2, 0, 1, 1e300),
    "npz: label -1": npz_labels("i8", 0, 1, 2, 0, 1, -1),
    "npz: label 2**31 - 1": npz_labels("u4", 0, 1, 2, 0, 1, 2**31 - 1),
    "npz: label 2**32": npz_labels("i8", 0, 1, 2, 0, 1, 2**32),
    "npz: label 2**64 - 1": npz_labels("u8", 0, 1, 2, 0, 1, 2**64 - 1),
    "npz: test label that training lacks": npz_with(y_test=np.array([0, 1, 2, 3])),
    # size
    "npz: 80 MiB, a byte too few": large_npz(-1, 0),
    "npz: 80 MiB, a byte too many": large_npz(1, 1),
    "npz: 80 MiB, a byte too many that the entry hides": large_npz(1, 0),
    "npz: 80 MiB, then a bad CRC": archive_of(large_npz_bad_checksum, "[x_train]"),
    "npz: bomb of 80 MB": archive_of(lambda: npz({"x_train": npy(GOOD["x_train"]) + bytes(80_000_000)}), "[x_train]"),
    "npz: 40 MiB with a bad CRC, beside 40 MiB": archive_of(two_arrays_of_40_mib, "[x_train]"),
    "npz: the last of many labels 0.5": archive_of(many_npz_labels, "[y_train]"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_refused(case: Case, tmp_path: Path) -> None:
    path, named = case(tmp_path)
    began = time.perf_counter()
    said = refusal(path)
    assert time.perf_counter() - began < SECONDS

    tracemalloc.start()
    try:
        refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert said.isprintable(), "one line"
    assert len(said) < 1000
    assert named in said
    assert "found" in said
    assert "expected" in said
    assert peak <= SPARE + sum(file.lstat().st_size for file in tmp_path.rglob("*"))


def test_enough_cases() -> None:
    assert len(CASES) >= 45


def test_each_case_has_one_fault_because_without_it_the_files_load(tmp_path: Path) -> None:
    archive = tmp_path / "set.npz"
    archive.write_bytes(npz())
    assert load(archive).classes == load(write_idx(tmp_path / "set")).classes == 3


@pytest.mark.parametrize("name", ["two\nlines", "carriage\rreturn"])
def test_a_path_of_two_lines_is_refused_in_one(name: str, tmp_path: Path) -> None:
    assert len(refusal(tmp_path / name).splitlines()) == 1
    (tmp_path / name).mkdir()
    assert len(refusal(tmp_path / name).splitlines()) == 1
