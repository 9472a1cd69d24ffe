"""A training whose loss is lost late, for whoever has epochs that are replayed to the step before."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto.data import Dataset
from manual_vs_auto.model import Batch, Loss, Params, ValueAndGrad
from manual_vs_auto.train.epoch import order
from manual_vs_auto.train.reached import DivergedError

FLAGS: dict[str, Any] = {"epochs": 4, "optimizer": "sgd", "learning_rate": 1.0, "schedule": "constant"}


def counting(_: Loss) -> ValueAndGrad:
    """One weight counts the steps, another sums what each batch holds; the loss is lost at the eleventh step."""

    def gradient(params: Params, batch: Batch) -> tuple[jax.Array, Params]:
        assert batch.weights is not None
        held = jnp.sum(jnp.where(batch.weights, batch.images[:, 5].astype(jnp.float32), 0))
        change = jnp.zeros_like(params.weight).at[0, 0].set(-1.0).at[0, 1].set(-held)
        return jnp.where(params.weight[0, 0] >= 10, jnp.nan, 1.0), Params(change)

    return gradient


def expect_replayed(error: DivergedError, tiny: Dataset) -> None:
    """It ends with the parameters that the tenth step had a finite loss with: of the third epoch's four the third."""
    assert (error.step, error.last.step) == (11, 9)
    held = [tiny.train_images[row[row < 50], 5].sum() for number in (1, 2, 3) for row in order(0, number, 50, 16)]
    np.testing.assert_array_equal(error.last.weight[0, :2], [9, sum(held[:9])])
