"""A report as a notebook shows it: one table, no script, in the notebook's own colours, light or dark."""

from html import escape

from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.report.report import Report, describe, tried

# White is readable on each of them, whatever is around.
_COLOUR = {
    Verdict.AGREE: "#1a7f37", Verdict.SPECIAL: "#9a4b00", Verdict.INCONCLUSIVE: "#6e5b00", Verdict.DISAGREE: "#b3261e",
}  # fmt: skip
_CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0;background:none;color:inherit"
_CODE = (
    "margin:4px 0;padding:6px;border:1px solid rgba(128,128,128,.5);background:none;color:inherit;"
    "font-family:monospace;white-space:pre-wrap;overflow-wrap:anywhere"
)


def html(report: Report) -> str:
    """What `str` says, as a table."""
    badge = f"padding:1px 8px;border-radius:4px;color:#fff;background:{_COLOUR[report.verdict]}"
    within = f" in {report.dtype}" if report.dtype else ""
    head = f'<span style="{badge}">{report.verdict}</span> <b>{escape(report.name)}</b> {escape(report.kind + within)}'
    rows = [_row(mark.name, escape(describe(mark))) for mark in report.leaves]
    if report.limit is not None:
        rows.append(_row("limit", escape(f"{report.limit.text}, at the sample")))
    if report.verdict is not Verdict.AGREE:
        rows += [_row(witness.name, escape(witness.note)) for witness in report.witnesses if witness.note]
    if report.diagnosis is not None:
        rows.append(_row("cause", f"<b>{escape(report.diagnosis.text)}</b>"))
    if report.hidden is not None:
        rows.append(_row("hidden", escape(report.hidden)))
    if report.minimal is not None:
        short = f"{report.minimal.short}; seed {report.seed}"
        code = f'<pre style="{_CODE}">{escape(report.minimal.code)}</pre>'
        rows.append(_row("minimal", f"{escape(short)}{code}"))
    for title, entries in (("covered", report.coverage), ("note", report.notes)):
        rows += [_row(title, escape(entry)) for entry in entries]
    if report.probes:
        rows.append(_row("probes", escape(tried(report.probes))))
    if report.measured is not None:
        rows.append(_row("cost", escape(report.measured.text)))
    return f'<div>{head}<table style="border-collapse:collapse;margin:6px 0">{"".join(rows)}</table></div>'


def _row(title: str, cell: str) -> str:
    """title is escaped here; cell is HTML already."""
    style = f"{_CELL};white-space:nowrap;opacity:.75;font-weight:normal"
    return f'<tr style="background:none"><th style="{style}">{escape(title)}</th><td style="{_CELL}">{cell}</td></tr>'
