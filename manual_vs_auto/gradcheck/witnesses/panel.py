"""The panel: every judge reads the same slope in its own way, says how far it may be off, and votes on the manual one.

A slope is <gradient, direction> in reverse, and J t, one number an output, in forward. Below, [M] is either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused
from manual_vs_auto.gradcheck.engines.engine import Engine, Found
from manual_vs_auto.gradcheck.engines.numpy import NumpyEngine
from manual_vs_auto.gradcheck.numerics.differences import Slope, Sweep, central, kinked, one_sided
from manual_vs_auto.gradcheck.numerics.precision import eps
from manual_vs_auto.gradcheck.numerics.taylor import Remainder, remainder
from manual_vs_auto.gradcheck.numerics.tolerance import COARSE, DIGITS, HIDDEN, NOISE

YES, ABSTAINS, NO = 1, 0, -1


@dataclass
class Question:
    """Is this the slope? Everything in float64.

    arrays, cotangents: the point and the cotangents (in forward the tangents, which are the direction too).
    manual, autodiff: the slopes that they claim, [M]; autodiff is NaN where it has none.
    tolerance: what rounding may make of them, [M]. scale: how large slopes like these are elsewhere.
    """

    claim: Claim
    engine: Engine
    arrays: Found
    cotangents: Found
    direction: Found
    manual: np.ndarray
    autodiff: np.ndarray
    tolerance: np.ndarray
    label: str = ""
    scale: float = 0.0
    _outputs: Sweep | None = field(default=None, repr=False)
    _sweep: Sweep | None = field(default=None, repr=False)

    @property
    def outputs(self) -> Sweep:
        """All outputs side by side along the direction, as a sweep of [O]."""
        if self._outputs is None:
            self._outputs = self.beside(self.engine.sweep(self.arrays, self.direction))
        return self._outputs

    @property
    def sweep(self) -> Sweep:
        """The function along the direction, as a sweep of [M]."""
        if self._sweep is None:
            self._sweep = self.read(self.outputs)
        return self._sweep

    def beside(self, sweeps: Sequence[Sweep]) -> Sweep:
        """One sweep of [O] out of one an output."""
        flat = [[a.reshape(*a.shape[: a.ndim - sweep.here.ndim], -1) for a in sweep[:3]] for sweep in sweeps]
        ahead, behind, here = (np.concatenate([part[at] for part in flat], axis=-1) for at in range(3))
        return Sweep(ahead, behind, here, eps(self.engine.dtype))

    def read(self, outputs: Sweep) -> Sweep:
        """A sweep of [M] out of one of [O]: contracted with the cotangents, or as it is."""
        if self.claim.forward:
            return outputs
        weights = self.weights
        used = weights != 0
        # Compressed, all three lie in memory alike and are summed in one order: another order would look like a kink.
        kept = (np.compress(used, a, axis=-1) for a in outputs[:3])
        ahead, behind, here = ((a * weights[used]).sum(-1, keepdims=True) for a in kept)
        stairs = (outputs.stair()[used] * np.abs(weights[used])).sum(keepdims=True)
        return Sweep(ahead, behind, here, outputs.grain, stairs)

    @property
    def weights(self) -> np.ndarray:
        """The cotangents side by side, [O]."""
        return np.concatenate([s.ravel() for s in self.cotangents])

    def elsewhere(self, arrays: Found, direction: Found) -> "Question":
        """The same question at another point, along another direction."""
        return replace(self, arrays=arrays, direction=direction, _outputs=None, _sweep=None)

    @property
    def stands(self) -> np.ndarray:
        """Where the manual slope is exactly 0 and f goes in stairs, [M]: differences can't tell rounding from floor."""
        coarse = self.outputs.stair() > COARSE * np.abs(self.outputs.here)
        return np.asarray((self.manual == 0) & (coarse if self.claim.forward else np.any(coarse & (self.weights != 0))))

    def complex_step(self) -> np.ndarray:
        """The slope by the engine's complex step, [M]. Raises: Refused."""
        found = self.engine.complex_step(self.arrays, self.direction)
        if not self.claim.forward and [np.shape(a) for a in found] != [s.shape for s in self.cotangents]:
            raise Refused(TypeError("of complex numbers the function makes another shape"))
        return self.slope(found)

    def slope(self, outputs: Found) -> np.ndarray:
        """[M] out of one tangent an output."""
        if self.claim.forward:
            return np.concatenate([a.ravel() for a in outputs])
        return np.array([sum(float(np.sum(a * s)) for a, s in zip(outputs, self.cotangents, strict=True))])


def autodiff(question: Question) -> Slope:
    """Automatic differentiation of the function without its custom rules; bound: rounding."""
    bound = np.where(np.isfinite(question.autodiff), question.tolerance, np.inf)
    return Slope(question.autodiff, bound)


def finite_differences(question: Question) -> Slope:
    """Central differences in float64, steps swept, extrapolated. At a kink they have no say."""
    kink = kinked(*one_sided(question.sweep))
    found = central(question.sweep)
    return Slope(found.value, np.where(kink | question.stands, np.inf, found.bound))


def complex_step(question: Question) -> Slope:
    """Im f(x + iht) / h: no subtraction, no truncation; but silently wrong for abs, norms and ties."""
    if eps(question.engine.dtype) > eps("float64"):
        raise Refused(TypeError("the function rounds inside"))
    value = question.complex_step()
    return Slope(value, np.where(np.isfinite(value), question.tolerance, np.inf))


def numpy_run(question: Question) -> Slope:
    """Central differences of the same lines run by NumPy in float64, without JAX or XLA."""
    if isinstance(question.engine, NumpyEngine):
        raise Refused(TypeError("the finite differences are NumPy's already"))
    if question.engine.xp == "torch":
        raise Refused(TypeError("the function calls torch itself"))
    from manual_vs_auto.gradcheck.engines.jax.arrays import precision

    with precision(np.float64):
        if not question.engine.in_numpy:
            raise Refused(TypeError("the function calls JAX itself"))
        plain = NumpyEngine(question.claim)
        plain.clock = question.engine.clock
        run = plain.sweep(question.arrays, question.direction)
        sweep = question.read(question.beside(run))
    found = central(sweep)
    return Slope(found.value, np.where(kinked(*one_sided(sweep)), np.inf, found.bound))


WITNESSES: dict[str, Callable[[Question], Slope]] = {
    "autodiff": autodiff,
    "finite differences": finite_differences,
    "complex step": complex_step,
    "NumPy float64": numpy_run,
}
TAYLOR = "Taylor remainder"


@dataclass
class Answer:
    """What each judge read and how it voted on each of [M], and what became of the manual slope there.

    right: YES, NO or ABSTAINS: the majority's. kink: where the one-sided slopes differ, and within [low, high] what
    may be chosen there.
    """

    question: Question
    readings: dict[str, Slope]
    votes: dict[str, np.ndarray]
    taylor: Remainder | None
    kink: np.ndarray
    ahead: np.ndarray
    behind: np.ndarray
    absent: dict[str, str]

    @property
    def right(self) -> np.ndarray:
        """The majority, [M]."""
        return np.sign(sum(self.votes.values(), np.zeros(self.question.manual.shape)))

    @property
    def split(self) -> bool:
        """Whether witnesses contradict each other about the manual slope."""
        return any(bool(np.any((a == YES) & (b == NO))) for a in self.votes.values() for b in self.votes.values())


def ask(question: Question) -> Answer:
    """Let every judge read and vote."""
    readings, absent = {}, {}
    for name, judge in WITNESSES.items():
        if name == "autodiff" and not question.engine.has_autodiff:
            absent[name] = "the function is NumPy's" if question.engine.xp == "np" else "torch can't differentiate it"
            continue
        try:
            readings[name] = judge(question)
        except Refused as refusal:
            absent[name] = str(refusal)
    _admit(readings, absent, question)
    gaps = {name: np.abs(r.value - question.manual) for name, r in readings.items()}
    said = {name: np.isfinite(r.bound) for name, r in readings.items()}
    # Where the manual slope is not a number at all, whoever has one says no.
    broken = ~np.isfinite(question.manual)
    # What rounding in f itself makes of a slope, over a step as long as the input is large, is nobody's fault.
    slack = question.tolerance + NOISE * question.sweep.noise() + _unseen(question, readings)
    against = {n: said[n] & (broken | (gaps[n] > r.bound + slack)) for n, r in readings.items()}
    disputed = np.max([np.where(against[n] & ~broken, gaps[n], 0.0) for n in readings], axis=0, initial=0.0)
    size = np.max([np.where(said[n], np.abs(r.value), 0.0) for n, r in readings.items()], axis=0, initial=0.0)
    coarse = np.where(disputed > 0, disputed / 4, np.maximum(DIGITS * size, question.tolerance))
    votes = {
        name: np.where(against[name], NO, np.where(said[name] & (r.bound <= coarse), YES, ABSTAINS))
        for name, r in readings.items()
    }
    ahead, behind = one_sided(question.sweep)
    kink = kinked(ahead, behind)
    taylor = remainder(question.sweep, question.manual) if not np.any(broken | kink | question.stands) else None
    if taylor is not None and taylor.right is not None:
        finest = float(np.max(disputed)) if np.any(disputed) else np.inf
        if taylor.resolution <= finest / 4:
            sides = np.where(disputed > 0, NO, YES) if not taylor.right else np.full(kink.shape, YES)
            votes[TAYLOR] = sides if taylor.right or np.any(disputed) else np.full(kink.shape, NO)
    return Answer(question, readings, votes, taylor, kink, ahead.value, behind.value, absent)


def _unseen(question: Question, readings: dict[str, Slope]) -> np.ndarray:
    """What autodiff and the complex step alone can't decide, [M], where differences are too coarse to say.

    Twice what these two lie apart, for then both round more than was thought; and ten digits below the slopes that the
    function has elsewhere.
    """
    coarse = readings.get("finite differences")
    exact = [readings[name] for name in ("autodiff", "complex step") if name in readings]
    if coarse is None or not exact:
        return np.zeros(question.manual.shape)
    apart = np.abs(exact[0].value - exact[-1].value)
    near = np.abs(coarse.value - question.manual) <= coarse.bound
    unseen = np.maximum(np.where(np.isfinite(apart) & (apart <= coarse.bound), 2 * apart, 0.0), HIDDEN * question.scale)
    return np.where(near, np.minimum(unseen, coarse.bound), 0.0)


def _admit(readings: dict[str, Slope], absent: dict[str, str], question: Question) -> None:
    """The complex step counts only where another judge reads the same."""
    step = readings.get("complex step")
    if step is None:
        return
    seconded = np.zeros(question.manual.shape, bool)
    for name, other in readings.items():
        if name != "complex step":
            seconded |= np.abs(step.value - other.value) <= other.bound + step.bound + question.tolerance
    seconded &= np.any([np.isfinite(r.bound) for n, r in readings.items() if n != "complex step"], axis=0)
    readings["complex step"] = Slope(step.value, np.where(seconded, step.bound, np.inf))
    if not np.any(seconded):
        absent["complex step"] = "not admitted: no other judge reads the same"
