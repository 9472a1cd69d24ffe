"""What comes of one case: a mark a leaf, and what the panel said of it."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from manual_vs_auto.gradcheck.claims.complex import element
from manual_vs_auto.gradcheck.claims.verdict import Verdict, worst
from manual_vs_auto.gradcheck.engines.engine import Found
from manual_vs_auto.gradcheck.witnesses.panel import Answer


class Case(NamedTuple):
    """A point and a cotangent (a tangent, forward), in the author's precision. label: what it probes."""

    label: str
    arrays: Found
    cotangents: Found


@dataclass
class Mark:
    """How one leaf came out.

    ulp, bound: the worst error and what is allowed, in units in the last place (of the element, or of what one ulp of
    input makes of it). index, manual, reference: that element. why: what kind of fault, if it is one: "formula",
    "overflow", "cast", "digits", "limit", "kink", "shape", "dtype", "nonlinear".
    complex: whether the leaf is; the last entry of index is then 0 for its real part and 1 for its imaginary part.
    """

    name: str
    verdict: Verdict = Verdict.AGREE
    ulp: float = 0.0
    bound: float = 0.0
    index: tuple[int, ...] = ()
    manual: float = 0.0
    reference: float = 0.0
    why: str = ""
    complex: bool = False

    @property
    def element(self) -> str:
        """What the element is called."""
        return element(self.name, self.index, self.complex)


@dataclass
class Outcome:
    """A case after it was judged. skipped: why it could not be, or None. answers: what the panel said.

    doubt: how far off the reference itself may be; infinite where the panel held with the rule against it.
    along: where the rule's own derivative was judged, how the arrays that move and the cotangents do.
    slack: how far apart rounding, the reference's own bound and f's own accuracy may set both.
    """

    case: Case
    marks: list[Mark] = field(default_factory=list)
    skipped: str | None = None
    answers: list[Answer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    manual: Found = field(default_factory=list)
    reference: Found = field(default_factory=list)
    doubt: Found = field(default_factory=list)
    slack: Found = field(default_factory=list)
    compared: int = 0
    along: Found | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst of its leaves'."""
        return worst(mark.verdict for mark in self.marks)

    @property
    def idle(self) -> float:
        """The share of elements that the function does not depend on."""
        zeros = [a.ravel() == 0 for a in self.reference]
        return float(np.mean(np.concatenate(zeros))) if zeros else 0.0
