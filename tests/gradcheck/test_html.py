"""The report in a notebook: well-formed, self-contained, without a script, escaped, and it says what `str` says."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Report, Verdict, check_gradient
from manual_vs_auto.gradcheck.explain.diagnosis import Diagnosis

X = np.array([0.3, -0.7])


def squares(x: Any) -> Any:
    return jnp.sum(x**2)


def of(factor: float) -> Report:
    return check_gradient(squares, lambda x: factor * x, X, probes=False, rtol=1e-3)


REPORTS = {"AGREE": lambda: of(2), "DISAGREE": lambda: of(3)}


def texts(html: str) -> list[str]:
    """What is written in it; it parses as XML, so that every element is closed."""
    return ["".join(node.itertext()) for node in ET.fromstring(html).iter() if node.tag in ("th", "td", "span", "b")]


@pytest.mark.parametrize("name", REPORTS)
def test_it_says_what_the_text_says(name: str) -> None:
    report = REPORTS[name]()
    html = report._repr_html_()
    said = " ".join(texts(html))
    assert texts(html)[0] == name
    for line in str(report).splitlines():
        title, _, rest = line.strip().partition("  ")
        if title in ("x", "limit", "cause", "minimal", "covered", "note", "probes"):
            assert rest.strip() in said, line
    assert (report.minimal is not None) == ("<pre" in html)


def test_it_is_alone() -> None:
    """No script, nothing from elsewhere, no style but its own; colours of text and ground are the notebook's."""
    html = of(3)._repr_html_()
    assert not re.search(r"<script|<link|<style|<img|https?:|url\(|@import|\bon\w+=|javascript:", html)
    fixed = set(re.findall(r"(?<![-\w])color:(#?\w+)", html)) - {"inherit"}
    assert fixed == {"#fff"}
    assert html.count("#fff") == 1, "the verdict alone, on a ground of its own"


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_can_be_read(verdict: Verdict) -> None:
    """White on its ground has a contrast of 4.5 at least, which WCAG asks for."""
    ground = re.findall(r"background:#(\w{6})", replace(of(2), verdict=verdict)._repr_html_())
    assert len(ground) == 1
    parts = [int(ground[0][at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    luminance = float(np.dot([0.2126, 0.7152, 0.0722], linear))
    assert 1.05 / (luminance + 0.05) >= 4.5


def test_what_was_given_is_escaped() -> None:
    def f(x: Any) -> Any:
        return jnp.sum(x["<img src=x onerror=alert(1)>"] ** 2)

    f.__name__ = "<b>&amp;"
    report = check_gradient(f, lambda x: {k: 3 * v for k, v in x.items()}, {"<img src=x onerror=alert(1)>": X})
    report.notes.append("<script>alert(1)</script>")
    report.diagnosis = Diagnosis("unknown", "a < b & c")
    html = report._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    assert "<b>&amp;amp;</b>" not in html
    assert texts(html)[1] == "<b>&amp;"
    assert "a &lt; b &amp; c" in html


def test_a_notebook_takes_what_is_not_finite() -> None:
    for rule in (lambda x: x / 0, lambda x: jnp.ones(7)):
        assert "DISAGREE" in check_gradient(squares, rule, X, probes=False)._repr_html_()
