"""What came of the peers' rules: a table by source, and every item that is not AGREE by what went wrong."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

VERDICTS = ("AGREE", "SPECIAL", "INCONCLUSIVE", "DISAGREE", "refused", "traceback")
SLOWEST, LONG_S = 20, 30.0
_LINES, _LONG, _KIND = 12, 500, 40

Answer = Mapping[str, Any]


def by_source(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """A row a source, and one for all."""
    sources = sorted({answer["source"] for answer in answers})
    rows = [_row(source, [a for a in answers if a["source"] == source]) for source in sources]
    return [*rows, _row("all", answers)] if rows else []


def told(answers: Sequence[Answer]) -> str:
    """The table, what is not AGREE with the decisive lines of its report, and the slowest, as Markdown."""
    rows = by_source(answers)
    heads = list(rows[0]) if rows else []
    parts = [_markdown(heads), _markdown(["---"] + ["---:"] * (len(heads) - 1))]
    parts += [_markdown([_plain(value) for value in row.values()]) for row in rows]
    for kind, group in groupby(sorted((a for a in answers if a["verdict"] != "AGREE"), key=_kind), key=_kind):
        of_kind = list(group)
        parts += ["", f"## {kind}: {len(of_kind)}", ""]
        for answer in of_kind:
            parts += [f"**{answer['source']}** {answer['form']} `{answer['name']}`, {answer['seconds']:.1f} s"]
            if not (answer["verdict"] == "refused" and "complex" in answer["text"]):
                parts += ["```", *_decisive(answer), "```"]
    slow = sorted(answers, key=lambda a: -a["seconds"])[:SLOWEST]
    parts += ["", f"## The slowest {len(slow)}; {sum(a['seconds'] > LONG_S for a in answers)} over {LONG_S:.0f} s", ""]
    parts += [f"- {a['seconds']:.1f} s {a['verdict']} {a['source']} {a['form']} `{a['name']}`" for a in slow]
    return "\n".join(parts) + "\n"


def _row(source: str, answers: Sequence[Answer]) -> dict[str, Any]:
    seconds = [answer["seconds"] for answer in answers]
    said = [answer["verdict"] for answer in answers]
    counts = {verdict: said.count(verdict) for verdict in VERDICTS}
    return {
        "source": source, "rules": len(answers), **counts,
        "median_s": float(np.median(seconds)), "largest_s": max(seconds),
        "median_cpu_s": float(np.median([answer["cpu_seconds"] for answer in answers])),
    }  # fmt: skip


def _kind(answer: Answer) -> str:
    """Verdict, what kind of fault, and where it was seen."""
    verdict: str = answer["verdict"]
    if verdict == "traceback":
        raised = [line for line in answer["text"].splitlines() if re.match(r"[\w.]+(Error|Exception)", line)]
        return f"{verdict}: {(raised or ['?'])[-1][:_KIND]}"
    if verdict == "refused":
        return f"{verdict}: {answer['text'][:_KIND]}"
    why = ", ".join(sorted({leaf["why"] or "no reason" for leaf in answer["leaves"]})) or "no leaf"
    place = "at the sample" if answer["hidden"] is None else answer["hidden"].split("this does: ")[-1].split(":")[0]
    return f"{verdict}, {why}, {place}"


def _decisive(answer: Answer) -> list[str]:
    """The report without its code and its lists of what was tried, or the end of a traceback."""
    lines: list[str] = answer["text"].rstrip().splitlines()
    if "leaves" not in answer:
        return lines[-_LINES:]
    passed_over = ("  covered", "  probes", "  cost", " " * 9)
    return [line[:_LONG] for line in lines if not line.startswith(passed_over)][:_LINES]


def _markdown(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
