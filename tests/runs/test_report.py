"""The page: whole in itself, readable by everybody, and true to what the runs left."""

import base64
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto.report import main
from manual_vs_auto.runs import kept
from manual_vs_auto.runs.evaluation import read
from manual_vs_auto.runs.model import Model
from manual_vs_auto.runs.model import write as write_model
from manual_vs_auto.runs.report import gallery
from tests.runs.directories import fitted, trained

pytest.importorskip("matplotlib")

VOID = {"meta", "img", "br", "use", "path", "rect", "image"}
NAMES = ("<script>alert(1)</script>", 'a" onload="b', "plain & simple")


class Page(HTMLParser):
    """Every element with its attributes, the text of each, and what was opened and never closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self.titles: dict[str, str] = {}
        self.marked: dict[str, str] = {}
        self._open: list[str] = []
        self._section = ""
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        assert len(given) == len(attrs), (tag, attrs)
        self.elements.append((tag, given))
        if tag == "section":
            self._section = given["id"]
        if tag == "tr":
            self.rows.append([])
            self._class = given.get("class", "")
        if tag in ("th", "td"):
            self.rows[-1].append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self._open.pop() == tag, tag
        if tag == "tr":
            self.marked[self.rows[-1][0]] = self._class

    def handle_data(self, data: str) -> None:
        if "th" in self._open or "td" in self._open:
            self.rows[-1][-1] += data
        if self._open and self._open[-1] == "h2":
            self.titles[self._section] = data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [given for name, given in self.elements if name == tag]

    def row(self, heading: str) -> list[str]:
        (found,) = [row[1:] for row in self.rows if row[0].removeprefix("\u2260 ") == heading]
        return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of train with odd names, and one of fit."""
    root = tmp_path_factory.mktemp("runs")
    trained(root / "a<i>", names=NAMES)
    trained(root / "b&amp;", names=NAMES, learning_rate=0.25)
    fitted(root / "c")
    return root


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    assert main([*(str(root / name) for name in ("a<i>", "b&amp;", "c")), "--out", str(root / "page.html")]) == 0
    return (root / "page.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_it_needs_nothing_else(text: str, page: Page) -> None:
    for tag, given in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form", "video", "audio"), tag
        for name, value in given.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                assert value.startswith(("data:image/png;base64,", "#")), value
            assert not re.search(r"url\((?!#)", value), value
    assert "@import" not in text
    assert not re.search(r"\w+://", re.sub(r"base64,[\w+/=]+", "", text))
    assert "default-src 'none'" in text


def test_its_names_lead_somewhere_and_are_one_thing_s(page: Page) -> None:
    ids = [given["id"] for _, given in page.elements if "id" in given]
    assert len(ids) == len(set(ids))
    leads = {value for _, given in page.elements for name, value in given.items() if name in ("href", "xlink:href")}
    leads |= {f"#{name}" for _, given in page.elements for value in given.values()
              for name in re.findall(r"url\(#([^)]+)\)", value)}  # fmt: skip
    assert {lead[1:] for lead in leads if lead.startswith("#")} <= set(ids)


def test_everybody_can_read_it(page: Page, root: Path) -> None:
    assert page.all("html") == [{"lang": "en"}]
    assert [given["name"] for given in page.all("meta") if "name" in given] == ["viewport", "color-scheme"]
    assert len(page.all("title")) == len(page.all("h1")) == len(page.all("main")) == 1
    images = page.all("img")
    evaluation = read(root / "a<i>" / "evaluation.json")
    assert len(images) == 2 * (3 + len(evaluation.mistakes))
    assert all(given["alt"].strip() for given in images)
    drawings = page.all("svg")
    assert len(drawings) == 6
    assert all(given["role"] == "img" and given["aria-label"] for given in drawings)
    assert len(page.all("table")) == len(page.all("thead")) + 3  # a matrix has none
    assert all(given["scope"] in ("row", "col") for given in page.all("th"))
    assert page.titles == {
        "summary": "Summary", "loss": "Loss", "accuracy": "Accuracy", "iterations": "Way to the optimum",
        "sweep": "Path of the sweep", "agreement": "Manual minus auto", "weights": "Weights",
        "confusion": "Confusion matrix", "mistakes": "Worst mistakes", "calibration": "Calibration",
    }  # fmt: skip


def test_the_summary_is_the_runs(page: Page, root: Path) -> None:
    found = [read(root / name / "evaluation.json") for name in ("a<i>", "b&amp;", "c")]
    of = ("test images", "test images", "validation examples")
    assert page.row("accuracy") == [
        f"{100 * one.top1:.2f} % of {one.examples} {what}" for one, what in zip(found, of, strict=True)
    ]
    assert page.row("training or fitting, seconds") == ["0.75", "0.75", "1.20"]
    assert page.row("test loss") == ["0.2 (squared distance)"] * 2 + ["\u2013"]
    assert page.row("objective") == ["\u2013", "\u2013", "0.3433"]
    assert page.row("best l2 of the sweep") == ["\u2013", "\u2013", "0.01 of 4"]
    assert page.row("manual and auto agreed") == ["at 12 of 12 steps"] * 2 + ["\u2013"]
    assert page.row("length") == ["3 of 3 epochs"] * 2 + ["3 iterations, converged"]
    assert page.row("cross-entropy, nats") == [f"{one.cross_entropy:.4f}" for one in found]


def test_what_differs_is_marked_by_more_than_colour(page: Page) -> None:
    assert page.row("learning_rate") == ["0.5", "0.25", "\u2013"]
    assert {name for name, kind in page.marked.items() if kind == "differs"} == {
        "\u2260 learning_rate", "\u2260 loss", "\u2260 run.data_sha256",
    }  # fmt: skip
    assert page.row("run.data_sha256") == ["abababababababab..."] * 2 + ["cdcdcdcdcdcdcdcd..."]
    assert page.row("run.device") == ["cpu, 2 cores, x86_64"] * 3
    assert page.row("run.versions.jax") == ["0.10.1", "0.10.1", "\u2013"]
    assert [row for row in page.rows if row[0] == "out"] == [], "where a run is kept is no part of it"


def test_the_confusion_matrix_is_the_evaluation_s(page: Page, root: Path) -> None:
    found = read(root / "a<i>" / "evaluation.json")
    assert found.confusion is not None
    counts = np.array(found.confusion)
    rows = [row for row in page.rows if row[0] == NAMES[0] and len(row) == 5]
    assert rows[0][1:] == [*map(str, counts[0]), f"{100 * counts[0, 0] / counts[0].sum():.1f} %"]
    precision = next(row for row in page.rows if row[0] == "precision")[1:]
    assert precision[:3] == [f"{100 * counts[i, i] / counts[:, i].sum():.1f} %" for i in range(3)]


def test_the_worst_mistakes_are_seen(page: Page, root: Path) -> None:
    from matplotlib.image import imread

    worst = read(root / "a<i>" / "evaluation.json").mistakes[0]
    shown = [given for given in page.all("img") if given["alt"].startswith(f"example {worst.index}, ")]
    assert shown[0]["alt"] == f"example {worst.index}, a {NAMES[worst.label]}, taken for {NAMES[worst.predicted]}"
    pixels = imread(io.BytesIO(base64.b64decode(shown[0]["src"].split(",")[1])))
    assert worst.picture is not None
    assert np.array_equal(np.rint(255 * pixels)[..., 0], worst.picture.array())


def test_drawings_say_in_words_what_they_show(page: Page, root: Path) -> None:
    labels = {given["aria-label"].split(".")[0]: given["aria-label"] for given in page.all("svg")}
    assert f"{root}/a<i>: test loss from 0.6 to 0.2 in 3 epochs" in labels["Loss"]
    assert "90.00 % at the end" in labels["Accuracy"]
    assert "best 80.00 % at l2 0.01, of 4" in labels["Path of the sweep"]
    assert "objective from 1.01 to 0.3433, largest gradient 1e-06 at the end" in labels["Way to the optimum"]
    assert "at most 3e-09, where rounding can do 2e-07" in labels["Manual minus auto"]


def test_the_same_runs_are_the_same_page(root: Path, text: str) -> None:
    runs = [str(root / name) for name in ("a<i>", "b&amp;", "c")]
    assert main([*runs, "--out", str(root / "again.html")]) == 0
    assert (root / "again.html").read_text(encoding="utf-8") == text
    assert [path.name for path in root.iterdir() if path.suffix == ".partial"] == []


def test_one_run_that_was_interrupted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(tmp_path)
    (tmp_path / "evaluation.json").unlink()
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'}\n"
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert list(page.titles) == ["summary", "loss", "accuracy", "agreement", "weights"]
    assert page.row("missing")[0].startswith("evaluation.json, which is written when a run ends")
    assert page.row("accuracy") == ["90.00 %"]
    assert page.row("epochs") == ["3"]


def test_a_page_is_written_again_and_through_a_link(tmp_path: Path) -> None:
    trained(tmp_path / "run")
    (tmp_path / "link.html").symlink_to("page.html")
    for _ in range(2):
        assert main([str(tmp_path / "run"), "--out", str(tmp_path / "link.html")]) == 0
        assert (tmp_path / "link.html").is_symlink()
        assert "</html>" in (tmp_path / "page.html").read_text("utf-8")


def test_a_run_that_has_told_nothing_yet(tmp_path: Path) -> None:
    trained(tmp_path)
    for name in ("evaluation.json", "metrics.jsonl", "model.safetensors"):
        (tmp_path / name).unlink()
    assert main([str(tmp_path)]) == 0
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert list(page.titles) == ["summary"]
    assert [row[0] for row in page.rows if row[0] in ("accuracy", "length")] == []


@pytest.mark.parametrize("classes", [30, 201])
def test_many_classes_are_named_by_their_mistakes(tmp_path: Path, classes: int) -> None:
    found = fitted(tmp_path, classes)
    page = Page(gallery.confusions([kept.read(tmp_path)]))
    label, taken, times = found.confused[0]
    assert [str(label), str(taken), str(times)] in page.rows
    assert ("Confusion matrix of 30 classes" in str(page.all("svg"))) == (classes == 30)


def test_images_of_many_classes_show_the_first(tmp_path: Path) -> None:
    trained(tmp_path)
    weight = np.random.default_rng(0).normal(size=(25, 12))
    write_model(tmp_path / "model.safetensors", Model(weight, command="train", inputs="images 2x2x3"))
    text = gallery.weights([kept.read(tmp_path)])
    assert "20 of 25 classes" in text
    assert len(Page(text).all("img")) == 20


def _twice(root: Path) -> list[str]:
    return [str(root), str(root / "." / "..") + f"/{root.name}"]


def _flipped(root: Path) -> list[str]:
    path = root / "evaluation.json"
    path.write_bytes(path.read_bytes().replace(b'"top5": ', b'"top5":  '))
    return [str(root)]


def _circle(root: Path) -> list[str]:
    (root / "circle").symlink_to(root / "circle")
    return [str(root), "--out", str(root / "circle")]


def _piped(root: Path) -> list[str]:
    os.mkfifo(root / "pipe")
    return [str(root), "--out", str(root / "pipe")]


REFUSED: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "nothing there": (lambda root: [str(root / "none")], "is no directory"),
    "a file": (lambda root: [str(root / "config.toml")], "is no directory"),
    "another's": (lambda root: [str(root), str(root.parent)], "holds no run: config.toml is missing"),
    "damaged": (_flipped, "evaluation.json is not as it was written"),
    "named twice": (_twice, "is named twice"),
    "nowhere to write": (
        lambda root: [str(root), "--out", str(root / "no" / "page.html")],
        "page.html can't be written",
    ),
    "a directory in its place": (lambda root: [str(root), "--out", str(root)], "is a directory: name a file in it"),
    "no name": (lambda root: [str(root), "--out", ""], "'.' is a directory"),
    "the root": (lambda root: [str(root), "--out", "/"], "'/' is a directory"),
    "the weights in its place": (
        lambda root: [str(root), "--out", str(root / "model.safetensors")],
        "is there, and is no page of this command",
    ),
    "a link to itself": (_circle, "circle"),
    "a pipe in its place": (_piped, "is there, and is no page of this command"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    arguments, said = REFUSED[name]
    run = tmp_path / "run"
    trained(run)
    asked = arguments(run)
    before = sorted(tmp_path.rglob("*"))
    assert main(asked) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("manual_vs_auto.report: error: ")
    assert said in err
    assert sorted(tmp_path.rglob("*")) == before


def test_without_matplotlib(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith("the pictures need matplotlib: pip install matplotlib\n")


def test_matplotlib_is_imported_when_asked_for() -> None:
    """And jax never."""
    code = "import json, sys; import manual_vs_auto.train.config, manual_vs_auto.report as r; import {}, {}; {}"
    code = code.format("manual_vs_auto.runs.report.page", "manual_vs_auto.runs.pictures.files",
                       "print(json.dumps([name in sys.modules for name in ('matplotlib', 'jax')]))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [False, False]
