"""A saved model for other programs: ONNX, by the package of that name, which is imported only here."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.model import Model

_OPSET = 13  # the oldest whose Softmax is along one axis
_IR = 8  # what runtimes since 2021 read


def require(path: Path) -> None:
    """Raises: UsageError where the package is missing."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise UsageError(f"--onnx {path}: the package onnx is not here: pip install onnx") from None


def to_onnx(model: Model, path: Path) -> None:
    """Leave a graph of "features", float32 [N, D], to "probabilities", float32 [N, K], in a file.

    Pixels are floating, 0..1. The classes' names are in the file's metadata, JSON, as "class_names".

    Raises: UsageError where the package is missing or the file can't be written.
    """
    require(path)
    from onnx import TensorProto, checker, helper, numpy_helper

    made: list[Any] = []
    held: list[Any] = []

    def node(kind: str, out: str, *inputs: str, **options: Any) -> str:
        made.append(helper.make_node(kind, inputs, [out], **options))
        return out

    def constant(name: str, array: Any) -> str:
        held.append(numpy_helper.from_array(np.asarray(array, np.float32), name))
        return name

    classes, features = model.weight.shape
    x = "features"
    if model.mean is not None and model.scale is not None:
        x = node("Div", "standardised", node("Sub", "centred", x, constant("mean", model.mean)),
                 constant("scale", model.scale))  # fmt: skip
    bias = np.zeros(classes) if model.bias is None else model.bias
    logits = node("Gemm", "logits", x, constant("weight", model.weight), constant("bias", bias), transB=1)
    node("Softmax", "probabilities", logits, axis=1)
    graph = helper.make_graph(
        made,
        "softmax(Wx + b)",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", features])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", classes])],
        held,
    )
    whole = helper.make_model(
        graph, producer_name="manual_vs_auto", opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR
    )
    helper.set_model_props(whole, {"class_names": json.dumps(model.names), "inputs": model.inputs})
    checker.check_model(whole)
    try:
        path.write_bytes(whole.SerializeToString())
    except OSError as error:
        raise UsageError(f"--onnx {path} can't be written: {error.strerror}") from None
