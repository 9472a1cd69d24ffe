"""Derivatives that are right, those among them that checkers are known to refuse."""

from tests.corpus.correct import algebra, elements, layers, losses, numerical, sizes, structures
from tests.corpus.item import Item

CORRECT: list[Item] = [
    *algebra.ITEMS,
    *elements.ITEMS,
    *layers.ITEMS,
    *losses.ITEMS,
    *numerical.ITEMS,
    *sizes.ITEMS,
    *structures.ITEMS,
]
