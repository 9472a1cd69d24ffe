"""From the claim to the report: the sample thoroughly, then the probes while the budget lasts, then what is wrong."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.domain import Domain
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.clock import NO_TIME, OutOfTime
from manual_vs_auto.gradcheck.engines.engine import Engine, Found
from manual_vs_auto.gradcheck.numerics.precision import eps, largest, size
from manual_vs_auto.gradcheck.options import Options
from manual_vs_auto.gradcheck.report.conclude import Findings
from manual_vs_auto.gradcheck.report.report import LEFT_OUT, Probe, Report
from manual_vs_auto.gradcheck.search import properties
from manual_vs_auto.gradcheck.search.cotangents import Cotangents
from manual_vs_auto.gradcheck.search.draws import Draws
from manual_vs_auto.gradcheck.search.held import out_of_range
from manual_vs_auto.gradcheck.search.points import points, quick
from manual_vs_auto.gradcheck.search.second_order import SecondOrder
from manual_vs_auto.gradcheck.search.shapes import EXCHANGED
from manual_vs_auto.gradcheck.witnesses.accuracy import accuracy_of
from manual_vs_auto.gradcheck.witnesses.compare import grown, try_case
from manual_vs_auto.gradcheck.witnesses.limit import hold
from manual_vs_auto.gradcheck.witnesses.outcome import Case, Outcome

_SPECIAL = {"report": Verdict.SPECIAL, "fail": Verdict.DISAGREE, "ignore": Verdict.AGREE}
# Inputs on average; further points for second order where it was asked for.
_MANY, _MORE = 32, 3


class Session:
    """One claim: the sample, the probes beyond it, and what is wrong."""

    def __init__(self, claim: Claim, domain: Domain, options: Options, engine: Engine) -> None:
        self._claim, self._domain, self._options = claim, domain, options
        self._engine, self._clock = engine, engine.clock
        self._generator = np.random.default_rng(options.seed)
        self._sample = [np.array(a) for a in claim.inputs.sample]
        self._cotangents = Cotangents(claim, self._engine, self._generator)
        self._draws = Draws(claim, self._engine, domain, self._cotangents, self._generator)
        # Where integers point into arrays, a function may not use all of them at other sizes.
        self._points = any(not leaf.floating for leaf in claim.inputs.leaves)
        self._notes, self._probes = [*claim.notes, *self._engine.notes], list[Probe]()
        self._scale: list[float] = []

    def report(self) -> Report:
        """Judge it."""
        with self._clock.patience():
            sample = decisive = self._first = self._first_look()
        properties.expect_numbers(self._claim, self._sample, sample)
        if (length := size(sample.case.cotangents)) > 0:
            self._scale = [largest(a[np.isfinite(a)]) / length for a in sample.reference]
        if sample.skipped:
            self._notes.append(f"nothing can be said at the sample: {sample.skipped}")
        else:
            special: list[Outcome] = []
            for outcome in itertools.chain([sample], self._beyond()):
                if outcome.verdict is Verdict.DISAGREE and not self._is_special(outcome):
                    decisive = outcome
                    break
                special += [outcome] if outcome.verdict is Verdict.DISAGREE else []
            else:
                if special:
                    return self._written(sample, special[0], _SPECIAL[self._options.special_points], special=True)
        return self._written(sample, decisive, Verdict.INCONCLUSIVE if sample.skipped else decisive.verdict)

    def _first_look(self) -> Outcome:
        properties.expect_a_function(self._engine, self._sample)
        case = Case("the sample", self._sample, self._cotangents.random(self._sample))
        exact = accuracy_of(self._engine, self._options.f_accuracy, case)
        # What is far from every limit is no iteration towards one: it is what it is.
        self._iterates = self._engine.iterates and bool(np.isfinite(exact))
        self._accuracy = exact if np.isfinite(exact) else 0.0
        if self._accuracy > 0:
            self._notes.append(f"f is exact to {self._accuracy:.0e} of its largest number: so is its derivative")
        return self._try(case, thorough=True)

    def _is_special(self, outcome: Outcome) -> bool:
        """Whether the rule is right at every input beside that one."""
        wrong = {mark.why for mark in outcome.marks if mark.verdict is Verdict.DISAGREE}
        # What the author's own sample shows at a kink, he sees himself.
        single = {"formula", "overflow", "nonlinear"} | ({"kink"} if outcome is not self._first else set())
        if not outcome.manual or not wrong <= single:
            return False
        told = []
        for case in self._draws.beside(outcome.case):
            with contextlib.suppress(Refused, OutOfTime):
                near = self._try(case, thorough=True, rounding=False)
                told += [] if near.skipped else [near.verdict]
        if len(told) < 2 and self._clock.over:
            self._notes.append(f"{NO_TIME} to see whether it is right beside that input")
        if len(told) < 2 or set(told) != {Verdict.AGREE}:
            return False
        if self._probes and outcome is not self._first:
            self._probes[-1] = Probe(outcome.case.label, Verdict.SPECIAL)
        return True

    def _try(self, case: Case, thorough: bool = False, rounding: bool = True) -> Outcome:
        options, accuracy = self._options, self._accuracy
        if self._iterates and options.f_accuracy is None:
            accuracy = accuracy_of(self._engine, None, case)
            if not np.isfinite(accuracy):
                return Outcome(case, skipped="f has not come near its limit there")
        outcome = try_case(
            self._claim, self._engine, case, options.convention, thorough, options.seed, rounding,
            [grown(case.arrays, self._sample, self._claim) * unit for unit in self._scale], accuracy,
        )  # fmt: skip
        if options.limit and case.arrays is self._sample:
            hold(self._engine, outcome, options.limit)
        return outcome

    def _try_at(self, label: str, arrays: Found, rounding: bool = True) -> Outcome:
        return self._try(self._draws.case(label, arrays), rounding=rounding)

    def _beyond(self) -> Iterator[Outcome]:
        """Everything that is tried where the sample agrees; the caller stops at the first that does not."""
        if not self._options.probes:
            if self._options.order == 2:
                yield from self._within("second order", self._second_order())
            return
        for label, cotangents in self._cotangents.others(self._sample):
            yield from self._kept(label, partial(self._try, Case(label, self._sample, cotangents)))
        every = points(self._domain, self._sample, self._generator, not self._engine.scatters, self._engine.bounds)
        for label, arrays in (point for point in every if quick(point[0]) or self._full(point[0])):
            if arrays is None:
                self._probes.append(Probe(label, None, "outside the domain"))
            else:
                yield from self._kept(label, partial(self._try_at, label, arrays))
        for label, arrays in self._within("integers", out_of_range(self._domain, self._sample, self._engine)):
            yield from self._kept(label, partial(self._try_at, label, arrays))
        yield from self._kept("called twice", lambda: properties.called_twice(self._claim, self._engine, self._first))
        inside = eps(self._engine.dtype, self._engine.manual_dtype)
        # Differences of an f that rounds say less than the rule does.
        exact = self._engine.has_autodiff or self._engine.dtype == "float64"
        if exact and inside > eps("float64"):
            averaged = partial(properties.on_average, self._claim, self._engine, self._draws.fresh, inside, _MANY)
            yield from self._kept("many inputs on average", averaged)
        if self._engine.has_autodiff:
            # A rule that stands apart from f is neither mapped nor differentiated by whoever uses f.
            traces = getattr(self._engine, "rule_traces", False)
            carried = self._claim.carried and traces
            if carried and self._full("under vmap"):
                yield from self._kept("under vmap", self._under_vmap)
            if self._options.order == 2 or (carried and self._full("second order")):
                yield from self._within("second order", self._second_order())
            elif (traces or self._engine.xp == "torch") and not carried:
                apart = "" if self._claim.carried else "a rule apart from f: "
                self._probes.append(Probe("second order", None, f"{apart}order=2 tries it"))
        if self._options.shapes is not None or self._full("other shapes"):
            yield from self._shapes()

    def _under_vmap(self) -> Outcome:
        other = self._try_at("fresh numbers", self._draws.fresh().arrays, rounding=False)
        # Where f is not finite, the sample stands beside itself.
        return properties.under_vmap(self._claim, self._engine, self._first, self._first if other.skipped else other)

    def _full(self, label: str) -> bool:
        """Whether the check is a full one; a quick one writes down what it leaves out."""
        if self._options.effort == "quick":
            self._probes.append(Probe(label, None, LEFT_OUT))
        return self._options.effort == "full"

    def _kept(self, label: str, judge: Callable[[], Outcome]) -> Iterator[Outcome]:
        """Judge a probe within the budget, and write down what became of it."""
        try:
            self._clock.ask()
            outcome = judge()
        except OutOfTime:
            self._probes.append(Probe(label, None, NO_TIME))
            return
        except (Refused, WrongShapeError) as refusal:
            self._probes.append(Probe(label, None, f"refused: {refusal}"))
            return
        if outcome.skipped or outcome.verdict is Verdict.INCONCLUSIVE:
            undecided = NO_TIME if self._clock.over else "no judge can tell"
            self._probes.append(Probe(label, None, outcome.skipped or undecided))
            return
        self._probes.append(Probe(label, outcome.verdict))
        if outcome.verdict is Verdict.AGREE:
            self._notes += [note for note in outcome.notes if note not in self._notes][:3]
        yield outcome

    def _within(self, what: str, drawn: Iterator[Any]) -> Iterator[Any]:
        """What is drawn by asking f, while the time lasts."""
        try:
            yield from drawn
        except OutOfTime:
            self._probes.append(Probe(what, None, NO_TIME))

    def _second_order(self) -> Iterator[Outcome]:
        if self._accuracy > 0:
            self._probes.append(Probe("second order", None, "f itself is only so exact"))
            return
        thorough = self._options.order == 2
        points = [self._draws.fresh() for _ in range(1 + _MORE * thorough)]
        try:
            self._clock.ask()
            second = SecondOrder(self._claim, self._engine, points[0], self._generator)
        except Refused as refusal:
            self._probes.append(Probe("second order", None, f"refused: {refusal}"))
            return
        # What is found by iterating has fewer digits yet in second order, further out.
        for label, arrays in (found for at in points for found in self._draws.around(at, not self._iterates)):
            yield from self._kept(label, partial(second.judge, label, arrays, thorough, self._options.seed))

    def _shapes(self) -> Iterator[Outcome]:
        if self._options.shapes is not None:
            for shapes in self._options.shapes:
                yield from self._shape(f"shapes {shapes}", self._draws.arrays_of(shapes))
            return
        for label, arrays in self._within("other shapes", self._draws.other_shapes()):
            yield from self._shape(label, arrays, strict=False)
        for label, arrays in self._within("other ranks", self._draws.other_ranks()):
            # A rule that stands apart from f promises nothing about ranks that its author never meant;
            # one that f carries is used wherever f is.
            # With fewer axes torch spreads an argument, and sums its gradient in silence, whatever was meant.
            spread = self._engine.xp == "torch" and label == "one rank less"
            for outcome in self._shape(label, arrays, strict=False):
                if (self._claim.carried and not spread) or outcome.verdict is not Verdict.DISAGREE:
                    yield outcome
                else:
                    self._notes.append(f"at {label} than the sample's, the rule is no longer f's derivative")

    def _shape(self, label: str, arrays: Found, strict: bool = True) -> Iterator[Outcome]:
        pairs = zip(self._claim.inputs.leaves, arrays, strict=True)
        label = f"{label}: {', '.join(str(leaf.outer(a.shape)) for leaf, a in pairs)}"
        for outcome in self._kept(label, partial(self._try_at, label, arrays, rounding=False)):
            # What refuses only where the longer is the shorter was not thought of; what refuses another rank was.
            refused = any(mark.why in ("shape", "dtype") for mark in outcome.marks) and not label.startswith(EXCHANGED)
            if not strict and refused:
                self._probes[-1] = Probe(label, None, f"the rule refuses: {outcome.notes[-1]}")
            elif not strict and self._points and outcome.idle > self._first.idle:
                self._probes[-1] = Probe(label, None, "the function does not use all of them")
            else:
                yield outcome

    def _written(self, sample: Outcome, decisive: Outcome, verdict: Verdict, special: bool = False) -> Report:
        findings = Findings(
            self._claim, self._engine, self._domain, self._draws, sample, decisive, special, self._probes, self._notes,
            self._accuracy,
        )  # fmt: skip
        options = self._options
        return findings.report(verdict, options.seed, options.convention, options.limit)
