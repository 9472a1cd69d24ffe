"""Pairs after public reports of bugs: right ones agree, wrong ones do not, and no cause that is named is wrong.

They take as long as the rest of the suite: every run judges a small part of them, and `python -m pytest -m whole` all.
"""

from typing import Any

import pytest

from manual_vs_auto.gradcheck import Verdict
from tests.corpus.item import Item, drawn
from tests.corpus.judging import judge
from tests.corpus.reports import REPORTS
from tests.corpus.unknown import FACTS

SOME = drawn(REPORTS, 32)


def judged(item: Item) -> Any:
    """The report, which is as it should be."""
    report = judge(item)
    right = Verdict.AGREE if item.fault is None else Verdict.SPECIAL if item.special else Verdict.DISAGREE
    assert report.verdict is right, str(report)
    if item.fault is None:
        assert report.diagnosis is None
    else:
        assert report.diagnosis is not None
        assert report.diagnosis.kind in ("unknown", *FACTS, *item.causes), str(report)
    return report


@pytest.mark.parametrize("item", SOME, ids=[item.name for item in SOME])
def test_a_reported_rule_is_judged_rightly(item: Item) -> None:
    judged(item)


@pytest.mark.whole
def test_all_of_them_and_most_causes_are_known() -> None:
    wrong = [judged(item).diagnosis for item in REPORTS if item.fault is not None]
    assert sum(diagnosis.kind not in ("unknown", *FACTS) for diagnosis in wrong) >= 0.7 * len(wrong)
    for item in REPORTS:
        if item.fault is None:
            judged(item)


def test_there_are_many_and_each_has_its_own_name() -> None:
    names = [item.name for item in REPORTS]
    assert len(set(names)) == len(names) >= 180
    assert sum(item.fault is None for item in REPORTS) >= 90
    assert all(item.fault is not None for item in REPORTS if item.causes or item.special)
    assert 30 < len(SOME) < 90
