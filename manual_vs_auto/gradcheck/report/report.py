"""The answer: a verdict for the whole and for each leaf, and everything that stands behind it."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.explain.diagnosis import Diagnosis
from manual_vs_auto.gradcheck.explain.shrink import Minimal
from manual_vs_auto.gradcheck.report.cost import Cost
from manual_vs_auto.gradcheck.witnesses.outcome import Mark, Outcome

_MARGIN = " " * 9


@dataclass(frozen=True)
class Witness:
    """One witness. says: AGREE, DISAGREE or ABSTAINS. note: what it read, with its own bound, or why not."""

    name: str
    says: str
    note: str


@dataclass(frozen=True)
class Probe:
    """A point beyond the sample. verdict: None where it was skipped, and why is in note."""

    label: str
    verdict: Verdict | None
    note: str = ""


@dataclass
class Report:
    """What the checker found.

    verdict:   AGREE, DISAGREE or INCONCLUSIVE.
    leaves:    one Mark a leaf, by name: verdict, worst error and its bound in ulp, the element, both values.
    witnesses: the panel, at the element that decided.
    worst:     the Mark that is furthest beyond its bound.
    diagnosis: the one hypothesis that explains the whole residual, or that none was found; None if nothing is wrong.
    minimal:   the smallest input found that still fails, as code; None if nothing is wrong.
    cost:      time, residual and temporary bytes of the manual rule beside autodiff, measured when it is first asked
               for; None without JAX.
    coverage:  what was compared, and what might have escaped. probes: beyond the sample. seed: repeats it all.
    """

    name: str
    kind: str
    verdict: Verdict
    leaves: list[Mark]
    witnesses: list[Witness]
    coverage: list[str]
    probes: list[Probe]
    notes: list[str]
    seed: int
    seconds: float
    diagnosis: Diagnosis | None = None
    minimal: Minimal | None = None
    measure: Callable[[], Cost | None] = field(default=lambda: None, repr=False)
    hidden: str | None = None
    outcome: Outcome | None = field(default=None, repr=False)

    @cached_property
    def cost(self) -> Cost | None:
        """See above."""
        return self.measure()

    @property
    def worst(self) -> Mark | None:
        """The leaf that decided: the worst verdict, then the largest share of its bound."""
        order = [Verdict.AGREE, Verdict.INCONCLUSIVE, Verdict.DISAGREE]
        return max(self.leaves, key=lambda m: (order.index(m.verdict), m.ulp / (m.bound or 1)), default=None)

    def to_json(self) -> str:
        """Everything but the arrays, as JSON."""
        kept = replace(self, outcome=None, measure=lambda: None)
        found = {k: v for k, v in asdict(kept).items() if k not in ("outcome", "measure")}
        found["cost"] = None if self.cost is None else asdict(self.cost)
        return json.dumps(_finite(found), indent=1, default=str)

    def plot(self, path: str | Path) -> None:
        """Draw manual, reference and difference, and error against step, into a file (SVG, PNG or PDF)."""
        from manual_vs_auto.gradcheck.report.plot import draw

        draw(self, Path(path))

    def __str__(self) -> str:
        """What the command prints."""
        by = "" if self.kind == "jvp" else " wrt " + ", ".join(mark.name for mark in self.leaves)
        lines = [f"{self.verdict}  {self.name}  {self.kind}{by}"]
        width = max((len(mark.name) for mark in self.leaves), default=0)
        lines += [f"  {mark.name:<{width}}  {describe(mark)}" for mark in self.leaves]
        said = " | ".join(f"{witness.name} {witness.note}" for witness in self.witnesses if witness.note)
        if said and (
            self.verdict is not Verdict.AGREE or any(witness.says == "DISAGREE" for witness in self.witnesses)
        ):
            lines.append("     " + said)
        if self.diagnosis is not None:
            lines.append(f"  cause    {self.diagnosis.text}")
        if self.hidden is not None:
            lines.append(f"  hidden   {self.hidden}")
        if self.minimal is not None:
            lines.append(f"  minimal  {self.minimal.short}; seed {self.seed}")
            lines += [_MARGIN + "  " + line for line in self.minimal.code.splitlines()]
        for title, entries in (("covered", self.coverage), ("note", self.notes)):
            lines += [f"  {title:<8} {entry}" for entry in entries]
        skipped = [f"{probe.label} ({probe.note})" for probe in self.probes if probe.verdict is None]
        tried = len(self.probes) - len(skipped)
        if self.probes:
            lines.append(
                f"  probes   {tried} beyond the sample" + (f"; skipped: {', '.join(skipped)}" if skipped else "")
            )
        if self.cost is not None:
            lines.append(f"  cost     {self.cost.text}")
        return "\n".join(lines)


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN: they become their names."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def describe(mark: Mark) -> str:
    """One leaf in one line."""
    if mark.verdict is Verdict.AGREE:
        return f"AGREE     worst {mark.ulp:.2g} ulp (bound {mark.bound:.2g})"
    if mark.why == "shape":
        return f"{mark.verdict}  has the wrong shape or structure"
    if mark.why == "dtype":
        return f"{mark.verdict}  is complex where it should be real, or the other way round"
    if mark.why == "nondeterministic":
        return f"{mark.verdict}  is not the same twice"
    return f"{mark.verdict}  {mark.element}: manual {mark.manual:.8g}, reference {mark.reference:.8g}"
