"""Where the one-sided slopes differ there is no derivative, but there is still a wrong answer."""

from typing import TypeAlias

import numpy as np

from manual_vs_auto.gradcheck.numerics.differences import kinked, one_sided
from manual_vs_auto.gradcheck.witnesses.panel import NO, YES, Answer

Convention: TypeAlias = float | tuple[float, float] | None


def settle(answer: Answer, convention: Convention) -> np.ndarray:
    """Votes on the manual slope at every kink among [M]; 0 elsewhere.

    Without a convention anything between the one-sided slopes will do. A convention is what the derivative of an
    output by the input is at its kink: one number, or any between two.
    """
    question = answer.question
    low, high = np.minimum(answer.ahead, answer.behind), np.maximum(answer.ahead, answer.behind)
    slack = question.tolerance + 1e-6 * (high - low)
    if convention is not None:
        low, high = _declared(answer, convention)
    nowhere = ~np.isfinite(question.manual) & ~np.isfinite(question.autodiff)
    with np.errstate(invalid="ignore"):
        inside = (question.manual >= low - slack) & (question.manual <= high + slack)
    return np.where(answer.kink & ~nowhere, np.where(inside, YES, NO), 0)


def _declared(answer: Answer, convention: float | tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """The slopes that the convention allows: its own at outputs with a kink, the slope elsewhere."""
    question = answer.question
    ends = convention if isinstance(convention, tuple) else (convention, convention)
    if question.claim.forward:
        length = _length(question.direction)
        return np.full(answer.ahead.shape, min(ends)) * length, np.full(answer.ahead.shape, max(ends)) * length
    length = _length(question.direction)
    low = high = 0.0
    for sweep, cotangent in zip(
        question.engine.sweep(question.arrays, question.direction), question.cotangents, strict=True
    ):
        ahead, behind = one_sided(sweep)
        kink = kinked(ahead, behind)
        smooth = np.where(kink, 0.0, ahead.value) * cotangent
        chosen = np.stack([np.where(kink, end, 0.0) * length * cotangent for end in ends])
        low += float(np.sum(smooth + chosen.min(0)))
        high += float(np.sum(smooth + chosen.max(0)))
    return np.full(answer.ahead.shape, low), np.full(answer.ahead.shape, high)


def _length(direction: list[np.ndarray]) -> float:
    """The length of a direction along one element."""
    return float(sum(np.sum(np.abs(part)) for part in direction))
