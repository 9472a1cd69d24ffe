"""Runs a claim with JAX: traced once a shape, compiled, in the author's precision and in float64."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import jax
import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError, refusing
from manual_vs_auto.gradcheck.claims.outputs import like
from manual_vs_auto.gradcheck.engines.clock import Timed
from manual_vs_auto.gradcheck.engines.engine import (
    TINY_STEP,
    Arrays,
    Found,
    moved,
    runs_in_numpy,
    sweep_by_calls,
    widen,
)
from manual_vs_auto.gradcheck.engines.jax.arrays import as_jax, dtype_of, outside_jit, precision, same_bytes, shapes
from manual_vs_auto.gradcheck.engines.jax.further import each_step_further
from manual_vs_auto.gradcheck.engines.jax.stripped import ending, may_go_on, program, stripped
from manual_vs_auto.gradcheck.engines.jax.together import Together, beside, hasty, shapes_of
from manual_vs_auto.gradcheck.engines.jax.traits import Traits, traits
from manual_vs_auto.gradcheck.numerics.differences import STEPS, Sweep

# What has so few numbers is compiled in a hurry.
_SMALL = 1 << 14
# Above this many numbers a sweep is kept in pieces: one call a step.
_AT_ONCE = 1 << 20


def traces(claim: Claim) -> Exception | None:
    """None if JAX can trace the function, otherwise what it raises."""
    try:
        with precision(np.float64), refusing():
            jax.eval_shape(claim.judged, shapes(widen(claim.inputs.sample)))
    except Refused as refusal:
        return refusal.error
    return None


class JaxEngine(Timed):
    """See Engine.

    What is asked of the same numbers one after the other is one program where it is small: manual and autodiff, the
    sweep and the complex step.
    """

    xp = "jnp"
    dtype: str
    manual_dtype: str
    longest_sum: int
    detaches: bool
    scatters: bool
    bounds: tuple[float, ...]
    excluded: tuple[int, ...] | None
    clamped: tuple[int, ...]
    iterates: bool

    def __init__(self, claim: Claim, like: "JaxEngine | None" = None) -> None:
        """like: an engine whose precision and sums this one's programs share, so that they need not be looked at."""
        self._claim = claim
        self.notes: list[str] = []
        self.plain = stripped(lambda arrays: claim.judged(arrays))
        self._own = None if claim.surrogate is None else stripped(lambda arrays: claim.f(arrays))
        self.has_autodiff = self.rule_traces = True
        small = sum(a.size for a in claim.inputs.sample) <= _SMALL
        compiled = partial(jax.jit, compiler_options=hasty() if small else None)
        self._value = compiled(self.plain)
        wide = shapes(widen(claim.inputs.sample))
        with precision(np.float64):
            made = jax.eval_shape(claim.judged, wide)
            self._at_once = 2 * len(STEPS) * sum(a.size for a in made) <= _AT_ONCE
            cotangents = [wide[at] for at in claim.inputs.moving] if claim.forward else made
            if like is None:
                self._look(wide, cotangents)
            else:
                for name in ("dtype", "manual_dtype", "longest_sum", *Traits._fields):
                    setattr(self, name, getattr(like, name))
        first: Callable[..., Any] = self._soon(claim.paired or self._alone, wide, cotangents)
        second: Callable[..., Any] = self._soon(self._value_and_derivative, wide, cotangents)
        both = compiled(beside(first, second)) if small and self.has_autodiff and self.rule_traces else None
        first = compiled(first) if self.rule_traces else self._outside_jit
        self._derivatives = Together(first, compiled(second), both)
        first, second = self._every_step, self._complex_step
        both = compiled(beside(first, second)) if self.dtype == "float64" else None
        self._steps = Together(compiled(first), compiled(second), both)
        further = each_step_further(claim)
        self._further = compiled(ending(further) if self.iterates else further)
        self._made: dict[Any, list[tuple[tuple[int, ...], Any]]] = {}

    def _look(self, wide: Sequence[Any], cotangents: Sequence[Any]) -> None:
        """What the programs of this claim are made of."""
        claim = self._claim
        for name, trait in traits(claim.judged, wide)._asdict().items():
            setattr(self, name, trait)
        try:
            with refusing():
                self.dtype, self.longest_sum = program(self.differentiate, wide, cotangents)
        except Refused as refusal:
            self.has_autodiff = False
            self.notes.append(f"no autodiff: {refusal}")
            self.dtype, self.longest_sum = program(stripped(claim.judged), wide)
        self.manual_dtype = self._look_at_manual(wide, cotangents)

    def _soon(self, made: Callable[..., Any], wide: Sequence[Any], cotangents: Sequence[Any]) -> Callable[..., Any]:
        """The rule or the derivative, whose loops end as those of f do, also those in JAX's own rules."""
        try:
            with precision(np.float64), refusing():
                return ending(made) if self.rule_traces and may_go_on(made, wide, cotangents) else made
        except (Refused, WrongShapeError):
            return made  # whoever asks for it is told

    @cached_property
    def in_numpy(self) -> bool:
        """See Engine."""
        return runs_in_numpy(self._claim)

    def of(self, claim: Claim) -> "JaxEngine":
        return JaxEngine(claim, self)

    def given(self, arrays: Arrays) -> list[Any]:
        return as_jax(arrays)

    @staticmethod
    def pushed(f: Any, primals: Any, tangents: Any) -> Any:
        return jax.jvp(f, (primals,), (tangents,))[1]

    def differentiate(self, arrays: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Autodiff of the stripped function: traceable."""
        return self._value_and_derivative(arrays, cotangents)[1]

    def _value_and_derivative(self, arrays: Sequence[Any], cotangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        at = self._claim.inputs.moving

        def of(chosen: Sequence[Any]) -> list[Any]:
            filled = dict(zip(at, chosen, strict=True))
            return list(self.plain([filled.get(place, array) for place, array in enumerate(arrays)]))

        primals = [arrays[place] for place in at]
        if self._claim.forward:
            out, found = jax.jvp(of, (primals,), (list(cotangents),))
        else:
            out, pull = jax.vjp(of, primals)
            found = pull([like(s, o) for s, o in zip(cotangents, out, strict=True)])[0]
        # A surrogate lends its derivative alone; the values are the function's own.
        return list(out if self._own is None else self._own(arrays)), list(found)

    def outputs_like(self, arrays: Arrays) -> list[tuple[tuple[int, ...], Any]]:
        key = shapes_of(arrays)
        if key not in self._made:
            with dtype_of(arrays), refusing():
                made = jax.eval_shape(self._claim.judged, shapes(arrays))
            self._made[key] = [(a.shape, a.dtype) for a in made]
        return list(self._made[key])

    def value(self, arrays: Arrays) -> Found:
        with dtype_of(arrays), refusing():
            return widen(self._value([np.array(a) for a in arrays]))

    def manual(self, arrays: Arrays, cotangents: Arrays) -> Found:
        return self.value_and_manual(arrays, cotangents)[1]

    def value_and_manual(self, arrays: Arrays, cotangents: Arrays) -> tuple[Found, Found]:
        with dtype_of(arrays), refusing():
            value, derivative = self._derivatives.first(arrays, cotangents)
            return widen(value), widen(derivative)

    def _alone(self, arrays: Sequence[Any], cotangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        return [], self._claim.manual(arrays, cotangents)

    def _outside_jit(self, arrays: Sequence[Any], cotangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        found: tuple[list[Any], list[Any]] = outside_jit(
            self._claim.paired or self._alone, self.in_numpy, arrays, cotangents
        )
        return found

    def traced_anew(self, arrays: Arrays, cotangents: Arrays) -> bool:
        """Whether the rule, traced once more, is the same program with the same numbers in it; True if it can't be."""
        if not self.rule_traces:
            return True
        with precision(np.float64), refusing():
            # New functions each time: JAX remembers what it traced.
            one, two = (jax.make_jaxpr(lambda a, s: self._claim.manual(a, s))(arrays, cotangents) for _ in range(2))
        return str(one) == str(two) and all(map(same_bytes, one.consts, two.consts))

    def autodiff(self, arrays: Arrays, cotangents: Arrays) -> Found:
        return self.value_and_autodiff(arrays, cotangents)[1]

    def value_and_autodiff(self, arrays: Arrays, cotangents: Arrays) -> tuple[Found, Found]:
        with dtype_of(arrays), refusing():
            value, derivative = self._derivatives.second(arrays, cotangents)
            return widen(value), widen(derivative)

    def sweep(self, arrays: Arrays, direction: Arrays) -> list[Sweep]:
        wide, tangent = widen(arrays), widen(direction)
        if not self._at_once:
            return sweep_by_calls(self._claim, self.value, wide, tangent)
        with precision(np.float64), refusing():
            found = [np.asarray(a) for a in self._steps.first(wide, tangent)]
        count = len(STEPS)
        return [Sweep(a[:count], a[count:-1], a[-1]) for a in found]

    def further(self, arrays: Arrays) -> list[tuple[Found, Found, Found]]:
        if not self.iterates:
            return []
        with precision(np.float64), refusing():
            found = self._further(*self._along(widen(arrays)))
        return [(widen(now), widen(once), widen(twice)) for now, once, twice in zip(*found, strict=True)]

    def _along(self, arrays: Found) -> tuple[Found, list[Found]]:
        """The arrays, and two directions to differentiate along."""
        generator, moving = np.random.default_rng(0), [arrays[at] for at in self._claim.inputs.moving]
        sizes = [np.max(np.abs(a), initial=1e-3) for a in moving]
        return arrays, [
            [s * generator.normal(size=a.shape) for s, a in zip(sizes, moving, strict=True)] for _ in range(2)
        ]

    def complex_step(self, arrays: Arrays, direction: Arrays) -> Found:
        with precision(np.float64), refusing():
            return widen(self._steps.second(widen(arrays), widen(direction)))

    def _every_step(self, arrays: Sequence[Any], direction: Sequence[Any]) -> Any:
        steps = jax.numpy.concatenate([STEPS, -STEPS, np.zeros(1)])
        return jax.lax.map(lambda step: self.plain(moved(self._claim, arrays, direction, step)), steps)

    def _complex_step(self, arrays: Sequence[Any], direction: Sequence[Any]) -> list[Any]:
        found = self._claim.judged(moved(self._claim, arrays, direction, TINY_STEP * 1j))
        return [jax.numpy.imag(a) / TINY_STEP for a in found]

    def _look_at_manual(self, wide: Sequence[Any], cotangents: Sequence[Any]) -> str:
        """The lowest precision in the manual rule; if it can't be traced it is called as it is."""
        claim = self._claim
        try:
            with refusing():
                made = program(stripped(claim.manual), wide, cotangents)
        except WrongShapeError:
            return "float64"
        except Refused as refusal:
            self.rule_traces = False
            self.notes.append(f"the rule runs outside jit only: {type(refusal.error).__name__}")
            return "float64"
        self.longest_sum = max(self.longest_sum, made.longest_sum)
        return made.dtype
