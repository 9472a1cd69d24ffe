"""The model's gradient by the fused loss: a `ValueAndGrad` like manual's and auto's."""

from typing import Any

from manual_vs_auto.fused.loss import linear_softmax_loss_and_grad
from manual_vs_auto.fused.options import Options
from manual_vs_auto.model import Batch, Loss, Params, ValueAndGrad, operands
from manual_vs_auto.rules.floating import narrowed


def value_and_grad(
    loss: Loss = "squared_distance", *, classes_axis: str | None = None, classes: int | None = None
) -> ValueAndGrad:
    """The gradient of `model.loss`, by `linear_softmax_loss_and_grad`.

    Source:  notes (9) and (10).
    Args:    classes_axis, classes: as there, for Params that hold a device's part of the classes, [k, D]. Where rows
             are spread over another axis, each mean is of a device's own rows, and JAX sums the gradients by a weight
             that is the same for all of them: where all have as many rows, divide it by their number.
    Returns: a function of (Params, Batch) to (mean loss, Params of gradients [K, D], or [k, D]).
    Raises:  ValueError for a loss that does not exist.
    """
    choices: Any = {"loss": loss, "classes_axis": classes_axis, "classes": classes}
    Options(**choices)

    def gradient(params: Params, batch: Batch) -> tuple[Any, Params]:
        weight, images = operands(params, batch.images)
        counts = batch.weights
        if counts is not None and counts.dtype != bool:
            counts = counts.astype(weight.dtype)  # they may be whole numbers, as model.shares takes them
        mean, (by_weight,) = linear_softmax_loss_and_grad(
            weight, images, batch.labels, sample_weight=counts, wrt=("weight",), **choices
        )
        return mean, Params(weight=narrowed(by_weight, params.weight.dtype))

    return gradient
