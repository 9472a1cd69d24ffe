"""The same model's gradient by automatic differentiation."""

import jax

from manual_vs_auto import model
from manual_vs_auto.model import Batch, Loss, Params, ValueAndGrad


def value_and_grad(loss: Loss = "squared_distance") -> ValueAndGrad:
    """`jax.value_and_grad` of `model.loss`.

    Source:  notes (0), left to the machine.
    Returns: a function of (Params, Batch) to (mean loss, Params of gradients [K, D]).
    """

    def mean_loss(params: Params, batch: Batch) -> jax.Array:
        result: jax.Array = model.loss(params, batch, loss)
        return result

    return jax.value_and_grad(mean_loss)
