"""What a saved model says of examples: labels with their probabilities, or how often it is right."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto import command
from manual_vs_auto.data.source import printable
from manual_vs_auto.runs.ending import ended
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.parsing import Parser

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_DESCRIPTION = """\
What does a model say that train or fit left? Labels with their probabilities, the most probable first.

  %(prog)s run new.npy                        features, as the run was fitted to
  %(prog)s run table.parquet --labels species --score
  %(prog)s run mnist --score                  MNIST's test images; or a folder of IDX files, or an .npz
  %(prog)s run photo.jpg scans/               pictures of any size, for a run on images
  %(prog)s run --onnx model.onnx              export it, and predict nothing"""
_EPILOG = (
    "Exit status: 0 predicted; 2 flags, a run or files that can't be used, be it one picture of many; 130 interrupted."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)  # flags may stand before INPUT, too
    if not options.inputs and options.onnx is None:
        parser.error("the following arguments are required: INPUT")
    return ended("manual_vs_auto.predict", lambda: _predict(options))


def _parser() -> Parser:
    parser = Parser(
        prog=command.program("manual_vs_auto.predict"),
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("run", metavar="RUN", help="a directory that train or fit left with --out, or its model.safetensors")
    add("inputs", metavar="INPUT", nargs="*", help="what to predict")
    add("--labels", metavar="LABELS", help="the right ones: a file, or an array or a column of INPUT")
    add("--score", action="store_true", help="tell how often the model is right instead, by the labels")
    add("--top", type=_top, default=1, metavar="N", help="the N most probable labels of each (default: 1)")
    add("--plain", action="store_true", help="only resize pictures: a run on images of 28x28 pixels takes them to be "
        "of digits, which it makes light on dark, fits into 20x20 and centres, as MNIST's are")  # fmt: skip
    add("--onnx", metavar="FILE", help="export the model, by onnx")
    add("--json", action="store_true", help="one line of JSON an example, and nothing else")
    return parser


def _top(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _predict(options: argparse.Namespace) -> int:
    from pathlib import Path

    from manual_vs_auto.runs.inputs import gather
    from manual_vs_auto.runs.model import read

    model = read(Path(options.run))
    if options.onnx is not None:
        from manual_vs_auto.runs.export import to_onnx

        to_onnx(model, Path(options.onnx))
        if not options.inputs:
            return 0
    inputs = gather(model, options.inputs, options.labels, options.plain)
    if options.score and inputs.labels is None:
        raise UsageError(f"--score: say with --labels what is right for {options.inputs[0]}")
    pieces = _finite(options.inputs[0], model.pieces(_pixels(options.inputs[0], model, inputs.rows)))
    if options.score and inputs.labels is not None:
        from manual_vs_auto.data.labels import as_classes
        from manual_vs_auto.runs.evaluation import evaluate

        labels = as_classes(inputs.labels_of, inputs.labels, model.class_names, len(model.weight))
        found = evaluate(pieces, labels, class_names=model.class_names)
        said = {
            "examples": found.examples,
            "top1": found.top1,
            "top5": found.top5,
            "cross_entropy": found.cross_entropy,
        }
        right = round(found.top1 * found.examples)
        print(json.dumps(said) if options.json else f"top-1 {found.top1:.2%}: {right:,} of {found.examples:,}, "
              f"top-5 {found.top5:.2%}, cross-entropy {found.cross_entropy:.4f}")  # fmt: skip
        return 0
    for name, row in zip(inputs.called, _rows(pieces), strict=True):
        best = np.argsort(-row, kind="stable")[: options.top]
        top = [(model.names[label], float(row[label])) for label in best]
        if options.json:
            line: dict[str, Any] = {"input": name, "label": top[0][0], "probability": top[0][1]}
            print(json.dumps(line | {"top": [list(pair) for pair in top]} if options.top > 1 else line))
        else:
            print(f"{name}  " + "  ".join(f"{printable(label)} {probability:.4f}" for label, probability in top))
    for refused in inputs.left:
        print(f"manual_vs_auto.predict: error: {refused}", file=sys.stderr)
    return UsageError.status if inputs.left else 0


def _pixels(where: str, model: Any, rows: Array) -> Array:
    """The rows, once it is clear that floating pixels are 0..1, as train takes them."""
    if model.image_shape and rows.dtype != np.uint8 and rows.size and not (rows.min() >= 0 and rows.max() <= 1 + 1e-5):
        raise UsageError(f"{where}: pixels from {rows.min():g} to {rows.max():g}; expected uint8, or floating in 0..1")
    return rows


def _finite(where: str, pieces: Iterable[Array]) -> Iterator[Array]:
    """The pieces, until one has a probability that is none."""
    start = 0
    for piece in pieces:
        if not np.isfinite(piece).all():
            row = start + int(np.argmax(~np.isfinite(piece).all(1)))
            raise UsageError(f"{where}: row {row:,} has a number that is not finite, or too large")
        yield piece
        start += len(piece)


def _rows(pieces: Iterable[Array]) -> Iterator[Array]:
    for piece in pieces:
        yield from piece
