"""The answer: a verdict for the whole and for each leaf, and everything that stands behind it."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from manual_vs_auto.gradcheck.claims.verdict import SEVERITY, Verdict
from manual_vs_auto.gradcheck.explain.diagnosis import Diagnosis
from manual_vs_auto.gradcheck.explain.shrink import Minimal
from manual_vs_auto.gradcheck.report.cost import Cost
from manual_vs_auto.gradcheck.witnesses.limit import Limit
from manual_vs_auto.gradcheck.witnesses.outcome import Mark, Outcome

_MARGIN = " " * 9
LEFT_OUT = "left out by effort='quick'"
"""The note of a probe that a full check would have tried, or tried to try."""


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
    cost:      time, residual and temporary bytes of the manual rule beside autodiff; None without JAX. It is measured
               when it is first asked for, and printed from then on.
    coverage:  what was compared, and what might have escaped. probes: beyond the sample. seed: repeats it all.
    dtype:     in which of the precisions that `dtypes` named it came out so, all of them if they agree; else None.
    limit:     the upper limit that was given, or None.
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
    dtype: str | None = None
    limit: Limit | None = None
    outcome: Outcome | None = field(default=None, repr=False)

    @cached_property
    def cost(self) -> Cost | None:
        """See above."""
        return self.measure()

    @property
    def title(self) -> str:
        """Verdict, name and kind."""
        return f"{self.verdict}  {self.name}  {self.kind}"

    @property
    def measured(self) -> Cost | None:
        """The cost if it has been asked for."""
        found: Cost | None = vars(self).get("cost")
        return found

    @property
    def worst(self) -> Mark | None:
        """The leaf that decided: the worst verdict, then the largest share of its bound."""
        return max(self.leaves, key=lambda m: (SEVERITY.index(m.verdict), m.ulp / (m.bound or 1)), default=None)

    def to_json(self) -> str:
        """Everything but the arrays, as JSON."""
        kept = replace(self, outcome=None, measure=lambda: None)
        found = {k: v for k, v in asdict(kept).items() if k not in ("outcome", "measure")}
        found["cost"] = None if self.measured is None else asdict(self.measured)
        return json.dumps(_finite(found), indent=1, default=str)

    def assert_agrees(self) -> None:
        """For a test. Raises: AssertionError with the report as its text, unless the verdict is AGREE."""
        __tracebackhide__ = True  # pytest shows the line of the test
        if self.verdict is not Verdict.AGREE:
            raise AssertionError(str(self))

    def plot(self, path: str | Path) -> None:
        """Draw manual, reference and difference, and error against step, into a file (SVG, PNG or PDF)."""
        from manual_vs_auto.gradcheck.report.plot import draw

        draw(self, Path(path))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from manual_vs_auto.gradcheck.report.html import html

        return html(self)

    def __str__(self) -> str:
        """What the command prints."""
        by = "" if self.kind == "jvp" else " wrt " + ", ".join(mark.name for mark in self.leaves)
        lines = [f"{self.title}{by}" + (f"  in {self.dtype}" if self.dtype else "")]
        width = max((len(mark.name) for mark in self.leaves), default=0)
        lines += [f"  {mark.name:<{width}}  {describe(mark)}" for mark in self.leaves]
        if self.limit is not None:
            lines.append(f"  limit    {self.limit.text}, at the sample")
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
        if self.probes:
            lines.append(f"  probes   {tried(self.probes)}")
        if self.measured is not None:
            lines.append(f"  cost     {self.measured.text}")
        return "\n".join(lines)


def tried(probes: Sequence[Probe]) -> str:
    """How many points were judged beyond the sample, and which were not, and why."""
    left_out = [probe.label for probe in probes if probe.note == LEFT_OUT]
    skipped = [f"{probe.label} ({probe.note})" for probe in probes if probe.verdict is None and probe.note != LEFT_OUT]
    parts = [f"{len(probes) - len(left_out) - len(skipped)} beyond the sample"]
    for what, labels in (("skipped", skipped), (LEFT_OUT, left_out)):
        parts += [f"{what}: {', '.join(labels)}"] if labels else []
    return "; ".join(parts)


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
    said = f"{mark.verdict}  {mark.element}: manual {mark.manual:.8g}, reference {mark.reference:.8g}"
    return f"{said}, {abs(mark.manual - mark.reference):.2g} apart: beyond the limit" if mark.why == "limit" else said
