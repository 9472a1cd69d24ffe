"""The model's gradient by hand, composed from the rules."""

from manual_vs_auto.model import LOSSES, Batch, Loss, Params, ValueAndGrad, operands, shares
from manual_vs_auto.rules import LINEAR, Array
from manual_vs_auto.rules.floating import narrowed


def value_and_grad(loss: Loss = "squared_distance") -> ValueAndGrad:
    """The hand-coded gradient of `model.loss`.

    Source:  notes (9) and (10). dL/dz = 2 S * (d - S . d), dL/dW = sum_b share_b outer(dL/dz_b, x_b).
    Returns: a function of (Params, Batch) to (mean loss, Params of gradients [K, D]). In NumPy it runs
             in NumPy; under jit it traces.
    Example:
        >>> from manual_vs_auto.model import Batch, Params
        >>> params = Params(np.zeros((2, 3)))
        >>> batch = Batch(images=np.array([[-1.0, 1.0, 1.0]]), labels=np.array([1]))
        >>> value_and_grad()(params, batch)[1].weight
        array([[-0.5,  0.5,  0.5],
               [ 0.5, -0.5, -0.5]])
    """
    rule = LOSSES[loss]

    def gradient(params: Params, batch: Batch) -> tuple[Array, Params]:
        logits, linear_residuals = LINEAR.fwd(*operands(params, batch.images))
        losses, loss_residuals = rule.fwd(logits, batch.labels)
        cotangent = shares(batch, losses.dtype)
        by_logits, _ = rule.bwd(loss_residuals, cotangent)
        # The images' own cotangent is computed here only outside jit, which drops what nobody reads.
        by_weight, _ = LINEAR.bwd(linear_residuals, by_logits)
        mean = losses.__array_namespace__().sum(cotangent * losses)
        return mean, Params(weight=narrowed(by_weight, params.weight.dtype))

    return gradient
