"""Custom rules after public reports of bugs, written anew: what people get wrong, and what checkers refuse wrongly.

Causes that these items may name beside those of the faults: conjugate (the other convention, or a conjugation
forgotten), count (averaged over the wrong number), division (0 / 0), first (the first row's for all), flip, group (a
group's sum forgotten), ignored (not masked), imaginary (its part lost), order (masked after for before), precision,
repeats, scale, shape, shift, slope (at another point), special (a single point), statistics (over the wrong group),
variant (another function's slope), weight.
"""

from tests.corpus.item import Item
from tests.corpus.reports import (
    causes,
    complex,  # noqa: A004  the numbers
    held,
    iterations,
    matrices,
    points,
    rounding,
    shapes,
    taken,
)

REPORTS: list[Item] = [
    *causes.ITEMS,
    *complex.ITEMS,
    *held.ITEMS,
    *iterations.ITEMS,
    *matrices.ITEMS,
    *points.ITEMS,
    *rounding.ITEMS,
    *shapes.ITEMS,
    *taken.ITEMS,
]
