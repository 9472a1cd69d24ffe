"""A steep f is no kink: without the complex step a wrong rule does not escape, and a right one is not refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual_vs_auto.gradcheck import Verdict, check_gradient
from tests.corpus.functions import normal

# f and its slope, of k (x - 1).
SHAPES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2),
    "sin": (np.sin, np.cos),
}


def real(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Refuses complex numbers."""

    def refusing(x: Any) -> Any:
        if np.iscomplexobj(x):
            raise TypeError("real numbers only")
        return float(np.sum(f(np.asarray(x))))

    return refusing


@pytest.mark.parametrize("k", [1e3, 1e5, 1e6])
@pytest.mark.parametrize("name", SHAPES)
def test_what_is_steep_is_judged(name: str, k: float) -> None:
    value, slope = SHAPES[name]
    x = 1 + normal(0, 3, dtype=np.float64) / k
    with np.errstate(over="ignore"):
        for factor in (1.0, 1.5, -1.0):
            report = check_gradient(
                real(lambda x: value(k * (x - 1))), lambda x, c=factor: c * k * slope(k * (x - 1)), x, probes=False
            )
            assert (report.verdict is Verdict.AGREE) == (factor == 1.0)


@pytest.mark.parametrize("far", [0, 1e7])  # where f rounds too much to be looked at so near
@pytest.mark.parametrize("size", [3, 5])
def test_the_middle_of_several_that_tie_has_no_derivative_however_near_one_looks(size: int, far: float) -> None:
    f = real(lambda x: far + np.median(x))
    shares = check_gradient(f, lambda x: np.full(size, 1 / size), np.ones(size), probes=False)
    assert shares.verdict is not Verdict.DISAGREE
