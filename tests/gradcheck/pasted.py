"""A smallest failing input as its reader uses it: pasted, and run."""

import re
from typing import Any, NamedTuple

import jax
import numpy as np

from manual_vs_auto.gradcheck import Report, Verdict

_NUMBER = re.compile(r"(?<![\w.])-?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|nan)(?![\w.])")


class Pasted(NamedTuple):
    """held: every name after the run. value: what is printed; found, right: its numbers, and those in the remark."""

    held: dict[str, Any]
    value: Any
    found: np.ndarray
    right: np.ndarray


def pasted(report: Report, **held: Any) -> Pasted:
    """Run the code in a namespace that holds the hand-written function, as its remark says."""
    assert report.verdict is Verdict.DISAGREE, report
    assert report.minimal
    printed: list[Any] = []
    names: dict[str, Any] = {**held, "print": printed.append}
    exec(compile(report.minimal.code, "minimal", "exec"), names)
    (value,) = printed
    found = [np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(value) if not isinstance(leaf, Report)]
    remarks = [line for line in report.minimal.code.splitlines() if line.startswith("# right: ")]
    right = [float(number) for line in remarks for number in _NUMBER.findall(line.removeprefix("# right: "))]
    return Pasted(names, value, np.concatenate([*found, np.zeros(0)]), np.array(right))


def wrong(report: Report, **held: Any) -> Pasted:
    """The same, where the numbers are as many as the right ones, and some are clearly others."""
    run = pasted(report, **held)
    assert run.found.shape == run.right.shape, report.minimal
    assert not np.allclose(run.found, run.right, rtol=1e-4, atol=1e-12), report.minimal
    return run
