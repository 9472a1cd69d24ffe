"""Every number that decides what counts as the same, once, with its reason. Units are said beside each."""

import math

import numpy as np

EPS = 2.0**-52
"""The machine epsilon of float64."""

ROUNDINGS = 32
"""Units in the last place that a chain of elementary operations may gather before it is no longer rounding."""
HALF_THE_DIGITS = 0.5
"""The power of epsilon: a right formula keeps at least half of its digits; rounding does not explain more."""
AUTHORS = 2.0**-7
"""Of the author's own epsilon, where it is coarser than float64's: two formulas of an f that is itself approximated."""
LIKEWISE = 1e-2
"""Of the error in a lower precision, scaled by both epsilons: so much at least rounding makes in float64."""
FLOOR = 8
"""Epsilons of the largest number of a derivative: what rounding makes of it hides the smallest from every witness."""
HALF_ULP_OF_FLOAT32 = 2.0**-24
"""Relative: what rounding to float32 makes of a constant."""
UNSEEN = 1e-6
"""Relative: what can't be read may iterate, f as well as the rule, and then has no more digits."""
ALONE = 4
"""Epsilons by which the factor of one element may differ from 1, on the average of many inputs that round inside."""
PRIMAL = 1e-9
"""Relative: more than another order of summation makes of what a rule's forward returns."""

DIGITS = 1e-4
"""Relative: a witness that can't tell the slope to four digits has no say, unless what is disputed is coarser."""
NOISE = 16
"""Times the rounding in f itself, of a slope over a step as long as the input is large: nobody's fault."""
HIDDEN = 2.0**-34
"""Of the slopes that f has elsewhere: ten digits below, only autodiff and the complex step could say."""

STAIRS = 4
"""Multiples of one number that a function moves by: as many are no accident, it rounds inside."""
COARSEST = 2.0**-5
"""Relative: what rounds inside keeps at least five bits; coarser stairs, as of floor, are what they are."""
COARSE = 2.0**-22
"""Relative: stairs that are higher are not those of float32 inside; they may be those of floor at a million."""
MARGIN = 4
"""Times the rounding that was estimated: so much may still be rounding."""
ROOT, FINEST = 0.75, 3
"""Between the orders of a root, 1/2, and of a slope, 1, read at so many of the finest steps above rounding."""
RIGHT, WRONG = 1.5, 1.2
"""Orders of Taylor's remainder, between 2 and 1: above the first a slope is right, below the second wrong."""

BESIDE = 1e-5
"""Of the size of the numbers: how far beside a point without a derivative the slopes are read."""
NEARER, TOLD = 2.0**-24, 1e-2
"""Of the same: so near by the slopes of a steep curve are looked at, if f rounds to so much of what it climbs there."""
BROKEN = 0.1
"""Relative: a slope that is so different beside a point is that of something else; a curve's hardly is."""
HAIR = 2.0**-40
"""Of the size of the numbers: as the finest step; what goes on so far beside a point has no kink there."""
CONTINUES = 1e-2
"""Relative: a steep curve's slope changes by no more over a hair."""
AGREES = 1e-6
"""Relative: autodiff and the complex step agree to so many digits, also where f multiplies its rounding."""

SHRINKS = 0.9
"""A step of an iteration that goes to a limit is at most so much of the one before."""
EXACT = 1e-12
"""Relative: what is left of rounding is no inexactness of an iteration."""
NEAR = 1e-2
"""Relative: what is further from its limit than this has not come near it."""
ALONG_TWO = 8
"""Times what two directions show of a derivative's inexactness: an element's may be so much worse."""


def units(reference: np.ndarray, spread: np.ndarray, epsilon: float, least: float) -> np.ndarray:
    """One ulp of each element: its own, or what one ulp of input makes of it, whichever is larger.

    Args:    reference [...], spread [...]: how far the reference moves when inputs move by an ulp, epsilon, and
             the smallest number of the precision.
    Returns: [...], positive.
    """
    size = np.where(np.isfinite(reference), np.abs(reference), 0.0)
    return np.maximum(np.maximum(epsilon * size, np.where(np.isfinite(spread), spread, 0.0)), least)


def allowed(longest_sum: int, own_error: float = 0.0) -> float:
    """How many ulp are allowed: rounding in a sum of N terms walks sqrt(N) ulp; or 4 times autodiff's own error."""
    return max(ROUNDINGS * math.sqrt(max(longest_sum, 1)), 4 * own_error)
