"""Judges any hand-written gradient, and says what is wrong with it."""

from manual_vs_auto.gradcheck.check import (
    assert_gradients,
    check_custom_rule,
    check_gradient,
    check_jvp,
    check_vjp,
)
from manual_vs_auto.gradcheck.inputs import UsageError
from manual_vs_auto.gradcheck.report import Report
from manual_vs_auto.gradcheck.verdict import Verdict

__all__ = [
    "Report",
    "UsageError",
    "Verdict",
    "assert_gradients",
    "check_custom_rule",
    "check_gradient",
    "check_jvp",
    "check_vjp",
]
