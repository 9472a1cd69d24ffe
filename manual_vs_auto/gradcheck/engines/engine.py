"""How a claim is run: by JAX, compiled, in the author's precision and in float64; or by NumPy alone."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from manual_vs_auto.gradcheck.claims.arguments import Found as Found
from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, refusing
from manual_vs_auto.gradcheck.claims.trees import import_jax
from manual_vs_auto.gradcheck.engines.clock import Clock
from manual_vs_auto.gradcheck.numerics.differences import STEPS, Sweep
from manual_vs_auto.gradcheck.numerics.precision import is_float

Arrays = Sequence[np.ndarray]
TINY_STEP = 2.0**-100
"""Of a complex step: it vanishes beside any number."""


class Engine(Protocol):
    """Arrays in, arrays out, in float64 whatever was computed in; `arrays` says by its dtypes what to compute in.

    xp: the namespace of the arrays that the function is given: "np", "jnp" or "torch".
    dtype: the lowest precision inside f; manual_dtype: inside the manual rule; longest_sum: terms of either's longest.
    detaches: whether f stops gradients itself; scatters: whether it writes by index, so that no index may repeat.
    bounds: numbers that f compares floating ones with; excluded: integers beyond those that it compares integers with,
    None where nobody can look; clamped: the same of what it clamps integers to. iterates: whether `further` has more.
    notes: what could not be done, for the report. has_autodiff: whether `reference` and `autodiff` are there.
    in_numpy: whether the function, given NumPy arrays, stays in NumPy. clock: every run asks it first.
    """

    xp: str
    dtype: str
    manual_dtype: str
    longest_sum: int
    notes: list[str]
    has_autodiff: bool
    detaches: bool
    scatters: bool
    bounds: tuple[float, ...]
    excluded: tuple[int, ...] | None
    clamped: tuple[int, ...]
    iterates: bool
    clock: Clock

    @property
    def in_numpy(self) -> bool: ...

    def of(self, claim: Claim) -> "Engine":
        """An engine for a claim made from this one's."""

    def given(self, arrays: Arrays) -> list[Any]:
        """The arrays as the function is given them."""

    def outputs_like(self, arrays: Arrays) -> list[tuple[tuple[int, ...], Any]]:
        """Shape and dtype of every floating output, for arrays in the author's precision."""

    def value(self, arrays: Arrays) -> Found:
        """The function's floating outputs."""

    def manual(self, arrays: Arrays, cotangents: Arrays) -> Found:
        """What the hand-written rule says. Raises: WrongShapeError, Refused."""

    def value_and_manual(self, arrays: Arrays, cotangents: Arrays) -> tuple[Found, Found]:
        """The outputs that the rule's own forward returns, none where it has no forward; and the same."""

    def autodiff(self, arrays: Arrays, cotangents: Arrays) -> Found:
        """What automatic differentiation of the stripped function says."""

    def value_and_autodiff(self, arrays: Arrays, cotangents: Arrays) -> tuple[Found, Found]:
        """The function's outputs, and the same."""

    def sweep(self, arrays: Arrays, direction: Arrays) -> list[Sweep]:
        """The function along a direction, at every step ahead and behind: one sweep an output."""

    def further(self, arrays: Arrays) -> list[tuple[Found, Found, Found]]:
        """Outputs, and their tangents along directions, as they are and one and two steps further in every loop."""

    def complex_step(self, arrays: Arrays, direction: Arrays) -> Found:
        """Im f(x + i h t) / h for a vanishing h. Raises where the function refuses complex numbers."""


def widen(arrays: Sequence[Any]) -> Found:
    """Floating arrays in float64, others as they are; always new ones."""
    return [np.array(a, np.float64) if is_float(np.asarray(a).dtype) else np.array(a) for a in arrays]


def moved(claim: Claim, arrays: Arrays, direction: Arrays, step: Any) -> list[Any]:
    """The arrays moved by step * direction, which has one array a moving leaf."""
    found: list[Any] = list(arrays)
    for at, tangent in zip(claim.inputs.moving, direction, strict=True):
        found[at] = found[at] + step * tangent
    return found


def runs_in_numpy(claim: Claim) -> bool:
    """Whether the function, given NumPy arrays, stays in NumPy. Where JAX traces what it does, nothing is compiled."""
    jax, found = import_jax(), list[bool]()

    def look() -> None:
        found.extend(type(a).__module__ == "numpy" for a in plainly(claim, widen(claim.inputs.sample)))

    try:
        with refusing():
            look() if jax is None else jax.eval_shape(look)
    except Refused:
        return False
    return all(found)


def plainly(claim: Claim, arrays: Found) -> list[Any]:
    """The function on NumPy arrays as they are; in float64 also where it calls JAX."""
    jax = import_jax()
    with refusing(), contextlib.nullcontext() if jax is None else jax.enable_x64(True):
        return claim.judged(arrays)


def sweep_by_calls(claim: Claim, value: Callable[[Arrays], Found], arrays: Arrays, direction: Arrays) -> list[Sweep]:
    """One call of the function a step. A step at which it raises, or returns something else, has no value."""
    here = value(arrays)

    def at(step: float) -> Found:
        try:
            found = value(moved(claim, arrays, direction, step))
        except Refused:
            found = []
        alike = [a.shape for a in found] == [a.shape for a in here]
        return found if alike else [np.full(a.shape, np.nan) for a in here]

    ahead, behind = ([at(step) for step in steps] for steps in (STEPS, -STEPS))
    sides = zip(zip(*ahead, strict=True), zip(*behind, strict=True), here, strict=True)
    return [Sweep(np.stack(a), np.stack(b), c) for a, b, c in sides]
