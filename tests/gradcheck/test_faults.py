"""Wrong derivatives: every one is refused, most with the cause, and none with a wrong one.

Of this and the other sets every run judges a share, drawn anew with every change of the set, in which each kind of item
is met: `python -m pytest -m whole` judges the others.
"""

import pytest

from manual_vs_auto.gradcheck import Verdict
from tests.corpus import complex as numbers
from tests.corpus.correct import CORRECT
from tests.corpus.faults import FAULTS
from tests.corpus.item import Item, as_parameters, drawn
from tests.corpus.judging import judge
from tests.corpus.reports import REPORTS
from tests.corpus.unknown import FACTS, UNKNOWN


@pytest.mark.parametrize("item", as_parameters(FAULTS, 12))
def test_a_wrong_derivative_disagrees(item: Item) -> None:
    report = judge(item)
    assert report.verdict is Verdict.DISAGREE, str(report)
    assert report.diagnosis is not None
    assert report.minimal is not None
    expected = ("unknown", *FACTS) if item.name in UNKNOWN else item.causes
    assert report.diagnosis.kind in expected, str(report)


@pytest.mark.parametrize("items", [FAULTS, CORRECT, numbers.FAULTS, numbers.RIGHT, REPORTS], ids=len)
def test_each_kind_is_in_every_run(items: list[Item]) -> None:
    share = drawn(items, 100)
    assert set().union(*(item.kinds for item in share)) == set().union(*(item.kinds for item in items))
    assert 5 < len(share) < len(items) / 3


def test_most_causes_are_known() -> None:
    names = [item.name for item in FAULTS]
    assert len(set(names)) == len(names) >= 120
    assert set(names) >= UNKNOWN
    assert len(UNKNOWN) <= 0.2 * len(names)
    # Nothing but "unknown" is right where an item names no cause.
    assert {item.name for item in FAULTS if not item.causes} <= UNKNOWN
