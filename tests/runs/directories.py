"""Directories as train and fit leave them, made without training: a run of images, and a sweep over features."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from manual_vs_auto.runs import model, origin
from manual_vs_auto.runs.evaluation import Evaluation, evaluate
from manual_vs_auto.runs.model import Model

L2S = (0.0, 1e-4, 1e-2, 1.0)
NAMES = ("ring", "bar", "dot")


def images(examples: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [N, 4, 4] in three classes, and their labels."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, examples)
    patterns = generator.integers(0, 256, (3, 4, 4))
    return np.clip(patterns[labels] + generator.normal(0, 90, (examples, 4, 4)), 0, 255).astype(np.uint8), labels


def trained(directory: Path, names: tuple[str, ...] = NAMES, **changes: Any) -> Evaluation:
    """A run of train, of three epochs with both gradients."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = {"gradient": "both", "loss": "squared_distance", "epochs": 3, "learning_rate": 0.5, "seed": 0}
    settings |= {"optimizer": "sgd", "dtype": "float32", "out": "kept"} | changes
    about = {"command": "train", "device": "cpu, 2 cores, x86_64", "data_sha256": "ab" * 32}
    versions = {"versions": {"jax": "0.10.1", "numpy": "2.4.6"}}
    (directory / "config.toml").write_bytes(origin.text(settings, about | versions))
    lines: list[dict[str, Any]] = []
    for epoch in (1, 2, 3):
        lines.append({
            "epoch": epoch, "epochs": 3, "step": 4 * epoch, "loss": 0.5 / epoch, "test_loss": 0.6 / epoch,
            "test_accuracy": 0.6 + epoch / 10, "seconds": 0.25, "agreed_steps": 4 * epoch, "steps": 4 * epoch,
            "epoch_difference": 0.0 if epoch == 2 else 3e-9 / epoch, "epoch_bound": 2e-7,
        })  # fmt: skip
    (directory / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pixels, labels = images()
    weight = np.stack([pixels[labels == label].mean(0) for label in range(3)]).reshape(3, -1) / 100 - 1
    about_model = Model(weight, command="train", class_names=names, inputs="images 4x4")
    model.write(directory / "model.safetensors", about_model)
    found = evaluate(about_model.pieces(pixels.reshape(-1, 16)), labels, pixels, names, of="test images")
    found.write(directory / "evaluation.json")
    assert found.mistakes
    return found


def fitted(directory: Path, classes: int = 3, **changes: Any) -> Evaluation:
    """A run of fit, a sweep over four l2 with validation."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = {"features": "x.npy", "labels": "y.npy", "loss": "cross_entropy", "tol": 1e-4} | changes
    about = {"command": "fit", "device": "cpu, 2 cores, x86_64", "data_sha256": "cd" * 32}
    (directory / "config.toml").write_bytes(origin.text(settings, about))
    lines: list[dict[str, Any]] = []
    for at, l2 in enumerate(reversed(L2S)):
        for i in range(1, 4):
            told = {"objective": l2 + 1 / i, "gradient_norm": 10.0 ** (-2 * i), "seconds": 0.1 * (3 * at + i)}
            lines.append({"iteration": i, "l2": l2, **told})
        scores = {"train_top1": 0.9, "val_top1": (0.5, 0.8, 0.8, 0.7)[at], "val_top5": 1.0}
        lines.append({"l2": l2, "iterations": 3, "converged": True, **scores})
    (directory / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    generator = np.random.default_rng(1)
    features, labels = generator.normal(size=(50, 5)), generator.integers(0, classes, 50)
    made = Model(generator.normal(size=(classes, 5)), generator.normal(size=classes), np.zeros(5), np.ones(5))
    model.write(directory / "model.safetensors", made)
    found = evaluate(made.pieces(features), labels, of="validation examples")
    found.write(directory / "evaluation.json")
    return found
