"""Loading takes little more memory than the pixels that it returns."""

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto.data import load
from tests.data.writing import IDX_NAMES, Array, idx, npy, npz

COUNT = 20_000
PIXELS = np.tile(np.arange(256, dtype=np.uint8), COUNT * 784 // 256).reshape(COUNT, 28, 28)  # 15 MB
LABELS = (np.arange(COUNT) % 10).astype(np.uint8)


def arrays(images: Array) -> dict[str, Array]:
    return {"x_train": images, "y_train": LABELS[: len(images)], "x_test": images[:1000], "y_test": LABELS[:1000]}


def files(pack: Callable[[bytes], bytes], images: Array) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        for key, array in arrays(images).items():
            (root / IDX_NAMES[key]).write_bytes(pack(idx(array)))
        return root

    return write


def archive(method: int, images: Array) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        path = root / "set.npz"
        path.write_bytes(npz({key: npy(array) for key, array in arrays(images).items()}, method))
        return path

    return write


KINDS: dict[str, Callable[[Path], Path]] = {
    "idx": files(bytes, PIXELS),
    "idx, gzipped": files(lambda content: gzip.compress(content, 1), PIXELS),
    "idx, whole numbers in float32": files(bytes, PIXELS.astype(np.float32)),
    "npz, stored": archive(0, PIXELS),
    "npz, deflated": archive(8, PIXELS),
    "npz, stored in Fortran order": archive(0, np.asfortranarray(PIXELS)),
    "npz, deflated in Fortran order, of rank 2": archive(8, np.asfortranarray(PIXELS.reshape(COUNT, -1))),
    "npz, in Fortran order, colours last": archive(0, np.asfortranarray(PIXELS.reshape(COUNT, 28, 14, 2))),
    "npz, float32 in 0..1": archive(0, PIXELS[:6000] / np.float32(255)),
    "npz, float64 in 0..255": archive(0, np.asfortranarray(PIXELS[:6000] * 0.75)),
}


@pytest.mark.parametrize("write", KINDS.values(), ids=KINDS.keys())
def test_at_most_a_fifth_more(write: Callable[[Path], Path], tmp_path: Path) -> None:
    path = write(tmp_path)
    tracemalloc.start()
    try:
        data = load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    kept = data.train_images.nbytes + data.test_images.nbytes + data.train_labels.nbytes + data.test_labels.nbytes
    assert kept <= peak <= 1.2 * kept


def test_jax_on_a_cpu_takes_the_images_as_they_are(tmp_path: Path) -> None:
    """It copies an array that does not begin at a multiple of 64 bytes, and training would hold the images twice."""
    data = load(KINDS["idx"](tmp_path))
    for images in (data.train_images, data.test_images):
        assert images.ctypes.data % 64 == 0
