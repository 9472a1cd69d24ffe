"""The notes' model yhat = S(W x), its loss and its accuracy: forward only, notes (5) to (7).

The letters, here and everywhere: B batch, D features (pixels), K classes.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

from manual_vs_auto.rules import CROSS_ENTROPY, SOFTMAX_SQUARED_DISTANCE, Array, Rule, linear
from manual_vs_auto.rules.floating import widened

Loss: TypeAlias = Literal["squared_distance", "cross_entropy"]

# Each takes logits and labels: softmax is inside, where its maximum and its exponentials are at hand.
LOSSES: dict[Loss, Rule] = {"squared_distance": SOFTMAX_SQUARED_DISTANCE, "cross_entropy": CROSS_ENTROPY}

WHITE = 255  # the brightest pixel of a uint8 image


class Params(NamedTuple):
    """What training changes.

    weight: floating [K, D], the notes' W.
    """

    weight: Array


class Batch(NamedTuple):
    """Examples with their labels.

    images:  uint8 [B, D], 0..255, or floating [B, D], taken as they are.
    labels:  integer [B], or targets [B, K].
    weights: floating [B], how much each example counts in the mean, or boolean: 0 is padding. None is 1 for all.
    """

    images: Array
    labels: Array
    weights: Array | None = None


# The seam: whatever has this type can train. It returns the mean loss of the batch, and its gradient
# in the dtype of the params.
ValueAndGrad: TypeAlias = Callable[[Params, Batch], tuple[Array, Params]]


def init(classes: int, features: int, xp: Any, dtype: Any) -> Params:
    """Zero weights [K, D] in the namespace `xp`: every class is as likely, and no symmetry needs breaking."""
    return Params(weight=xp.zeros((classes, features), dtype=dtype))


def operands(params: Params, images: Array) -> tuple[Array, Array]:
    """W [K, D] and x [B, D] as both gradients multiply them: in at least float32, uint8 pixels as 0..1.

    The only place where 1/255 stands.
    """
    weight = widened("weight", params.weight)
    xp = weight.__array_namespace__()
    if images.dtype == xp.uint8:
        return weight, xp.astype(images, weight.dtype) * (1 / WHITE)
    return weight, xp.astype(widened("images", images), weight.dtype)


def logits(params: Params, images: Array) -> Array:
    """Source: notes (5). W x for each image: [B, K], in at least float32."""
    return linear(*operands(params, images))


def shares(batch: Batch, dtype: Any) -> Array:
    """How much of the mean loss each example is: [B], non-negative, summing to 1, or all 0 for no example.

    It is also the cotangent of each example's loss.
    """
    xp = batch.labels.__array_namespace__()
    if batch.weights is None:
        examples = batch.labels.shape[0]
        return xp.full((examples,), 1 / max(examples, 1), dtype=dtype)
    weights = xp.astype(batch.weights, dtype)
    total = xp.sum(weights)
    return weights / xp.where(total == 0, 1, total)


def loss(params: Params, batch: Batch, loss: Loss = "squared_distance") -> Array:
    """The mean loss of a batch, a scalar in at least float32.

    Source: notes (7) and (12). sum_b w_b L(S(W x_b), y_b) / sum_b w_b.
    Raises: TypeError and ValueError as the rules do, naming the shapes that don't agree.
    """
    scores = logits(params, batch.images)
    losses = LOSSES[loss].primal(scores, batch.labels)
    return losses.__array_namespace__().sum(shares(batch, losses.dtype) * losses)


def predictions(params: Params, images: Array) -> Array:
    """The class of the largest logit, the first of ties: int32 [B]."""
    scores = logits(params, images)
    xp = scores.__array_namespace__()
    return xp.astype(xp.argmax(scores, axis=-1), xp.int32)


def accuracy(params: Params, images: Array, labels: Array) -> Array:
    """The share of images [B, D] whose prediction is their integer label [B]: a scalar in 0..1."""
    predicted = predictions(params, images)
    xp = predicted.__array_namespace__()
    return xp.mean(xp.astype(predicted == xp.astype(labels, xp.int32), xp.float32))
