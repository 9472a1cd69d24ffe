"""The page in a browser: nothing is complained of, nothing is asked for, and it is readable, light, dark and narrow."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from manual_vs_auto.runs.report.page import write
from tests.runs.browser import PROGRAM, WHY_NOT, Browser
from tests.runs.directories import fitted, trained

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason=WHY_NOT)

# How far the text is from what it stands on, 1 to 21, as WCAG 2 has it.
_CONTRAST = """(() => {
  const light = text => {
    const part = text.match(/[\\d.]+/g).slice(0, 3).map(value => value / 255);
    const [r, g, b] = part.map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll('p, td, th, figcaption, svg text')].map(element => {
    const style = getComputedStyle(element);
    const ink = light(element.namespaceURI.endsWith('svg') ? style.fill : style.color);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  }).reduce((a, b) => Math.min(a, b));
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    trained(root / "a", names=("<img src=http://127.0.0.1:9/x.png>", "b", "c"))
    fitted(root / "b", classes=30)
    return write([root / "a", root / "b"])


def test_it_is_quiet_and_asks_nobody(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.complaints == []
    assert browser.requests == [page.as_uri()]
    assert browser.evaluate("document.title").startswith("2 runs: ")
    assert browser.evaluate("[...document.images].filter(image => !image.naturalWidth).length") == 0
    assert browser.evaluate("document.images.length") > 3
    assert browser.evaluate(
        "[...document.querySelectorAll('svg')].every(svg => svg.getBoundingClientRect().height > 99)"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable(browser: Browser, page: Path, scheme: str) -> None:
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(page)
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 27)"}[scheme]
    assert browser.evaluate(_CONTRAST) >= 4.5, "WCAG's AA"


def test_it_fits_a_telephone(browser: Browser, page: Path) -> None:
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.call("Emulation.setDeviceMetricsOverride", **size)
    browser.open(page)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    browser.call("Emulation.clearDeviceMetricsOverride")


def test_the_browser_sees_what_it_is_for(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "loud.html"
    page.write_text("<img src='http://127.0.0.1:9/x.png'><script>console.error('heard'); nothing()</script>")
    browser.open(page)
    assert browser.requests == [page.as_uri(), "http://127.0.0.1:9/x.png"]
    said = " ".join(browser.complaints)
    assert "heard" in said
    assert "nothing is not defined" in said
    page.write_text(
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\"><img src='http://127.0.0.1:9/'>"
    )
    browser.open(page)
    assert "Content Security Policy" in " ".join(browser.complaints)
