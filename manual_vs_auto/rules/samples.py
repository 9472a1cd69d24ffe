"""What the rules of labels are tried with, in NumPy float64: four classes, with a generator and a batch shape."""

import numpy as np

from manual_vs_auto.rules.rule import Primals


def logits_and_labels(generator: np.random.Generator, batch: tuple[int, ...]) -> Primals:
    """Logits [batch, 4] of a few units, and integer labels [batch]."""
    return 3 * generator.normal(size=(*batch, 4)), generator.integers(0, 4, size=batch)


def probabilities_and_labels(generator: np.random.Generator, batch: tuple[int, ...]) -> Primals:
    """Probabilities [batch, 4], and integer labels [batch]."""
    return generator.dirichlet(np.ones(4), size=batch), generator.integers(0, 4, size=batch)
