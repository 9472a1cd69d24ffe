"""Slopes of the functions of one number that people mistake for each other, and where one stands for another."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis
from manual_vs_auto.gradcheck.explain.observation import Observation

Slope = Callable[[np.ndarray], np.ndarray]
_ROOT = math.sqrt(2 / math.pi)
_erf = np.vectorize(math.erf, otypes=[float])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _d_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(0.25 / np.cosh(x / 2) ** 2)


def _d_tanh(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / np.cosh(x) ** 2)


def _density(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi))


def _d_silu(x: np.ndarray, sharp: float = 1.0) -> np.ndarray:
    return np.asarray(_sigmoid(sharp * x) + sharp * x * _d_sigmoid(sharp * x))


def _d_gelu_tanh(x: np.ndarray) -> np.ndarray:
    inner = _ROOT * (x + 0.044715 * x**3)
    return np.asarray(0.5 * (1 + np.tanh(inner)) + 0.5 * x * _d_tanh(inner) * _ROOT * (1 + 3 * 0.044715 * x**2))


def _d_mish(x: np.ndarray) -> np.ndarray:
    soft = np.logaddexp(x, 0)
    return np.asarray(np.tanh(soft) + x * _d_tanh(soft) * _sigmoid(x))


def _between(x: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.asarray((x > low) & (x < high), float)


SLOPES: dict[str, Slope] = {
    "relu": lambda x: np.asarray(x > 0, float),
    "leaky relu": lambda x: np.where(x > 0, 1, 0.01),
    "relu6": lambda x: _between(x, 0, 6),
    "hard tanh": lambda x: _between(x, -1, 1),
    "hard sigmoid": lambda x: _between(x, -3, 3) / 6,
    "hard swish": lambda x: np.where(x < -3, 0, np.where(x > 3, 1, x / 3 + 0.5)),
    "elu": lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0))),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, 1, 1.6732632423543772 * np.exp(np.minimum(x, 0))),
    "sigmoid": _d_sigmoid,
    "tanh": _d_tanh,
    "softplus": _sigmoid,
    "log sigmoid": lambda x: _sigmoid(-x),
    "softsign": lambda x: 1 / (1 + np.abs(x)) ** 2,
    "silu": _d_silu,
    "gelu (erf)": lambda x: 0.5 * (1 + _erf(x / math.sqrt(2))) + x * _density(x),
    "gelu (tanh)": _d_gelu_tanh,
    "gelu (x sigmoid(1.702 x))": lambda x: _d_silu(x, 1.702),
    "mish": _d_mish,
    "log cosh": np.tanh,
    "erf": lambda x: 2 / math.sqrt(math.pi) * np.exp(-(x**2)),
    "the normal distribution": _density,
    "exp": np.exp,
    "exp2": lambda x: math.log(2) * np.exp2(x),
    "log": lambda x: 1 / x,
    "log1p": lambda x: 1 / (1 + x),
    "log2": lambda x: 1 / (x * math.log(2)),
    "log10": lambda x: 1 / (x * math.log(10)),
    "sqrt": lambda x: 0.5 / np.sqrt(x),
    "1 / sqrt": lambda x: -0.5 * x**-1.5,
    "1 / x": lambda x: -1 / x**2,
    "x^2": lambda x: 2 * x,
    "x^3": lambda x: 3 * x**2,
    "|x|": np.sign,
    "sin": np.cos,
    "cos": lambda x: -np.sin(x),
    "tan": lambda x: 1 / np.cos(x) ** 2,
    "sinh": np.cosh,
    "cosh": np.sinh,
    "arcsin": lambda x: 1 / np.sqrt(1 - x**2),
    "arccos": lambda x: -1 / np.sqrt(1 - x**2),
    "arctan": lambda x: 1 / (1 + x**2),
    "arcsinh": lambda x: 1 / np.sqrt(1 + x**2),
    "arccosh": lambda x: 1 / np.sqrt(x**2 - 1),
    "arctanh": lambda x: 1 / (1 - x**2),
}


OF_RESULTS: dict[str, Slope] = {
    "tanh": lambda y: 1 - y**2,
    "sigmoid": lambda y: y * (1 - y),
    "softplus": lambda y: 1 - np.exp(-y),
    "exp": lambda y: y,
    "sqrt": lambda y: 0.5 / y,
    "tan": lambda y: 1 + y**2,
    "1 / x": lambda y: -(y**2),
}
"""The same slopes, of what the function returns."""


def of_siblings(
    observations: Sequence[Observation],
    leaf: int,
    place: int,
    right_at: Callable[[Observation, np.ndarray], np.ndarray],
    relative: float = 1e-9,
) -> Iterator[Hypothesis]:
    """The slope of one of SLOPES for that of another, or for that of a function of one argument that is none of them.

    right_at(observation, x) -> the right derivative where the argument is x, all else as it was. relative: how exact
    the derivatives are.
    """
    _close = partial(_alike, relative=relative)
    first, x, other = observations[0], *(e.arrays[place] for e in observations[:2])
    if not x.shape == other.shape == first.reference[leaf].shape:
        return
    here, there = ({name: _slope(name, values) for name in SLOPES} for values in (x, other))
    one, two = first.reference[leaf], right_at(first, other)
    # R = h'(x) times what does not depend on x.
    own = [h for h in SLOPES if _close(one * there[h], two * here[h])]
    for h in own:
        if h in OF_RESULTS and _close(first.manual[leaf] * here[h], one * OF_RESULTS[h](x)):
            yield Hypothesis("slope", f"the slope of {h}, as it is written for its result, is taken at the argument",
                lambda e, at, h=h: e.reference[at] * OF_RESULTS[h](e.arrays[place]) / _slope(h, e.arrays[place]))  # type: ignore[misc]  # fmt: skip
    for g in SLOPES:
        for h in own:
            if g != h and _close(first.manual[leaf] * here[h], one * here[g]):
                yield Hypothesis("variant", f"the slope of {g} stands where that of {h} belongs",
                    lambda e, at, g=g, h=h: e.reference[at] * _slope(g, e.arrays[place]) / _slope(h, e.arrays[place]))  # type: ignore[misc]  # fmt: skip
        alone = len(first.arrays) == len(first.cotangents) == 1 and first.cotangents[0].shape == x.shape
        if alone and not own and _close(first.manual[leaf], first.cotangents[0] * here[g]):
            yield Hypothesis("variant", f"it is the slope of another function: {g}",
                lambda e, _, g=g: e.cotangents[0] * _slope(g, e.arrays[place]))  # type: ignore[misc]  # fmt: skip


def of_products(
    observations: Sequence[Observation],
    leaf: int,
    place: int,
    outputs: Callable[[Observation], Sequence[np.ndarray]],
    relative: float = 1e-9,
) -> Iterator[Hypothesis]:
    """Of f = x g one of the two terms alone, where g, f / x, may depend on all of x. outputs(observation): of f."""
    first = observations[0]
    if (
        len(first.cotangents) != 1
        or not first.cotangents[0].shape == first.arrays[place].shape == first.reference[leaf].shape
    ):
        return

    def constant(e: Observation, _: int) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(e.cotangents[0] * outputs(e)[0] / e.arrays[place])

    def other(e: Observation, at: int) -> np.ndarray:
        return np.asarray(e.reference[at] - constant(e, at))

    for term, predict in (("g'", constant), ("g", other)):
        if _alike(first.manual[leaf], predict(first, leaf), relative):
            yield Hypothesis("term", f"of f = x g, where g is f / x, the term of {term} is missing", predict)


def _slope(name: str, x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(SLOPES[name](x), float)


def _alike(a: np.ndarray, b: np.ndarray, relative: float = 1e-9) -> bool:
    """Where both are numbers, which must be somewhere."""
    known = np.isfinite(a) & np.isfinite(b)
    size = np.maximum(np.abs(a), np.abs(b))[known]
    return bool(np.any(size)) and bool(np.all(np.abs(a - b)[known] <= relative * np.maximum(size, 1e-3 * np.max(size))))
