"""Who is right where the manual derivative and the reference part: the panel is asked along the very element."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.complex import element
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.clock import NO_TIME, OutOfTime
from manual_vs_auto.gradcheck.engines.engine import Engine, Found
from manual_vs_auto.gradcheck.witnesses.kinks import Convention, Smoothness, settle
from manual_vs_auto.gradcheck.witnesses.outcome import Mark, Outcome
from manual_vs_auto.gradcheck.witnesses.panel import NO, YES, Answer, Question, ask
from manual_vs_auto.gradcheck.witnesses.reference import dense_direction, unit_direction
from manual_vs_auto.gradcheck.witnesses.rounding import gap
from manual_vs_auto.gradcheck.witnesses.steady import refuted

# Elements at which the panel is asked one by one, a leaf: suspects, and others that nobody suspects.
_SUSPECTS, _OTHERS, _KINKS = 12, 4, 256


class Poll:
    """The panel's session over one outcome: it sets the verdict of every mark.

    slack: what rounding allows, elementwise, as the reference has them. scales: how large each leaf's are elsewhere.
    """

    def __init__(
        self, claim: Claim, engine: Engine, arrays: Found, cotangents: Found, outcome: Outcome, slack: Found,
        convention: Convention, scales: Sequence[float],
    ) -> None:  # fmt: skip
        self._claim, self._engine, self._arrays, self._cotangents = claim, engine, arrays, cotangents
        self._outcome, self._slack, self._convention = outcome, slack, convention
        self._clock, self._scales, self._obeyed = engine.clock, scales, False
        self._smoothness = Smoothness(claim, arrays, np.random.default_rng(0))

    def reverse(self, suspects: Found, thorough: bool, generator: np.random.Generator) -> None:
        """Ask along suspected elements, and if thorough along others and along directions that touch every one."""
        for leaf, mark in enumerate(self._outcome.marks):
            moves = np.isfinite(self._arrays[self._claim.inputs.moving[leaf]]).ravel()
            order = self._worst_first(leaf, suspects[leaf] & moves.reshape(suspects[leaf].shape))
            for i in order[:_SUSPECTS]:
                self._decide(mark, partial(self._element, leaf, i), leaf, i)
            self._masked(mark, leaf, np.flatnonzero(suspects[leaf].ravel() & ~moves))
            if thorough and self._outcome.reference[leaf].size and not self._clock.over:
                size = self._outcome.reference[leaf].size
                count = size if self._convention is not None else _OTHERS
                for i in generator.permutation(size)[: min(count, _KINKS)] if size > 1 else [0]:
                    if i not in order[:_SUSPECTS] and moves[i]:
                        self._decide(mark, partial(self._element, leaf, int(i)), leaf, int(i))
                direction = dense_direction(self._claim, self._arrays, generator, leaf)
                self._decide(mark, partial(self._along, direction, f"a random direction of {mark.name}"), leaf, None)
        self._together(suspects)
        if self._clock.patient and self._clock.over:
            self._outcome.notes.append(f"{NO_TIME} to ask the whole panel more")
            self._at_once(generator)

    def _at_once(self, generator: np.random.Generator) -> None:
        """Where the time ended before every element was looked at: one slope, in which each has its share."""
        outcome = self._outcome
        seen = outcome.compared == sum(a.size for a in outcome.reference)
        if (outcome.answers and seen) or any(mark.verdict is not Verdict.AGREE for mark in outcome.marks):
            return
        direction = dense_direction(self._claim, self._arrays, generator)
        answer = self._along(direction, "a random direction")
        vote = int(self._votes(answer)[0])
        outcome.answers.append(answer)
        if vote == NO:
            whole = ", ".join(mark.name for mark in outcome.marks)
            slopes = float(answer.question.manual[0]), float(answer.readings["finite differences"].value[0])
            outcome.marks = [Mark(whole, Verdict.DISAGREE, np.inf, 0.0, (), *slopes, "formula")]
            outcome.notes.append(f"{whole}: slopes along a random direction; {NO_TIME} for single elements")
        elif vote != YES and not outcome.compared:
            outcome.marks[0].verdict = Verdict.INCONCLUSIVE

    def _together(self, suspects: Found) -> None:
        """What is right at each of several kinks alone may be counted twice: ask along all of them at once."""
        kinks = [a.question.direction for a in self._outcome.answers if np.any(a.kink) and self._single(a)]
        if len(kinks) < 2:
            return
        direction = []
        for leaf, parts in enumerate(zip(*kinks, strict=True)):
            length = float(np.max(np.abs(parts), initial=0.0))
            moves = np.isfinite(self._arrays[self._claim.inputs.moving[leaf]])
            direction.append(length * (np.any(np.array(parts) != 0, axis=0) | suspects[leaf]) * moves)
        leaf = next(at for at, part in enumerate(direction) if np.any(part))
        mark = self._outcome.marks[leaf]
        agreed = mark.verdict is not Verdict.DISAGREE
        self._decide(mark, partial(self._along, direction, "all kinks at once"), leaf, None)
        if agreed and mark.verdict is Verdict.DISAGREE:
            mark.why = "kink"  # f has a slope along all of them, but no derivative

    def _masked(self, mark: Mark, leaf: int, places: np.ndarray) -> None:
        """No direction moves what is no finite number: there autodiff has the last word."""
        if mark.verdict is Verdict.AGREE and places.size:
            mark.verdict, mark.why = Verdict.DISAGREE, "mask"
            self._point(mark, leaf, int(places[0]))

    def forward(self, suspects: Found, thorough: bool) -> None:
        """The tangent is the direction: ask once, of every output."""
        flat = np.concatenate([s.ravel() for s in suspects])
        if not thorough and not np.any(flat):
            return
        answer = self._along(self._cotangents, "the tangent")
        votes = self._votes(answer)
        start = 0
        for leaf, mark in enumerate(self._outcome.marks):
            size = suspects[leaf].size
            here = votes[start : start + size]
            doubt = flat[start : start + size]
            if np.any(here == NO):
                at = int(np.argmax((here == NO) * (1 + self._ratio(leaf).ravel())))
                self._refuse(mark, leaf, at, answer, start + at)
            elif np.any(open_ := doubt & (here != YES) & ~answer.kink[start : start + size]):
                self._doubt(mark, leaf, int(np.flatnonzero(open_)[0]))
            start += size
        self._outcome.answers.append(answer)

    def _worst_first(self, leaf: int, suspects: np.ndarray) -> list[int]:
        places = np.flatnonzero(suspects.ravel())
        ratio = np.nan_to_num(self._ratio(leaf).ravel()[places], nan=np.inf)
        return [int(i) for i in places[np.argsort(-ratio, kind="stable")]]

    def _ratio(self, leaf: int) -> np.ndarray:
        return gap(self._outcome.manual[leaf], self._outcome.reference[leaf]) / self._slack[leaf]

    def _element(self, leaf: int, i: int) -> Answer:
        direction, _ = unit_direction(self._claim, self._arrays, leaf, i)
        shape = self._outcome.reference[leaf].shape
        index = tuple(int(part) for part in np.unravel_index(i, shape))
        mark = self._outcome.marks[leaf]
        return self._along(direction, element(mark.name, index, mark.complex))

    def _along(self, direction: Found, label: str) -> Answer:
        outcome = self._outcome
        if self._claim.forward:
            manual, auto, slack = (np.concatenate([a.ravel() for a in parts])
                                   for parts in (outcome.manual, outcome.reference, self._slack))  # fmt: skip
        else:
            manual = _dot(outcome.manual, direction)
            auto = _dot(outcome.reference, direction)
            slack = _dot(self._slack, [np.abs(part) for part in direction])
        if not self._engine.has_autodiff:
            auto = np.full(manual.shape, np.nan)
        if self._claim.forward:
            scale = max(self._scales)
        else:
            scale = sum(s * float(np.sqrt(np.sum(d**2))) for s, d in zip(self._scales, direction, strict=True))
        return ask(
            Question(
                self._claim, self._engine, self._arrays, self._cotangents, direction, manual, auto, slack, label, scale
            )
        )

    def _votes(self, answer: Answer) -> np.ndarray:
        """The majority, kinks settled. Autodiff that obeys a stop_gradient in f is not outvoted by differences."""
        votes = answer.right
        if self._engine.detaches and "autodiff" in answer.votes:
            obeyed = (answer.votes["autodiff"] == YES) & (votes == NO)
            if np.any(obeyed):
                votes = np.where(obeyed, 0, votes)
                self._obeyed = True
                self._outcome.notes.append(
                    "f stops gradients itself: autodiff obeys, differences do not; declare the surrogate"
                )
        # Where they are as many, those who read f itself are believed: the derivative of a root found by halving is 0.
        tie = (votes == 0) & (answer.votes.get("finite differences", votes) == YES) & (not self._engine.detaches)
        if np.any(tie):
            votes = np.where(tie & self._smoothness.at(answer.question), YES, votes)
        if np.any(answer.kink | (votes != YES)):
            answer.kink = answer.kink | ((votes != YES) & ~self._smoothness.at(answer.question))
        if np.any(answer.kink):
            none = answer.kink & refuted(answer, np.random.default_rng(0))
            answer.kink, votes = answer.kink & ~none, np.where(none, NO, votes)
        settled = np.zeros_like(votes)  # several kinks at once, each with its own sign: no interval holds
        if np.any(answer.kink) and (self._claim.forward or self._single(answer)):
            found = self._outcome.reference if self._engine.has_autodiff else []
            numbers = all(bool(np.all(np.isfinite(a))) for a in found)
            with self._clock.patience(False):
                settled = settle(answer, self._smoothness, self._convention, numbers)
        # What autodiff of f has no number for either is no fault, unless f itself has no corner far and wide.
        nowhere = ~np.isfinite(answer.question.manual) & ~np.isfinite(answer.question.autodiff)
        nowhere &= self._engine.has_autodiff
        if np.any(nowhere) and not (self._single(answer) and self._smoothness.everywhere(answer.question)):
            votes = np.where(nowhere, 0, votes)
        return np.where(answer.kink, settled, votes)

    def _decide(self, mark: Mark, ask_along: Callable[[], Answer], leaf: int, i: int | None) -> None:
        if mark.verdict is Verdict.DISAGREE:
            return
        try:
            # The first question of a first look is waited for.
            with self._clock.patience(self._clock.patient and not self._outcome.answers):
                answer = ask_along()
                vote = int(self._votes(answer)[0])
        except OutOfTime:
            if i is not None and self._suspected(leaf, i) and mark.verdict is Verdict.AGREE:
                self._doubt(mark, leaf, i, f"{NO_TIME} to ask the panel about {{}}")
            return
        self._outcome.answers.append(answer)
        if vote == NO:
            self._refuse(mark, leaf, i, answer, 0)
        elif vote == 0 and i is not None and not answer.kink[0] and (self._obeyed or self._suspected(leaf, i)):
            # Where f has no derivative, nothing is claimed of one.
            self._doubt(mark, leaf, i)

    def _single(self, answer: Answer) -> bool:
        return sum(int(np.count_nonzero(part)) for part in answer.question.direction) == 1

    def _suspected(self, leaf: int, i: int) -> bool:
        manual, truth = self._outcome.manual[leaf].flat[i], self._outcome.reference[leaf].flat[i]
        return bool(self._ratio(leaf).flat[i] > 1) or np.isfinite(manual) != np.isfinite(truth)

    def _refuse(self, mark: Mark, leaf: int, i: int | None, answer: Answer, at: int) -> None:
        mark.verdict = Verdict.DISAGREE
        mark.why = "kink" if answer.kink[at] else "formula"
        if i is None:
            return
        self._point(mark, leaf, i)
        if not np.isfinite(mark.manual) and mark.why != "kink":
            mark.why = "overflow"
        # Where autodiff was outvoted, what the others read is the reference.
        if answer.votes.get("autodiff", np.array([NO] * (at + 1)))[at] != NO and not answer.kink[at]:
            length = 1.0 if self._claim.forward else float(sum(np.sum(np.abs(p)) for p in answer.question.direction))
            mark.reference = float(answer.readings["finite differences"].value[at]) / length

    def _doubt(self, mark: Mark, leaf: int, i: int, why: str = "no majority at {}") -> None:
        mark.verdict = Verdict.INCONCLUSIVE
        self._point(mark, leaf, i)
        self._outcome.notes.append(why.format("the tangent" if self._claim.forward else mark.element))

    def _point(self, mark: Mark, leaf: int, i: int) -> None:
        manual, truth = self._outcome.manual[leaf], self._outcome.reference[leaf]
        mark.index = tuple(int(part) for part in np.unravel_index(i, truth.shape))
        mark.manual, mark.reference = float(manual.flat[i]), float(truth.flat[i])
        mark.ulp = float(self._ratio(leaf).flat[i]) * mark.bound


def _dot(parts: Sequence[np.ndarray], direction: Found) -> np.ndarray:
    """Their inner product, [1]; elements that the direction does not touch do not count, finite or not."""
    total = 0.0
    for part, moved in zip(parts, direction, strict=True):
        touched = moved != 0
        total += float(np.sum(part[touched] * moved[touched]))
    return np.array([total])
