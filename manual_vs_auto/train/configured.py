"""What a run is trained on, as its flags ask: images held out, and JAX pointed at the device."""

import jax

from manual_vs_auto.data import Dataset, split
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.machine import device_of
from manual_vs_auto.train.config import Config


def held_out(config: Config, dataset: Dataset) -> Dataset:
    """The data as --val asks for them. Raises UsageError where it leaves nothing to stop by."""
    try:
        return split(dataset, config.val, config.seed) if config.val else dataset
    except ValueError as error:
        raise UsageError(f"--val {error}") from None


def configure(config: Config) -> jax.Device:
    """Point JAX at the device, and give it the dtype and the matrix products that the run needs.

    Raises: UsageError if the device is not there.
    """
    device = device_of(config.device)
    if config.dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    # Some GPUs and TPUs shorten a float32 product to fewer bits unless they are told not to.
    jax.config.update("jax_default_matmul_precision", "highest")
    jax.config.update("jax_default_device", device)
    return device
