"""Whether a kink that differences see is none: f may be too steep, or round too much, for them to see a slope."""

import numpy as np

from manual_vs_auto.gradcheck.engines.engine import Found
from manual_vs_auto.gradcheck.numerics.tolerance import AGREES, CONTINUES, EPS, HAIR, NOISE
from manual_vs_auto.gradcheck.witnesses.panel import NO, Answer, Question
from manual_vs_auto.gradcheck.witnesses.reference import dense_direction

# Points beside it in no particular direction, where ties are broken.
_BESIDE = 6


def refuted(answer: Answer, generator: np.random.Generator) -> np.ndarray:
    """[M]: where autodiff and the complex step agree against the rule, and both f and autodiff go on so beside it.

    At a kink those two follow one branch and may agree, but a hair ahead or behind autodiff follows another; at a
    jump f does not go on.
    """
    question, votes = answer.question, answer.votes
    engine, claim = question.engine, question.claim
    found = np.zeros(question.manual.shape, bool)
    if engine.detaches or claim.surrogate is not None or not {"autodiff", "complex step"} <= set(votes):
        return found
    step = answer.readings["complex step"].value
    with np.errstate(invalid="ignore"):
        found = (votes["autodiff"] == NO) & (votes["complex step"] == NO)
        found &= np.abs(question.autodiff - step) <= AGREES * np.abs(step)
    beside = [] if claim.forward else [dense_direction(claim, question.arrays, generator) for _ in range(_BESIDE)]
    if np.any(found):
        here = engine.value_and_autodiff(question.arrays, question.cotangents)
        for moved in (question.direction, [-d for d in question.direction], *beside):
            found &= _goes_on(question, *here, moved)
    return np.asarray(found)


def _goes_on(question: Question, here: Found, gradient: Found, moved: Found) -> np.ndarray:
    """[M]: whether autodiff has the same slope a hair further than here, and f moves no more than that."""
    engine, claim = question.engine, question.claim
    arrays = list(question.arrays)
    for at, part in zip(claim.inputs.moving, moved, strict=True):
        arrays[at] = arrays[at] + HAIR * part
    there, other = engine.value_and_autodiff(arrays, question.cotangents)
    if claim.forward:
        slope, rise = (np.concatenate([a.ravel() for a in parts]) for parts in (other, gradient))
        size = np.concatenate([np.abs(a).ravel() for a in here])
    else:
        slope = np.array([_total(other, question.direction)])
        rise = np.array([sum(float(np.sum(np.abs(g * d))) for g, d in zip(gradient, moved, strict=True))])
        size = np.array([sum(float(np.sum(np.abs(a * s))) for a, s in zip(here, question.cotangents, strict=True))])
    climbed = np.abs(question.slope(there) - question.slope(here))
    apart, disputed = np.abs(slope - question.autodiff), np.abs(question.manual - question.autodiff)
    with np.errstate(invalid="ignore"):
        same = apart <= np.minimum(CONTINUES * np.abs(question.autodiff), disputed / 4)
        return np.asarray(same & (climbed <= 2 * HAIR * np.abs(rise) + NOISE * EPS * size))


def _total(parts: Found, direction: Found) -> float:
    return sum(float(np.sum(p[d != 0] * d[d != 0])) for p, d in zip(parts, direction, strict=True))
