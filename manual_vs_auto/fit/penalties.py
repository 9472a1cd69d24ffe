"""The penalties that a fit tries: one, those that were named, or a sweep in the features' own unit."""

import numpy as np

from manual_vs_auto.fit.options import Options
from manual_vs_auto.fit.problem import rows_penalty
from manual_vs_auto.fit.training import Training

_DECADES = 6  # that a sweep spans


def penalties(options: Options, made: Training, classes: int) -> list[float]:
    """The penalties of W [K, D] to try, the largest first: each starts where the one before ended.

    That of `--C` is scikit-learn's, whose W of two classes is one row: see `rows_penalty`.
    """
    count = len(made.labels) if made.weights is None else int(np.count_nonzero(made.weights))
    if isinstance(options.sweep, tuple):
        by_c = rows_penalty(1 / (options.c * count), classes) if options.c else 1 / count
        one = by_c if options.l2 is None else options.l2
        return sorted(set(options.sweep) or {one}, reverse=True)
    # In the features' own unit, the mean of x^2: a sweep is the same whatever they are measured in. And from where: how
    # far a column lies from 0 is the intercept's affair, where there is one.
    rows = made.matrix[:: max(1, len(made.matrix) // 1000)].astype(np.float64)
    if options.intercept:
        rows -= rows.mean(axis=0)
    unit = float(np.mean(rows**2)) or 1.0
    return [float(f"{unit * 10.0**power:.2g}") for power in np.linspace(-1, -1 - _DECADES, options.sweep)]
