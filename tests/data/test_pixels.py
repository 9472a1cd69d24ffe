"""Floating images: which range they have, how they are kept, and what is said of it."""

from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto.data import Dataset, load
from manual_vs_auto.data import pixels as pixels_module
from manual_vs_auto.data import source as source_module
from tests.data.outcome import refusal
from tests.data.writing import GOOD, IDX_NAMES, Array, idx, npy, npz, write_idx

BYTES = {"x_train": np.arange(184, 256, dtype=np.uint8).reshape(6, 4, 3), "x_test": GOOD["x_test"]}


def archive(directory: Path, train: Array, test: Array) -> Path:
    path = directory / "set.npz"
    path.write_bytes(npz({"x_train": npy(train), "x_test": npy(test)}))
    return path


def loaded(directory: Path, change: float, dtype: str) -> Dataset:
    """The images times a number, in a dtype."""
    return load(archive(directory, *((BYTES[key] * change).astype(dtype) for key in ("x_train", "x_test"))))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", ">f8"])
def test_whole_numbers_to_255_are_bytes(dtype: str, tmp_path: Path) -> None:
    data = loaded(tmp_path, 1, dtype)
    assert data.train_images.dtype == data.test_images.dtype == np.uint8
    np.testing.assert_array_equal(data.train_images, BYTES["x_train"].reshape(6, 12))
    np.testing.assert_array_equal(data.test_images, BYTES["x_test"].reshape(4, 12))
    name = np.dtype(dtype).name
    assert (data.pixels, data.warnings) == (f"{name} pixels in 0..255, whole, kept as uint8", ())


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", ">f8"])
def test_0_to_1_is_as_it_is(dtype: str, tmp_path: Path) -> None:
    data = loaded(tmp_path, 1 / 255, dtype)
    assert data.train_images.dtype == data.test_images.dtype == np.float32
    expected = (BYTES["x_train"] / 255).astype(dtype).astype(np.float32)
    np.testing.assert_array_equal(data.train_images, expected.reshape(6, 12))
    assert (data.pixels, data.warnings) == (f"{np.dtype(dtype).name} pixels in 0..1, as they are", ())


def test_0_to_255_in_fractions_is_divided(tmp_path: Path) -> None:
    """As resizing leaves it; the test images happen to be whole, and are kept as bytes of the same range."""
    train = BYTES["x_train"].astype(np.float64)
    train[3] -= 0.25
    data = load(archive(tmp_path, train, BYTES["x_test"].astype(np.float64)))
    assert data.train_images.dtype == np.float32
    assert data.test_images.dtype == np.uint8
    np.testing.assert_allclose(data.train_images, train.reshape(6, 12) / 255, rtol=1e-7)  # float32 has 6e-8
    assert data.pixels == "float64 pixels in 0..255, divided by 255"
    half = load(archive(tmp_path, train.astype(np.float16), BYTES["x_test"]))
    np.testing.assert_allclose(half.train_images, train.astype("f2").astype("f4").reshape(6, 12) / 255, rtol=1e-7)


def test_floating_idx_files(tmp_path: Path) -> None:
    data = load(write_idx(tmp_path, {IDX_NAMES[key]: idx(BYTES[key] / np.float32(255)) for key in BYTES}))
    np.testing.assert_array_equal(data.train_images, (BYTES["x_train"] / np.float32(255)).reshape(6, 12))


def test_bytes_say_nothing(tmp_path: Path) -> None:
    data = load(archive(tmp_path, BYTES["x_train"], BYTES["x_test"]))
    assert (data.pixels, data.warnings) == ("", ())


def test_bytes_that_are_read_before_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of more than 56 MiB are."""
    monkeypatch.setattr(pixels_module, "_KEPT_UNCHECKED", 0)
    data = load(archive(tmp_path, BYTES["x_train"], BYTES["x_test"]))
    assert data.train_images.dtype == data.test_images.dtype == np.uint8
    np.testing.assert_array_equal(data.train_images, BYTES["x_train"].reshape(6, 12))
    assert (data.pixels, data.warnings) == ("", ())


@pytest.mark.parametrize(("train", "test"), [(1, 1 / 255), (1 / 255, 1)])
def test_one_range_for_training_and_test(train: float, test: float, tmp_path: Path) -> None:
    said = refusal(archive(tmp_path, BYTES["x_train"] * train, BYTES["x_test"] * test))
    assert "[x_test]: found pixels up to" in said
    assert said.endswith("expected 0..1 or 0..255 in both")
    as_bytes = BYTES["x_train"] if train == 1 else BYTES["x_test"]
    either = (as_bytes, BYTES["x_test"] / 255) if train == 1 else (BYTES["x_train"] / 255, as_bytes)
    assert "found pixels up to" in refusal(archive(tmp_path, *either))


@pytest.mark.parametrize("scale", [1, 255])
def test_black_test_images_are_of_either_range(scale: float, tmp_path: Path) -> None:
    data = load(archive(tmp_path, BYTES["x_train"] / scale, np.zeros((4, 4, 3))))
    assert not data.test_images.any()


def test_brighter_than_white_by_a_rounding(tmp_path: Path) -> None:
    train = (BYTES["x_train"] / 255).astype(np.float32)
    train[5, 3, 2] = np.nextafter(np.float32(1), np.float32(2))
    assert load(archive(tmp_path, train, train[:4])).pixels == "float32 pixels in 0..1, as they are"
    train[5, 3, 2] = 1.001
    assert load(archive(tmp_path, train, train[:4] * 255)).pixels == "float32 pixels in 0..255, divided by 255"


@pytest.mark.parametrize(("value", "order"), [(np.nan, "C"), (256, "C"), (-1, "F"), (np.inf, "F")])
def test_the_image_of_a_bad_pixel_is_named(value: float, order: str, tmp_path: Path) -> None:
    train = np.array(BYTES["x_train"], np.float32, order=order)  # type: ignore[call-overload]
    train[4, 1, 2] = value
    said = refusal(archive(tmp_path, train, BYTES["x_test"]))
    assert f"found pixel {np.float32(value)} in image 4; expected numbers in 0..1 or 0..255" in said


@pytest.mark.parametrize(("brightest", "warns"), [(16, True), (63, True), (64, False)])
@pytest.mark.parametrize("dtype", ["u1", "f8"])
def test_a_range_that_is_neither_is_asked_about(brightest: int, warns: bool, dtype: str, tmp_path: Path) -> None:
    """scikit-learn's digits go to 16."""
    images = np.full((6, 4, 3), 2, dtype)
    images[0, 0, 0] = brightest
    found = load(archive(tmp_path, images, images[:4])).warnings
    said = f"the brightest pixel is {brightest} where white is 255: if {brightest} is their white, scale them"
    told = f"{tmp_path}/set.npz[x_train]: {said}"
    assert found == ((told,) if warns else ())


def test_the_brightest_of_0_to_1(tmp_path: Path) -> None:
    (said,) = load(archive(tmp_path, np.full((6, 4, 3), 0.125), np.full((4, 4, 3), 1.0))).warnings
    assert "the brightest pixel is 0.125 where white is 1:" in said
    assert load(archive(tmp_path, np.full((6, 4, 3), 0.25), np.full((4, 4, 3), 1.0))).warnings == ()


def test_one_fraction_in_the_first_piece_makes_fractions_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "PIECE", 64)
    train = BYTES["x_train"].astype(np.float64)
    train[0, 0, 0] = 0.5
    data = load(archive(tmp_path, train, BYTES["x_test"]))
    assert data.train_images.dtype == np.float32
    np.testing.assert_allclose(data.train_images, train.reshape(6, 12) / 255, rtol=1e-7)  # float32 has 6e-8


def test_a_slab_is_at_least_one_pixel_of_every_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "PIECE", 4)
    data = load(archive(tmp_path, *(np.asfortranarray(BYTES[key]) for key in ("x_train", "x_test"))))
    np.testing.assert_array_equal(data.train_images, BYTES["x_train"].reshape(6, 12))


@pytest.mark.parametrize("dtype", ["u1", "f2", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("piece", [8, 24, 40, 64, 1 << 18])
def test_in_pieces(dtype: str, order: str, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "PIECE", piece)
    images = [np.array(BYTES[key], dtype, order=order) for key in ("x_train", "x_test")]  # type: ignore[call-overload]
    data = load(archive(tmp_path, *images))
    np.testing.assert_array_equal(data.train_images, BYTES["x_train"].reshape(6, 12))
    np.testing.assert_array_equal(data.test_images, BYTES["x_test"].reshape(4, 12))
