"""What is said in the end: the cause, the smallest input, and everything that stands behind the verdict."""

import time
from dataclasses import dataclass

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.domain import Domain
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.engines.clock import NO_TIME, OutOfTime
from manual_vs_auto.gradcheck.engines.engine import Engine
from manual_vs_auto.gradcheck.explain.diagnose import diagnose
from manual_vs_auto.gradcheck.explain.diagnosis import Diagnosis
from manual_vs_auto.gradcheck.explain.shrink import Minimal, shrink
from manual_vs_auto.gradcheck.explain.special import of_special
from manual_vs_auto.gradcheck.report.cost import cost_of
from manual_vs_auto.gradcheck.report.report import Probe, Report
from manual_vs_auto.gradcheck.report.wording import coverage_of, hiding, quarrels_of, witnesses_of
from manual_vs_auto.gradcheck.search import properties
from manual_vs_auto.gradcheck.search.draws import Draws
from manual_vs_auto.gradcheck.witnesses.kinks import Convention
from manual_vs_auto.gradcheck.witnesses.limit import Limit
from manual_vs_auto.gradcheck.witnesses.outcome import Outcome


@dataclass(frozen=True)
class Findings:
    """What a session has found.

    decisive: the outcome that decided, or the sample. special: that is right beside it. accuracy: of f itself.
    """

    claim: Claim
    engine: Engine
    domain: Domain
    draws: Draws
    sample: Outcome
    decisive: Outcome
    special: bool
    probes: list[Probe]
    notes: list[str]
    accuracy: float = 0.0

    def report(self, verdict: Verdict, seed: int, convention: Convention, limit: Limit | None) -> Report:
        """To find what is wrong may take as long again as the budget."""
        decisive, notes = self.decisive, list(self.notes)
        diagnosis: Diagnosis | None = None
        minimal: Minimal | None = None
        if decisive.verdict is Verdict.DISAGREE:
            diagnosis = self._diagnosis()
            if verdict is Verdict.AGREE:
                notes.append(f"ignored, as asked for: {diagnosis.text}")
                decisive, diagnosis = self.sample, None
            else:
                with self.engine.clock.extended():
                    minimal = shrink(self.claim, self.engine, self.domain, decisive, convention, seed)
        known = hiding(self.claim.inputs, self.sample.case.arrays)
        hidden = f"the sample does not show it{known}; this does: {decisive.case.label}"
        notes += [note for note in decisive.notes if note not in notes]
        return Report(
            self.claim.name, self.claim.kind, verdict, decisive.marks, witnesses_of(decisive),
            coverage_of(self.claim, self.engine, self.sample, self.probes), self.probes,
            [*notes, *quarrels_of(decisive)], seed, time.perf_counter() - self.engine.clock.began, diagnosis, minimal,
            lambda: cost_of(self.claim, self.engine, self.sample), hidden if decisive is not self.sample else None,
            limit=limit, outcome=decisive,
        )  # fmt: skip

    def _diagnosis(self) -> Diagnosis:
        try:
            with self.engine.clock.extended():
                return self._cause()
        except OutOfTime:
            return Diagnosis("unknown", f"cause unknown: {NO_TIME} to find it, give more budget")

    def _cause(self) -> Diagnosis:
        if self.special:
            return of_special(self.claim, self.decisive)
        # A rule that does not return the same twice is wrong for that reason, whatever else it seems to be.
        wrong = [mark for mark in self.decisive.marks if mark.verdict is Verdict.DISAGREE]
        if any(mark.why in ("formula", "nonlinear") for mark in wrong):
            for judged in (o for o in (self.decisive, self.sample) if o.slack):
                if properties.called_twice(self.claim, self.engine, judged).verdict is Verdict.DISAGREE:
                    for mark in wrong:
                        mark.why = "nondeterministic"
        like = self.draws.like(self.decisive.case)
        return diagnose(self.claim, self.engine, self.decisive, like, self.draws.variants, self.accuracy)
