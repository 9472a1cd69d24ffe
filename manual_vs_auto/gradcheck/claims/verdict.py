"""The answers there are."""

from collections.abc import Iterable
from enum import Enum


class Verdict(Enum):
    """Whether the hand-written derivative is the function's.

    SPECIAL: everywhere but at single points, where the function has a derivative and the rule another or none; or where
    there is a kink, and the rule lies outside the slopes beside it, or is no number.
    """

    AGREE = "AGREE"
    SPECIAL = "SPECIAL"
    DISAGREE = "DISAGREE"
    INCONCLUSIVE = "INCONCLUSIVE"

    def __str__(self) -> str:
        return self.value


SEVERITY = (Verdict.AGREE, Verdict.SPECIAL, Verdict.INCONCLUSIVE, Verdict.DISAGREE)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """One fault makes the whole wrong; one open question leaves it open."""
    return max(verdicts, key=SEVERITY.index, default=Verdict.AGREE)
