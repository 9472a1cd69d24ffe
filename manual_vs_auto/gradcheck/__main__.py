"""`python -m manual_vs_auto.gradcheck`: see `--help`."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manual_vs_auto import command

if TYPE_CHECKING:
    from manual_vs_auto.gradcheck.options import Settings
    from manual_vs_auto.gradcheck.report.report import Report

# The worst first.
_STATUS = {"DISAGREE": 1, "INCONCLUSIVE": 2, "SPECIAL": 4, "AGREE": 0}
_USAGE = 3
_DESCRIPTION = """\
Is a gradient that you wrote by hand right? If it is not: what is wrong, and which input shows it?

  %(prog)s my.py                          every pair in a file or a module
  %(prog)s my.py:f --against my.py:g      one function, and what you say its gradient is
  %(prog)s                                every rule of the notes, and the fused loss

A pair is f with f_grad, f_vjp, f_jvp, or f_fwd and f_bwd; or one function of jax.custom_vjp or jax.custom_jvp.
It is tried at what --inputs returns, or f_inputs() or make_inputs(name) in your file, else at guessed numbers."""
_EPILOG = """\
exit status: 0 all agree, 1 one disagrees, 2 one could not be decided, 3 the command was used wrongly,
             4 all are right, one of them but for single points"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    options = _parse(arguments)
    if options.cache is not None:
        # On some processors XLA says of every program that it reads that it was compiled for another one.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from manual_vs_auto.gradcheck.claims.errors import UsageError

    try:
        cases = _prove(options) if options.target is None else _judge(options)
        reports = [report for _, report in cases]
        written = all([_plot(options.plot, reports), _junit(options, cases)])
    except UsageError as error:
        return _refuse(str(error))
    except SystemExit as end:
        return _refuse(f"what is judged called sys.exit({end.code!r})")
    if options.json:
        print(json.dumps([json.loads(report.to_json()) for report in reports], indent=1), flush=True)
    status = next((_STATUS[verdict] for verdict in _STATUS if any(str(r.verdict) == verdict for r in reports)), 0)
    return status if status or written else _USAGE


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        command.program("manual_vs_auto.gradcheck"), description=_DESCRIPTION, epilog=_EPILOG,
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
        "--junit", metavar="FILE", help="write JUnit's XML as well: DISAGREE is a failure, INCONCLUSIVE an error"
    )
    parser.add_argument(
        "--plot", metavar="FILE", help="draw the worst of the reports, or else the first (SVG, PNG, PDF)"
    )
    parser.add_argument("--seed", type=_whole, default=0, help="which random numbers are tried (default 0)")
    parser.add_argument(
        "--budget",
        type=_seconds,
        default=20.0,
        metavar="S",
        help="so many seconds for each pair, as many again to explain a fault (default 20)",
    )

    parser.add_argument(
        "--effort", choices=("quick", "full"), default="full",
        help="quick: without other shapes, vmap, second order and the less telling points (default full)",
    )  # fmt: skip
    parser.add_argument(
        "--special-points", choices=("report", "fail", "ignore"), default="report",
        help="what a rule is that is wrong at single points only: SPECIAL, DISAGREE or AGREE (default report)",
    )  # fmt: skip
    parser.add_argument(
        "--f-accuracy", type=_share, metavar="A",
        help="how exact the functions are, relative: 1e-4 for iterations that stop there (default: measured)",
    )  # fmt: skip
    parser.add_argument("--cost", action="store_true", help="measure time and memory beside autodiff's, too")
    parser.add_argument("--cache", metavar="DIR", help="keep JAX's compiled programs there for the next run")

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


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text}: from 0 to 1")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: more than 0 seconds")
    return value


def _plot(path: str | None, reports: "Sequence[Report]") -> bool:
    worst = min(reports, key=lambda report: list(_STATUS).index(str(report.verdict)))
    return path is None or _written("picture", lambda: worst.plot(path))


def _junit(options: argparse.Namespace, cases: "Sequence[tuple[str, Report]]") -> bool:
    from manual_vs_auto.gradcheck.report.junit import junit

    target = options.target or "manual_vs_auto.prove"
    classname = (target.rpartition(":")[0] or target).removesuffix(".py").replace("/", ".").strip(".")
    path: str | None = options.junit
    return path is None or _written("JUnit file", lambda: Path(path).write_bytes(junit(classname, cases)))


def _written(what: str, write: Callable[[], object]) -> bool:
    """Whether it was. What can't be takes nothing from a verdict that is not AGREE."""
    try:
        write()
    except (ImportError, OSError, ValueError) as error:
        _refuse(f"no {what}: {error}")
        return False
    return True


def _refuse(message: str) -> int:
    print(f"manual_vs_auto.gradcheck: error: {message}", file=sys.stderr)
    return _USAGE


def _asked(options: argparse.Namespace) -> "Settings":
    return {
        "seed": options.seed, "budget_s": options.budget, "effort": options.effort, "cache": options.cache,
        "special_points": options.special_points, "f_accuracy": options.f_accuracy,
    }  # fmt: skip


def _measured(options: argparse.Namespace, report: "Report") -> "Report":
    """The report, its cost measured if that was asked for: from then on it is printed."""
    _ = options.cost and report.cost
    return report


def _prove(options: argparse.Namespace) -> "list[tuple[str, Report]]":
    """Every rule of the notes, in each of its forms, and the fused loss, in each of its modes."""
    from manual_vs_auto.prove import every_form, row, title

    cases = []
    if not options.json:
        print(title())
    for line, report in every_form(**_asked(options)):
        cases.append((" ".join(line), _measured(options, report)))
        if not options.json:
            print(row(line, report), flush=True)
            if report.measured is not None:
                print(f"  cost     {report.measured.text}")
    wrong = [report for _, report in cases if str(report.verdict) != "AGREE"]
    if not options.json:
        for report in wrong:
            print(report)
        print(f"{len(cases) - len(wrong)} of {len(cases)} agree")
    return cases


def _judge(options: argparse.Namespace) -> "list[tuple[str, Report]]":
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
        beside = [] if rule is not None else [pair for pair in pairs_in(module) if pair.name == name]
        found = beside or [Pair(name, "custom" if rule is None else form_of(rule), f, rule)]
    else:
        module = load(options.target)
        found = list(pairs_in(module))
    if not found:
        raise UsageError(
            f"{options.target}: no pair found; f goes with f_grad, f_vjp, f_jvp, or f_fwd and f_bwd, or carries a rule"
        )
    cases = []
    for pair in found:
        args, source = inputs_for(pair, module, given)
        try:
            report = pair.check(args, **_asked(options))
        except UsageError as error:
            hint = f"; say --against module:{pair.name}_grad" if pair.rule is None else ""
            raise UsageError(f"{pair.name}: {error}{hint}") from error
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            raise UsageError(f"{pair.name} on its inputs ({source}): {type(error).__name__}: {lines[0]}") from error
        report.notes.append(f"inputs: {source}")
        cases.append((f"{report.name} {report.kind}", _measured(options, report)))
        if not options.json:
            print(report, end="\n\n", flush=True)
    return cases


if __name__ == "__main__":
    command.run(main)
