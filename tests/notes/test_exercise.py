"""The exercises: solutions pass, stubs are refused as not filled in, reports have a hint and no solution."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manual_vs_auto.notes import solutions
from manual_vs_auto.notes.exercise import main
from manual_vs_auto.notes.exercises import EXERCISES, Exercise

# Which part of which solution is changed: each must be refused.
WRONG: dict[str, tuple[str, str]] = {
    "sigmoid": ("/ (1 + np.exp(x))", "* np.exp(x)"),
    "relu": ("np.where(x > 0", "np.where(x < 0"),
    "distance": ("return by_p, -by_p", "return by_p, by_p"),
    "bilinear": ("A.T @ (B @ x) + B.T @ (A @ x)", "2 * A.T @ (B @ x)"),
    "matvec": ("W.T @ ct", "ct @ np.abs(W)"),
    "softmax": ("np.sum(s * ct, axis=-1, keepdims=True)", "s * ct"),
    "cross_entropy": ("by_z = softmax(z) * np.sum(y, axis=-1, keepdims=True) - y", "by_z = softmax(z) - y"),
    "affine": ("np.sum(ct, axis=0)", "np.mean(ct, axis=0)"),
    "layer_norm": ("by_centred - np.mean(by_centred, axis=-1, keepdims=True)", "by_centred"),
    "attention": ("share * softmax_vjp", "softmax_vjp"),
}
NUMBERS = range(1, len(EXERCISES) + 1)


def answered(exercise: Exercise, change: tuple[str, str] | None = None) -> str:
    source = inspect.getsource(solutions)
    if change is not None:
        start = source.index(f"def {exercise.answer}")
        assert change[0] in source[start:]
        source = source[:start] + source[start:].replace(*change, 1)
    return source


def test_there_are_ten_with_a_solution_each() -> None:
    assert len(EXERCISES) == 10
    assert {exercise.name for exercise in EXERCISES} == set(WRONG)
    for exercise in EXERCISES:
        assert getattr(solutions, exercise.answer).__doc__


@pytest.mark.parametrize("number", NUMBERS)
def test_the_solution_is_right(number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / f"answer_{number}.py"
    file.write_text(answered(EXERCISES[number - 1]))
    assert main([str(number), str(file)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("AGREE")
    assert "hint" not in shown


@pytest.mark.parametrize("number", NUMBERS)
def test_a_wrong_answer_gets_a_hint_and_no_solution(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exercise = EXERCISES[number - 1]
    file = tmp_path / f"wrong_{number}.py"
    file.write_text(answered(exercise, WRONG[exercise.name]))
    assert main([str(number), str(file)]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("DISAGREE")
    assert f"  hint     {exercise.hint}" in shown
    solution = inspect.getsource(getattr(solutions, exercise.answer)).splitlines()
    body = [line.strip() for line in solution[2:] if len(line.strip()) > 12]
    assert not any(line.removeprefix("return ").strip("(),") in shown for line in body)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_stub_is_code_that_is_not_filled_in(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(number)]) == 0
    stub = capsys.readouterr().out
    file = tmp_path / f"stub_{number}.py"
    file.write_text(stub)
    assert main([str(number), str(file)]) == 3
    refused = capsys.readouterr()
    assert refused.out == ""
    assert "not filled in yet. Hint: " in refused.err


@pytest.mark.parametrize("module", ["numpy", "jax.numpy"])
def test_an_answer_may_be_numpy_s_or_jax_s(module: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / f"answer_in_{module.replace('.', '_')}.py"
    file.write_text(
        f"import {module} as xp\ndef sigmoid_vjp(ct, x):\n    s = 1 / (1 + xp.exp(-x))\n    return ct * s * (1 - s)\n"
    )
    assert main(["1", str(file)]) == 0, capsys.readouterr()


RAISES = "def sigmoid_vjp(ct, x):\n    return ct.nothing\n"

RELU = "import numpy as np\ndef relu_vjp(ct, x):\n    g = ct.copy()\n    g[x <= 0] = 0\n    return (g,)\n"
EXITS = "import sys\ndef sigmoid_vjp(ct, x):\n    sys.exit(0)\n"
OF_ONE = "def sigmoid_vjp(x):\n    return (x,)\n"
NOTHING = "def sigmoid_vjp(ct, x):\n    ct * x\n"


def test_an_answer_may_write_into_arrays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["2", _file(tmp_path, RELU)]) == 0
    assert "Tracer" not in capsys.readouterr().out


REFUSED: dict[str, Callable[[Path], list[str]]] = {
    "no such file": lambda folder: ["1", str(folder / "nothing.py")],
    "has no function sigmoid_vjp": lambda folder: ["1", _file(folder, "x = 1\n")],
    "line 2 of mine.py raised AttributeError: ": lambda folder: ["1", _file(folder, RAISES)],
    "line 3 of mine.py raised SystemExit": lambda folder: ["1", _file(folder, EXITS)],
    "sigmoid_vjp raised TypeError: sigmoid_vjp() takes 1": lambda folder: ["1", _file(folder, OF_ONE)],
    "returned None: is its return missing?": lambda folder: ["1", _file(folder, NOTHING)],
    ": not a Python file": lambda folder: ["1", str(folder)],
    "can't be imported: SyntaxError": lambda folder: ["1", _file(folder, "def (\n")],
    "invalid choice": lambda _: ["11"],
    "invalid int value": lambda _: ["one"],
    "unrecognized arguments": lambda _: ["1", "a.py", "b.py"],
    "not a Python file": lambda folder: ["1", _file(folder, "", "my.txt")],
}


def _file(folder: Path, text: str, name: str = "mine.py") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize("message", REFUSED)
def test_bad_use_is_refused_in_one_line(message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(REFUSED[message](tmp_path)) == 3
    refused = capsys.readouterr()
    assert message in refused.err
    assert len(refused.err.splitlines()) == 1


def test_the_command_and_its_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == [
        exercise.answer for exercise in EXERCISES
    ]


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_the_functions_are_what_they_say(exercise: Exercise) -> None:
    import jax.numpy as jnp

    sample: Any = [np.float64(array) for array in exercise.sample()]
    np.testing.assert_allclose(exercise.f(*sample), exercise.f(*map(jnp.asarray, sample)), rtol=1e-12)
