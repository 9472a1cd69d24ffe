"""The model's gradient by the fused loss: a `ValueAndGrad` like manual's and auto's."""

from typing import Any

from manual_vs_auto.fused.loss import linear_softmax_loss_and_grad
from manual_vs_auto.fused.options import Options
from manual_vs_auto.model import Batch, Loss, Params, ValueAndGrad, operands
from manual_vs_auto.rules.floating import narrowed


def value_and_grad(loss: Loss = "squared_distance") -> ValueAndGrad:
    """The gradient of `model.loss`, by `linear_softmax_loss_and_grad`.

    Source:  notes (9) and (10).
    Returns: a function of (Params, Batch) to (mean loss, Params of gradients [K, D]).
    Raises:  ValueError for a loss that does not exist.
    """
    Options(loss=loss)

    def gradient(params: Params, batch: Batch) -> tuple[Any, Params]:
        weight, images = operands(params, batch.images)
        counts = batch.weights
        if counts is not None and counts.dtype != bool:
            counts = counts.astype(weight.dtype)  # they may be whole numbers, as model.shares takes them
        mean, (by_weight,) = linear_softmax_loss_and_grad(
            weight, images, batch.labels, loss=loss, sample_weight=counts, wrt=("weight",)
        )
        return mean, Params(weight=narrowed(by_weight, params.weight.dtype))

    return gradient
