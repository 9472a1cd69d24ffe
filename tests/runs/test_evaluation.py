"""What is kept of a model's answers: by hand, against scikit-learn where it is, and refused where a byte differs."""

import base64
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto.runs import evaluation as module
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.evaluation import Evaluation, evaluate, read

# Four examples of three classes; the third ties, and its label is the second of the two.
ROWS = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.4, 0.4, 0.2], [0.05, 0.0, 0.95]])
LABELS = np.array([0, 2, 1, 1])


def drawn(examples: int = 60, classes: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    rows = np.exp(2 * generator.normal(size=(examples, classes)))
    return rows / rows.sum(-1, keepdims=True), generator.integers(0, classes, examples)


def test_known_by_hand() -> None:
    found = evaluate(iter([ROWS[:3], ROWS[3:]]), LABELS, class_names=("a", "b", "c"), of="test rows")
    assert (found.examples, found.classes, found.of, found.name(2)) == (4, 3, "test rows", "c")
    assert (found.top1, found.top5) == (0.5, 1.0)
    assert found.confusion == ((1, 0, 0), (1, 0, 1), (0, 0, 1))
    assert found.confused == ((1, 0, 1), (1, 2, 1))
    assert [(m.index, m.label, m.predicted, m.label_probability) for m in found.mistakes] == [
        (3, 1, 2, 0.0), (2, 1, 0, 0.4),
    ]  # fmt: skip
    tiny = np.finfo(np.float64).tiny
    # Four logarithms and their sum are rounded.
    assert found.cross_entropy == pytest.approx(-math.log(0.7 * 0.6 * 0.4 * tiny) / 4, rel=1e-14)
    filled = [(cell.count, round(cell.confidence, 12), cell.accuracy) for cell in found.calibration if cell.count]
    assert filled == [(1, 0.4, 0.0), (1, 0.6, 1.0), (1, 0.7, 1.0), (1, 0.95, 0.0)]
    assert found.calibration_error == pytest.approx((0.4 + 0.4 + 0.3 + 0.95) / 4, rel=1e-14)


def test_against_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rows, labels = drawn()
    found = evaluate([rows], labels)
    assert found.confusion is not None
    assert np.array_equal(found.confusion, metrics.confusion_matrix(labels, rows.argmax(-1), labels=range(7)))
    assert found.top1 == pytest.approx(metrics.accuracy_score(labels, rows.argmax(-1)), abs=1e-15)
    top5 = metrics.top_k_accuracy_score(labels, rows, k=5, labels=range(7))
    assert found.top5 == pytest.approx(top5, abs=1e-15)
    loss = metrics.log_loss(labels, rows, labels=range(7))
    assert found.cross_entropy == pytest.approx(loss, rel=1e-13)  # 60 logarithms, and their sum


def test_pieces_do_not_matter() -> None:
    rows, labels = drawn()
    assert evaluate(np.array_split(rows, 9), labels) == evaluate([rows], labels)


def test_bins_are_closed_above() -> None:
    """Guo et al.: ((b - 1)/B, b/B], so that a sure prediction is in the last one."""
    rows = np.array([[1.0, 0.0], [0.8, 0.2], [0.81, 0.19]])
    counts = [cell.count for cell in evaluate([rows], np.array([0, 0, 0])).calibration]
    assert counts == [0] * 11 + [1, 1, 0, 1]


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 1), (4, 3, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_worst_mistakes_have_their_pictures(shape: tuple[int, ...], dtype: type) -> None:
    pixels = np.arange(4 * math.prod(shape), dtype=np.uint8).reshape(4, *shape)
    images = pixels if dtype == np.uint8 else pixels.astype(np.float32) / np.float32(255)
    found = evaluate([ROWS], LABELS, images)
    picture = found.mistakes[0].picture
    assert picture is not None
    assert np.array_equal(picture.array(), pixels[3].squeeze())
    assert base64.b64decode(picture.pixels) == pixels[3].tobytes()


def test_of_many_classes_and_mistakes_only_the_most_are_kept() -> None:
    rows, labels = drawn(400, module.MOST_CLASSES + 1)
    found = evaluate([rows], labels)
    assert found.confusion is None
    assert len(found.mistakes) == 24
    assert len(found.confused) == 20
    given = [mistake.label_probability for mistake in found.mistakes]
    assert given == sorted(given)
    assert max(given) <= min(np.partition(rows[np.arange(400), labels], 24)[24:])


@pytest.mark.parametrize(
    ("rows", "labels", "said"),
    [
        (ROWS[:3], LABELS, "3 examples and 4 labels"),
        (ROWS[:0], LABELS[:0], "0 examples"),
        (ROWS * np.nan, LABELS, "not finite"),
    ],
)
def test_what_can_not_be_judged(rows: np.ndarray, labels: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        evaluate([rows], labels)


def _kept(path: Path) -> Evaluation:
    found = evaluate([ROWS], LABELS, np.zeros((4, 2, 2), np.uint8), class_names=("ä", "b", 'c"'))
    found.write(path / "evaluation.json")
    assert [file.name for file in path.iterdir()] == ["evaluation.json"]
    return found


def test_kept_and_read(tmp_path: Path) -> None:
    found = _kept(tmp_path)
    assert read(tmp_path / "evaluation.json") == found


def test_any_other_byte_is_refused(tmp_path: Path) -> None:
    found, path = _kept(tmp_path), tmp_path / "evaluation.json"
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(whole)
        at = int(generator.integers(len(content)))
        match generator.integers(4):
            case 0:
                content[at] ^= 1 << int(generator.integers(8))
            case 1:
                del content[at:]
            case 2:
                content.insert(at, int(generator.choice(list(b' 0"'))))
            case _:
                del content[at]
        if bytes(content) == whole:
            continue
        path.write_bytes(content)
        with pytest.raises(UsageError, match="is not as it was written"):
            read(path)
    path.write_bytes(whole)
    assert read(path) == found


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"evaluation": {}}', '{"evaluation": 3}', "[" * 100_000])
def test_another_s_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="is not as it was written"):
        read(path)


def test_a_lie_with_a_right_sum_is_refused(tmp_path: Path) -> None:
    """Pixels that don't fill their picture would fail while they are drawn."""
    found = _kept(tmp_path)
    worst = found.mistakes[0]
    assert worst.picture is not None
    lie = replace(found, mistakes=(replace(worst, picture=replace(worst.picture, width=3)),))
    lie.write(tmp_path / "evaluation.json")
    with pytest.raises(UsageError, match="is not as it was written"):
        read(tmp_path / "evaluation.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read: No such file"):
        read(tmp_path / "evaluation.json")
