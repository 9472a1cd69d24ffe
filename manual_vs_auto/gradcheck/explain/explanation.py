"""What explains all observations: hypotheses tried from simple to intricate, each judged on every one."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError, refusing
from manual_vs_auto.gradcheck.engines.engine import Engine, Found, widen
from manual_vs_auto.gradcheck.explain import elsewhere, hypotheses
from manual_vs_auto.gradcheck.explain.diagnosis import UNKNOWN, Diagnosis
from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis, Observation
from manual_vs_auto.gradcheck.numerics.precision import allowed, eps
from manual_vs_auto.gradcheck.search.points import Unfit
from manual_vs_auto.gradcheck.witnesses.outcome import Case, Outcome
from manual_vs_auto.gradcheck.witnesses.reference import reference

OBSERVATIONS = 32
# The share of the largest residual that may be left.
_EXPLAINED = 1e-6
_SQUARE = 64


def observation(claim: Claim, engine: Engine, draw: Callable[[], Case]) -> Observation | None:
    """What both say of a case; None where f, the rule or the reference has no numbers there."""
    try:
        case = draw()
        arrays, cotangents = widen(case.arrays), widen(case.cotangents)
        manual = engine.manual(arrays, cotangents)
        right = reference(claim, engine, arrays, cotangents).values
    except (Refused, WrongShapeError, Unfit):
        return None
    whole = all(np.all(np.isfinite(a)) for a in (*manual, *right))
    return Observation(arrays, cotangents, manual, right) if whole else None


class Explanation:
    """Observations, and what explains all of them."""

    def __init__(self, claim: Claim, engine: Engine, observations: list[Observation], own: float) -> None:
        self._claim, self._engine, self._observations, self._own = claim, engine, observations, own
        self._pulled: dict[Any, Found] = {}
        inside = eps(engine.dtype, *([engine.manual_dtype] if eps(engine.manual_dtype) <= own else []))
        self._tolerance = max(1e-8, 256 * inside)
        if not engine.has_autodiff:
            self._tolerance = 1e-6
        self._names = claim.result_names if not claim.forward else ["the tangent"] * 99

    @cached_property
    def _typical(self) -> list[float]:
        """The size of every leaf: what is nothing beside it is rounding, as 1 - tanh^2 is far out."""
        count = len(self._observations[0].reference)
        largest = [[float(np.max(np.abs(e.reference[at]), initial=0.0)) for e in self._observations] for at in range(count)]
        return [float(np.median(sizes)) for sizes in largest]

    def overflow(self, outcome: Outcome) -> Diagnosis:
        """Right wherever it is finite, and not finite where inputs are large."""
        if self._observations and not self._wrong_leaves():
            return self._said(
                "overflow",
                f"it is not finite ({outcome.case.label}) where the derivative is: an overflow, or a division by zero",
            )
        return UNKNOWN

    def cause(self, variants: Callable[[], Iterable[Case]]) -> Diagnosis:
        """The first hypothesis, from simple to intricate, that holds everywhere."""
        leaves = self._wrong_leaves()
        if len(self._observations) < OBSERVATIONS // 8 or not leaves:
            return UNKNOWN
        low = self._cast()
        if low is not None:
            return self._said("cast", f"the formula is right, but it is computed in {low}")
        # Observations that show the fault best come first: guesses are made from them.
        self._observations.sort(key=lambda e: -sum(self._apart(e.manual[at], e.reference[at]) for at in leaves))
        for guess in (
            self._by_result,
            self._by_cotangent,
            self._by_jacobian,
            self._by_place,
            self._by_term,
            self._by_point,
            self._by_slope,
            self._by_bending,
            self._by_system,
            self._by_region,
            self._by_exchange,
            self._by_size,
        ):
            for hypothesis in guess(leaves):
                if self._holds(hypothesis, leaves):
                    return self._refined(hypothesis, leaves, variants)
        return UNKNOWN

    def _cast(self) -> str | None:
        """The precision that explains the residual: seen in the rule's program, or in the numbers that it returns."""
        low = self._engine.manual_dtype
        if not self._engine.has_autodiff and all(
            np.array_equal(a, a.astype(np.float32)) for e in self._observations for a in e.manual
        ):
            low = "float32"
        if eps(low) <= max(self._own, eps(self._engine.dtype)):
            return None
        for leaf in range(len(self._observations[0].reference)):
            a, b = (np.concatenate([side[leaf].ravel() for side in sides])
                    for sides in zip(*((e.manual, e.reference) for e in self._observations), strict=True))  # fmt: skip
            typical = float(np.sqrt(np.mean(np.square(b)))) if b.size else 0.0
            # Rounding has no preference: a factor would.
            if np.any(np.abs(a - b) > allowed(self._engine.longest_sum) * eps(low) * np.maximum(np.abs(b), typical)):
                return None
            spread = float(np.sqrt(np.mean((a - b) ** 2))) / typical if typical else 0.0
            if abs(hypotheses.ratio(a, b) - 1) > max(eps(low) / 2, 4 * spread / np.sqrt(max(a.size, 1))):
                return None
        return low

    def _by_result(self, leaves: list[int]) -> Iterator[Hypothesis]:
        yield from hypotheses.of_result(
            self._observations, leaves[0], self._names[: len(self._observations[0].reference)]
        )

    def _by_place(self, leaves: list[int]) -> Iterator[Hypothesis]:
        if len(leaves) == 1:
            yield from hypotheses.of_places(self._observations, leaves[0])

    def _by_region(self, leaves: list[int]) -> Iterator[Hypothesis]:
        moving = self._claim.inputs.moving
        if len(leaves) == 1:
            places = moving if self._claim.forward else [moving[leaves[0]]]
            for place in places:
                yield from hypotheses.of_regions(
                    self._observations, leaves[0], place, self._claim.inputs.leaves[place].name
                )

    def _by_cotangent(self, leaves: list[int]) -> Iterator[Hypothesis]:
        if self._claim.kind == "gradient":
            return
        word = "tangent" if self._claim.forward else "cotangent"
        limit = self._cotangent_limit(leaves)
        first = self._observations[0]
        for at, (kind, text, cotangents) in enumerate(hypotheses.of_cotangent(first.cotangents, word, limit)):
            pulled = self._right(first, cotangents)
            if not all(self._same(first.manual[leaf], pulled[leaf]) for leaf in leaves):
                continue

            def predict(e: Observation, leaf: int, at: int = at) -> np.ndarray:
                changed = list(hypotheses.of_cotangent(e.cotangents, word, limit))[at][2]
                return self._right(e, changed)[leaf]

            # What is summed has lost the axis that a transposed cotangent would show.
            summed = kind == "transpose" and any(first.reference[leaf].ndim < cotangents[0].ndim for leaf in leaves)
            yield Hypothesis(
                "axis" if summed else kind, "the sum runs over the wrong axis" if summed else text, predict
            )

    def _cotangent_limit(self, leaves: list[int]) -> float:
        """If cotangents are clipped to +-c, very large ones come out as c times their signs."""
        e = self._observations[0]
        try:
            huge = self._engine.manual(e.arrays, [1e6 * s for s in e.cotangents])
            signs = self._right(e, [np.sign(s) for s in e.cotangents])
        except (Refused, WrongShapeError):
            return 1.0
        c = hypotheses.ratio(huge[leaves[0]].ravel(), signs[leaves[0]].ravel())
        return abs(c) if np.isfinite(c) and c else 1.0

    def _by_jacobian(self, leaves: list[int]) -> Iterator[Hypothesis]:
        e = self._observations[0]
        if len(leaves) != 1 or self._claim.kind == "gradient":
            return
        cotangent = e.cotangents[0]
        if len(e.cotangents) != 1 or cotangent.size != e.reference[leaves[0]].size or cotangent.size > _SQUARE:
            return
        for at, (kind, text, found) in enumerate(
            hypotheses.of_jacobian(self._jacobian(e, leaves[0]), cotangent.ravel())
        ):
            if self._same(e.manual[leaves[0]].ravel(), found):

                def predict(x: Observation, leaf: int, at: int = at) -> np.ndarray:
                    jacobian = self._jacobian(x, leaf)
                    return list(hypotheses.of_jacobian(jacobian, x.cotangents[0].ravel()))[at][2].reshape(
                        x.reference[leaf].shape
                    )

                yield Hypothesis(kind, text, predict)

    def _jacobian(self, e: Observation, leaf: int) -> np.ndarray:
        """[N, N] such that the reference is its transpose times the cotangent: J in reverse, J^T in forward."""
        size = e.cotangents[0].size
        rows = [self._right(e, [np.eye(size)[i].reshape(e.cotangents[0].shape)])[leaf].ravel() for i in range(size)]
        return np.stack(rows)

    def _right(self, e: Observation, cotangents: Found) -> Found:
        # Every wrong leaf asks for the same.
        key = id(e), *(cotangent.tobytes() for cotangent in cotangents)
        if key not in self._pulled:
            self._pulled[key] = reference(self._claim, self._engine, e.arrays, cotangents).values
        return self._pulled[key]

    @cached_property
    def _terms(self) -> Any:
        """f's program, where it can be bent; otherwise None."""
        if not self._engine.has_autodiff:
            return None
        from manual_vs_auto.gradcheck.explain.terms import Terms, usable

        try:
            with refusing():
                return Terms(self._claim, self._observations[0]) if usable(self._observations[0]) else None
        except Refused:
            return None

    def _by_term(self, _: list[int]) -> Iterator[Hypothesis]:
        if self._terms is not None:
            yield from self._refused_none(self._terms.scaled())

    def _by_bending(self, _: list[int]) -> Iterator[Hypothesis]:
        if self._terms is not None:
            from manual_vs_auto.gradcheck.explain.ways import COPIED, ELSEWHERE, PASSED

            yield from self._refused_none(self._terms.bendings(PASSED))
            yield from self._refused_none(self._terms.pairs())
            for stage in (COPIED, ELSEWHERE):
                yield from self._refused_none(self._terms.bendings(stage))

    @staticmethod
    def _refused_none(guesses: Iterator[Hypothesis]) -> Iterator[Hypothesis]:
        """The guesses until one of them is refused."""
        while True:
            try:
                with refusing():
                    found = next(guesses, None)
            except Refused:
                return
            if found is None:
                return
            yield found

    def _by_point(self, leaves: list[int]) -> Iterator[Hypothesis]:
        first, inputs = self._observations[0], self._claim.inputs
        own = [inputs.moving[leaf] for leaf in leaves] if not self._claim.forward else []
        yield from self._changed(elsewhere.changes(inputs.leaves, first.arrays, self._outputs(first), own), leaves)
        yield from self._changed((c for at in inputs.moving if (c := self._moved(at, leaves)) is not None), leaves)

    def _by_exchange(self, leaves: list[int]) -> Iterator[Hypothesis]:
        yield from self._changed(elsewhere.exchanges(self._claim.inputs.leaves, self._observations[0].arrays), leaves)

    def _changed(self, changes: Iterable[elsewhere.Change], leaves: list[int]) -> Iterator[Hypothesis]:
        """What fits the first observation."""
        for change in changes:
            if self._fits(change, self._observations[0], leaves):
                yield Hypothesis(change.kind, change.text, lambda e, leaf, c=change: self._pull(e, c)[leaf])  # type: ignore[misc]

    def _by_system(self, leaves: list[int]) -> Iterator[Hypothesis]:
        """Where the output solves a system, the one that goes backwards is not transposed: J ct for J^T ct before all."""
        first, inputs = self._observations[0], self._claim.inputs
        if self._claim.forward or self._claim.kind == "gradient" or len(first.cotangents) != 1 or len(leaves) < 2:
            return
        for leaf in leaves:
            if not 1 < first.cotangents[0].size == first.reference[leaf].size <= _SQUARE:
                continue

            def predict(e: Observation, at: int, leaf: int = leaf) -> np.ndarray:
                jacobian = self._jacobian(e, leaf)
                turned = np.linalg.lstsq(jacobian.T, jacobian @ e.cotangents[0].ravel(), rcond=None)[0]
                return self._right(e, [turned.reshape(e.cotangents[0].shape)])[at]

            name = inputs.leaves[inputs.moving[leaf]].name
            text = f"the system that is solved backwards, by {name}, is not transposed"
            if all(self._same(first.manual[at], predict(first, at)) for at in leaves):
                yield Hypothesis("untransposed", text, predict)

    def _moved(self, at: int, leaves: list[int]) -> elsewhere.Change | None:
        first, name = self._observations[0], self._claim.inputs.leaves[at].name

        def residual(by: float) -> np.ndarray:
            found = self._pull(first, elsewhere.moved(name, at, by))
            return np.concatenate([(found[leaf] - first.manual[leaf]).ravel() for leaf in leaves])

        try:
            by = elsewhere.offset(residual)
        except Refused:
            return None
        change = None if by is None else elsewhere.moved(name, at, by)
        return change if change is not None and self._fits(change, first, leaves) else None

    def _fits(self, change: elsewhere.Change, e: Observation, leaves: list[int]) -> bool:
        try:
            found = self._pull(e, change)
        except Refused:
            return False
        return all(self._same(e.manual[leaf], found[leaf]) for leaf in leaves)

    def _pull(self, e: Observation, change: elsewhere.Change) -> Found:
        """The derivative at other arguments."""
        key = id(e), change.text
        if key not in self._pulled:
            arrays = change.of(e.arrays, self._outputs(e))
            self._pulled[key] = reference(self._claim, self._engine, arrays, e.cotangents).values
        found = self._pulled[key]
        if not all(np.all(np.isfinite(a)) for a in found):
            raise Refused(ArithmeticError("not finite there"))
        if change.mask is None:
            return found
        kept = e.arrays[change.mask] != 0
        return [a * kept if a.shape[a.ndim - kept.ndim :] == kept.shape else a for a in found]

    def _outputs(self, e: Observation) -> Found:
        key = id(e), "outputs"
        if key not in self._pulled:
            self._pulled[key] = self._engine.value(e.arrays)
        return self._pulled[key]

    def _by_slope(self, leaves: list[int]) -> Iterator[Hypothesis]:
        """Of another function of one number that people mistake for this one."""
        if len(leaves) != 1 or not self._engine.has_autodiff:
            return
        from manual_vs_auto.gradcheck.explain import slopes

        places = self._claim.inputs.moving if self._claim.forward else [self._claim.inputs.moving[leaves[0]]]
        for place in places:

            def right_at(e: Observation, x: np.ndarray, place: int = place) -> np.ndarray:
                arrays = [x if at == place else a for at, a in enumerate(e.arrays)]
                return reference(self._claim, self._engine, arrays, e.cotangents).values[leaves[0]]

            yield from slopes.of_siblings(self._observations, leaves[0], place, right_at)

    def _by_size(self, leaves: list[int]) -> Iterator[Hypothesis]:
        yield from hypotheses.of_sizes(self._observations, leaves)

    def _refined(self, hypothesis: Hypothesis, leaves: list[int], variants: Callable[[], Iterable[Case]]) -> Diagnosis:
        """A factor that goes with an axis' size is a mean for a sum, or a sum for a mean: other shapes tell."""
        some = len(leaves) < len(self._observations[0].reference)
        who = ", ".join(self._names[at] for at in leaves) + ": " if some else ""
        if hypothesis.kind == "sign" and self._subtracts and hypothesis.text.endswith("turned round"):
            return self._said("sign", f"{who}{hypothesis.text}, or the two arguments of a subtraction are exchanged")
        if hypothesis.kind == "factor":
            for at in self._claim.inputs.moving:
                change = self._moved(at, leaves)
                moved = [] if change is None else list(self._changed([change], leaves))
                # In exp it is both: the rounder of the two is what was meant.
                if moved and _digits(moved[0].text) < _digits(hypothesis.text) and self._holds(moved[0], leaves):
                    return self._said("shift", f"{who}{moved[0].text}, which is the same as that {hypothesis.text}")
            first = self._observations[0]
            for case in variants():
                other = observation(self._claim, self._engine, partial(_itself, case))
                if other is not None and np.any(other.reference[leaves[0]]):
                    changed = hypotheses.factor_elsewhere(hypothesis.text, first, other, leaves[0])
                    if changed is not None:
                        return self._said(changed[0], who + changed[1])
        return self._said(hypothesis.kind, who + hypothesis.text)

    @property
    def _subtracts(self) -> bool:
        return self._terms is not None and self._terms.uses("sub")

    def _said(self, kind: str, text: str) -> Diagnosis:
        count = len(self._observations)
        return Diagnosis(kind, f"{text}; it explains the residual on {count} of {count} inputs")

    def _wrong_leaves(self) -> list[int]:
        if not self._observations:
            return []
        count = len(self._observations[0].reference)
        return [
            at for at in range(count) if any(not self._same(e.manual[at], e.reference[at]) for e in self._observations)
        ]

    def _holds(self, hypothesis: Hypothesis, leaves: list[int]) -> bool:
        """Whether it explains every wrong leaf of every observation, and is more than nothing."""
        changes = False
        for e in self._observations:
            for leaf in leaves:
                predicted = hypothesis.predict(e, leaf)
                if predicted.shape != e.manual[leaf].shape:
                    return False
                # f itself may be no more exact than its iteration is: what is explained is the residual.
                slack = _EXPLAINED * float(np.max(np.abs(e.manual[leaf] - e.reference[leaf]), initial=0.0))
                slack += 256 * eps("float64") * self._typical[leaf]
                if not self._same(e.manual[leaf], predicted, slack):
                    return False
                changes |= not self._same(predicted, e.reference[leaf])
        return changes

    def _same(self, a: np.ndarray, b: np.ndarray, slack: float = 0.0) -> bool:
        size = float(np.sqrt(np.mean(np.square(b)))) if b.size else 0.0
        allowed = self._tolerance * np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-3 * size)
        return bool(np.all(np.abs(a - b) <= np.maximum(allowed, slack)))

    def _apart(self, a: np.ndarray, b: np.ndarray) -> int:
        return int(np.sum(np.abs(a - b) > self._tolerance * np.maximum(np.abs(a), np.abs(b))))


def _itself(case: Case) -> Case:
    return case


def _digits(text: str) -> int:
    """How many digits the number in it has."""
    return sum(char.isdigit() for char in text if char != "0")
