"""A factor too many or too few that is no number, but one of the arguments, its square or its logarithm."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from manual_vs_auto.gradcheck.claims.arguments import Leaf
from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis
from manual_vs_auto.gradcheck.explain.observation import Observation

_FACTORS: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("{}", lambda a: a),
    ("{}^2", np.square),
    ("log {}", np.log),
    ("(1 - {})", lambda a: 1 - a),
)


def of_arguments(
    observations: Sequence[Observation],
    leaf: int,
    leaves: Sequence[Leaf],
    same: Callable[[np.ndarray, np.ndarray], bool],
) -> Iterator[Hypothesis]:
    """What fits the first observation, of arguments that have one number for each element, or one for all."""
    first = observations[0]
    manual, right = first.manual[leaf], first.reference[leaf]
    for place, (argument, a) in enumerate(zip(leaves, first.arrays, strict=True)):
        if a.dtype == bool or a.size == 0 or np.iscomplexobj(a) or a.shape not in ((), right.shape):
            continue
        for name, factor in _FACTORS:
            said = name.format(argument.name)
            for many in (True, False):

                def predict(
                    e: Observation,
                    at: int,
                    place: int = place,
                    factor: Callable[..., np.ndarray] = factor,
                    many: bool = many,
                ) -> np.ndarray:
                    with np.errstate(all="ignore"):
                        by = factor(e.arrays[place].astype(np.float64))
                        return np.asarray(e.reference[at] * by if many else e.reference[at] / by)

                found = predict(first, leaf)
                if np.all(np.isfinite(found)) and same(manual, found):
                    yield Hypothesis("argument", f"a factor {said} is {'too many' if many else 'missing'}", predict)
