"""Where f has no derivative nobody can be right about it; what lies outside every slope beside that point is wrong.

f has a derivative at a point if its slopes ahead and behind are finite, one along every direction, and add up: the
slope along d + r is that along d and that along r. Ties, corners, equal eigenvalues and branch points fail in one.
"""

from typing import TypeAlias

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.engines.clock import OutOfTime
from manual_vs_auto.gradcheck.engines.engine import Found
from manual_vs_auto.gradcheck.numerics.differences import Slope, Sweep, central, kinked, one_sided, unbounded
from manual_vs_auto.gradcheck.numerics.tolerance import BESIDE, BROKEN, NEARER, TOLD
from manual_vs_auto.gradcheck.witnesses.panel import NO, YES, Answer, Question
from manual_vs_auto.gradcheck.witnesses.reference import dense_direction

Convention: TypeAlias = float | tuple[float, float] | None

# How often the slopes beside such a point are read.
_TIMES = 6
# More outputs than that are not looked at one by one.
_ONE_BY_ONE = 1 << 14


class Smoothness:
    """Whether f has a derivative at one point; what is asked along many directions is read once."""

    def __init__(self, claim: Claim, arrays: Found, generator: np.random.Generator) -> None:
        self._claim, self._arrays, self._generator = claim, arrays, generator
        self._others: list[tuple[Found, Sweep]] = []
        self._read: tuple[Question, dict[float, tuple[np.ndarray, np.ndarray]]] | None = None

    def at(self, question: Question) -> np.ndarray:
        """[M]: whether differences show no reason why there should be none."""
        if not question.claim.forward and question.outputs.here.size <= _ONE_BY_ONE:
            corner = kinked(*one_sided(question.outputs)) & (question.weights != 0)
            if np.any(corner):
                return np.zeros(question.manual.shape, bool)
        ahead, behind = one_sided(question.sweep)
        smooth = ~kinked(ahead, behind) & ~unbounded(question.sweep)
        smooth &= np.isfinite(ahead.bound) & np.isfinite(behind.bound)
        clock = question.engine.clock
        try:
            with clock.patience(False):
                return np.asarray(smooth & self._derivable(question, smooth, ahead, behind))
        except OutOfTime:
            if not clock.patient:
                raise
            return np.asarray(smooth & self._goes_on(question))

    def _derivable(self, question: Question, smooth: np.ndarray, ahead: Slope, behind: Slope) -> np.ndarray:
        """[M]: whether slopes add up, and are not another's beside it. smooth: where that is asked."""
        for other, sweep in self._along_others(question):
            both = [d + r for d, r in zip(question.direction, other, strict=True)]
            found = one_sided(question.elsewhere(question.arrays, both).sweep)
            for own, beside, together in zip((ahead, behind), one_sided(sweep), found, strict=True):
                smooth = smooth & ~_apart(together, own, beside)
        # The middle of three that tie moves in no direction alone, and has other slopes beside. So has a curve, but
        # hardly; those of a steep one come together nearer by.
        apart = self._apart_beside(question, BESIDE) if np.any(smooth) else smooth
        if np.any(smooth & apart):
            # Where f rounds too much to be looked at so near by, nothing is taken back.
            size = np.maximum(np.abs(one_sided(question.sweep)[0].value), 1e-2 * question.scale)
            told = question.sweep.noise() <= TOLD * NEARER * size
            apart = apart & (self._apart_beside(question, NEARER) | ~told)
        return np.asarray(smooth & ~apart)

    def _apart_beside(self, question: Question, far: float) -> np.ndarray:
        """[M]: whether f has clearly different slopes so far beside, and the manual one is among them."""
        low, high = self.beside(question, far)
        with np.errstate(invalid="ignore"):
            inside = (question.manual >= low) & (question.manual <= high) & np.isfinite(high - low)
            most = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1e-2 * question.scale)
            return np.asarray(inside & (high - low > BROKEN * most))

    def _goes_on(self, question: Question) -> np.ndarray:
        """[M]: whether the slope is the same a little beside: the one look for which somebody waits."""
        here, there = central(question.sweep), central(question.elsewhere(self._near(), question.direction).sweep)
        most = np.maximum(np.maximum(np.abs(here.value), np.abs(there.value)), 1e-2 * question.scale)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(here.value - there.value) <= BROKEN * most)

    def jumps(self, question: Question) -> bool:
        """Whether f is not even continuous there, or has a cusp, along some direction."""
        return any(bool(np.any(unbounded(sweep))) for _, sweep in self._along_others(question))

    def everywhere(self, question: Question) -> bool:
        """Whether f has a slope along every direction that is tried, and no corner."""
        sweeps = [sweep for _, sweep in self._along_others(question)]
        return not self.jumps(question) and not any(bool(np.any(kinked(*one_sided(sweep)))) for sweep in sweeps)

    def _along_others(self, question: Question) -> list[tuple[Found, Sweep]]:
        while len(self._others) < 2:
            direction = dense_direction(self._claim, self._arrays, self._generator)
            self._others.append((direction, question.elsewhere(question.arrays, direction).sweep))
        return self._others

    def beside(self, question: Question, far: float = BESIDE) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest slope, [M], at the point and so far beside it: what a derivative there may be.

        Of one question it is always the same: other points beside would show other slopes.
        """
        if self._read is None or self._read[0] is not question or far not in self._read[1]:
            kept = {} if self._read is None or self._read[0] is not question else self._read[1]
            self._read = question, {**kept, far: self._slopes_beside(question, far)}
        return self._read[1][far]

    def _slopes_beside(self, question: Question, far: float) -> tuple[np.ndarray, np.ndarray]:
        each = question.outputs if question.outputs.here.size <= _ONE_BY_ONE else question.sweep
        weights = question.weights if each is question.outputs and not question.claim.forward else np.ones(1)
        readings = [np.where(np.isfinite(s.bound), s.value, np.nan) for s in one_sided(each)]

        def read(arrays: Found, direction: Found) -> np.ndarray:
            there = question.elsewhere(arrays, direction)
            slope = central(there.outputs if each is question.outputs else there.sweep)
            return np.where(np.isfinite(slope.bound), slope.value, np.nan)

        for _ in range(3 * _TIMES if question.claim.forward else _TIMES):
            readings.append(read(self._near(far), question.direction))
        # Where a tie is broken, each of those that tie has the slopes that any of them may have.
        near, tied = self._near(far), self._tied(question.direction)
        pairs = [(read(self._arrays, direction), read(near, direction)) for direction in tied]
        size = np.max(np.abs(np.nan_to_num([*readings, *(there for _, there in pairs)])), axis=0)
        for here, there in pairs:
            readings.append(np.where(np.abs(here - there) <= BROKEN * size, np.nan, there))
        said = np.isfinite(readings)
        low = np.min(np.where(said, readings, np.inf), axis=0)
        high = np.max(np.where(said, readings, -np.inf), axis=0)
        # Slopes that vary beside it, as at equal eigenvalues, are a sample; those of a corner are all there are.
        ends, span = np.array(readings[:2]), high - low
        apart = np.min(np.abs(np.array(readings[2:])[:, None] - ends[None]), axis=1)
        varied = np.any(said[2:] & ~(apart <= 1e-3 * span), axis=0)
        low, high = np.where(varied, low - span, low), np.where(varied, high + span, high)
        low, high = (np.where(np.any(said, axis=0), end, inf) for end, inf in ((low, -np.inf), (high, np.inf)))
        if question.claim.forward:
            return low, high
        used = np.broadcast_to(weights != 0, low.shape)
        ends = np.stack([weights * low, weights * high])[:, used]
        return ends.min(0).sum(keepdims=True), ends.max(0).sum(keepdims=True)

    def _near(self, far: float = BESIDE) -> Found:
        """A point a little beside, in no particular direction."""
        arrays = list(self._arrays)
        moved = dense_direction(self._claim, self._arrays, self._generator)
        for at, step in zip(self._claim.inputs.moving, moved, strict=True):
            arrays[at] = arrays[at] + far * step
        return arrays

    def _tied(self, direction: Found) -> list[Found]:
        """Where a direction is along one element, those along others of the same number in its array."""
        found: list[Found] = []
        leaf = next((at for at, part in enumerate(direction) if np.any(part)), 0)
        if sum(int(np.count_nonzero(part)) for part in direction) == 1:
            (i,), length = np.flatnonzero(direction[leaf]), np.max(np.abs(direction[leaf]))
            values = self._arrays[self._claim.inputs.moving[leaf]].ravel()
            for k in np.flatnonzero(values == values[i])[: _TIMES + 1]:
                other = [np.zeros(part.shape) for part in direction]
                other[leaf].flat[k] = length
                found += [other] if k != i else []
        return found


def settle(answer: Answer, smoothness: Smoothness, convention: Convention, numbers: bool) -> np.ndarray:
    """Votes [M] on a manual slope where f has none. numbers: whether autodiff, if any, has one everywhere there.

    Without a convention anything between the slopes beside it will do. A convention is what the derivative of an
    output by the input is at its kink: one number, or any between two.
    """
    question = answer.question
    low, high = smoothness.beside(question) if convention is None else _declared(answer, convention)
    with np.errstate(invalid="ignore"):
        slack = question.tolerance + 1e-6 * np.where(np.isfinite(high - low), high - low, 0.0)
        inside = (question.manual >= low - slack) & (question.manual <= high + slack)
    # What neither has a number for, or nobody could read, as at a jump, is not claimed.
    nowhere = ~np.isfinite(question.manual) & ~np.isfinite(question.autodiff) & question.engine.has_autodiff
    nowhere |= (not numbers) or smoothness.jumps(question)
    for slope in one_sided(question.sweep):
        nowhere |= ~np.isfinite(slope.bound) | unbounded(question.sweep)
    return np.where(nowhere | (np.isinf(low) & np.isinf(high)), 0, np.where(inside, YES, NO))


def _apart(together: Slope, own: Slope, beside: Slope) -> np.ndarray:
    """Whether the slope along both directions is surely not the sum of the two."""
    bound = together.bound + own.bound + beside.bound
    size = np.max(np.abs([together.value, own.value, beside.value]), axis=0)
    with np.errstate(invalid="ignore"):
        gap = np.abs(together.value - own.value - beside.value)
        return np.asarray((gap > 8 * bound) & (gap > 1e-5 * size))


def _declared(answer: Answer, convention: float | tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """The slopes that the convention allows: its own at outputs with a kink, the slope elsewhere."""
    question = answer.question
    ends = convention if isinstance(convention, tuple) else (convention, convention)
    # The length of a direction along one element.
    length = float(sum(np.sum(np.abs(part)) for part in question.direction))
    ahead, behind = one_sided(question.outputs)
    kink = kinked(ahead, behind)
    chosen = [np.where(kink, end * length, ahead.value) for end in ends]
    if question.claim.forward:
        low, high = np.minimum(*chosen), np.maximum(*chosen)
        return np.where(kink, low, -np.inf), np.where(kink, high, np.inf)
    used = question.weights != 0
    weighted = np.stack(chosen)[:, used] * question.weights[used]
    return weighted.min(0).sum(keepdims=True), weighted.max(0).sum(keepdims=True)
