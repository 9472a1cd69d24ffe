"""The pictures: what is drawn is what was told, axes say what they are, and grey tells as much as colour."""

import base64
import io
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.evaluation import evaluate
from manual_vs_auto.runs.kept import Kept, read
from manual_vs_auto.runs.model import Model
from manual_vs_auto.runs.pictures import curves, judged, style
from manual_vs_auto.runs.pictures.files import drawings, write
from manual_vs_auto.runs.pictures.judged import percent, weight_images
from tests.runs.directories import L2S, fitted, trained

pytest.importorskip("matplotlib")
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.image import imread


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Kept]:
    """One of train, one of train with another loss, and one of fit."""
    root = tmp_path_factory.mktemp("runs")
    trained(root / "a")
    trained(root / "b", loss="cross_entropy")
    fitted(root / "c")
    return [read(root / name) for name in "abc"]


def points(axis: Any) -> Any:
    return [(list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))) for line in axis.lines]


def test_curves_are_what_was_told(runs: list[Kept]) -> None:
    figure = Figure()
    curves.accuracies(runs, figure)
    assert points(figure.axes[0]) == [([1, 2, 3], pytest.approx([70, 80, 90]))] * 2

    figure = Figure()
    curves.losses(runs, figure)
    assert [axis.get_ylabel() for axis in figure.axes] == [
        "cross entropy, mean per example", "squared distance, mean per example",
    ]  # fmt: skip
    for axis in figure.axes:
        assert points(axis) == [([1, 2, 3], [0.6, 0.3, 0.6 / 3]), ([1, 2, 3], [0.5, 0.25, 0.5 / 3])]

    figure = Figure()
    curves.iterations(runs, figure)
    left, right = figure.axes
    assert points(left) == [([1, 2, 3], [1.01, 0.51, 0.01 + 1 / 3])]
    assert points(right)[0] == ([1, 2, 3], [1e-2, 1e-4, 1e-6])
    assert points(right)[1][1] == [1e-4, 1e-4], "the tolerance"
    assert right.get_yscale() == "log"


def test_the_sweep_has_its_best_marked_and_its_zero_drawn(runs: list[Kept]) -> None:
    figure = Figure()
    curves.sweep(runs, figure)
    (axis,) = figure.axes
    path, training, star = points(axis)
    assert training[1] == pytest.approx([90] * 4)
    assert path == ([1e-5, *L2S[1:]], pytest.approx([70, 80, 80, 50]))
    assert star == ([1e-2], pytest.approx([80]))
    assert axis.lines[2].get_marker() == "*"
    assert axis.get_xscale() == "log"
    assert axis.get_xlabel() == "l2; 0 is drawn at 1e-05"


def test_manual_minus_auto_stays_on_its_axis_where_it_is_nothing(runs: list[Kept]) -> None:
    figure = Figure()
    curves.agreement(runs[:1], figure)
    (axis,) = figure.axes
    apart, bound = points(axis)
    assert apart == (
        [1, 2, 3],
        pytest.approx([3e-9, 2e-13, 1e-9], rel=1e-12, abs=0),
    )  # nothing is a millionth of the bound
    assert bound == ([1, 2, 3], [2e-7] * 3)
    assert axis.get_yscale() == "log"


def test_calibration_is_the_evaluation_s(runs: list[Kept]) -> None:
    figure = Figure()
    judged.calibration(runs[2:], figure)
    upper, lower = figure.axes
    found = runs[2].evaluation
    assert found is not None
    filled = [cell for cell in found.calibration if cell.count]
    shares = [100 * cell.confidence for cell in filled]
    assert points(upper)[1] == (shares, [100 * cell.accuracy for cell in filled])
    assert points(lower) == [(shares, [cell.count for cell in filled])]


def _every(runs: list[Kept]) -> Iterator[tuple[str, style.Draw]]:
    for run in runs[::2]:
        yield from drawings(run)


def test_axes_say_what_they_are(runs: list[Kept]) -> None:
    names = []
    for name, draw in _every(runs):
        names.append(name)
        figure = Figure()
        draw(figure)
        for axis in figure.axes:
            if axis.axison:
                assert axis.get_ylabel(), name
                upper = name == "calibration" and axis is figure.axes[0]
                assert axis.get_xlabel() or upper or axis.get_label() == "<colorbar>", name
    assert names == [
        "loss", "accuracy", "agreement", "weights", "calibration", "confusion", "mistakes",
        "iterations", "sweep", "calibration", "confusion",
    ]  # fmt: skip


def test_grey_tells_as_much() -> None:
    """The luminance of what is signed only rises, and no two runs of many look the same without colour and with it."""
    rgb = colormaps[style.SIGNED](np.linspace(0, 1, 64))[:, :3]
    assert np.all(np.diff(rgb @ [0.2126, 0.7152, 0.0722]) > 0)
    assert len({style.line_of(at)["marker"] for at in range(7)}) == 7
    assert len({tuple(style.line_of(at).values()) for at in range(28)}) == 28


def test_a_few_bright_weights_do_not_hide_the_others() -> None:
    weight = np.full((2, 400), 0.5)
    weight[0, 0] = 100
    rows, limit = weight_images(Model(weight, inputs="images 20x20"))
    assert (rows.shape, limit) == ((2, 20, 20), 0.5)
    assert weight_images(Model(weight, inputs="images 20x20x1"))[0].shape == (2, 20, 20)
    assert weight_images(Model(0 * weight, inputs="images 20x20"))[1] == 1.0


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0, "0.0 %"), (1e-6, "<0.1 %"), (0.0006, "0.1 %"), (0.9999, ">99.9 %"), (1.0, "100.0 %"), (0.123, "12.3 %")],
)
def test_what_is_not_quite_nothing_or_all_does_not_look_like_it(share: float, said: str) -> None:
    assert percent(share) == said


def test_names_are_names_whatever_is_in_them(tmp_path: Path, runs: list[Kept], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trained(Path("_$x_{$\udcff\n"), names=("a$b$", "$x_{$", "\u4e2d"))
    odd = read(Path("_$x_{$\udcff\n"))
    assert ">_$x_{$\ufffd\ufffd<" in style.svg(partial(curves.accuracies, [odd, *runs]), "a", "").replace("> ", ">")
    draws = dict(drawings(odd))
    for name in ("loss", "weights"):
        image = imread(io.BytesIO(style.png(draws[name])))
        assert image.shape[0] > 100
        assert float(np.ptp(image[..., :3])) > 0.5


def test_the_same_run_is_the_same_bytes(runs: list[Kept]) -> None:
    draw = partial(curves.accuracies, runs)
    assert style.png(draw) == style.png(draw)
    assert style.svg(draw, "a", "") == style.svg(draw, "a", "")


def test_pixels_are_the_image_s() -> None:
    def seen(source: str) -> np.ndarray:
        return imread(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,"))))

    grey = np.array([[0, 100], [200, 255]], np.uint8)
    assert np.array_equal(np.rint(255 * seen(style.pixels(grey)))[..., 0], grey)
    colour = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert np.array_equal(np.rint(255 * seen(style.pixels(colour)))[..., :3], colour)
    signed = seen(style.pixels(np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]]), limit=1.0))[0, :, :3]
    assert np.array_equal(signed[0], signed[1])
    assert np.allclose(signed, colormaps[style.SIGNED]([0, 0, 128, 255, 255])[:, :3], atol=1 / 255)
    three = seen(style.pixels(np.array([[[0.0, 1.0, -3.0]]]), limit=1.0))[0, 0, :3]
    assert np.allclose(three, [0.5, 1, 0], atol=1 / 255)


def test_a_drawing_in_a_page_takes_the_page_s_colour_and_names(runs: list[Kept]) -> None:
    drawing = style.svg(partial(curves.accuracies, runs), "acc", "what &lt;it&gt; shows")
    assert drawing.startswith('<svg role="img" aria-label="what &lt;it&gt; shows"')
    assert "currentColor" in drawing
    assert "http" not in drawing
    assert "#010203" not in drawing
    assert "<style" not in drawing
    names = re.findall(r' id="([^"]+)"', drawing)
    leads = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', drawing)
    assert all(name.startswith("acc-") for name in names)
    assert {a or b for a, b in leads} <= set(names)


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="pip install matplotlib"):
        write(tmp_path)
    assert not (tmp_path / "pictures").exists()


def test_many_classes_have_a_picture_without_numbers(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(30), 200)
    found = evaluate([rows], np.arange(200) % 30)
    figure = Figure()
    judged.confusion(found, figure)
    assert len(figure.axes[0].texts) == 0
    shares = np.array(found.confusion) / np.maximum(np.array(found.confusion).sum(1, keepdims=True), 1)
    assert np.allclose(np.asarray(figure.axes[0].images[0].get_array()) ** 2, shares)
