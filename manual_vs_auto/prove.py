"""Every rule of the notes before the panel, in each of its forms: its pullback, its pushforward, its Jacobian."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Unpack

import numpy as np

from manual_vs_auto import fused, rules
from manual_vs_auto.gradcheck.api import check_custom_rule, check_jvp, check_vjp
from manual_vs_auto.gradcheck.options import Settings
from manual_vs_auto.gradcheck.report.report import Report

Line = tuple[str, str, str]

_BATCH = (5,)
_ROW = "{:<32} {:<15} {:<8} {:<12} {:<9} {:>10} {:>6} {:>8}"


def prove(asked: Iterable[Any], **options: Unpack[Settings]) -> Iterator[tuple[Line, Report]]:
    """Name, equation and form with the report. Args: asked: objects with the parts of a rule; options: see Options."""
    sample_alone: Settings = {**options, "probes": False}
    for rule in asked:
        generator = np.random.default_rng(options.get("seed", 0))
        primals = _low(rule.samples(generator, _BATCH))
        one = _low(rule.samples(generator, ()))

        def pullback(cotangent: Any, *args: Any, rule: Any = rule) -> Any:
            return rule.bwd(rule.fwd(*args)[1], cotangent)

        yield (rule.name, rule.equation, "vjp"), check_vjp(rule.primal, pullback, *primals, **options)
        yield (rule.name, rule.equation, "jvp"), check_jvp(rule.primal, rule.jvp, *primals, **options)
        yield (
            (rule.name, rule.equation, "jacobian"),
            check_vjp(rule.primal, _by_jacobian(rule.jacobian), *one, **sample_alone),
        )


def prove_custom(
    functions: Iterable[tuple[str, str, Any, Any]], **options: Unpack[Settings]
) -> Iterator[tuple[Line, Report]]:
    """As `prove`, for functions with a custom rule. Args: functions: name, equation, function and its primals."""
    for name, equation, function, primals in functions:
        yield (name, equation, "custom"), check_custom_rule(function, *primals, **options)


def every_form(**options: Unpack[Settings]) -> Iterator[tuple[Line, Report]]:
    """The rules of the notes in each of their forms, and the fused loss in each of its modes."""
    yield from prove(rules.RULES, **options)
    yield from prove_custom(fused.MODES, **options)


def title() -> str:
    """The head of the table."""
    return _ROW.format("rule", "equation", "form", "verdict", "witnesses", "worst, ulp", "bound", "seconds")


def row(line: Line, report: Report) -> str:
    """One report in one line; witnesses: how many agree, of those that could tell."""
    say = [witness.says for witness in report.witnesses if witness.says != "ABSTAINS"]
    worst = report.worst
    return _ROW.format(
        *line, str(report.verdict), f"{say.count('AGREE')} of {len(say)}", f"{worst.ulp:.2g}" if worst else "-",
        f"{worst.bound:.0f}" if worst else "-", f"{report.seconds:.2f}",
    )  # fmt: skip


def _low(primals: Iterable[Any]) -> list[Any]:
    """The author's precision: float32."""
    return [np.asarray(p, np.float32) if np.asarray(p).dtype.kind == "f" else p for p in primals]


def _by_jacobian(jacobian: Callable[..., Any]) -> Callable[..., Any]:
    """J^T ct out of J: one row an output, one column an input."""

    def pullback(cotangent: Any, *args: Any) -> Any:
        outputs = cotangent.ndim
        found: list[Any] = []
        for j in jacobian(*args):
            if j is None:
                found.append(None)
                continue
            spread = cotangent.reshape(*cotangent.shape, *(1,) * (j.ndim - outputs))
            xp = j.__array_namespace__()
            found.append(xp.sum(j * spread, axis=tuple(range(outputs))))
        return tuple(found)

    return pullback
