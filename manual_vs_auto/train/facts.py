"""What a reader of a result has to know: versions, device, precision, data and sizes."""

import jax

from manual_vs_auto.data import Dataset
from manual_vs_auto.data.mapped import is_mapped
from manual_vs_auto.runs.machine import matmul_precision, versions
from manual_vs_auto.runs.mesh import spread_name
from manual_vs_auto.train.config import Config
from manual_vs_auto.train.stopping import criteria
from manual_vs_auto.train.trainer import Trainer

_FEW_NAMES = 20  # of classes that are shown


def run_facts(config: Config, dataset: Dataset, device: jax.Device, trainer: Trainer) -> dict[str, str]:
    """One line a fact, in the order in which they are told."""
    train, shape = len(dataset.train_labels), "x".join(map(str, dataset.image_shape))
    features, pixel = dataset.train_images.shape[1], dataset.train_images.itemsize
    held = "" if dataset.val_images is None else f", {len(dataset.val_images):,} validation"
    data = f"{dataset.name}: {train:,} training{held} and {len(dataset.test_images):,} test images of {shape}"
    data += f", {dataset.pixels}" if dataset.pixels else ""
    data += ", mapped from the file, read ahead" if is_mapped(dataset.train_images) else ""
    names = dataset.class_names[:_FEW_NAMES] + ("...",) * (len(dataset.class_names) > _FEW_NAMES)
    rate = f"{config.learning_rate:g}, {config.schedule}" if config.learning_rate else "its own line search"
    operations = 4 * config.batch_size * trainer.parameters
    moved = config.batch_size * (pixel * features + 4) + 2 * trainer.state_bytes
    return {
        "versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "device": spread_name(device, trainer.mesh),
        "precision": f"{config.dtype}, matrix products at {matmul_precision()}",
        "data": data,
        **({"classes": ", ".join(names)} if names else {}),
        "parameters": f"{trainer.parameters:,} (W, {dataset.classes} classes x {features:,} pixels)",
        "gradient": f"{config.gradient}, of {config.loss}",
        "optimizer": f"{config.optimizer} at {rate}",
        "length": f"{config.epochs} epochs of {trainer.steps:,} steps of {config.batch_size:,} images",
        **({"stopping": stops} if (stops := criteria(config)) else {}),
        "seed": f"{config.seed}, of the order of the images",
        "a step": f"{operations:,} operations in two matrix products; {moved:,} bytes of pixels, weights and state",
    }
