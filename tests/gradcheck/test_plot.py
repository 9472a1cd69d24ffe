"""The picture: of every shape of leaf, and of faults that have no numbers to draw."""

import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from manual_vs_auto.gradcheck import Report, Settings, check_gradient, check_jvp, check_vjp
from manual_vs_auto.gradcheck.report.plot import _as_image as as_image
from tests.corpus.functions import normal

ONCE: Settings = {"probes": False}
_TEXT = "{http://www.w3.org/2000/svg}text"


def squares(x: Any) -> Any:
    return jnp.sum(x**2)


def wrong(x: Any) -> Any:
    return 3 * x


def absolute(x: Any) -> Any:
    return jnp.sum(jnp.abs(x))


def texts(path: Path) -> list[str]:
    """What is written in an SVG whose letters are letters."""
    return ["".join(node.itertext()).strip() for node in ET.parse(path).iter(_TEXT)]


def drawn(report: Report, path: Path) -> list[str]:
    with mpl.rc_context({"svg.fonttype": "none"}):
        report.plot(path)
    return texts(path)


@cache
def of_a_number() -> Report:
    return check_gradient(squares, wrong, 0.75, **ONCE)


def of_arrays(manual: np.ndarray, reference: np.ndarray) -> Report:
    """A report whose leaf holds these, until another one is asked for."""
    report = of_a_number()
    assert report.outcome
    report.outcome.manual, report.outcome.reference = [manual], [reference]
    return report


SHAPES: dict[str, tuple[int, ...]] = {
    "a number": (), "a vector": (3,), "one element": (1,), "a long vector": (1000,), "a matrix": (3, 4),
    "one column": (3, 1), "three axes": (2, 3, 4), "a wide matrix": (2, 700), "a million": (1000, 1000),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_leaves_of_every_shape(name: str, tmp_path: Path) -> None:
    reference = np.asarray(normal(0, *SHAPES[name], dtype=np.float64))
    of_arrays(3 * reference, 2 * reference).plot(tmp_path / "picture.png")
    pixels = imread(tmp_path / "picture.png")
    assert pixels.shape[1] > 2 * pixels.shape[0] > 500
    thirds = pixels[:, : 3 * (pixels.shape[1] // 4), :3].astype(np.float64)
    assert all(np.std(part) > 0.05 for part in np.array_split(thirds, 3, axis=1)), "manual, reference or difference"


REPORTS: dict[str, Callable[[], Report]] = {
    "a vector": lambda: check_gradient(squares, wrong, normal(0, 3), **ONCE),
    "bfloat16": lambda: check_gradient(squares, wrong, normal(0, 3, dtype=jnp.bfloat16), **ONCE),
    "agreement": lambda: check_gradient(squares, lambda x: 2 * x, normal(0, 3), **ONCE),
    "a linear function": lambda: check_gradient(jnp.sum, jnp.ones_like, normal(0, 3), **ONCE),
    "all zero": lambda: check_gradient(lambda x: 0.0 * squares(x), jnp.zeros_like, normal(0, 3), **ONCE),
    "a pullback": lambda: check_vjp(jnp.sin, lambda ct, x: (ct * x,), normal(0, 3), **ONCE),
    "a pushforward": lambda: check_jvp(jnp.sin, lambda p, t: t[0], normal(0, 3), **ONCE),
    "a kink": lambda: check_gradient(absolute, lambda x: jnp.sign(x) + 2 * (x == 0), np.array([0.0, 1.0]), **ONCE),
    "a kink that agrees": lambda: check_gradient(absolute, jnp.sign, np.zeros(2), convention=0.0, probes=False),
    "NumPy": lambda: check_gradient(lambda x: float(np.sum(x**2)), wrong, normal(0, 3), **ONCE),
    "a probe": lambda: check_gradient(squares, lambda x: jnp.where(x > 0, 2 * x, x), np.array([1.0, 2.0])),
    "infinity": lambda: check_gradient(squares, lambda x: 2 * x / (x != 0), np.array([0.0, 1.0]), **ONCE),
    "infinity everywhere": lambda: check_gradient(squares, lambda x: x / 0, np.array([0.5, 1.0]), **ONCE),
    "a second order": lambda: check_gradient(
        squares, lambda x: 2 * x + jnp.round(x * 1e9) * 0, normal(0, 3), order=2, probes=False
    ),
}


@cache
def report_of(name: str) -> Report:
    return REPORTS[name]()


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_has_a_picture(name: str, tmp_path: Path) -> None:
    report = report_of(name)
    said = drawn(report, tmp_path / "picture.svg")
    assert report.worst
    assert f"{report.verdict}  {report.name}, {report.kind}, {report.worst.name}" in said
    for title in ("manual", "reference", "difference", "remainder against step"):
        assert said.count(title) == 1
    assert [text for text in said if "no Taylor remainder" in text] or "rounding" in said


def test_the_expected_slopes_are_drawn(tmp_path: Path) -> None:
    said = drawn(report_of("a vector"), tmp_path / "picture.svg")
    assert {"remainder", "slope 1: wrong", "slope 2: right", "rounding"} <= set(said)


def test_a_kink_has_no_remainder(tmp_path: Path) -> None:
    report = report_of("a kink")
    assert report.diagnosis
    assert report.diagnosis.kind == "kink"
    assert any("a kink" in text for text in drawn(report, tmp_path / "picture.svg"))


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    """A derivative of a wrong shape has no elements to compare."""
    report = check_gradient(squares, lambda x: jnp.sum(x), normal(0, 3))
    with pytest.raises(ValueError, match="nothing to draw"):
        report.plot(tmp_path / "picture.svg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("suffix", "head"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_formats(suffix: str, head: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{suffix}"
    report_of("a vector").plot(str(path))
    assert path.read_bytes().startswith(head)


def test_the_same_report_is_the_same_picture(tmp_path: Path) -> None:
    """Made twice from one report, and from another one of the same seed."""
    report = report_of("a vector")
    paths = [tmp_path / f"{name}.svg" for name in "abc"]
    report.plot(paths[0])
    report.plot(paths[1])
    REPORTS["a vector"]().plot(paths[2])
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again == other


def test_drawing_changes_no_settings(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    report_of("a vector").plot(tmp_path / "picture.svg")
    assert dict(mpl.rcParams) == before


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report = report_of("a vector")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="a picture needs matplotlib: pip install matplotlib"):
        report.plot(tmp_path / "picture.svg")


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        report_of("a vector").plot(tmp_path / "nowhere" / "picture.svg")


@pytest.mark.parametrize("size", [1, 65, 1000, 262_144, 300_001])
def test_a_single_wrong_element_stays_to_be_seen(size: int) -> None:
    """However many elements share a pixel."""
    for at in (0, size // 2, size - 1):
        flat = np.full(size, 1e-3)
        flat[at] = -5.0
        image = as_image(flat)
        assert image.ndim == 2
        assert max(image.shape) <= 512
        assert np.count_nonzero(image == -5.0) == 1


def test_a_small_matrix_keeps_its_rows() -> None:
    matrix = normal(0, 3, 4)
    assert np.array_equal(as_image(matrix), matrix)
    assert as_image(normal(0, 2, 3, 4)).shape == (6, 4)
    assert as_image(np.float64(2.0) * np.ones(())).shape == (1, 1)


def test_the_difference_of_a_large_leaf_shows_one_wrong_element(tmp_path: Path) -> None:
    """The largest of a block of the difference is not the difference of the largest of both."""
    reference = normal(0, 1000, 1000, dtype=np.float64)
    manual = reference.copy()
    manual[777, 777] += 0.017
    assert "0.017" in drawn(of_arrays(manual, reference), tmp_path / "picture.svg")
