"""Reports as JUnit's XML, which continuous integration shows: one test case a pair."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.report.report import Report

# A pair that could not be decided is an error: what was asked is not answered, and the command does not end with 0.
_ELEMENT = {Verdict.DISAGREE: "failure", Verdict.SPECIAL: "failure", Verdict.INCONCLUSIVE: "error"}
# XML has no other control characters, not even escaped.
_NO_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(classname: str, cases: Sequence[tuple[str, Report]]) -> bytes:
    r"""One testsuite. DISAGREE and SPECIAL are failures, INCONCLUSIVE is an error, with the report as the text.

    Args:    classname: of every case: what was judged. cases: name and report.
    Returns: XML in UTF-8; what XML can't hold stands there as Python writes it, "\x1b".
    """
    verdicts = [report.verdict for _, report in cases]
    suite = ET.Element(
        "testsuite", name="manual_vs_auto.gradcheck", tests=str(len(cases)), skipped="0",
        failures=_count("failure", verdicts), errors=_count("error", verdicts),
        time=f"{sum(report.seconds for _, report in cases):.3f}",
    )  # fmt: skip
    for name, report in cases:
        case = ET.SubElement(
            suite, "testcase", classname=_legal(classname), name=_legal(name), time=f"{report.seconds:.3f}"
        )
        if report.verdict in _ELEMENT:
            text = _legal(str(report))
            kind = str(report.verdict)
            ET.SubElement(case, _ELEMENT[report.verdict], message=text.splitlines()[0], type=kind).text = text
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    found: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return found


def _count(element: str, verdicts: Sequence[Verdict]) -> str:
    return str(sum(_ELEMENT.get(verdict) == element for verdict in verdicts))


def _legal(text: str) -> str:
    return _NO_XML.sub(lambda found: ascii(found[0])[1:-1], text)
