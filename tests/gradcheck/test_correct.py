"""Right derivatives, the hard ones among them: none is refused, and few are left open."""

import pytest

from manual_vs_auto.gradcheck import Verdict
from tests.corpus.correct import CORRECT
from tests.corpus.item import Item, as_parameters
from tests.corpus.judging import judge

# What the checker leaves open, with the reason.
OPEN: dict[str, str] = {}


@pytest.mark.parametrize("item", as_parameters(CORRECT, 12))
def test_a_right_derivative_agrees(item: Item) -> None:
    report = judge(item)
    expected = Verdict.INCONCLUSIVE if item.name in OPEN else Verdict.AGREE
    assert report.verdict is expected, str(report)
    assert report.diagnosis is None
    assert report.minimal is None


def test_the_set_is_large_and_little_of_it_is_open() -> None:
    names = [item.name for item in CORRECT]
    assert len(set(names)) == len(names) >= 150
    assert all(item.fault is None for item in CORRECT)
    assert set(OPEN) <= set(names)
    assert len(OPEN) < 0.03 * len(names)
