"""`python -m manual_vs_auto.notes.exercise`: see `--help`."""

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from manual_vs_auto import command
from manual_vs_auto.notes.exercises import EXERCISES, HINTS, Exercise

_DESCRIPTION = """\
Ten functions to take the derivative of.

  %(prog)s                   list them
  %(prog)s 1 >> my.py        the first one, as Python code to fill in
  %(prog)s 1 my.py           is your answer right? If not, a hint"""
_EPILOG = "exit status: 0 right, 1 wrong, 2 it could not be decided, 3 used wrongly or not filled in yet"
_STATUS = {"AGREE": 0, "DISAGREE": 1, "INCONCLUSIVE": 2}
_USAGE = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser(
        command.program("manual_vs_auto.notes.exercise"), description=_DESCRIPTION, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter, exit_on_error=False,
    )  # fmt: skip
    numbers = range(1, len(EXERCISES) + 1)
    parser.add_argument("number", nargs="?", type=int, choices=numbers, metavar="N", help=f"1 to {len(EXERCISES)}")
    parser.add_argument("file", nargs="?", help="a Python file with your answer")
    try:
        asked, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        return _refuse(str(error))
    if rest:
        return _refuse(f"unrecognized arguments: {' '.join(rest)}")
    if asked.number is None:
        for number, exercise in zip(numbers, EXERCISES, strict=True):
            print(f"{number:>2}  {exercise.answer:<18} {exercise.equation:<20} {exercise.said}")
        return 0
    exercise = EXERCISES[asked.number - 1]
    if asked.file is None:
        print(exercise.stub, end="")
        return 0
    return _judged(exercise, asked.number, asked.file)


def _judged(exercise: Exercise, number: int, file: str) -> int:
    """Witness the answer in the file, print the report and a hint."""
    from manual_vs_auto.gradcheck import UsageError, check_vjp
    from manual_vs_auto.gradcheck.pairs import load

    path = Path(file).resolve()
    if path.suffix != ".py" or not path.is_file():
        return _refuse(f"{file}: {'not a Python file' if path.exists() else 'no such file'}")
    sample = exercise.sample()
    asked = [list(exercise.given).index(name) for name in exercise.returned]
    try:
        answer = getattr(load(str(path)), exercise.answer, None)
        if not callable(answer):
            return _refuse(f"{file} has no function {exercise.answer}: `exercise {number}` prints one to fill in")
        _called(exercise, answer)
        report = check_vjp(exercise.f, answer, *sample, argnums=asked)
    except UsageError as error:
        return _refuse(str(error))
    except NotImplementedError:
        return _refuse(f"{exercise.answer} is not filled in yet. Hint: {exercise.hint}")
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
        where = f"line {lines[-1]} of {path.name}" if lines else exercise.answer
        return _refuse(f"{where} raised {type(error).__name__}: {_first_line(error)}")
    print(report)
    status = _STATUS[str(report.verdict)]
    if status == 0:
        print(
            "  right    " + (f"the next is exercise {number + 1}" if number < len(EXERCISES) else "that was the last")
        )
        return 0
    kind = report.diagnosis.kind if report.diagnosis is not None else ""
    for hint in (exercise.hints.get(kind, HINTS.get(kind)), exercise.hint):
        if hint is not None:
            print(f"  hint     {hint}")
    return status


def _called(exercise: Exercise, answer: Callable[..., Any]) -> None:
    """Call it once as it is. Raises: UsageError if it returns nothing, and whatever it raises."""
    from manual_vs_auto.gradcheck import UsageError

    sample = exercise.sample()
    with np.errstate(all="ignore"):
        found = answer(np.ones_like(exercise.f(*sample)), *sample)
    if found is None:
        raise UsageError(f"{exercise.answer} returned None: is its return missing?")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]


def _refuse(message: str) -> int:
    print(f"manual_vs_auto.notes.exercise: {message}", file=sys.stderr)
    return _USAGE


if __name__ == "__main__":
    command.run(main)
