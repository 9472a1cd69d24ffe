"""The smallest input that still fails: shapes first, then numbers, each made as plain as the fault allows."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.complex import join, joined
from manual_vs_auto.gradcheck.claims.domain import Domain
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.clock import OutOfTime
from manual_vs_auto.gradcheck.engines.engine import Engine, Found, widen
from manual_vs_auto.gradcheck.explain.literal import brief
from manual_vs_auto.gradcheck.explain.paste import code_of
from manual_vs_auto.gradcheck.numerics.precision import size
from manual_vs_auto.gradcheck.search.cotangents import Cotangents
from manual_vs_auto.gradcheck.search.points import Unfit, resized
from manual_vs_auto.gradcheck.witnesses.compare import try_case
from manual_vs_auto.gradcheck.witnesses.kinks import Convention
from manual_vs_auto.gradcheck.witnesses.outcome import Case, Outcome
from manual_vs_auto.gradcheck.witnesses.reference import reference
from manual_vs_auto.gradcheck.witnesses.rounding import gap

# Faults that a number shows beside the right one.
_COMPARED = {"formula", "overflow", "cast", "digits", "limit", "kink", "vmap", "second_order"}
# Tries are counted, so that the input is as small on every machine; fewer where each asks f along every element.
_TRIES, _FEW, _SHAPES = 400, 80, 12
# A fault must stay this clear of rounding while the input shrinks, relative to the largest element.
_CLEAR = 1e-6
_PLAIN: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    np.ones_like,
    np.round,
    lambda a: np.round(a.astype(np.float64), 1),
)


@dataclass(frozen=True)
class Minimal:
    """short: the numbers in one line. code: Python that computes both at that input. case: the arrays."""

    short: str
    code: str


def shrink(
    claim: Claim, engine: Engine, domain: Domain, outcome: Outcome, convention: Convention, seed: int
) -> Minimal | None:
    """Shrink the case of an outcome that disagrees, and write it down. Faults of shape or precision stay."""
    case, right = outcome.case, outcome.reference
    wrong = [mark for mark in outcome.marks if mark.verdict is Verdict.DISAGREE]
    if any(m.why in ("formula", "overflow") or (m.why == "kink" and not np.isfinite(m.manual)) for m in wrong):
        smaller = _Shrinking(claim, engine, domain, seed).run(case)
        with contextlib.suppress(OutOfTime):
            confirmed = try_case(claim, engine, smaller, convention, seed=seed)
            if confirmed.verdict is Verdict.DISAGREE:
                case, right = smaller, confirmed.reference
    names = [leaf.name for leaf in claim.inputs.leaves]
    own = joined(case.arrays, (leaf.complex for leaf in claim.inputs.leaves))
    parts = [f"{name}={brief(a)}" for name, a in zip(names, own, strict=True)]
    if claim.kind != "gradient":
        parts += [f"{'t' if claim.forward else 'ct'}={brief(s)}" for s in claim.own_cotangents(case.cotangents)]
    if outcome.along is not None:
        moved = [*(names[at] for at in claim.inputs.moving), *(["t" if claim.forward else "ct"] * len(case.cotangents))]
        parts += ["along", *(f"{name}={brief(a)}" for name, a in zip(moved, outcome.along, strict=False))]
    whys = [mark.why for mark in wrong]
    # Where the time ended, not all of the right one is known.
    known = right if set(whys) & _COMPARED and not any(np.any(np.isnan(a)) for a in right) else None
    with engine.clock.patience():
        code = code_of(claim, engine, case, known, next(iter(whys), ""), outcome.along)
    return Minimal(" ".join(parts), code)


class _Shrinking:
    def __init__(self, claim: Claim, engine: Engine, domain: Domain, seed: int) -> None:
        self._claim, self._engine, self._domain = claim, engine, domain
        self._generator = np.random.default_rng(seed)
        self._cotangents = Cotangents(claim, engine, self._generator)
        self._left = _TRIES if engine.has_autodiff else _FEW

    def run(self, case: Case) -> Case:
        """Greedy: what still fails is kept."""
        if self._engine.has_autodiff and not self._domain.structured and sum(a.size for a in case.arrays) <= 1 << 12:
            case = self._smaller_shapes(case)
        for simpler in (self._plain, self._halves, self._elements):
            case = simpler(case)
        return case

    def _fails(self, case: Case) -> bool:
        self._left -= 1
        if not self._domain.holds(case.arrays) or (self._domain.structured and not self._kept(case.arrays)):
            return False
        arrays, cotangents = widen(case.arrays), widen(case.cotangents)
        try:
            manual = self._engine.manual(arrays, cotangents)
            truth = reference(self._claim, self._engine, arrays, cotangents)
        except (Refused, WrongShapeError):
            return False
        except OutOfTime:
            self._left = 0
            return False
        right = truth.values
        if not truth.defined or not all(np.all(np.isfinite(r)) for r in right):
            return False
        apart = max(float(np.max(gap(m, r), initial=0.0)) for m, r in zip(manual, right, strict=True))
        return apart > _CLEAR * max(size(right), size([m for m in manual if np.all(np.isfinite(m))]))

    def _kept(self, arrays: Found) -> bool:
        return all(
            kind is None or _has(kind, *((join(part.astype(np.float64)) for part in parts) if leaf.complex else parts))
            for kind, leaf, *parts in zip(
                self._domain.structures, self._claim.inputs.leaves, arrays, self._domain.shaped(arrays), strict=True
            )
        )

    def _smaller_shapes(self, case: Case) -> Case:
        """Every axis of one size together, to 2 and then to 1, with small whole numbers."""
        tried = 0
        while tried < _SHAPES:
            # An axis that integers may point into stays as long as it is.
            whole = [a for a in case.arrays if a.dtype.kind in "iu" and a.ndim]
            own = {n for a in whole for n in a.shape}
            axes = {n for shape in self._outer(case) for n in shape}
            sizes = sorted((n for n in axes if n > 1 and (not whole or n in own)), reverse=True)
            smaller = None
            for old, new in ((n, m) for n in sizes for m in (1, 2) if m < n):
                if tried >= _SHAPES:
                    break
                tried += 1
                smaller = self._at(case, old, new)
                if smaller is not None:
                    break
            if smaller is None:
                break
            case = smaller
        return case

    def _outer(self, case: Case) -> list[tuple[int, ...]]:
        """The shapes as the author has them."""
        return [leaf.outer(a.shape) for leaf, a in zip(self._claim.inputs.leaves, case.arrays, strict=True)]

    def _at(self, case: Case, old: int, new: int) -> Case | None:
        indexed = any(a.dtype.kind in "iu" and a.ndim for a in case.arrays)
        shapes = [
            leaf.inner(tuple(new if n == old and (not indexed or axis == 0) else n for axis, n in enumerate(shape)))
            for leaf, shape in zip(self._claim.inputs.leaves, self._outer(case), strict=True)
        ]
        if shapes == [a.shape for a in case.arrays]:
            return None
        for _ in range(3):
            try:
                arrays = [self._drawn(at, a, s) for at, (a, s) in enumerate(zip(case.arrays, shapes, strict=True))]
                smaller = Case(case.label, arrays, self._cotangents.random(arrays))
            except (Refused, Unfit):
                return None
            if self._fails(smaller):
                return smaller
        return None

    def _drawn(self, at: int, a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return resized(a, shape, self._claim.inputs.leaves[at].moves, self._generator)

    def _changes(self, case: Case, change: Callable[[np.ndarray], np.ndarray]) -> Case:
        arrays = [(change(a) + 0).astype(a.dtype) if self._may_change(at) else a for at, a in enumerate(case.arrays)]
        return case._replace(arrays=arrays)

    def _plain(self, case: Case) -> Case:
        """Whole numbers, in the arrays and in the cotangents."""
        for change in _PLAIN:
            for both in (True, False):
                plainer = self._changes(case, change)
                if both and self._claim.kind != "gradient":
                    plainer = plainer._replace(cotangents=[(change(s) + 0).astype(s.dtype) for s in case.cotangents])
                if self._fails(plainer):
                    return plainer
        return case

    def _halves(self, case: Case) -> Case:
        """Large arrays: whole stretches to 0."""
        for at, a in enumerate(self._all(case)):
            if not self._may_change(at) or a.size <= 16:
                continue
            step = a.size // 2
            while step >= 1 and self._left > 0:
                for start in range(0, a.size, step):
                    current = self._all(case)[at]
                    if np.any(current.flat[start : start + step]) and self._left > 0:
                        zeroed = current.copy()
                        zeroed.flat[start : start + step] = 0
                        case = self._better(case, at, zeroed)
                step //= 2
        return case

    def _elements(self, case: Case) -> Case:
        """Each number to 0, to 1, to a whole number."""
        for at, a in enumerate(self._all(case)):
            if not self._may_change(at) or a.size > 64:
                continue
            for i in range(a.size):
                for plain in self._plainer(a.flat[i]):
                    current = self._all(case)[at]
                    if self._left <= 0 or current.flat[i] == plain:
                        break
                    changed = current.copy()
                    changed.flat[i] = plain
                    better = self._better(case, at, changed)
                    if better is not case:
                        case = better
                        break
        return case

    def _plainer(self, value: float) -> Iterator[float]:
        yield 0.0
        yield 1.0
        yield float(np.round(value)) + 0.0

    def _may_change(self, at: int) -> bool:
        arrays = len(self._claim.inputs.leaves)
        return self._claim.inputs.leaves[at].floating if at < arrays else self._claim.kind != "gradient"

    def _all(self, case: Case) -> Found:
        return [*case.arrays, *case.cotangents]

    def _better(self, case: Case, at: int, changed: np.ndarray) -> Case:
        parts = self._all(case)
        parts[at] = changed
        count = len(case.arrays)
        new = case._replace(arrays=parts[:count], cotangents=parts[count:])
        return new if self._fails(new) else case


def _has(kind: str, a: np.ndarray, again: np.ndarray) -> bool:
    if kind != "positive_definite":
        return bool(np.allclose(a, again))
    wide = a.astype(np.result_type(a, np.float64))
    return bool(np.allclose(wide, wide.swapaxes(-1, -2).conj())) and bool(np.all(np.linalg.eigvalsh(wide) > 1e-6))
