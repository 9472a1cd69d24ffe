"""Derivatives made wrong on purpose, by what was done to them. Each is a right rule but for one edit."""

from tests.corpus.faults import axes, cotangents, factors, others, paths, points, regions, rounding, signs, terms
from tests.corpus.item import Item

FAULTS: list[Item] = [
    *axes.ITEMS,
    *cotangents.ITEMS,
    *factors.ITEMS,
    *others.ITEMS,
    *paths.ITEMS,
    *points.ITEMS,
    *regions.ITEMS,
    *rounding.ITEMS,
    *signs.ITEMS,
    *terms.ITEMS,
]
