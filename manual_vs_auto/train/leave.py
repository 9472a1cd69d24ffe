"""What a run that has come to its end leaves beside its weights: how good they are, and pictures."""

from typing import Any

import numpy as np

from manual_vs_auto.data import Dataset
from manual_vs_auto.runs import evaluation
from manual_vs_auto.runs.model import Model
from manual_vs_auto.runs.pictures import files
from manual_vs_auto.train.config import Config


def leave(config: Config, dataset: Dataset, weight: np.ndarray[Any, Any]) -> None:
    """Write evaluation.json into the run's directory, and the pictures where they are asked for.

    Args:   weight: W [K, D], as the last step left it.
    Raises: OSError, UsageError where one can't be written.
    """
    if config.out is None:
        return
    images, shape = dataset.test_images, dataset.image_shape
    model = Model(weight, inputs=f"images {'x'.join(map(str, shape))}")
    evaluation.evaluate(
        model.pieces(images),
        dataset.test_labels,
        images.reshape(-1, *shape),
        dataset.class_names,
        of="test images",
    ).write(config.out / evaluation.FILE)
    if config.plot:
        files.write(config.out)
