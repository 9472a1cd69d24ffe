"""A small data set of bright and dark patterns, learned in a few steps."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from manual_vs_auto.data import Dataset, load


@pytest.fixture
def tiny_file(tmp_path: Path) -> Path:
    """An .npz of 50 training and 30 test images of 4x4, in 3 classes."""
    generator = np.random.default_rng(0)
    patterns = generator.integers(0, 256, size=(3, 4, 4))

    def drawn(examples: int) -> dict[str, Any]:
        labels = np.arange(examples) % 3
        noise = generator.normal(scale=40, size=(examples, 4, 4))
        return {"x": np.clip(patterns[labels] + noise, 0, 255).astype(np.uint8), "y": labels.astype(np.uint8)}

    train, test = drawn(50), drawn(30)
    path = tmp_path / "tiny.npz"
    np.savez(path, x_train=train["x"], y_train=train["y"], x_test=test["x"], y_test=test["y"])
    return path


@pytest.fixture
def tiny(tiny_file: Path) -> Dataset:
    return load(tiny_file)


@pytest.fixture(autouse=True)
def _lenient_for_optax() -> Any:
    """optax adds numbers of different kinds and ranks, which is its own affair."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
