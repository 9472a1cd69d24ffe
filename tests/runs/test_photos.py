"""Pictures as MNIST has its digits: MNIST's own stay as they are, and a photograph of one comes back."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manual_vs_auto.data import load
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.photos import as_image, centred

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def digits() -> Any:
    return load().test_images[:60].reshape(-1, 28, 28)


def test_mnist_s_own_digits_stay_where_they_are(digits: Any) -> None:
    """All but those whose centre of mass is halfway between two pixels."""
    same = [np.array_equal(centred(digit), digit) for digit in digits]
    assert np.mean(same) > 0.9


@pytest.mark.parametrize("paper", ["white", "black", "transparent", "noisy", "shaded", "JPEG"])
def test_a_photograph_of_a_digit_comes_back(digits: Any, paper: str, tmp_path: Path) -> None:
    """Seven times as large, somewhere on a sheet: scaled down again, the same but for the scaling's blur."""
    generator, alike = np.random.default_rng(0), []
    path, digit = tmp_path, digits[0]
    for at, digit in enumerate(digits[:20]):
        grey = np.asarray(Image.fromarray(digit).resize((196, 196), Image.Resampling.BICUBIC))
        sheet = np.zeros((300, 400))
        top, left = generator.integers(0, 100), generator.integers(0, 200)
        sheet[top : top + 196, left : left + 196] = grey
        path = tmp_path / f"{at}.{'jpg' if paper == 'JPEG' else 'png'}"
        light: Any = {"noisy": 220, "shaded": np.linspace(170, 240, 400)}.get(paper, 255)
        made = sheet if paper == "black" else light - sheet * np.min(light) / 300
        made = made + generator.normal(0, 3, sheet.shape) * (paper in ("noisy", "shaded"))
        pixels = made.clip(0, 255).astype(np.uint8)
        if paper == "transparent":
            pixels = np.concatenate([np.zeros((300, 400, 3)), sheet[..., None]], 2).astype(np.uint8)
        Image.fromarray(pixels).save(path)
        found = as_image(path, (28, 28), digit=True)
        alike.append(np.corrcoef(found, digit.reshape(-1))[0, 1])
    # A box that is found a pixel larger moves everything by half of one; elsewhere on the sheet nothing is alike.
    assert np.mean(alike) > 0.9
    plain = as_image(path, (28, 28), digit=False)
    assert abs(np.corrcoef(plain, digit.reshape(-1))[0, 1]) < 0.5


def test_a_picture_that_is_no_digit_is_only_scaled(tmp_path: Path) -> None:
    colours = np.zeros((40, 80, 3), np.uint8)
    colours[..., 0] = 200
    Image.fromarray(colours).save(tmp_path / "red.png")
    red = as_image(tmp_path / "red.png", (4, 8, 3), digit=False)
    assert red.reshape(4, 8, 3)[..., 0].tolist() == [[200] * 8] * 4
    assert as_image(tmp_path / "red.png", (4, 8), digit=False).shape == (32,)


def test_a_picture_is_upright(tmp_path: Path) -> None:
    """As a camera says: turned by its EXIF orientation."""
    picture = Image.fromarray(np.repeat(np.array([[0], [255]], np.uint8), 2, 1))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "turned.png", exif=exif)
    assert as_image(tmp_path / "turned.png", (2, 2), digit=False).tolist() == [255, 255, 0, 0]


def test_sixteen_bits_are_eight(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 65535], [32768, 0]], np.uint16)).save(tmp_path / "deep.png")
    assert as_image(tmp_path / "deep.png", (2, 2), digit=False).tolist() == [0, 255, 128, 0]


WIDE: dict[str, tuple[Any, str, list[int]]] = {
    "16 bits, all dark": (np.array([[0, 5140], [2570, 0]], np.uint16), "png", [0, 20, 10, 0]),
    "16 bits in a TIFF": (np.array([[0, 5140], [2570, 0]], np.uint16), "tiff", [0, 20, 10, 0]),
    "32 bits that hold 16": (np.array([[0, 65535], [2570, 0]], np.int32), "tiff", [0, 255, 10, 0]),
    "32 bits that hold 8": (np.array([[0, 255], [100, 0]], np.int32), "tiff", [0, 255, 100, 0]),
    "0 to 1": (np.array([[0, 1], [0.2, 0.5]], np.float32), "tiff", [0, 255, 51, 128]),
    "0 to 255": (np.array([[0, 255], [51, 0.2]], np.float32), "tiff", [0, 255, 51, 0]),
}


@pytest.mark.parametrize("name", WIDE)
def test_white_is_that_of_the_kind(name: str, tmp_path: Path) -> None:
    """Not the lightest that is there: a dark picture stays dark."""
    pixels, ending, right = WIDE[name]
    path = tmp_path / f"wide.{ending}"
    Image.fromarray(pixels).save(path)
    assert as_image(path, (2, 2), digit=False).tolist() == right


@pytest.mark.parametrize("pixel", [np.nan, -0.5, 300.0, np.inf])
def test_numbers_that_are_no_grey_are_refused(pixel: float, tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, pixel], [1, 0]], np.float32)).save(tmp_path / "f.tiff")
    with pytest.raises(UsageError, match=r"f.tiff: numbers from .* where 0 is black"):
        as_image(tmp_path / "f.tiff", (2, 2), digit=False)


def test_what_is_no_picture_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.full((30, 30), 250, np.uint8)).save(tmp_path / "empty.png")
    whole = (tmp_path / "empty.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no picture")
    for name, said in {"empty.png": "nothing is drawn on it", "cut.png": "no picture that Pillow reads",
                       "text.png": "no picture that Pillow reads", "none.png": "No such file"}.items():  # fmt: skip
        with pytest.raises(UsageError, match=said) as raised:
            as_image(tmp_path / name, (28, 28), digit=True)
        assert "\n" not in str(raised.value)
    for most in (100, 800):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with pytest.raises(UsageError, match=r"\(900 pixels\) exceeds limit"):
            as_image(tmp_path / "empty.png", (28, 28), digit=True)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match="pip install pillow"):
        as_image(tmp_path / "empty.png", (28, 28), digit=True)
