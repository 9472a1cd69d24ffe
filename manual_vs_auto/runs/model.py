"""The saved model, `model.safetensors`: what a run learned, whole or refused."""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from manual_vs_auto.model import Params, operands
from manual_vs_auto.rules import softmax
from manual_vs_auto.runs.errors import UsageError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

FILE = "model.safetensors"
_TENSORS = ("weight", "bias", "mean", "scale")
_PIECE = 1 << 24  # bytes of float64 at a time while features become probabilities


@dataclass(frozen=True, eq=False)
class Model:
    """softmax(W z + b) of features, z = (x - mean) / scale, with what is known of it.

    weight:        floating [K, D], for standardised features where there is a mean.
    bias:          floating [K], or None for 0.
    mean, scale:   floating [D] both, or None: the features as they are.
    loss:          "cross_entropy" or "squared_distance".
    command:       "train" or "fit".
    class_names:   K texts, or none: the classes are 0..K-1.
    inputs:        "features", or "images 28x28" say: uint8 images are divided by 255.
    about:         whatever else is known, by name: it is kept, and not used.
    feature_names: D texts, or none.
    """

    weight: Array
    bias: Array | None = None
    mean: Array | None = None
    scale: Array | None = None
    loss: str = "cross_entropy"
    command: str = "fit"
    class_names: tuple[str, ...] = ()
    inputs: str = "features"
    about: Mapping[str, Any] = field(default_factory=dict)
    feature_names: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Of one image, (28, 28) say; () where the inputs are no images."""
        kind, _, shape = self.inputs.partition(" ")
        return tuple(map(int, shape.split("x"))) if kind == "images" else ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the K classes are called, 0 to K-1 where nobody has named them."""
        return self.class_names or tuple(map(str, range(len(self.weight))))

    def affine(self) -> tuple[Array, Array]:
        """W [K, D] and b [K] in float64 for features as they are, the standardisation folded in.

        Source: W ((x - m) / s) + b = (W / s) x + (b - (W / s) m).
        """
        weight = self.weight.astype(np.float64)
        bias = np.zeros(len(weight)) if self.bias is None else self.bias.astype(np.float64)
        if self.mean is not None and self.scale is not None:
            weight = weight / self.scale
            bias = bias - weight @ self.mean.astype(np.float64)
        return weight, bias

    def pieces(self, features: Array, rows: Array | None = None) -> Iterator[Array]:
        """The probabilities of features [N, D], some rows at a time, in their order. See `probabilities`.

        Args: rows: integers, only these rows, in their order.
        """
        expected = self.weight.shape[1]
        if features.ndim != 2 or features.shape[1] != expected:
            raise ValueError(f"features of shape {features.shape}; expected [N, {expected}]")
        weight, bias = self.affine()
        step = max(1, _PIECE // (8 * sum(self.weight.shape)))
        for start in range(0, len(features if rows is None else rows), step):
            at = slice(start, start + step)
            piece = features[at] if rows is None else features[rows[at]]
            if not (self.image_shape and piece.dtype == np.uint8):
                piece = piece.astype(np.float64)
            w, x = operands(Params(weight), piece)
            yield softmax(x @ w.T + bias)

    def probabilities(self, features: Array) -> Array:
        """softmax(W z + b) for features [N, D]: float64 [N, K].

        Args:   features: floating, or integers; taken as they are, but uint8 as 0..1 where the inputs are images.
                          They may be memory-mapped: rows are widened to float64 some at a time.
        Raises: ValueError if D is another than W's.
        """
        pieces = list(self.pieces(features))
        return np.concatenate(pieces) if pieces else np.zeros((0, len(self.weight)))


def to_bytes(model: Model) -> bytes:
    """The model as a safetensors file; the same model is the same bytes.

    Raises: ValueError where the shapes don't fit each other.
    """
    tensors = {name: _plain(array) for name in _TENSORS if (array := getattr(model, name)) is not None}
    said = {
        "command": model.command,
        "loss": model.loss,
        "class_names": list(model.class_names),
        "inputs": model.inputs,
        "feature_names": list(model.feature_names),
        "about": dict(model.about),
    }
    if wrong := _wrong(tensors, said):
        raise ValueError(wrong)
    said["sha256"] = _digest(tensors, said)
    return save(tensors, metadata={"run": json.dumps(said)})


def write(path: Path, model: Model) -> None:
    """The model in a file, which is whole or absent. Raises: OSError."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(to_bytes(model))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> Model:
    """The model in a file, or in a run's directory.

    Raises: UsageError, one line, where there is none, or where a byte is another than was written.
    """
    if path.is_dir():
        path = path / FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}; expected a model that train or fit left") from None
    return from_bytes(content, str(path))


def from_bytes(content: bytes, where: str) -> Model:
    """What `to_bytes` made. Raises: UsageError, which names `where`."""

    def refuse(why: str) -> NoReturn:
        raise UsageError(f"{where}: {why}; expected a model that train or fit left") from None

    try:
        tensors = load(content)
        size = struct.unpack("<Q", content[:8])[0]
        text = content[8 : 8 + size].decode()
        header = json.loads(text)
    except (SafetensorError, KeyError, ValueError) as error:
        refuse(f"no whole safetensors file ({error})")
    # The library forgives other blanks and a key that stands twice.
    if json.dumps(header, separators=(",", ":"), ensure_ascii=False) != text.rstrip(" "):
        refuse("not as it was written")
    metadata = header.get("__metadata__", {})
    try:
        said = json.loads(metadata["run"])
        digest = said.pop("sha256")
    except (AttributeError, KeyError, TypeError, ValueError):
        refuse("it says nothing of its run")
    if len(metadata) != 1 or digest != _digest(tensors, said):
        refuse("not as it was written: its SHA-256 differs")
    if wrong := _wrong(tensors, said):
        refuse(wrong)
    return Model(
        **tensors,
        loss=said["loss"],
        command=said["command"],
        class_names=tuple(said["class_names"]),
        inputs=said["inputs"],
        about=said["about"],
        feature_names=tuple(said["feature_names"]),
    )


def _digest(tensors: Mapping[str, Array], said: Mapping[str, Any]) -> str:
    """SHA-256 of the tensors' names, dtypes, shapes and bytes, and of all that is said of them."""
    whole = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        whole.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        whole.update(np.ascontiguousarray(array).data)
    return whole.hexdigest()


def _plain(array: Array) -> Array:
    """In a dtype that everybody reads, and in this order of bytes."""
    dtype = array.dtype if array.dtype in (np.float16, np.float64) else np.dtype(np.float32)
    return np.ascontiguousarray(array, dtype.newbyteorder("<"))


def _wrong(tensors: Mapping[str, Array], said: Mapping[str, Any]) -> str:
    """What does not fit, or ""."""
    if set(said) != {"command", "loss", "class_names", "inputs", "feature_names", "about"}:
        return f"it says {', '.join(sorted(said)) or 'nothing'} of its run"
    if "weight" not in tensors or tensors["weight"].ndim != 2 or set(tensors) - set(_TENSORS):
        return f"tensors {', '.join(f'{name} {array.shape}' for name, array in sorted(tensors.items()))}"
    classes, features = tensors["weight"].shape
    for name, length in (("bias", classes), ("mean", features), ("scale", features)):
        if name in tensors and tensors[name].shape != (length,):
            return f"{name} {tensors[name].shape} beside weight {(classes, features)}"
    if ("mean" in tensors) != ("scale" in tensors):
        return "mean without scale, or scale without mean"
    for name, count in (("class_names", classes), ("feature_names", features)):
        if len(said[name]) not in (0, count):
            return f"{len(said[name])} {name} beside weight {(classes, features)}"
    return ""
