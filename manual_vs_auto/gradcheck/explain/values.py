"""A value on the way that is taken to be another, by one summand or factor: an epsilon is forgotten, a count is off."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from manual_vs_auto.gradcheck.explain.bending import PLUS, TIMES, VALUES, Bends, groups
from manual_vs_auto.gradcheck.explain.elsewhere import offset
from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis, number
from manual_vs_auto.gradcheck.explain.terms import Terms

_MOST = 80
# Of Newton's, towards the amount.
_STEPS = 8


def of_values(terms: Terms) -> Iterator[Hypothesis]:
    """Those that explain what the terms show; first, where what the program adds itself is what is missing."""
    if len(terms.edges) > _MOST:
        return
    found = []
    for group in groups(terms.edges):
        if len({terms.edges[at].source for at in group}) > 1:
            continue
        for how in (PLUS, TIMES):
            by = offset(partial(_residual, terms, group, how), _STEPS)
            if by is not None and np.max(np.abs(_residual(terms, group, how, by)), initial=0.0) <= terms.enough:
                forgotten, text = _said(terms, group, how, by)
                made = terms.hypothesis("value", text, _bends(terms, group, how, by), VALUES)
                found.append((not forgotten, made))
    yield from (hypothesis for _, hypothesis in sorted(found, key=lambda one: one[0]))


def _residual(terms: Terms, group: Sequence[int], how: int, by: float) -> np.ndarray:
    return np.asarray(terms.tried(_bends(terms, group, how, by), VALUES) - terms.right - terms.residual)


def _bends(terms: Terms, group: Sequence[int], how: int, by: float) -> Bends:
    amount = by + 1 if how == TIMES else by
    return terms.bends(None, dict.fromkeys(group, how), dict.fromkeys(group, amount))


def _said(terms: Terms, group: Sequence[int], how: int, by: float) -> tuple[bool, str]:
    """Whether it is that what is added there is forgotten, and what is said."""
    edge = terms.edges[group[0]]
    operand, _, operation = edge.text.rpartition(" of ")
    if how == PLUS and edge.added and abs(by + edge.added) <= 1e-5 * abs(edge.added):
        return True, f"{number(edge.added)} is forgotten, which {operation} adds"
    than = (
        f"{number(1 + by)} times as large"
        if how == TIMES
        else f"{'larger' if by > 0 else 'smaller'} by {number(abs(by))}"
    )
    return False, f"it is the derivative where {edge.text if operand else f'what enters {operation}'} is {than}"
