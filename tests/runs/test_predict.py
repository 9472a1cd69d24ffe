"""`predict`: what it reads, says and refuses."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto.data import load
from manual_vs_auto.runs.model import Model, write
from manual_vs_auto.runs.predict import main

Predict = Callable[..., list[str]]
X = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
PROBES = Model(np.eye(3), np.zeros(3), np.ones(3), np.full(3, 2.0), class_names=("kat", "pes", "žába"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, with the run of a fit, and one of images that tells MNIST's digits by their means."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    write(tmp_path / "run" / "model.safetensors", PROBES)
    data = load()
    means = np.stack([data.train_images[:5000][data.train_labels[:5000] == k].mean(0) for k in range(10)]) / 255
    (tmp_path / "digits").mkdir()
    images = Model(means, -(means**2).sum(1) / 2, command="train", inputs="images 28x28")
    write(tmp_path / "digits" / "model.safetensors", images)
    return tmp_path


@pytest.fixture
def predict(capsys: pytest.CaptureFixture[str]) -> Predict:
    """The lines that it prints."""

    def run(*flags: object) -> list[str]:
        assert main([str(flag) for flag in flags]) == 0
        done = capsys.readouterr()
        assert done.err == ""
        return done.out.splitlines()

    return run


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line that it leaves with status 2."""

    def run(*flags: object) -> str:
        try:
            status: object = main([str(flag) for flag in flags])
        except SystemExit as end:
            status = end.code
        done = capsys.readouterr()
        assert (status, done.out, done.err.count("\n")) == (2, "", 1), done
        return done.err

    return run


def test_features(folder: Path, predict: Predict) -> None:
    np.save("x.npy", X)
    expected = PROBES.probabilities(X)
    for line, row in zip(predict("run", "x.npy"), expected, strict=True):
        _, name, probability = line.split()
        assert (name, probability) == (PROBES.class_names[row.argmax()], f"{row.max():.4f}")
    for number, line in enumerate(predict("run/model.safetensors", "x.npy", "--json", "--top", 2)):
        told = json.loads(line)
        assert (told["input"], told["label"]) == (number, told["top"][0][0])
        assert [p for _, p in told["top"]] == sorted(expected[number])[:0:-1]
    assert predict("run", "x.npy", "--top", 9)[0].count("  ") == 3


def test_a_score(folder: Path, predict: Predict, refused: Callable[..., str]) -> None:
    right = PROBES.probabilities(X).argmax(1)
    labels = np.array(PROBES.class_names)[np.where(np.arange(9) < 6, right, (right + 1) % 3)]
    np.savez("d.npz", x=X, y=labels)
    (said,) = predict("run", "d.npz", "--labels", "y", "--score")
    assert said.startswith("top-1 66.67%: 6 of 9, top-5 100.00%, cross-entropy ")
    (said,) = predict("run", "d.npz:x", "--labels", "d.npz:y", "--score", "--json")
    assert json.loads(said)["top1"] == pytest.approx(6 / 9)
    np.save("x.npy", X)
    assert "--score: say with --labels what is right for x.npy" in refused("run", "x.npy", "--score")
    np.save("y.npy", np.array(["pes", "vlk", *["kat"] * 7]))
    assert "label vlk in row 1; expected one of the model's 3" in refused(
        "run", "x.npy", "--labels", "y.npy", "--score"
    )
    np.save("y.npy", labels[:4])
    assert "y.npy: found 4 labels; expected 9, one an example" in refused("run", "x.npy", "--labels", "y.npy")


def test_images_of_every_kind(folder: Path, predict: Predict) -> None:
    data = load()
    images = data.test_images[:40].reshape(-1, 28, 28)
    np.save("bytes.npy", images)
    np.save("unit.npy", (images / 255).astype(np.float32))
    header = bytes([0, 0, 8, 3]) + np.array([40, 28, 28], ">u4").tobytes()
    (folder / "some-images-idx3-ubyte").write_bytes(header + images.tobytes())
    told = [predict("digits", name) for name in ("bytes.npy", "unit.npy", "some-images-idx3-ubyte")]
    assert told[0] == told[1] == told[2]
    assert (
        np.mean([int(line.split()[1]) == label for line, label in zip(told[0], data.test_labels, strict=False)]) > 0.7
    )
    (said,) = predict("digits", "mnist", "--score")
    assert said.endswith(said[said.index(" of 10,000, top-5") :])
    np.savez("set.npz", x_train=images, y_train=data.test_labels[:40], x_test=images, y_test=data.test_labels[:40])
    assert predict("digits", "set.npz", "--score")[0].split(",")[0].endswith(" of 40")


def test_pictures(folder: Path, predict: Predict) -> None:
    image = pytest.importorskip("PIL.Image")
    data = load()
    (folder / "scans").mkdir()
    for at in range(12):
        digit = image.fromarray(255 - data.test_images[at].reshape(28, 28)).resize((100, 100))
        sheet = image.new("L", (300, 200), 255)
        sheet.paste(digit, (10 * at, 5))
        sheet.save(folder / "scans" / f"{at:02}.{'jpg' if at % 2 else 'png'}")
    lines = predict("digits", "scans")
    assert [line.split()[0] for line in lines] == [f"scans/{at:02}.{'jpg' if at % 2 else 'png'}" for at in range(12)]
    assert sum(int(line.split()[1]) == label for line, label in zip(lines, data.test_labels, strict=False)) >= 9
    assert predict("digits", "scans/01.jpg", "scans/00.png") == [lines[1], lines[0]]
    assert predict("digits", "scans", "--plain") != lines


def test_what_is_typed_wrong_is_one_line(folder: Path, refused: Callable[..., str]) -> None:
    np.save("wide.npy", np.zeros((2, 4)))
    np.save("nan.npy", np.array([[0, 1, 2], [0, np.nan, 1]]))
    np.save("grey.npy", np.full((2, 784), 200.0))
    (folder / "a.png").write_text("")
    (folder / "cut").mkdir()
    (folder / "cut" / "model.safetensors").write_bytes((folder / "run" / "model.safetensors").read_bytes()[:-1])
    for flags, said in {
        "run": "the following arguments are required: INPUT",
        "none x.npy": "none can't be read: No such file or directory; expected a model that train or fit left",
        "cut wide.npy": "cut/model.safetensors: no whole safetensors file",
        "run none.npy": "none.npy: found no such file; expected a .npy file",
        "run wide.npy": "wide.npy: 4 numbers an example, where the model takes 3\n",
        "digits wide.npy": "wide.npy: 4 numbers an example, where the model takes 784, images 28x28",
        "run nan.npy": "nan.npy: row 1 has a number that is not finite",
        "digits grey.npy": "grey.npy: pixels from 200 to 200; expected uint8, or floating in 0..1",
        "run a.png": "a.png: the model was fitted to features, 3 an example: no pictures",
        "digits a.png": "a.png: no picture that Pillow reads",
        "run wide.npy nan.npy": "wide.npy and 1 more: several are pictures",
        "run mnist": "mnist: 784 numbers an example, where the model takes 3\n",
        "run a.txt": "a.txt: features, pictures, IDX files or 'mnist' are read (.npy, ",
        "run wide.npy --top 0": "argument --top: '0' is no whole number from 1",
    }.items():
        error = refused(*flags.split())
        assert error.startswith("manual_vs_auto.predict: error: ")
        assert said in error


def test_help_answers_without_jax_and_safetensors() -> None:
    code = (
        "import sys\nfrom manual_vs_auto.runs.predict import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit(bool({'jax', 'safetensors', 'pyarrow', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--score" in done.stdout


def test_flags_may_stand_anywhere(folder: Path, predict: Predict) -> None:
    np.save("x.npy", np.eye(2, PROBES.weight.shape[1]))
    right = predict("run", "x.npy", "--top", 2, "--json")
    assert predict("run", "--top", 2, "x.npy", "--json") == right
    assert predict("--json", "run", "--top", 2, "x.npy") == right


def test_a_picture_among_others_that_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, and the others are predicted."""
    image = pytest.importorskip("PIL.Image")
    names = ["a.png", "blank.png", "b.png"]
    for name, picture in zip(names, load().test_images[:3].reshape(-1, 28, 28), strict=True):
        image.fromarray(picture * (name != "blank.png")).save(name)
    for name in ("torn.png", "notes.txt"):
        Path(name).write_text("no picture")
    assert main(["digits", "a.png", "notes.txt", "torn.png", "blank.png", "gone.png", "b.png"]) == 2
    done = capsys.readouterr()
    assert [line.split()[0] for line in done.out.splitlines()] == ["a.png", "b.png"]
    said = [line.removeprefix("manual_vs_auto.predict: error: ") for line in done.err.splitlines()]
    assert [line.split(":")[0] for line in said] == ["notes.txt", "torn.png", "blank.png", "gone.png"]
    assert "nothing is drawn" in said[2]
    for flags in (["blank.png"], ["blank.png", "torn.png"], ["a.png", "blank.png", "--labels", "y.npy"]):
        assert main(["digits", *flags]) == 2
        done = capsys.readouterr()
        assert (done.out, done.err.count("\n")) == ("", 1)
        assert "blank.png: nothing is drawn" in done.err
