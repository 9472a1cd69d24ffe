"""`python -m manual_vs_auto.gradcheck`: see `--help`."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from manual_vs_auto import command

if TYPE_CHECKING:
    from manual_vs_auto.gradcheck.report.report import Report

_STATUS = {"AGREE": 0, "DISAGREE": 1, "INCONCLUSIVE": 2}
_USAGE = 3
_DESCRIPTION = """\
Is a gradient that you wrote by hand right? If it is not: what is wrong, and which input shows it?

  %(prog)s my.py                          every pair in a file or a module
  %(prog)s my.py:f --against my.py:g      one function, and what you say its gradient is
  %(prog)s                                every rule of the notes, and the fused loss

A pair is f with f_grad, f_vjp, f_jvp, or f_fwd and f_bwd; or one function of jax.custom_vjp or jax.custom_jvp.
It is tried at what --inputs returns, or f_inputs() or make_inputs(name) in your file, else at guessed numbers."""
_EPILOG = "exit status: 0 all agree, 1 one disagrees, 2 one could not be decided, 3 the command was used wrongly"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    options = _parse(arguments)
    from manual_vs_auto.gradcheck.claims.errors import UsageError

    try:
        reports = _prove(options) if options.target is None else _judge(options)
        drawn = True
        if options.plot is not None:
            drawn = _plot(max(reports, key=lambda report: _STATUS[str(report.verdict)] % 2), options.plot)
    except UsageError as error:
        return _refuse(str(error))
    except SystemExit as end:
        return _refuse(f"what is judged called sys.exit({end.code!r})")
    if options.json:
        print(json.dumps([json.loads(report.to_json()) for report in reports], indent=1), flush=True)
    found = {str(report.verdict) for report in reports}
    if "DISAGREE" in found:
        return 1
    return 2 if "INCONCLUSIVE" in found else 0 if drawn else _USAGE


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m manual_vs_auto.gradcheck", description=_DESCRIPTION, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter, exit_on_error=False,
    )  # fmt: skip
    parser.add_argument("target", nargs="?", help="file.py, package.module, or module:f")
    parser.add_argument("--against", metavar="MOD:F_GRAD", help="the derivative of module:f that you wrote")
    parser.add_argument(
        "--inputs",
        metavar="MOD:MAKE_INPUTS",
        help="a function, () or (name), that returns the arguments, or a dict of them by name",
    )
    parser.add_argument("--json", action="store_true", help="print the reports as JSON")
    parser.add_argument(
        "--plot", metavar="FILE", help="draw the report that disagrees, or else the first (SVG, PNG, PDF)"
    )
    parser.add_argument("--seed", type=_whole, default=0, help="which random numbers are tried (default 0)")
    parser.add_argument(
        "--budget", type=_seconds, default=30.0, metavar="S", help="at most so many seconds for each pair (default 30)"
    )

    def fail(message: str) -> None:
        parser.print_usage(sys.stderr)
        raise SystemExit(_refuse(message))

    parser.error = fail  # type: ignore[method-assign,assignment]
    try:
        options = parser.parse_args(arguments)
    except argparse.ArgumentError as error:
        raise SystemExit(_refuse(str(error))) from None
    if options.against is not None and (options.target is None or ":" not in options.target):
        fail("--against goes with a target of the form module:f")
    return options


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: 0 or more, a whole number")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: more than 0 seconds")
    return value


def _plot(report: "Report", path: str) -> bool:
    """Whether it was drawn. What can't be takes nothing from a verdict that is not AGREE."""
    try:
        report.plot(path)
    except (ImportError, OSError, ValueError) as error:
        _refuse(f"no picture: {error}")
        return False
    return True


def _refuse(message: str) -> int:
    print(f"manual_vs_auto.gradcheck: error: {message}", file=sys.stderr)
    return _USAGE


def _prove(options: argparse.Namespace) -> "list[Report]":
    """Every rule of the notes, in each of its forms, and the fused loss, in each of its modes."""
    from manual_vs_auto.prove import every_form, row, title

    reports = []
    if not options.json:
        print(title())
    asked = {"seed": options.seed, "budget_s": options.budget}
    for line, report in every_form(**asked):
        reports.append(report)
        if not options.json:
            print(row(line, report), flush=True)
    wrong = [report for report in reports if str(report.verdict) != "AGREE"]
    if not options.json:
        for report in wrong:
            print(report)
        print(f"{len(reports) - len(wrong)} of {len(reports)} agree")
    return reports


def _judge(options: argparse.Namespace) -> "list[Report]":
    from manual_vs_auto.gradcheck.claims.errors import UsageError
    from manual_vs_auto.gradcheck.pairs import Pair, form_of, inputs_for, load, named, pairs_in

    given: Callable[..., Any] | None = named(options.inputs) if options.inputs else None
    module = None
    if options.against is not None or ":" in options.target:
        f = named(options.target)
        rule = named(options.against) if options.against else None
        for name, part in ((options.target, f), (options.against, rule)):
            if part is not None and not callable(part):
                raise UsageError(f"{name} is not callable")
        name = options.target.rpartition(":")[2]
        module = load(options.target.rpartition(":")[0])
        found = [Pair(name, "custom" if rule is None else form_of(rule), f, rule)]
    else:
        module = load(options.target)
        found = list(pairs_in(module))
    if not found:
        raise UsageError(
            f"{options.target}: no pair found; f goes with f_grad, f_vjp, f_jvp, or f_fwd and f_bwd, or carries a rule"
        )
    reports = []
    for pair in found:
        args, source = inputs_for(pair, module, given)
        try:
            report = pair.check(args, seed=options.seed, budget_s=options.budget)
        except UsageError as error:
            hint = f"; say --against module:{pair.name}_grad" if pair.rule is None else ""
            raise UsageError(f"{pair.name}: {error}{hint}") from error
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            raise UsageError(f"{pair.name} on its inputs ({source}): {type(error).__name__}: {lines[0]}") from error
        report.notes.append(f"inputs: {source}")
        reports.append(report)
        if not options.json:
            print(report, end="\n\n", flush=True)
    return reports


if __name__ == "__main__":
    command.run(main)
