"""JUnit's XML stays XML, whatever a report holds."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from manual_vs_auto.gradcheck import Report, Verdict, check_gradient
from manual_vs_auto.gradcheck.report.junit import junit

RIGHT = check_gradient(lambda x: np.sum(np.asarray(x) ** 2), lambda x: 2 * np.asarray(x), np.ones(2), probes=False)


def noted(note: str, verdict: Verdict = Verdict.DISAGREE) -> Report:
    return replace(RIGHT, verdict=verdict, notes=[note])


TEXTS = {
    "an end of CDATA": ("]]>", "]]>"),
    "markup": ("<failure a='&lt;\">", "<failure a='&lt;\">"),
    "control characters": ("\x00 \x1b[31m \x7f \x08", "\\x00 \\x1b[31m \x7f \\x08"),
    "half a pair": ("\ud800", "\\ud800"),
    "no characters": ("\ufffe \uffff", "\\ufffe \\uffff"),
    "many lines": ("one\n\ttwo", "one\n\ttwo"),
    "letters of all kinds": ("∂f/∂x, größer 🙂", "∂f/∂x, größer 🙂"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_survives(name: str) -> None:
    given, expected = TEXTS[name]
    ((case,),) = ET.fromstring(junit(given, [(given, noted(given))]))
    assert f"  note     {expected}" in str(case[0].text)
    assert case.attrib["name"] == case.attrib["classname"] == expected


def test_verdicts() -> None:
    """What could not be decided is an error, as the command does not end with 0: skipped would look green."""
    cases = [(str(verdict), noted("", verdict)) for verdict in Verdict]
    (suite,) = ET.fromstring(junit("file", cases))
    assert {case.attrib["name"]: [part.tag for part in case] for case in suite} == {
        "AGREE": [], "SPECIAL": ["failure"], "DISAGREE": ["failure"], "INCONCLUSIVE": ["error"],
    }  # fmt: skip
    assert {part.attrib["type"] for case in suite for part in case} == {"SPECIAL", "DISAGREE", "INCONCLUSIVE"}
    assert [suite.attrib[name] for name in ("tests", "failures", "errors")] == ["4", "2", "1"]


def test_no_case_at_all() -> None:
    (suite,) = ET.fromstring(junit("file", []))
    assert suite.attrib["tests"] == "0"
