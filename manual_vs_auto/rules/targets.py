"""Labels and targets: which class an example belongs to."""

from manual_vs_auto.rules.floating import widened
from manual_vs_auto.rules.rule import Array


def is_labels(labels: Array) -> bool:
    """Whether these are integer labels, which have no derivative, rather than targets, which have one."""
    return labels.dtype.kind in "iu"


def one_hot(labels: Array, scores: Array) -> Array:
    """Targets y of the notes for the scores (logits or probabilities) that they go with.

    Source:  notes (5): "if the digit was a one we would have y = [0, 1, ..., 0]".
    Args:    labels: integer [...], or floating targets [..., K], which are taken as they are.
             scores: floating [..., K].
    Returns: targets [..., K] in the dtype of the scores. A label outside 0..K-1 selects no class:
             its row is zero, as in jax.nn.one_hot. Traced values can't be refused.
    Raises:  TypeError if labels are boolean or complex, ValueError if the shapes don't agree.
    """
    xp = scores.__array_namespace__()
    if scores.ndim == 0:
        raise ValueError("scores () must have the classes on the last axis")
    if not is_labels(labels):
        if labels.shape != scores.shape:
            raise ValueError(f"targets {labels.shape} must have the shape of the scores {scores.shape}")
        return xp.astype(widened("targets", labels), scores.dtype)
    if labels.shape == scores.shape:
        raise ValueError(
            f"labels {labels.shape} have the shape of one-hot targets, which must be floating, not integer"
        )
    if labels.shape != scores.shape[:-1]:
        raise ValueError(f"labels {labels.shape} must have the shape of the scores {scores.shape} less the last axis")
    # Wide enough for every class; a wide label stays as wide, or 2^32 + 1 would be class 1.
    wide = labels if labels.dtype.itemsize >= 4 else xp.astype(labels, xp.int32)
    classes = xp.broadcast_to(xp.arange(scores.shape[-1], dtype=wide.dtype), scores.shape)
    return xp.astype(classes == wide[..., None], scores.dtype)
