"""Writes tiny data sets to disk, whole or with some of their files replaced."""

import io
import math
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
IDX_NAMES = {"x_train": TRAIN_IMAGES, "y_train": TRAIN_LABELS, "x_test": TEST_IMAGES, "y_test": TEST_LABELS}
IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}

GOOD: dict[str, Array] = {
    "x_train": np.arange(72, dtype=np.uint8).reshape(6, 4, 3),
    "y_train": np.array([0, 1, 2, 0, 1, 2], np.uint8),
    "x_test": np.arange(255, 207, -1, dtype=np.uint8).reshape(4, 4, 3),
    "y_test": np.array([2, 1, 0, 0], np.uint8),
}


def idx_header(code: int, *sizes: int) -> bytes:
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


def idx(array: Array) -> bytes:
    return (
        idx_header(IDX_CODES[array.dtype.str[1:]], *array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


def write_idx(directory: Path, changed: Mapping[str, bytes] | None = None) -> Path:
    """The good data set, with files changed or, under a name that ends in .gz, gzipped ones in their place."""
    files = {IDX_NAMES[key]: idx(array) for key, array in GOOD.items()}
    for name in changed or {}:
        files.pop(name.removesuffix(".gz"), None)
    directory.mkdir(exist_ok=True)
    for name, content in {**files, **(changed or {})}.items():
        (directory / name).write_bytes(content)
    return directory


def npy_header(literal: str, version: tuple[int, int] = (1, 0)) -> bytes:
    text = literal.encode("latin1")
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version == (1, 0) else "<I", len(text)) + text


def npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0))
    return buffer.getvalue()


def npy_of(shape: tuple[int, ...], descr: str = "|u1", size: int | None = None) -> bytes:
    """An array of zeros, or its header over `size` bytes of them."""
    literal = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"
    return npy_header(literal) + bytes(math.prod(shape) * np.dtype(descr).itemsize if size is None else size)


def npz(changed: Mapping[str, bytes | None] | None = None, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The good data set as an archive, with members (x_train, say) changed, added, or left out if None."""
    members = {key: npy(array) for key, array in GOOD.items()} | dict(changed or {})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method, compresslevel=1) as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def directory_entry(archive: bytes, name: str) -> int:
    """Where the central directory's entry for a member begins."""
    at = archive.index(b"PK\1\2")
    while not archive.startswith(f"{name}.npy".encode(), at + 46):
        at = archive.index(b"PK\1\2", at + 1)
    return at


def overwritten(content: bytes, at: int, new: bytes) -> bytes:
    at %= len(content)
    return content[:at] + new + content[at + len(new) :]


def with_directory(archive: bytes, directory: bytes) -> bytes:
    """The archive with another central directory of as many entries as the end record will say."""
    start, end = archive.index(b"PK\1\2"), archive.rindex(b"PK\5\6")
    return archive[:start] + directory + overwritten(archive[end:], 12, struct.pack("<I", len(directory)))
