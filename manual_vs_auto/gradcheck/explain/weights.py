"""Entries of the cotangent that count another number of times than once: half of a spectrum, a mask, a padding."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from manual_vs_auto.gradcheck.engines.engine import Found
from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis, number, rounded
from manual_vs_auto.gradcheck.explain.observation import Observation

# Entries that are weighed one by one.
_MOST = 32


def of_weights(
    right: Callable[[Observation, Found], Found], first: Observation, leaves: Sequence[int], word: str
) -> Iterator[Hypothesis]:
    """The same entries of the one cotangent count c times, every time.

    right: what the reference makes of other cotangents: it is linear in them, so that the weights are fitted.
    """
    cotangent = first.cotangents[0]
    if len(first.cotangents) != 1 or not 1 < cotangent.size <= _MOST:
        return
    places = np.arange(cotangent.size).reshape(cotangent.shape)
    parts = [right(first, [np.where(places == at, cotangent, 0)]) for at in range(cotangent.size)]
    flat = [np.concatenate([p[leaf].ravel() for leaf in leaves]) for p in (*parts, first.manual, first.reference)]
    *columns, manual, reference = (np.concatenate([a.real, a.imag]) for a in flat)
    if not np.all(np.isfinite(columns)):
        return
    weights = np.array([rounded(w) for w in 1 + np.linalg.lstsq(np.transpose(columns), manual - reference)[0]])
    wrong = np.flatnonzero(weights != 1)
    if not 0 < wrong.size < weights.size or np.ptp(weights[wrong]) > 1e-8:
        return
    where = ", ".join(str(tuple(int(i) for i in np.unravel_index(at, cotangent.shape))) for at in wrong[:3])
    text = f"the {word} at {where}{', ...' if wrong.size > 3 else ''} counts {number(weights[wrong[0]])} times"
    yield Hypothesis("cotangent", text, lambda e, leaf: right(e, [weights[places] * e.cotangents[0]])[leaf])
