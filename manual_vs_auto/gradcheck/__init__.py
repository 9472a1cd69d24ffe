"""Is a gradient that was written by hand right? If it is not: what is wrong with it, and which input shows it?

`check_gradient` takes a loss and its gradient, `check_vjp` and `check_jvp` a function and its pullback or pushforward,
`check_custom_rule` a function of `jax.custom_vjp`, `jax.custom_jvp` or `torch.autograd.Function`. Each returns a
`Report`, which prints what the command prints. `assert_gradients`, `assert_vjp`, `assert_jvp` and `assert_custom_rule`
are for tests. Functions are JAX's, or NumPy's alone, or PyTorch's where the sample holds tensors.

The house, from the ground up; each floor imports from those before it:

    numerics    precision, every tolerance with its reason, differences, Taylor's remainder
    claims      what is claimed, on flat arrays; trees, complex numbers, domains; what others refuse
    engines     NumPy, JAX and PyTorch behind one protocol
    witnesses   the reference, the panel and its vote, kinks, rounding
    search      points, cotangents, shapes and properties beyond the sample
    explain     hypotheses of what is wrong, and the smallest input that shows it
    report      words, pictures, JUnit, HTML, cost
    options     what may be asked for
    session     the sample, the probes, the explanation
    precisions  in which precision
    api, pairs  the checks and assertions; the command
"""

from manual_vs_auto.gradcheck.api import (
    assert_custom_rule,
    assert_gradients,
    assert_jvp,
    assert_vjp,
    check_custom_rule,
    check_gradient,
    check_jvp,
    check_vjp,
)
from manual_vs_auto.gradcheck.claims.errors import UsageError
from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.options import Settings
from manual_vs_auto.gradcheck.report.report import Report

__all__ = [
    "Report",
    "Settings",
    "UsageError",
    "Verdict",
    "assert_custom_rule",
    "assert_gradients",
    "assert_jvp",
    "assert_vjp",
    "check_custom_rule",
    "check_gradient",
    "check_jvp",
    "check_vjp",
]
