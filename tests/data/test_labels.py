"""What labels stand for, and what is said of odd ones."""

from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto.data import Dataset, load
from manual_vs_auto.data import labels as labels_module
from tests.data.outcome import refusal
from tests.data.writing import Array, npy, npz


def archive(directory: Path, train: Array, test: Array) -> Path:
    """Images of four pixels with these labels."""
    lit = np.full((max(len(train), len(test)), 4), 255, np.uint8)
    arrays = {"x_train": lit[: len(train)], "y_train": train, "x_test": lit[: len(test)], "y_test": test}
    path = directory / "set.npz"
    path.write_bytes(npz({key: npy(array) for key, array in arrays.items()}))
    return path


def loaded(directory: Path, train: object, test: object) -> Dataset:
    return load(archive(directory, np.array(train), np.array(test)))


def refused(directory: Path, train: object, test: object) -> str:
    return refusal(archive(directory, np.array(train), np.array(test)))


def test_every_class_has_an_image_and_nothing_is_said(tmp_path: Path) -> None:
    assert loaded(tmp_path, [0, 1, 2], [2]).warnings == ()


def test_letters_begin_at_1(tmp_path: Path) -> None:
    """EMNIST's letters: class 0 has no image, and that is meant."""
    data = loaded(tmp_path, np.arange(52) % 26 + 1, np.arange(26) + 1)
    assert data.classes == 27
    assert data.warnings == (f"{tmp_path}/set.npz[y_train]: 1 of 27 classes has no image (0)",)


def test_up_to_half_of_the_classes_may_be_empty(tmp_path: Path) -> None:
    half = loaded(tmp_path, [1, 3, 5, 1, 3, 5], [1])
    assert half.classes == 6
    assert half.warnings == (f"{tmp_path}/set.npz[y_train]: 3 of 6 classes have no image (0, 2, 4)",)
    more = refused(tmp_path, [1, 3, 6, 1, 3, 6], [1])
    assert "found label 6 in 2 of 6 images, and no image in 4 of 7 classes; expected labels from 0" in more


def test_a_stray_label_would_make_thousands_of_rows(tmp_path: Path) -> None:
    labels = np.arange(5000) % 10
    labels[1234] = 4999
    said = refused(tmp_path, labels, [0])
    assert "label 4,999 in 1 of 5,000 images, and no image in 4,989 of 5,000 classes" in said
    assert "often marks" not in said


@pytest.mark.parametrize(("labels", "found"), [([255] * 50, "50 of 50"), ([*range(21)] * 2 + [255] * 3, "3 of 45")])
def test_255_is_a_mark(labels: list[int], found: str, tmp_path: Path) -> None:
    """The largest label and its count, however many pieces it comes in."""
    said = refused(tmp_path, np.array(labels, np.uint8), [0])
    assert f"label 255 in {found} images" in said
    assert said.endswith("(255 often marks what has no class: leave those images out)")


def test_255_is_named_where_it_is_one_class_of_many(tmp_path: Path) -> None:
    (said,) = loaded(tmp_path, [*range(150), 255], [0]).warnings
    assert "105 of 256 classes have no image (150, 151, 152, 153, 154, 155, 156, 157, ...) (255 often marks" in said


def test_256_true_classes(tmp_path: Path) -> None:
    data = loaded(tmp_path, np.arange(256), [255])
    assert (data.classes, data.warnings) == (256, ())


def test_the_largest_label_is_counted_over_every_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "PIECE", 16)  # two labels of eight bytes
    assert "label 9 in 3 of 7 images" in refused(tmp_path, [9, 0, 1, 9, 0, 0, 9], [0])
    assert "label 9 in 1 of 5 images" in refused(tmp_path, [5, 5, 0, 5, 9], [0])
    data = loaded(tmp_path, [1, 0, 2, 2, 1], [0, 0, 0, 2, 1])
    assert data.train_labels.tolist() == [1, 0, 2, 2, 1]
    assert "label -1 at 4; expected a whole number in 0..255 (-1 often" in refused(tmp_path, [0, 1, 0, 1, -1], [0])


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_nothing_to_learn(label: int, tmp_path: Path) -> None:
    assert f"label {label} in every image; expected two classes" in refused(tmp_path, [label] * 5, [label])
    assert "label 'cat' in every image; expected two classes" in refused(tmp_path, ["cat"] * 5, ["cat"])


def test_test_labels_that_training_never_saw(tmp_path: Path) -> None:
    (empty, unseen) = loaded(tmp_path, [0, 1, 4, 3], [0, 2, 2]).warnings
    assert empty.endswith("1 of 5 classes has no image (2)")
    assert unseen == f"{tmp_path}/set.npz[y_test]: labels that no training image has (2)"
    said = refused(tmp_path, [0, 1, 2], [0, 255])
    assert "[y_test]: found label 255 at 1; expected a whole number in 0..2 (255 often marks" in said


@pytest.mark.parametrize("label", [-1, -100, 255])
def test_marks_are_told_and_other_labels_not(label: int, tmp_path: Path) -> None:
    assert f"({label} often marks what has no class" in refused(tmp_path, [0, 1], [float(label)])
    assert "often" not in refused(tmp_path, [0, 1], [label - 1])


def test_as_many_classes_as_images(tmp_path: Path) -> None:
    """The limit is the number of training images, where there are more than 256."""
    assert loaded(tmp_path, np.arange(300), [0]).classes == 300
    assert "label 300 at 299; expected a whole number in 0..299" in refused(tmp_path, [*range(299), 300], [0])


@pytest.mark.parametrize("kind", ["U", "S", ">U"])
def test_text(kind: str, tmp_path: Path) -> None:
    train, test = np.array(["frog", "ant", "frog", "bee"]), np.array(["bee", "frog"])
    if kind == ">U":
        train = train.astype(">U4")
    else:
        train, test = train.astype(kind), test.astype(kind)
    data = loaded(tmp_path, train, test)
    assert data.class_names == ("ant", "bee", "frog")
    assert data.classes == 3
    assert data.train_labels.tolist() == [2, 0, 2, 1]
    assert data.test_labels.tolist() == [1, 2]
    assert data.train_labels.dtype == data.test_labels.dtype == np.int32


def test_text_of_both_kinds_in_columns(tmp_path: Path) -> None:
    train, test = np.array([["é"], ["a"]]), np.char.encode(np.array([["a"], ["é"]]), "utf-8")
    data = loaded(tmp_path, train, test)
    assert data.class_names == ("a", "é")
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([1, 0], [0, 1])


def test_text_that_can_not_be_shown_is_escaped(tmp_path: Path) -> None:
    data = loaded(tmp_path, ["a\nb", "\x1b[31m", "\ud800"], ["a\nb"])
    assert data.class_names == ("\\x1b[31m", "a\\nb", "\\ud800")
    assert data.train_labels.tolist() == [1, 0, 2]


@pytest.mark.parametrize("label", ["0", "aa", "z"])
def test_a_text_that_training_lacks(label: str, tmp_path: Path) -> None:
    said = refused(tmp_path, ["a", "b", "c"], ["a", label])
    assert f"found label '{label}' at 1; expected one of the 3 training labels (a, b, c)" in said


def test_text_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "PIECE", 8)  # two texts of one character
    data = loaded(tmp_path, [*"cabca"], [*"acbca"])
    assert data.class_names == ("a", "b", "c")
    assert data.train_labels.tolist() == [2, 0, 1, 2, 0]
    assert "label 'd' at 3;" in refused(tmp_path, [*"abc"], [*"acbd"])


def test_too_many_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "_MANY_TEXTS", 3)
    assert loaded(tmp_path, [*"abcabc"], ["a"]).classes == 3
    assert "4 different labels" in refused(tmp_path, [*"abcd"], ["a"])
    monkeypatch.setattr(labels_module, "_MANY_TEXTS", 9)
    monkeypatch.setattr(labels_module, "_LONGEST_TEXTS", 6)
    assert loaded(tmp_path, ["abc", "def", "abc"], ["abc"]).classes == 2
    assert "2 different labels" in refused(tmp_path, ["abc", "defg"], ["abc"])


def test_the_longest_text(tmp_path: Path) -> None:
    longest = np.array([b"a" * 4096, b"b"])
    assert loaded(tmp_path, longest, longest).classes == 2
    assert "text labels of 4,097 bytes each" in refused(tmp_path, longest.astype("S4097"), longest)
