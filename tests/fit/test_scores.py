"""Scores in float32: what is counted is what float64 counts, also where float32 can't tell."""

import json
from typing import Any

import numpy as np
import pytest

from manual_vs_auto.fit import scores
from manual_vs_auto.fit.scores import scored
from manual_vs_auto.runs.evaluation import evaluate
from manual_vs_auto.runs.model import Model
from tests.fit.conftest import Command, ends


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "_LITTLE", 0)
    monkeypatch.setattr(scores, "_CHUNK", 1 << 14)


def _problem(kind: str) -> tuple[Model, Any, Any]:
    """700 rows of 12 features in 9 classes, of which so many logits are close that float32 takes one for the other."""
    generator = np.random.default_rng(0)
    weight, x = generator.normal(size=(9, 12)), generator.normal(size=(700, 12))
    bias, mean, scale = generator.normal(size=9), None, None
    if kind == "close":  # pairs of classes that are hardly apart
        weight[1::2] = weight[:-1:2] + 1e-9 * generator.normal(size=(4, 12))
        bias[1::2] = bias[:-1:2]
    elif kind == "the same":
        weight[:] = 0
        bias[:] = 0
    elif kind == "far":  # and so in float32 hardly known
        x += 1e7
        bias -= weight.sum(1) * 1e7
    elif kind == "standardised":
        mean, scale = np.full(12, 1e7), np.full(12, 3.0)
        x = 1e7 + 3 * x
    elif kind == "huge":  # the square is not finite in float32
        x *= 1e25
    elif kind == "apart":  # float64's probabilities of most classes are 0, and so equal
        x *= 300
    logits = x @ Model(weight, bias, mean, scale).affine()[0].T
    labels = np.where(generator.random(700) < 0.5, logits.argmax(1), generator.integers(0, 9, 700))
    return Model(weight, bias, mean, scale), x, labels


@pytest.mark.parametrize("kind", ["plain", "close", "the same", "far", "standardised", "huge", "apart"])
@pytest.mark.parametrize("some", [False, True])
def test_counts_are_float64_s(kind: str, some: bool) -> None:
    model, x, labels = _problem(kind)
    rows = np.random.default_rng(1).permutation(700)[:333] if some else None
    labels = labels if rows is None else labels[rows]
    found, expected = scored(model, x, labels, rows), evaluate(model.pieces(x, rows), labels)
    assert (found.examples, found.top1, found.top5) == (expected.examples, expected.top1, expected.top5)
    # Logits of about 10, each within 20 float32 units of what it is.
    assert found.cross_entropy == pytest.approx(expected.cross_entropy, rel=1e-12 if kind == "huge" else 1e-5)


def test_few_rows_are_judged_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, labels = _problem("plain")
    wide, again = scores._wide, []

    def counting(*arguments: Any) -> Any:
        again.append(len(arguments[2]))
        return wide(*arguments)

    monkeypatch.setattr(scores, "_wide", counting)
    scored(model, x, labels, None)
    assert sum(again) < 7


@pytest.mark.parametrize("flags", [(), ("--standardize",)])
def test_a_fit_s_scores_are_predict_s(folder: Any, fitted: Command, predicted: Command, flags: tuple[str, ...]) -> None:
    """Of the validation rows, which are of a file, and in the end of all figures that are quoted."""
    x, y = np.load("x.npy"), np.load("y.npy")
    np.savez("val.npz", x=x[:30], y=y[:30])
    fitted("x.npy", "--labels", "y.npy", "--sweep", "1,0.01", "--val", "val.npz:x", "val.npz:y", "--out", "run", *flags)
    said = json.loads(predicted("run", "val.npz:x", "--labels", "y", "--score", "--json").stdout)
    kept = json.loads((folder / "run" / "evaluation.json").read_text())["evaluation"]
    assert {name: kept[name] for name in said} == said
    best = max(ends(folder / "run"), key=lambda line: (line["val_top1"], -line["val_cross_entropy"]))
    assert (best["val_top1"], best["val_top5"]) == (said["top1"], said["top5"])
    said = json.loads(predicted("run", "x.npy", "--labels", "y.npy", "--score", "--json").stdout)
    assert (best["train_top1"], best["train_top5"]) == (said["top1"], said["top5"])
