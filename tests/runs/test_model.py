"""The saved model: what is read is what was written, or it is refused."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load, save

from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.model import Model, from_bytes, read, to_bytes, write


def drawn(**changes: Any) -> Model:
    generator = np.random.default_rng(0)
    model = Model(
        weight=generator.normal(size=(3, 4)),
        bias=generator.normal(size=3),
        mean=generator.normal(size=4),
        scale=generator.uniform(1, 2, size=4),
        class_names=("kat", 'd"o\\g', "ž\n"),
        about={"l2": 1e-4, "seed": 3},
        feature_names=("a", "b", "c", "d"),
    )
    return replace(model, **changes)


def same(one: Model, other: Model) -> bool:
    pairs = [(getattr(one, part.name), getattr(other, part.name)) for part in fields(Model)]
    return all(a.dtype == b.dtype and np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)


@pytest.mark.parametrize(
    "model",
    [
        drawn(),
        drawn(mean=None, scale=None, bias=None, class_names=(), feature_names=()),
        drawn(weight=np.ones((3, 4), np.float32), loss="squared_distance", command="train", inputs="images 2x2"),
    ],
)
def test_what_is_read_is_what_was_written(tmp_path: Path, model: Model) -> None:
    write(tmp_path / "model.safetensors", model)
    assert same(read(tmp_path / "model.safetensors"), model)
    assert same(read(tmp_path), model)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    assert to_bytes(model) == to_bytes(read(tmp_path))


def test_every_byte_that_is_another_is_refused() -> None:
    """Each byte: the next one, its highest bit flipped, and a blank where JSON takes any."""
    content = to_bytes(drawn())
    assert same(from_bytes(content, "here"), drawn())
    header = 8 + int.from_bytes(content[:8], "little")
    for at, byte in enumerate(content):
        for other in {(byte + 1) % 256, byte ^ 0x80, byte ^ 1, *(b" \t\n\r" if at < header else b"")} - {byte}:
            changed = content[:at] + bytes([other]) + content[at + 1 :]
            with pytest.raises(UsageError, match=r"^here: "):
                from_bytes(changed, "here")


def test_what_is_cut_or_longer_is_refused() -> None:
    content = to_bytes(drawn())
    for changed in (b"", content[:7], content[:-1], content[: len(content) // 2], content + b"\0"):
        with pytest.raises(UsageError, match=r"^here: no whole safetensors file"):
            from_bytes(changed, "here")


def test_what_others_wrote_is_refused() -> None:
    weight = {"weight": np.ones((2, 3), np.float32)}
    honest = to_bytes(Model(weight["weight"]))
    size = int.from_bytes(honest[:8], "little")
    said = json.loads(json.loads(honest[8 : 8 + size])["__metadata__"]["run"])
    for metadata in (None, {"run": "{}"}, {"run": "[]"}, {"run": "{"}, {"other": json.dumps(said)},
                     {"run": json.dumps(said), "more": "1"}, {"run": json.dumps(said | {"l2": 1})}):  # fmt: skip
        with pytest.raises(UsageError, match=r"^here: "):
            from_bytes(save(weight, metadata=metadata), "here")
    assert from_bytes(save(weight, metadata={"run": json.dumps(said)}), "here").weight.shape == (2, 3)


@pytest.mark.parametrize(
    "changes",
    [{"bias": np.ones(4)}, {"scale": None}, {"mean": np.ones(3)}, {"class_names": ("a",)}, {"weight": np.ones(3)},
     {"feature_names": ("a",)}],
)  # fmt: skip
def test_shapes_that_do_not_fit_are_not_written(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"weight|scale"):
        to_bytes(drawn(**changes))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"model.safetensors can't be read: No such file"):
        read(tmp_path)


def test_probabilities_are_softmax_of_what_is_standardised(monkeypatch: pytest.MonkeyPatch) -> None:
    model = drawn()
    x = np.random.default_rng(1).normal(3, 2, size=(50, 4))
    assert model.mean is not None
    assert model.scale is not None
    assert model.bias is not None
    logits = ((x - model.mean) / model.scale) @ model.weight.T + model.bias
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    # Folding differs by a few roundings of numbers of order 10.
    np.testing.assert_allclose(model.probabilities(x), expected, rtol=1e-13)
    monkeypatch.setattr("manual_vs_auto.runs.model._PIECE", 8 * 7 * 3)  # three rows at a time
    assert len(list(model.pieces(x))) == 17
    np.testing.assert_allclose(model.probabilities(x), expected, rtol=1e-13)
    rows = np.array([49, 0, 7, 7])
    np.testing.assert_array_equal(np.concatenate(list(model.pieces(x, rows))), model.probabilities(x[rows]))
    with pytest.raises(ValueError, match=r"features of shape \(50, 3\); expected \[N, 4\]"):
        model.probabilities(x[:, :3])
    assert model.probabilities(x[:0]).shape == (0, 3)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.int64])
def test_probabilities_of_narrow_features_are_those_of_wide_ones(dtype: Any) -> None:
    x = np.random.default_rng(1).normal(3, 2, size=(5, 4)).astype(dtype)
    np.testing.assert_array_equal(drawn().probabilities(x), drawn().probabilities(x.astype(np.float64)))


def test_bytes_are_pixels_where_the_inputs_are_images() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 4), np.uint8)
    images, features = drawn(inputs="images 2x2"), drawn()
    assert (images.image_shape, features.image_shape) == ((2, 2), ())
    np.testing.assert_allclose(images.probabilities(pixels), features.probabilities(pixels / 255), rtol=1e-13)
    np.testing.assert_array_equal(features.probabilities(pixels), features.probabilities(pixels.astype(float)))
    assert drawn(class_names=()).names == ("0", "1", "2")


def test_weights_of_half_precision_are_written_as_float32() -> None:
    model = drawn(weight=np.ones((3, 4), ml_dtypes.bfloat16))
    assert load(to_bytes(model))["weight"].dtype == np.float32
