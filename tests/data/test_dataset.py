"""The embedded MNIST, what a data set says of itself, and files damaged at random."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manual_vs_auto.data import DataError, Dataset, load
from manual_vs_auto.data.dataset import EMBEDDED
from tests.data.outcome import outcome
from tests.data.writing import GOOD, IDX_NAMES, TRAIN_LABELS, idx, npy, npz, write_idx

PUBLISHED = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load()


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_embedded_files_unpack_to_the_published_ones(name: str) -> None:
    with gzip.open(EMBEDDED / f"{name}.gz") as file:
        assert hashlib.file_digest(file, "md5").hexdigest() == PUBLISHED[name]


def test_the_readme_beside_them_gives_the_same_sums() -> None:
    readme = (EMBEDDED / "README.md").read_text()
    for name, digest in PUBLISHED.items():
        assert f"| {name} | {digest} |" in readme


def test_the_embedded_mnist(mnist: Dataset) -> None:
    assert mnist.name == "MNIST (embedded)"
    assert mnist.train_images.shape == (60_000, 784)
    assert mnist.test_images.shape == (10_000, 784)
    assert mnist.train_images.dtype == mnist.test_images.dtype == np.uint8
    assert mnist.train_labels.dtype == mnist.test_labels.dtype == np.int32
    assert mnist.image_shape == (28, 28)
    assert mnist.classes == 10
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(mnist.train_labels).tolist() == counts
    assert np.bincount(mnist.test_labels).sum() == 10_000


def test_the_embedded_mnist_has_its_first_digits_and_its_mean(mnist: Dataset) -> None:
    assert mnist.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert mnist.train_images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)


def test_a_path_as_text_or_as_a_path(tmp_path: Path) -> None:
    write_idx(tmp_path)
    assert load(str(tmp_path)).name == load(tmp_path).name == str(tmp_path)


def test_as_many_classes_as_the_largest_training_label_needs(tmp_path: Path) -> None:
    data = load(write_idx(tmp_path, {TRAIN_LABELS: idx(np.array([0, 3, 0, 0, 2, 0], np.uint8))}))
    assert data.classes == 4


def test_a_refusal_is_a_value_error_of_one_line(tmp_path: Path) -> None:
    write_idx(tmp_path, {TRAIN_LABELS: idx(np.array([0, 1, 2, 0, 1, -1], np.int8))})
    with pytest.raises(ValueError, match=r"^\S+: found label -1 at 5; expected a whole number in 0\.\.255 ") as caught:
        load(tmp_path)
    assert caught.type is DataError
    assert str(caught.value).startswith(str(tmp_path / TRAIN_LABELS))


FLOATS = GOOD | {"y_train": GOOD["y_train"].astype(np.float64)}
WHOLE: dict[str, bytes] = {
    **{name: idx(FLOATS[key]) for key, name in IDX_NAMES.items()},
    **{f"{name}.gz": gzip.compress(idx(FLOATS[key])) for key, name in IDX_NAMES.items()},
    "deflated.npz": npz({key: npy(array) for key, array in FLOATS.items()}),
    "stored.npz": npz({key: npy(array) for key, array in FLOATS.items()}, method=0),
}


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(sorted(WHOLE)),
    flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 255)), max_size=4),
    kept=st.none() | st.integers(0, 2000),
)
def test_a_damaged_file_loads_or_is_refused(
    name: str, flips: list[tuple[int, int]], kept: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(WHOLE[name])
    for at, bits in flips:
        content[at % len(content)] ^= bits
    damaged = bytes(content if kept is None else content[: kept % len(content)])
    directory = tmp_path_factory.mktemp("damaged")
    if name.endswith(".npz"):
        path = directory / name
        path.write_bytes(damaged)
    else:
        path = write_idx(directory, {name: damaged})
    outcome(path)
