"""From the claim to the report: the sample thoroughly, then the probes while the budget lasts, then what is wrong."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.domain import Domain
from manual_vs_auto.gradcheck.claims.errors import Refused, UsageError, WrongShapeError
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.engine import Engine, Found, widen
from manual_vs_auto.gradcheck.explain.diagnose import diagnose
from manual_vs_auto.gradcheck.explain.diagnosis import Diagnosis
from manual_vs_auto.gradcheck.explain.shrink import Minimal, shrink
from manual_vs_auto.gradcheck.numerics.precision import eps, is_float
from manual_vs_auto.gradcheck.options import Options
from manual_vs_auto.gradcheck.report.cost import cost_of
from manual_vs_auto.gradcheck.report.report import LEFT_OUT, Probe, Report
from manual_vs_auto.gradcheck.report.wording import coverage_of, hiding, quarrels_of, witnesses_of
from manual_vs_auto.gradcheck.search import properties
from manual_vs_auto.gradcheck.search.cotangents import Cotangents
from manual_vs_auto.gradcheck.search.draws import Draws
from manual_vs_auto.gradcheck.search.points import QUICK, points
from manual_vs_auto.gradcheck.witnesses.compare import size, try_case
from manual_vs_auto.gradcheck.witnesses.limit import hold
from manual_vs_auto.gradcheck.witnesses.outcome import Case, Outcome
from manual_vs_auto.gradcheck.witnesses.reference import reference

_MANY = 32
# Further points for second order where it was asked for.
_MORE = 3


class Session:
    """One claim: the sample, the probes beyond it, and what is wrong."""

    def __init__(self, claim: Claim, domain: Domain, options: Options, engine: Engine) -> None:
        self._claim, self._domain, self._options = claim, domain, options
        self._started, self._deadline = (began := time.perf_counter()), began + options.budget_s
        self._engine = engine
        self._generator = np.random.default_rng(options.seed)
        self._sample = [np.array(a) for a in claim.inputs.sample]
        self._cotangents = Cotangents(claim, self._engine, self._generator)
        self._draws = Draws(claim, self._engine, domain, self._cotangents, self._generator)
        self._probes: list[Probe] = []
        self._notes = list(self._engine.notes)
        self._scale: list[float] = []

    def report(self) -> Report:
        """Witness it."""
        if not all(np.all(np.isfinite(self._sample[at].astype(np.float64))) for at in self._claim.inputs.moving):
            raise UsageError("the sample holds numbers that are not finite")
        case = Case("the sample", self._sample, self._cotangents.random(self._sample))
        sample = self._try(case, thorough=True)
        decisive = self._first = sample
        if size(sample.case.cotangents) > 0:
            found = [np.abs(a[np.isfinite(a)]) for a in sample.reference]
            self._scale = [float(np.max(a, initial=0.0)) / size(sample.case.cotangents) for a in found]
        if sample.skipped:
            self._notes.append(f"nothing can be said at the sample: {sample.skipped}")
        elif sample.verdict is not Verdict.DISAGREE:
            for outcome in self._beyond(case):
                if outcome.verdict is Verdict.DISAGREE:
                    decisive = outcome
                    break
        return self._written(sample, decisive)

    def _try(self, case: Case, thorough: bool = False, rounding: bool = True) -> Outcome:
        options = self._options
        outcome = try_case(
            self._claim, self._engine, case, options.convention, thorough, options.seed, self._deadline, rounding,
            self._scale,
        )  # fmt: skip
        if options.limit and case.arrays is self._sample:
            hold(self._engine, outcome, options.limit)
        return outcome

    def _try_at(self, label: str, arrays: Found, rounding: bool = True) -> Outcome:
        return self._try(self._draws.case(label, arrays), rounding=rounding)

    def _beyond(self, case: Case) -> Iterator[Outcome]:
        """Everything that is tried where the sample agrees; the caller stops at the first that does not."""
        if not self._options.probes:
            if self._options.order == 2:
                yield from self._second_order()
            return
        for label, cotangents in self._cotangents.others(self._sample):
            yield from self._kept(label, partial(self._try, Case(label, self._sample, cotangents)))
        every = points(self._domain, self._sample, self._generator, not self._engine.scatters)
        for label, arrays in (point for point in every if point[0] in QUICK or self._full(point[0])):
            if arrays is None:
                self._probes.append(Probe(label, None, "outside the domain"))
            else:
                yield from self._kept(label, partial(self._try_at, label, arrays))
        yield from self._kept("called twice", lambda: properties.called_twice(self._claim, self._engine, case))
        inside = eps(self._engine.dtype, self._engine.manual_dtype)
        if eps("float64") < inside <= eps(*(a.dtype for a in self._sample if is_float(a.dtype))):
            averaged = partial(properties.on_average, self._claim, self._engine, self._draws.fresh, inside, _MANY)
            yield from self._kept("many inputs on average", averaged)
        if self._engine.has_autodiff:
            # A rule that stands apart from f is neither mapped nor differentiated by whoever uses f.
            traces = getattr(self._engine, "rule_traces", False)
            carried = self._claim.paired is not None and traces
            if carried and self._full("under vmap"):
                mapped = partial(properties.under_vmap, self._claim, self._engine, case, self._draws.fresh())
                yield from self._kept("under vmap", mapped)
            if self._options.order == 2 or (carried and self._full("second order")):
                yield from self._second_order()
            elif traces and not carried:
                self._probes.append(Probe("second order", None, "a rule apart from f: order=2 tries it"))
        if self._options.shapes is not None or self._full("other shapes"):
            yield from self._shapes()

    def _full(self, label: str) -> bool:
        """Whether the check is a full one; a quick one writes down what it leaves out."""
        if self._options.effort == "quick":
            self._probes.append(Probe(label, None, LEFT_OUT))
        return self._options.effort == "full"

    def _kept(self, label: str, judge: Callable[[], Outcome]) -> Iterator[Outcome]:
        """Witness a probe within the budget, and write down what became of it."""
        if time.perf_counter() > self._deadline:
            self._probes.append(Probe(label, None, "no time left"))
            return
        try:
            outcome = judge()
        except (Refused, WrongShapeError) as refusal:
            self._probes.append(Probe(label, None, f"refused: {refusal}"))
            return
        verdict = outcome.verdict
        if outcome.skipped or verdict is Verdict.INCONCLUSIVE:
            self._probes.append(Probe(label, None, outcome.skipped or "no judge can tell"))
            return
        self._probes.append(Probe(label, verdict))
        if verdict is Verdict.AGREE:
            self._notes += [note for note in outcome.notes if note not in self._notes][:3]
        yield outcome

    def _second_order(self) -> Iterator[Outcome]:
        """The derivative of the rule at a few points, each along a tangent of its own."""
        from manual_vs_auto.gradcheck.engines.jax.engine import JaxEngine

        point = self._draws.fresh()
        claim, seeded = properties.derivative_of(self._claim, self._engine, point, self._generator)
        try:
            engine = JaxEngine(claim, self._engine if isinstance(self._engine, JaxEngine) else None)
        except Refused as refusal:
            self._probes.append(Probe("second order", None, f"refused: {refusal}"))
            return
        scale: list[float] = []
        others = [self._draws.fresh() for _ in range(_MORE)] if self._options.order == 2 else []
        for label, arrays in (found for at in (point, *others) for found in self._draws.around(at)):
            case = Case(label, arrays, point.cotangents)
            # Second order is linear in the rule's own cotangents, too, and they grow with the arguments.
            own = size(seeded(widen(arrays))) or 1.0
            for outcome in self._kept(
                label, partial(self._second, claim, engine, case, [own * unit for unit in scale])
            ):
                scale = scale or [float(np.max(np.abs(a), initial=0.0)) / own for a in outcome.reference]
                yield outcome

    def _second(self, claim: Claim, engine: Engine, case: Case, scale: list[float]) -> Outcome:
        if not reference(self._claim, self._engine, widen(case.arrays), widen(case.cotangents)).defined:
            return Outcome(case, skipped="the function is not finite there")
        tangents = [self._generator.normal(size=case.arrays[at].shape) for at in claim.inputs.moving]
        outcome = try_case(
            claim, engine, Case(case.label, case.arrays, tangents), None, self._options.order == 2,
            self._options.seed, self._deadline, False, scale,
        )  # fmt: skip
        outcome.case = case
        broken = [mark for mark in outcome.marks if not np.isfinite(mark.manual)]
        if self._options.order == 1 and broken:
            # A rule that was not asked to be differentiated may overflow when it is.
            outcome.skipped = "the derivative of the rule is not finite there"
        for mark, name in zip(outcome.marks, self._claim.result_names, strict=False):
            mark.name = "the tangent's derivative" if self._claim.forward else f"the derivative of {name}'s"
            mark.why = "second_order" if mark.verdict is Verdict.DISAGREE else mark.why
        return outcome

    def _shapes(self) -> Iterator[Outcome]:
        if self._options.shapes is not None:
            for shapes in self._options.shapes:
                yield from self._shape(f"shapes {shapes}", self._draws.arrays_of(shapes))
            return
        for label, arrays in self._draws.other_shapes():
            yield from self._shape(label, arrays, strict=False)
        for label, arrays in self._draws.other_ranks():
            # A rule that stands apart from f promises nothing about ranks that its author never meant;
            # one that f carries is used wherever f is.
            for outcome in self._shape(label, arrays, strict=False):
                if self._claim.paired is not None or outcome.verdict is not Verdict.DISAGREE:
                    yield outcome
                else:
                    self._notes.append(f"at {label} than the sample's, the rule is no longer f's derivative")

    def _shape(self, label: str, arrays: Found, strict: bool = True) -> Iterator[Outcome]:
        pairs = zip(self._claim.inputs.leaves, arrays, strict=True)
        label = f"{label}: {', '.join(str(leaf.outer(a.shape)) for leaf, a in pairs)}"
        for outcome in self._kept(label, partial(self._try_at, label, arrays, rounding=False)):
            if not strict and any(mark.why in ("shape", "dtype") for mark in outcome.marks):
                self._probes[-1] = Probe(label, None, f"the rule refuses: {outcome.notes[-1]}")
            elif not strict and self._idle(outcome) > self._idle(self._first):
                self._probes[-1] = Probe(label, None, "the function does not use all of them")
            else:
                yield outcome

    @staticmethod
    def _idle(outcome: Outcome) -> float:
        """The share of elements that the function does not depend on."""
        found = [a.ravel() == 0 for a in outcome.reference]
        return float(np.mean(np.concatenate(found))) if found else 0.0

    def _written(self, sample: Outcome, decisive: Outcome) -> Report:
        verdict = Verdict.INCONCLUSIVE if sample.skipped else decisive.verdict
        diagnosis: Diagnosis | None = None
        minimal: Minimal | None = None
        if verdict is Verdict.DISAGREE:
            decisive = self._steady(decisive)
            diagnosis = diagnose(
                self._claim, self._engine, decisive, self._draws.like(decisive.case), self._draws.variants
            )
            minimal = shrink(
                self._claim, self._engine, self._domain, decisive, self._options.convention, self._options.seed
            )
        known = hiding(self._claim.inputs, self._sample)
        shown = f"the sample does not show it{known}; this does: {decisive.case.label}"
        hidden = shown if decisive is not sample else None
        notes = [*self._notes, *(note for note in decisive.notes if note not in self._notes)]
        return Report(
            self._claim.name, self._claim.kind, verdict, decisive.marks, witnesses_of(decisive),
            coverage_of(self._claim, self._engine, sample, self._probes), self._probes,
            [*notes, *quarrels_of(decisive)], self._options.seed, time.perf_counter() - self._started,
            diagnosis, minimal, lambda: cost_of(self._claim, self._engine, sample), hidden, limit=self._options.limit,
            outcome=decisive,
        )  # fmt: skip

    def _steady(self, decisive: Outcome) -> Outcome:
        """A rule that does not return the same twice is wrong for that reason, whatever else it seems to be."""
        if not any(mark.why == "formula" for mark in decisive.marks):
            return decisive
        again = properties.called_twice(self._claim, self._engine, decisive.case)
        if again.verdict is Verdict.DISAGREE:
            for mark in decisive.marks:
                mark.why = "nondeterministic" if mark.verdict is Verdict.DISAGREE else mark.why
        return decisive
