"""What explains all exhibits: edits tried from simple to intricate, each judged on every one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.causes import edits
from manual_vs_auto.gradcheck.causes.edits import Edit, Exhibit
from manual_vs_auto.gradcheck.claim import Claim
from manual_vs_auto.gradcheck.outcome import Case, Outcome
from manual_vs_auto.gradcheck.running.engine import Engine, Found, widen
from manual_vs_auto.gradcheck.running.precision import allowed, eps
from manual_vs_auto.gradcheck.running.reference import reference

EXHIBITS = 32


@dataclass(frozen=True)
class Diagnosis:
    """kind: one word, "unknown" if nothing explains it. text: a sentence, with the inputs on which it holds."""

    kind: str
    text: str


UNKNOWN = Diagnosis("unknown", "cause unknown")


def exhibit(claim: Claim, engine: Engine, draw: Callable[[], Case]) -> Exhibit | None:
    """What both say of a case; None where f, the rule or the reference has no numbers there."""
    try:
        case = draw()
        arrays, seeds = widen(case.arrays), widen(case.seeds)
        manual = engine.manual(arrays, seeds)
        right = reference(claim, engine, arrays, seeds).values
    except Exception:
        return None
    whole = all(np.all(np.isfinite(a)) for a in (*manual, *right))
    return Exhibit(arrays, seeds, manual, right) if whole else None


class Court:
    """Exhibits, and what explains all of them."""

    def __init__(self, claim: Claim, engine: Engine, exhibits: list[Exhibit], own: float) -> None:
        self._claim, self._engine, self._exhibits, self._own = claim, engine, exhibits, own
        self._pulled: dict[Any, Found] = {}
        inside = eps(engine.dtype, *([engine.manual_dtype] if eps(engine.manual_dtype) <= own else []))
        self._tolerance = max(1e-8, 256 * inside)
        if not engine.has_autodiff:
            self._tolerance = 1e-6
        self._names = claim.result_names if not claim.forward else ["the tangent"] * 99

    def overflow(self, outcome: Outcome) -> Diagnosis:
        """Right wherever it is finite, and not finite where inputs are large."""
        if self._exhibits and not self._wrong_leaves():
            return self._said(
                "overflow",
                f"it is not finite ({outcome.case.label}) where the derivative is: an overflow, or a division by zero",
            )
        return UNKNOWN

    def cause(self, variants: Callable[[], Iterable[Case]]) -> Diagnosis:
        """The first edit, from simple to intricate, that holds everywhere."""
        leaves = self._wrong_leaves()
        if len(self._exhibits) < EXHIBITS // 8 or not leaves:
            return UNKNOWN
        low = self._cast()
        if low is not None:
            return self._said("cast", f"the formula is right, but it is computed in {low}")
        # Exhibits that show the fault best come first: guesses are made from them.
        self._exhibits.sort(key=lambda e: -sum(self._apart(e.manual[at], e.reference[at]) for at in leaves))
        for guess in (
            self._by_result,
            self._by_seed,
            self._by_jacobian,
            self._by_place,
            self._by_term,
            self._by_region,
        ):
            for edit in guess(leaves):
                if self._holds(edit, leaves):
                    return self._refined(edit, leaves, variants)
        return UNKNOWN

    def _cast(self) -> str | None:
        """The precision that explains the residual: seen in the rule's program, or in the numbers that it returns."""
        low = self._engine.manual_dtype
        if not self._engine.has_autodiff and all(
            np.array_equal(a, a.astype(np.float32)) for e in self._exhibits for a in e.manual
        ):
            low = "float32"
        if eps(low) <= max(self._own, eps(self._engine.dtype)):
            return None
        for leaf in range(len(self._exhibits[0].reference)):
            a, b = (np.concatenate([side[leaf].ravel() for side in sides])
                    for sides in zip(*((e.manual, e.reference) for e in self._exhibits), strict=True))  # fmt: skip
            typical = float(np.sqrt(np.mean(np.square(b)))) if b.size else 0.0
            # Rounding has no preference: a factor would.
            if np.any(np.abs(a - b) > allowed(self._engine.longest_sum) * eps(low) * np.maximum(np.abs(b), typical)):
                return None
            spread = float(np.sqrt(np.mean((a - b) ** 2))) / typical if typical else 0.0
            if abs(edits.ratio(a, b) - 1) > max(eps(low) / 2, 4 * spread / np.sqrt(max(a.size, 1))):
                return None
        return low

    def _by_result(self, leaves: list[int]) -> Iterator[Edit]:
        yield from edits.of_result(self._exhibits, leaves[0], self._names[: len(self._exhibits[0].reference)])

    def _by_place(self, leaves: list[int]) -> Iterator[Edit]:
        if len(leaves) == 1:
            yield from edits.of_places(self._exhibits, leaves[0])

    def _by_region(self, leaves: list[int]) -> Iterator[Edit]:
        moving = self._claim.inputs.moving
        if len(leaves) == 1:
            places = moving if self._claim.forward else [moving[leaves[0]]]
            for place in places:
                yield from edits.of_regions(self._exhibits, leaves[0], place, self._claim.inputs.leaves[place].name)

    def _by_seed(self, leaves: list[int]) -> Iterator[Edit]:
        if self._claim.kind == "gradient":
            return
        word = "tangent" if self._claim.forward else "cotangent"
        limit = self._seed_limit(leaves)
        first = self._exhibits[0]
        for at, (kind, text, seeds) in enumerate(edits.of_seed(first.seeds, word, limit)):
            pulled = self._right(first, seeds)
            if not all(self._same(first.manual[leaf], pulled[leaf]) for leaf in leaves):
                continue

            def predict(e: Exhibit, leaf: int, at: int = at) -> np.ndarray:
                changed = list(edits.of_seed(e.seeds, word, limit))[at][2]
                return self._right(e, changed)[leaf]

            # What is summed has lost the axis that a transposed cotangent would show.
            summed = kind == "transpose" and any(first.reference[leaf].ndim < seeds[0].ndim for leaf in leaves)
            yield Edit("axis" if summed else kind, "the sum runs over the wrong axis" if summed else text, predict)

    def _seed_limit(self, leaves: list[int]) -> float:
        """If seeds are clipped to +-c, very large ones come out as c times their signs."""
        e = self._exhibits[0]
        try:
            huge = self._engine.manual(e.arrays, [1e6 * s for s in e.seeds])
            signs = self._right(e, [np.sign(s) for s in e.seeds])
        except Exception:
            return 1.0
        c = edits.ratio(huge[leaves[0]].ravel(), signs[leaves[0]].ravel())
        return abs(c) if np.isfinite(c) and c else 1.0

    def _by_jacobian(self, leaves: list[int]) -> Iterator[Edit]:
        e = self._exhibits[0]
        if len(leaves) != 1 or self._claim.kind == "gradient":
            return
        seed = e.seeds[0]
        if len(e.seeds) != 1 or seed.size != e.reference[leaves[0]].size or seed.size > 64:
            return
        for at, (kind, text, found) in enumerate(edits.of_jacobian(self._jacobian(e, leaves[0]), seed.ravel())):
            if self._same(e.manual[leaves[0]].ravel(), found):

                def predict(x: Exhibit, leaf: int, at: int = at) -> np.ndarray:
                    jacobian = self._jacobian(x, leaf)
                    return list(edits.of_jacobian(jacobian, x.seeds[0].ravel()))[at][2].reshape(x.reference[leaf].shape)

                yield Edit(kind, text, predict)

    def _jacobian(self, e: Exhibit, leaf: int) -> np.ndarray:
        """[N, N] such that the reference is its transpose times the seed: J in reverse, J^T in forward."""
        size = e.seeds[0].size
        rows = [self._right(e, [np.eye(size)[i].reshape(e.seeds[0].shape)])[leaf].ravel() for i in range(size)]
        return np.stack(rows)

    def _right(self, e: Exhibit, seeds: Found) -> Found:
        # Every wrong leaf asks for the same.
        key = id(e), *(seed.tobytes() for seed in seeds)
        if key not in self._pulled:
            self._pulled[key] = reference(self._claim, self._engine, e.arrays, seeds).values
        return self._pulled[key]

    def _by_term(self, _: list[int]) -> Iterator[Edit]:
        if not self._engine.has_autodiff:
            return
        from manual_vs_auto.gradcheck.causes.terms import Terms, usable

        first = self._exhibits[0]
        if not usable(first):
            return
        try:
            terms = Terms(self._claim, first)
            guesses = list(terms.guesses(first))
        except Exception:
            return
        for kind, text, bends in guesses:
            yield Edit(kind, text, lambda e, leaf, bends=bends: terms.bend(e, bends)[leaf])  # type: ignore[misc]

    def _refined(self, edit: Edit, leaves: list[int], variants: Callable[[], Iterable[Case]]) -> Diagnosis:
        """A factor that goes with an axis' size is a mean for a sum, or a sum for a mean: other shapes tell."""
        some = len(leaves) < len(self._exhibits[0].reference)
        who = ", ".join(self._names[at] for at in leaves) + ": " if some else ""
        if edit.kind == "factor":
            first = self._exhibits[0]
            for case in variants():
                other = exhibit(self._claim, self._engine, partial(_itself, case))
                if other is not None and np.any(other.reference[leaves[0]]):
                    changed = edits.factor_elsewhere(edit.text, first, other, leaves[0])
                    if changed is not None:
                        return self._said(changed[0], who + changed[1])
        return self._said(edit.kind, who + edit.text)

    def _said(self, kind: str, text: str) -> Diagnosis:
        count = len(self._exhibits)
        return Diagnosis(kind, f"{text}; it explains the residual on {count} of {count} inputs")

    def _wrong_leaves(self) -> list[int]:
        if not self._exhibits:
            return []
        count = len(self._exhibits[0].reference)
        return [at for at in range(count) if any(not self._same(e.manual[at], e.reference[at]) for e in self._exhibits)]

    def _holds(self, edit: Edit, leaves: list[int]) -> bool:
        """Whether it explains every wrong leaf of every exhibit, and is more than nothing."""
        changes = False
        for e in self._exhibits:
            for leaf in leaves:
                predicted = edit.predict(e, leaf)
                if predicted.shape != e.manual[leaf].shape or not self._same(e.manual[leaf], predicted):
                    return False
                changes |= not self._same(predicted, e.reference[leaf])
        return changes

    def _same(self, a: np.ndarray, b: np.ndarray) -> bool:
        size = float(np.sqrt(np.mean(np.square(b)))) if b.size else 0.0
        return bool(
            np.all(np.abs(a - b) <= self._tolerance * np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-3 * size))
        )

    def _apart(self, a: np.ndarray, b: np.ndarray) -> int:
        return int(np.sum(np.abs(a - b) > self._tolerance * np.maximum(np.abs(a), np.abs(b))))


def _itself(case: Case) -> Case:
    return case
