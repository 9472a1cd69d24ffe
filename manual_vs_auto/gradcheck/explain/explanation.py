"""What explains all observations: guesses from simple to intricate, each judged on every one."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused
from manual_vs_auto.gradcheck.engines.engine import Engine, widen
from manual_vs_auto.gradcheck.explain import hypotheses
from manual_vs_auto.gradcheck.explain.diagnosis import UNKNOWN, Diagnosis
from manual_vs_auto.gradcheck.explain.facts import Facts
from manual_vs_auto.gradcheck.explain.guesses import Guesses
from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis
from manual_vs_auto.gradcheck.explain.observation import Observation, observation, tolerance_of
from manual_vs_auto.gradcheck.numerics.precision import eps, largest
from manual_vs_auto.gradcheck.numerics.tolerance import allowed
from manual_vs_auto.gradcheck.witnesses.outcome import Case, Outcome

OBSERVATIONS = 32
# What is so small beside the size of its leaf elsewhere is rounding, as 1 - tanh^2 is far out.
_NOTHING = 256 * eps("float64")

# Numbers that overflow in no precision by exp alone: exp(11) is the largest of float16.
_LARGE = 10.0


class Explanation:
    """Observations, and what explains all of them."""

    def __init__(
        self, claim: Claim, engine: Engine, observations: list[Observation], own: float, accuracy: float = 0.0
    ) -> None:
        """own: the epsilon of the arguments. accuracy: of f, relative to its largest number."""
        self._claim, self._engine, self._observations, self._own = claim, engine, observations, own
        self._tolerance = tolerance_of(engine, own, accuracy)

    def overflow(self, outcome: Outcome) -> Diagnosis:
        """Right wherever it is finite, and not finite where inputs are large; or where none is: something is 0."""
        if not self._observations or self.wrong:
            return UNKNOWN
        where = f"it is not finite ({outcome.case.label}) where the derivative is"
        if largest(np.concatenate([a.ravel() for a in widen(outcome.case.arrays)]).astype(np.float64)) < _LARGE:
            return self._said("division", f"{where}, and no number is large: a division by zero")
        return self._said("overflow", f"{where}: an overflow, or a division by zero")

    def cause(self, variants: Callable[[], Iterable[Case]]) -> Diagnosis:
        """The first hypothesis, from simple to intricate, that holds everywhere."""
        if len(self._observations) < OBSERVATIONS // 8 or not self.wrong:
            return UNKNOWN
        low = self._cast()
        if low is not None:
            return self._said("cast", f"the formula is right, but it is computed in {low}")
        # Observations that show the fault best come first: guesses are made from them.
        apart = self._tolerance.apart
        self._observations.sort(key=lambda e: -sum(apart(e.manual[at], e.reference[at]) for at in self.wrong))
        guesses = Guesses(self._claim, self._engine, self._observations, self._tolerance, self.wrong, self._holds)
        whole = self._explained(self.wrong, guesses, variants)
        if whole is not None:
            return whole
        if len(self.wrong) > 1 and (parts := self._one_by_one(guesses, variants)):
            return parts
        facts = Facts(self._claim, self._engine, guesses.truth, self._observations, self._tolerance)
        fact = facts.first(self.wrong, self._who(self.wrong))
        if fact is None:
            return UNKNOWN
        return Diagnosis(fact.kind, f"{fact.text}; so it is on {fact.inputs} of {fact.inputs} inputs")

    def _explained(
        self, leaves: list[int], guesses: Guesses, variants: Callable[[], Iterable[Case]]
    ) -> Diagnosis | None:
        """What explains these leaves, if anything does."""
        first = self._observations[0]
        if all(self._tolerance.same(first.manual[leaf], first.reference[leaf]) for leaf in leaves):
            return None
        for hypothesis in guesses.every(leaves):
            self._engine.clock.ask()
            if self._holds(hypothesis, leaves):
                return self._refined(hypothesis, guesses, variants, leaves)
        return None

    def _one_by_one(self, guesses: Guesses, variants: Callable[[], Iterable[Case]]) -> Diagnosis | None:
        """Several faults, each with a cause of its own, as far as they are known."""
        found = {leaf: self._explained([leaf], guesses, variants) for leaf in self.wrong}
        known = [diagnosis for diagnosis in found.values() if diagnosis is not None]
        if not known:
            return None
        rest = [leaf for leaf, diagnosis in found.items() if diagnosis is None]
        unknown = [f"{self._who(rest)}another cause, unknown"] if rest else []
        return Diagnosis(known[0].kind, "; ".join([*(diagnosis.text for diagnosis in known), *unknown]))

    @cached_property
    def wrong(self) -> list[int]:
        """The numbers of the leaves that are."""
        same, count = self._tolerance.same, len(self._observations[0].reference) if self._observations else 0
        return [at for at in range(count) if any(not same(e.manual[at], e.reference[at]) for e in self._observations)]

    @cached_property
    def _typical(self) -> list[float]:
        """The size of every leaf."""
        leaves = zip(*(e.reference for e in self._observations), strict=True)
        return [float(np.median([np.max(np.abs(a), initial=0.0) for a in leaf])) for leaf in leaves]

    def _cast(self) -> str | None:
        """The precision that explains the residual: seen in the rule's program, or in the numbers that it returns."""
        low = self._engine.manual_dtype
        if not self._engine.has_autodiff and all(
            np.array_equal(a, a.astype(np.float32)) for e in self._observations for a in e.real.manual
        ):
            low = "float32"
        if eps(low) <= max(self._own, eps(self._engine.dtype)):
            return None
        inside = [e.real for e in self._observations]
        for leaf in range(len(inside[0].reference)):
            a, b = (np.concatenate([side[leaf].ravel() for side in sides])
                    for sides in zip(*((e.manual, e.reference) for e in inside), strict=True))  # fmt: skip
            typical = float(np.sqrt(np.mean(np.square(b)))) if b.size else 0.0
            # Rounding has no preference: a factor would.
            if np.any(np.abs(a - b) > allowed(self._engine.longest_sum) * eps(low) * np.maximum(np.abs(b), typical)):
                return None
            # How surely the ratio is known: by the few largest numbers, where some are much larger than the others.
            c, length = hypotheses.ratio(a, b), float(np.sum(np.square(b)))
            unsure = float(np.sqrt(np.sum(np.square(b * (a - c * b))))) / length if length else 0.0
            if abs(c - 1) > max(eps(low) / 2, 4 * unsure):
                return None
        return low

    def _holds(self, hypothesis: Hypothesis, leaves: Sequence[int] | None = None) -> bool:
        """Whether it explains these leaves, or all wrong ones, of every observation, and is more than nothing."""
        try:
            return self._explains(hypothesis, self.wrong if leaves is None else leaves)
        except Refused:
            return False  # there is no such derivative at every one

    def _explains(self, hypothesis: Hypothesis, leaves: Sequence[int]) -> bool:
        changes = False
        for e in self._observations:
            for at in leaves:
                predicted, manual, right = hypothesis.predict(e, at), e.manual[at], e.reference[at]
                slack = self._tolerance.left(manual - right, right) + _NOTHING * self._typical[at]
                if predicted.shape != manual.shape or not self._tolerance.same(manual, predicted, slack):
                    return False
                changes |= not self._tolerance.same(predicted, right)
        return changes

    def _who(self, leaves: list[int]) -> str:
        """Whose derivative is spoken of, where it is not every argument's."""
        if self._claim.forward or len(leaves) == len(self._observations[0].reference):
            return ""
        return ", ".join(self._claim.result_names[at] for at in leaves) + ": "

    def _refined(
        self, hypothesis: Hypothesis, guesses: Guesses, variants: Callable[[], Iterable[Case]], leaves: list[int]
    ) -> Diagnosis:
        """What is the same as it, or what it is at other shapes: a mean for a sum, or a sum for a mean."""
        kind, text, who = hypothesis.kind, hypothesis.text, self._who(leaves)
        if kind == "sign" and text.endswith("turned round") and guesses.subtracts:
            return self._said(kind, f"{who}{text}, or the two arguments of a subtraction are exchanged")
        if kind == "factor":
            # In exp it is both: the rounder number is what was meant.
            for moved in guesses.shifted(leaves):
                if hypotheses.digits(moved.text) < hypotheses.digits(text) and self._holds(moved, leaves):
                    return self._said("shift", f"{who}{moved.text}, which here is the same as that {text}")
            kind, text = self._elsewhere(text, variants, leaves[0]) or (kind, text)
        return self._said(kind, who + text)

    def _elsewhere(self, text: str, variants: Callable[[], Iterable[Case]], leaf: int) -> tuple[str, str] | None:
        """Kind and text where a factor is another one at other shapes."""
        for case in variants():
            other = observation(self._claim, self._engine, partial(_itself, case))
            if other is not None and np.any(other.reference[leaf]):
                changed = hypotheses.factor_elsewhere(text, self._observations[0], other, leaf)
                if changed is not None:
                    return changed
        return None

    def _said(self, kind: str, text: str) -> Diagnosis:
        count = len(self._observations)
        return Diagnosis(kind, f"{text}; it explains the residual on {count} of {count} inputs")


def _itself(case: Case) -> Case:
    return case
