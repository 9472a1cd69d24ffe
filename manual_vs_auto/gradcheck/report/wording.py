"""What the panel said, in words: each judge's reading, quarrels among them, and what was covered."""

from collections.abc import Sequence

import numpy as np

from manual_vs_auto.gradcheck.claims.arguments import Inputs
from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.complex import join
from manual_vs_auto.gradcheck.engines.engine import Engine
from manual_vs_auto.gradcheck.report.report import Probe, Witness
from manual_vs_auto.gradcheck.search.changes import is_square
from manual_vs_auto.gradcheck.witnesses.outcome import Outcome
from manual_vs_auto.gradcheck.witnesses.panel import NO, TAYLOR, WITNESSES, YES, Answer

_SAYS = {YES: "AGREE", NO: "DISAGREE", 0: "ABSTAINS"}


# Above this chance it is said what is not seen, rather than what escapes.
_CHANCE = 1e-2


def witnesses_of(outcome: Outcome) -> list[Witness]:
    """Every judge, by what it said over all questions, with its reading where the manual slope fared worst."""
    if not outcome.answers:
        return []
    answer, at = _decisive(outcome)
    length = _length(answer)
    found = []
    for name in (*WITNESSES, TAYLOR):
        said = [votes[name] for a in outcome.answers if name in (votes := a.votes)]
        every = np.concatenate([s.ravel() for s in said]) if said else np.zeros(0, int)
        says = NO if np.any(every == NO) else YES if np.any(every == YES) else 0
        found.append(Witness(name, _SAYS[says], _note(name, answer, at, length)))
    return found


def quarrels_of(outcome: Outcome) -> list[str]:
    """Where witnesses contradict each other although f has a slope there, and what that means."""
    for answer in outcome.answers:
        if not answer.split or np.any(answer.kink):
            continue
        at = int(np.argmax(np.max([v == NO for v in answer.votes.values()], axis=0)))
        yes = [name for name, votes in answer.votes.items() if votes[at] == YES]
        no = [name for name, votes in answer.votes.items() if votes[at] == NO]
        if yes and no:
            few = min(yes, no, key=len)
            return [f"witnesses disagree at {answer.question.label}: {', '.join(few)} is outvoted: {_meaning(few)}"]
    return []


def hiding(inputs: Inputs, sample: Sequence[np.ndarray]) -> str:
    """What in a sample hides faults: symmetric matrices, one sign, equal numbers, a batch of one."""
    found = []
    for leaf, a in zip(inputs.leaves, sample, strict=True):
        if not leaf.floating or a.size == 0:
            continue
        a = join(a) if leaf.complex else a
        if a.size > 1 and np.all(a == a.flat[0]):
            found.append(f"{leaf.name} is {a.flat[0]:g} everywhere")
        elif leaf.complex and (np.all(a.imag == 0) or np.all(a.real == 0)):
            found.append(f"{leaf.name} is {'imaginary' if np.any(a.imag) else 'real'}")
        elif is_square(a) and leaf.complex and np.array_equal(a, np.swapaxes(a, -1, -2).conj()):
            found.append(f"{leaf.name} is Hermitian")
        elif is_square(a) and np.array_equal(a, np.swapaxes(a, -1, -2)):
            found.append(f"{leaf.name} is symmetric")
        elif leaf.moves and a.size > 1 and not leaf.complex and np.all(a > 0):
            found.append(f"{leaf.name} is positive")
        elif leaf.moves and a.size > 1 and not leaf.complex and np.all(a < 0):
            found.append(f"{leaf.name} is negative")
        elif a.ndim > 1 and a.shape[0] == 1:
            found.append(f"{leaf.name} is a batch of one")
    return f" ({', '.join(found)})" if found else ""


def coverage_of(claim: Claim, engine: Engine, sample: Outcome, probes: Sequence[Probe]) -> list[str]:
    """What was compared, element by element, and what a fault of one element had as a chance to escape."""
    if sample.skipped or not sample.reference:
        return []
    total = sum(a.size for a in sample.reference)
    by = "autodiff" if engine.has_autodiff else "differences"
    asked = len(sample.answers)
    lines = [f"{sample.compared:,} of {total:,} elements against {by}; {asked} slopes before the whole panel"]
    if sample.compared < total:
        share = 1 - sample.compared / total
        lines.append(f"a fault in one element alone escapes with a chance of {share:.0%}: give more budget")
    if claim.kind != "gradient":
        cotangents = 1 + sum(probe.verdict is not None and "tangent" in probe.label for probe in probes)
        resolution = resolution_of(sample)
        chance = 0.8 * resolution / 1e-3
        told = f"a fault of 1e-3 in one entry of the Jacobian escapes with a chance below {max(chance, 1e-12):.0e}"
        hidden = f"a fault of less than {resolution:.0e} of an entry of the Jacobian is not seen: f rounds inside"
        tried = f"{cotangents} {'tangent' if claim.forward else 'cotangent'}s; with the random one"
        lines.append(f"{tried} {told if chance < _CHANCE else hidden}")
    return lines


def resolution_of(sample: Outcome) -> float:
    """The smallest fault that one random cotangent shows, as a share of a typical element: what was allowed there."""
    shares = []
    for slack, right in zip(sample.slack, sample.reference, strict=True):
        typical = float(np.sqrt(np.mean(np.square(right[np.isfinite(right)])))) if np.any(np.isfinite(right)) else 0.0
        if typical > 0:
            shares.append(float(np.max(slack[np.isfinite(slack)], initial=0.0)) / typical)
    return max(shares, default=2.0**-52)


def _decisive(outcome: Outcome) -> tuple[Answer, int]:
    """The answer that refused the manual slope most clearly; the last one if none did."""
    for answer in outcome.answers:
        against = np.sum([votes == NO for votes in answer.votes.values()], axis=0) * (answer.right == NO)
        if np.any(against):
            return answer, int(np.argmax(against))
        if np.any(answer.kink):
            return answer, int(np.argmax(answer.kink))
    return outcome.answers[-1], 0


def _note(name: str, answer: Answer, at: int, length: float) -> str:
    if name == TAYLOR:
        if answer.taylor is None or np.isnan(answer.taylor.order):
            return ""
        if np.isinf(answer.taylor.order):
            return "exact to rounding"
        return f"slope {answer.taylor.order:.2f} (expected 2)"
    if name in answer.absent:
        return f"absent ({answer.absent[name]})"
    slope = answer.readings.get(name)
    if slope is None:
        return ""
    value, bound = slope.value[at] / length, slope.bound[at] / length
    if answer.kink[at] and name == "finite differences":
        return f"slopes {answer.behind[at] / length:.6g} behind, {answer.ahead[at] / length:.6g} ahead: a kink"
    if not np.isfinite(bound):
        return "abstains"
    return f"{value:.8g}" + (f" +- {bound:.0e}" if name in ("finite differences", "NumPy float64") else "")


def _length(answer: Answer) -> float:
    """Along one element the readings are slopes times the length of the step; along many there is no one element."""
    if answer.question.claim.forward:
        return 1.0
    moved = [part[part != 0] for part in answer.question.direction]
    touched = np.concatenate([m.ravel() for m in moved]) if moved else np.zeros(0)
    return float(np.abs(touched[0])) if touched.size == 1 else 1.0


def _meaning(few: Sequence[str]) -> str:
    if few == ["autodiff"]:
        return "a wrong derivative rule inside f, a stop_gradient, or a miscompiled gradient"
    if "NumPy float64" in few or few == ["finite differences"]:
        return "NumPy and XLA compute different functions (a miscompile), or an edge is near"
    return "a kink or the edge of the domain is near"
