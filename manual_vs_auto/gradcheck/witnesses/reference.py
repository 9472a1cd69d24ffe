"""What the manual derivative is compared with, element by element, and how far rounding moves both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError
from manual_vs_auto.gradcheck.engines.clock import OutOfTime
from manual_vs_auto.gradcheck.engines.engine import Engine, Found
from manual_vs_auto.gradcheck.numerics.precision import is_float
from manual_vs_auto.gradcheck.witnesses.panel import Question, finite_differences

# Elements that are differentiated one by one where there is no autodiff.
ONE_BY_ONE = 2048
_DRAWS = 3


@dataclass
class Reference:
    """Values as the derivative has them; bounds: how far off they may be; known: which elements were found at all.

    defined: whether the function itself is finite there. outputs: its own, where they came with the values.
    """

    values: Found
    bounds: Found
    known: Found
    defined: bool = True
    outputs: Found = field(default_factory=list)


class Moves(NamedTuple):
    """How far one ulp of input and cotangent moves the reference and the manual derivative, elementwise."""

    reference: Found
    manual: Found


def reference(claim: Claim, engine: Engine, arrays: Found, cotangents: Found, most: int = ONE_BY_ONE // 8) -> Reference:
    """Autodiff of the stripped function; without one, differences and complex steps along at most so many elements.

    A patient clock waits for what these take but the elements, which end with the time.
    """
    if engine.has_autodiff:
        outputs, values = engine.value_and_autodiff(arrays, cotangents)
        zeros = [np.zeros(v.shape) for v in values]
        return Reference(values, zeros, [np.ones(v.shape, bool) for v in values], _finite(outputs), outputs)
    outputs = engine.value(arrays)
    if not _finite(outputs):
        return Reference([], [], [], defined=False)
    # Those of a surrogate are not the function's own.
    outputs = outputs if claim.surrogate is None else []
    if claim.forward:
        return _along(claim, engine, arrays, cotangents, outputs)
    places = [
        (leaf, int(i)) for leaf, at in enumerate(claim.inputs.moving) for i in np.flatnonzero(np.isfinite(arrays[at]))
    ]
    if len(places) > most:
        drawn = np.random.default_rng(0).choice(len(places), most, replace=False)
        places = [places[i] for i in drawn]
    shapes = [arrays[at].shape for at in claim.inputs.moving]
    values, bounds, known = ([np.full(s, fill) for s in shapes] for fill in (np.nan, np.inf, 0.0))
    found = Reference(values, bounds, known, outputs=outputs)
    # Where the time may end, every leaf has been looked at.
    for leaf, i in sorted(places, key=lambda place: place[1]):
        direction, scale = unit_direction(claim, arrays, leaf, i)
        try:
            with engine.clock.patience(False):
                slope, bound = _read(claim, engine, arrays, cotangents, direction)
        except OutOfTime:
            if not engine.clock.patient:
                raise
            break
        found.values[leaf].flat[i] = slope[0] / scale
        found.bounds[leaf].flat[i] = bound[0] / scale
        found.known[leaf].flat[i] = 1
    found.known = [k > 0 for k in found.known]
    return found


def _finite(outputs: Found) -> bool:
    return all(bool(np.all(np.isfinite(a))) for a in outputs)


def _along(claim: Claim, engine: Engine, arrays: Found, cotangents: Found, outputs: Found) -> Reference:
    slope, bound = _read(claim, engine, arrays, cotangents, cotangents)
    shapes = [v.shape for v in engine.value(arrays)]
    ends = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
    values, bounds = ([p.reshape(s) for p, s in zip(np.split(a, ends), shapes, strict=True)] for a in (slope, bound))
    return Reference(values, bounds, [np.ones(s, bool) for s in shapes], outputs=outputs)


def _read(
    claim: Claim, engine: Engine, arrays: Found, cotangents: Found, direction: Found
) -> tuple[np.ndarray, np.ndarray]:
    """The slope by complex step where differences second it, otherwise by differences."""
    nothing = np.full(1, np.nan)
    question = Question(claim, engine, arrays, cotangents, direction, nothing, nothing, nothing)
    value, bound = finite_differences(question)
    try:
        step = question.complex_step()
    except Refused:
        step = np.full(value.shape, np.nan)
    better = np.isfinite(bound) & (np.abs(step - value) <= 2 * bound)
    value, bound = np.where(better, step, value), np.where(better, 2.0**-44 * np.abs(step), bound)
    return np.where(np.isfinite(bound), value, np.nan), bound


def unit_direction(claim: Claim, arrays: Found, leaf: int, i: int) -> tuple[Found, float]:
    """The direction along one finite element, as long as the numbers in its leaf are large; and that length."""
    direction = [np.zeros(arrays[at].shape) for at in claim.inputs.moving]
    values = arrays[claim.inputs.moving[leaf]]
    scale = float(max(_size(values), abs(values.flat[i]))) or 1.0
    direction[leaf].flat[i] = scale
    return direction, scale


def dense_direction(claim: Claim, arrays: Found, generator: np.random.Generator, leaf: int | None = None) -> Found:
    """A random direction, each finite element in proportion to its number; of one leaf, or of all."""
    direction = []
    for number, at in enumerate(claim.inputs.moving):
        values = arrays[at]
        sizes = np.where(values == 0, _size(values) or 1.0, np.where(np.isfinite(values), np.abs(values), 0.0))
        drawn = generator.normal(size=values.shape).clip(-2, 2) / 2
        direction.append(sizes * drawn * (leaf is None or leaf == number))
    return direction


def _size(values: np.ndarray) -> float:
    """The root mean square of what is finite."""
    finite = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0


def spread(
    engine: Engine, arrays: Found, cotangents: Found, nudges: Sequence[float], generator: np.random.Generator,
    truth: Reference, manual: Found | None,
) -> Moves:  # fmt: skip
    """Move every input and cotangent by one ulp, equal numbers alike (ties stay), a few times; take the largest.

    nudges: what an ulp is, one number an array and a cotangent: float64's for what moves, the author's for the rest.
    """
    reference_moves = [np.zeros(v.shape) for v in truth.values]
    manual_moves = [np.zeros(v.shape) for v in truth.values]
    before: Found | None = None
    for near, close in _nudged(arrays, cotangents, nudges, generator):
        if manual is not None:
            try:
                found = engine.manual(near, close)
            except WrongShapeError:
                manual = None
            else:
                # From one side of the point to the other: what the rule has at that point alone is no rounding.
                _raise_to(manual_moves, found, found if before is None else before)
                before = found
        if engine.has_autodiff:
            _raise_to(reference_moves, engine.autodiff(near, close), truth.values)
    return Moves(reference_moves, manual_moves)


def _raise_to(moves: Found, found: Found, values: Found) -> None:
    for at, (new, old) in enumerate(zip(found, values, strict=True)):
        gap = np.abs(new - old)
        moves[at] = np.maximum(moves[at], np.where(np.isfinite(gap), gap, 0.0))


def _nudged(
    arrays: Found, cotangents: Found, nudges: Sequence[float], generator: np.random.Generator
) -> Iterator[tuple[Found, Found]]:
    everything = [*arrays, *cotangents]
    floating = [at for at, a in enumerate(everything) if is_float(a.dtype)]
    flat = np.concatenate([everything[at].ravel() for at in floating])
    _, which = np.unique(flat, return_inverse=True)
    ulp = np.concatenate([np.full(everything[at].size, nudges[at]) for at in floating])
    ends = np.cumsum([everything[at].size for at in floating])[:-1]
    drawn = [generator.choice([-1.0, 1.0], size=which.max(initial=0) + 1)[which.ravel()] for _ in range(_DRAWS - 1)]
    for signs in (*drawn, -drawn[-1]):
        nudged = list(everything)
        for at, piece in zip(floating, np.split(flat * (1 + ulp * signs), ends), strict=True):
            nudged[at] = piece.reshape(everything[at].shape)
        yield nudged[: len(arrays)], nudged[len(arrays) :]
