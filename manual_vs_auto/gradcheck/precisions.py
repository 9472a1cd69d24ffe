"""In which precision a claim is judged: float64 beside the sample's own, or one alone, or each that was asked for."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from manual_vs_auto.gradcheck.claims.arguments import Inputs, cast_to
from manual_vs_auto.gradcheck.claims.claim import Claim, scalar
from manual_vs_auto.gradcheck.claims.domain import Domain, domain_of
from manual_vs_auto.gradcheck.claims.errors import Refused, UsageError
from manual_vs_auto.gradcheck.claims.outputs import Outputs
from manual_vs_auto.gradcheck.engines.choose import engine_for
from manual_vs_auto.gradcheck.engines.clock import Clock
from manual_vs_auto.gradcheck.engines.engine import widen
from manual_vs_auto.gradcheck.engines.narrow import in_own_precision
from manual_vs_auto.gradcheck.options import Options
from manual_vs_auto.gradcheck.report.dtypes import worst_of
from manual_vs_auto.gradcheck.report.report import Report
from manual_vs_auto.gradcheck.session import Session

Build: TypeAlias = Callable[[Inputs], Claim]


def judge(build: Build, inputs: Inputs, chosen: Options) -> Report:
    """The report on what is built for these inputs: the worst where several precisions are asked for."""
    if chosen.dtypes is None:
        return _report(build, inputs, chosen)
    return _in_each_precision(build, inputs, chosen, chosen.dtypes)


def _in_each_precision(build: Build, inputs: Inputs, chosen: Options, dtypes: Sequence[str]) -> Report:
    until, reports = time.perf_counter() + chosen.budget_s, {}
    for left, dtype in zip(range(len(dtypes), 0, -1), dtypes, strict=True):
        share = replace(chosen, budget_s=max(until - time.perf_counter(), 0.0) / left)
        try:
            reports[dtype] = _report(build, cast_to(inputs, dtype), share)
        except Refused as refused:
            refused.error.add_note(f"with the sample in {dtype}, as dtypes= asks for")
            raise
    return worst_of(reports)


def _report(build: Build, inputs: Inputs, chosen: Options) -> Report:
    clock = Clock(chosen.budget_s)
    claim, domain = _constrained(build, inputs, chosen)
    try:
        report = _judge(claim, domain, chosen, clock)
    except Refused as refusal:
        # What refuses float64 may take the sample as it is, and the other way round.
        narrow = in_own_precision(claim)
        if narrow is None:
            return _judge_wide(build, inputs, chosen, clock, refusal)
        return _judge(narrow, domain, chosen, clock)
    shapeless = any(mark.why == "shape" for mark in report.leaves)
    narrow = in_own_precision(claim) if shapeless else None
    return report if narrow is None else _judge(narrow, domain, chosen, clock)


def _constrained(build: Build, inputs: Inputs, chosen: Options) -> tuple[Claim, Domain]:
    claim = build(inputs)
    if chosen.surrogate is not None:
        claim = claim.of(Outputs(chosen.surrogate, inputs))
    domain = domain_of(inputs, chosen.domain, chosen.structure)
    return domain.constrain(claim), domain


def _judge_wide(build: Build, inputs: Inputs, chosen: Options, clock: Clock, refusal: Refused) -> Report:
    """The sample in float64 alone: JAX, set to float32, refuses indices of NumPy's that it has met in float64 before.

    Raises: Refused as it was, where that is refused, too.
    """
    own = sorted({leaf.dtype for leaf in inputs.leaves if leaf.floating and leaf.dtype != "float64"})
    # A precision that was asked for is not exchanged.
    if not own or chosen.dtypes is not None or any(leaf.complex or leaf.device for leaf in inputs.leaves):
        raise refusal
    claim, domain = _constrained(build, cast_to(inputs, "float64"), chosen)
    note = f"in {', '.join(own)} f or the rule is refused ({refusal}): the sample is judged in float64"
    try:
        return _judge(replace(claim, notes=(*claim.notes, note)), domain, chosen, clock)
    except Refused:
        raise refusal from None


def _judge(claim: Claim, domain: Domain, chosen: Options, clock: Clock) -> Report:
    engine = engine_for(claim)
    engine.clock = clock
    made = [shape for shape, _ in engine.outputs_like(widen(claim.inputs.sample))]
    if not made:
        raise UsageError("f returns no floating numbers: there is nothing to differentiate")
    if claim.kind == "gradient":
        scalar(made, claim.complex_outputs)
    return Session(claim, domain, chosen, engine).report()
