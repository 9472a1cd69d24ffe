"""One report of several: the same claim judged in several precisions."""

from collections.abc import Mapping
from dataclasses import replace

from manual_vs_auto.gradcheck.claims.verdict import SEVERITY, Verdict
from manual_vs_auto.gradcheck.report.report import LEFT_OUT, Probe, Report, describe


def worst_of(reports: Mapping[str, Report]) -> Report:
    """The report of the worst, by dtype; what was tried beyond the sample, and what is noted, is that of all."""
    dtype, worst = max(reports.items(), key=lambda item: (SEVERITY.index(item[1].verdict), _share(item[1])))
    return replace(
        worst,
        dtype=", ".join(reports) if worst.verdict is Verdict.AGREE else dtype,
        hidden=None if worst.hidden is None else f"{worst.hidden}, in {dtype}",
        coverage=[f"in {name}: {line}" for name, report in reports.items() for line in report.coverage],
        probes=[*_judged(reports), *(probe for probe in worst.probes if probe.note == LEFT_OUT)],
        notes=[f"in {name}: {line}" for name, report in reports.items() for line in (_summary(report), *report.notes)],
        seconds=sum(report.seconds for report in reports.values()),
    )


def _judged(reports: Mapping[str, Report]) -> list[Probe]:
    pairs = ((name, probe) for name, report in reports.items() for probe in report.probes if probe.note != LEFT_OUT)
    return [replace(probe, label=f"{probe.label}, in {name}") for name, probe in pairs]


def _share(report: Report) -> float:
    return report.worst.ulp / (report.worst.bound or 1) if report.worst else 0.0


def _summary(report: Report) -> str:
    return describe(report.worst) if report.worst else str(report.verdict)
