"""The gallery: each wrong line is the document's, gets the verdict and cause that it says, and trains as it says."""

import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import manual_vs_auto.notes
from manual_vs_auto.notes.gallery import courses, trained
from manual_vs_auto.notes.mistakes import (
    MISTAKES,
    Mistake,
    gradient,
    loss,
    losses,
    pullback,
    softmax,
    softmax_pullback,
    surprise,
    surprise_gradient,
)
from tests.notes.drawings import same

TEXT = (Path(manual_vs_auto.notes.__file__).parent / "README.md").read_text()
ENTRIES = re.findall(r"^### \d+\. (.*?)(?=^###? )", TEXT, re.DOTALL | re.MULTILINE)
# In percentage points: half of the last digit that is printed, and the 0.02 by which rounding moves a course.
CLOSE = 0.07


def test_there_is_one_entry_a_mistake() -> None:
    assert len(MISTAKES) >= 15
    assert len(ENTRIES) == len(MISTAKES)
    numbers = re.findall(r"^### (\d+)\. ", TEXT, re.MULTILINE)
    assert numbers == [str(at) for at in range(1, len(MISTAKES) + 1)]


def test_what_is_called_right_is() -> None:
    weight, images = (jax.random.normal(jax.random.key(at), size) for at, size in enumerate(((3, 4), (5, 4))))
    labels, ct = jnp.array([0, 2, 1, 1, 0]), jnp.arange(5.0)
    close: dict[str, Any] = {"rtol": 0.0, "atol": 1e-14}
    np.testing.assert_allclose(gradient(weight, images, labels), jax.grad(loss)(weight, images, labels), **close)
    np.testing.assert_allclose(
        surprise_gradient(weight, images, labels), jax.grad(surprise)(weight, images, labels), **close
    )
    z = images @ weight.T
    np.testing.assert_allclose(softmax_pullback(2 * z, z), jax.vjp(softmax, z)[1](2 * z)[0], **close)
    _, right = jax.vjp(lambda weight: losses(weight, images, labels), weight)
    np.testing.assert_allclose(pullback(ct, weight, images, labels)[0], right(ct)[0], **close)


# Each trains twice for 900 steps: every run does so for one in four, `python -m pytest -m whole` for the others.
SOME = [
    pytest.param(mistake, entry, id=mistake.name, marks=[pytest.mark.whole] if at % 4 else [])
    for at, (mistake, entry) in enumerate(zip(MISTAKES, ENTRIES, strict=False))
]


@pytest.mark.parametrize(("mistake", "entry"), SOME)
def test_the_entry_is_what_the_code_does(mistake: Mistake, entry: str) -> None:
    (diff,) = re.findall(r"^```diff\n(.*?)^```", entry, re.DOTALL | re.MULTILINE)
    assert diff.splitlines() == [*(f"- {line}" for line in mistake.wrong.splitlines()), f"+ {mistake.right}"]
    assert f"(figures/mistake-{mistake.name}.svg)" in entry
    (shown,) = re.findall(r"^```text\n(.*?)^```", entry, re.DOTALL | re.MULTILINE)
    assert shown.splitlines() == summary(mistake)
    said = re.search(r"\*\*In training:\*\* (under )?([\d.]+)% of the test images right, where .* has ([\d.]+)%", entry)
    assert said is not None
    right, wrong = courses(mistake)
    assert 100 * right.accuracy[-1] == pytest.approx(float(said[3]), abs=CLOSE)
    assert bool(said[1]) == mistake.chaotic
    if mistake.chaotic:
        assert 100 * np.max(wrong.accuracy) < float(said[2])
    else:
        assert 100 * wrong.accuracy[-1] == pytest.approx(float(said[2]), abs=CLOSE)
    same(f"mistake-{mistake.name}")  # the picture, too: here, since this is the process that has trained


@pytest.mark.parametrize("mistake", [MISTAKES[0], MISTAKES[-1]], ids=lambda m: f"pixels to {m.white:.0f}")
def test_a_course_does_not_hang_on_rounding(mistake: Mistake) -> None:
    """In float64 every rounding is another one: a billion times smaller."""
    other = trained(mistake.right_by_weight, mistake.white, jnp.float64)
    np.testing.assert_allclose(other.accuracy, courses(mistake)[0].accuracy, rtol=0, atol=2e-4)


def test_how_many_come_near_is_counted() -> None:
    ends = re.findall(r"\*\*In training:\*\* ([\d.]+)% of .* has ([\d.]+)%", TEXT)
    near = sum(float(right) - float(wrong) <= 2.5 for wrong, right in ends)
    words = {8: "Eight", 9: "Nine", 10: "Ten"}
    assert f"**{words[near]} of the nineteen end within two and a half points of the right line.**" in TEXT
    assert len(MISTAKES) == 19


def summary(mistake: Mistake) -> list[str]:
    """The lines of the report that the document shows: verdict, element, cause."""
    lines = str(mistake.report()).splitlines()
    return [line for line in lines if line.startswith(("DISAGREE", "  z", "  weight", "  cause", "  hidden"))]
