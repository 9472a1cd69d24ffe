"""The flags: all three of them, or --distributed, and what is wrong in one line by name."""

import argparse
from typing import Any

import pytest

from manual_vs_auto.runs.parsing import Parser
from manual_vs_auto.runs.processes import NAMES, Asked, flags, taken


def _taken(*arguments: object) -> Asked | None:
    parser = Parser(prog="command")
    flags(parser)
    parser.add_argument("--other", default="kept")
    values = vars(parser.parse_args([str(argument) for argument in arguments]))
    found = taken(parser, values)
    assert values == {"other": "kept"}
    return found


THREE: tuple[object, ...] = ("--coordinator", "127.0.0.1:1234", "--num-processes", 2, "--process-id", 1)


def test_one_process_is_none() -> None:
    assert _taken() is None


def test_three_say_where_and_which() -> None:
    assert _taken(*THREE) == Asked("127.0.0.1:1234", 2, 1, 60, 10)
    asked = _taken(*THREE, "--start-timeout", "2m", "--heartbeat-timeout", "2.5s")
    assert asked == Asked("127.0.0.1:1234", 2, 1, 120, 3)  # JAX counts whole seconds


@pytest.mark.parametrize(
    ("coordinator", "seconds"),
    [("localhost:1", 10), ("[::1]:1", 10), ("127.1.2.3:1", 10), ("10.0.0.1:1", 100), ("localhost.example:1", 100)],
)
def test_one_machine_is_more_impatient(coordinator: str, seconds: int) -> None:
    asked = _taken("--coordinator", coordinator, *THREE[2:])
    assert asked
    assert asked.heartbeat_timeout == seconds


def test_distributed_leaves_it_to_jax() -> None:
    assert _taken("--distributed", "--start-timeout", 5) == Asked(start_timeout=5)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (THREE[:4], "--coordinator, --num-processes and --process-id go together: --process-id is missing"),
        (THREE[2:], "--coordinator, --num-processes and --process-id go together: --coordinator is missing"),
        (("--process-id", 0), "--coordinator, --num-processes and --process-id go together: --coordinator is missing"),
        ((*THREE, "--distributed"), "--distributed finds the processes: leave --coordinator out"),
        (("--distributed", "--process-id", 0), "--distributed finds the processes: leave --process-id out"),
        ((*THREE[:5], 2), "--process-id 2 is none of --num-processes 2: they are counted from 0"),
        ((*THREE[:5], -1), "argument --process-id: '-1' is no whole number from 0"),
        ((*THREE[:3], 0, *THREE[4:]), "argument --num-processes: '0' is no whole number from 1"),
        (("--start-timeout", 5), "--start-timeout is of several processes: say which, with --coordinator or with "
            "--distributed"),
        (("--heartbeat-timeout", 5), "--heartbeat-timeout is of several processes: say which, with --coordinator or "
            "with --distributed"),
        (("--coordinator", "here"), "argument --coordinator: 'here' is no HOST:PORT, as in 10.0.0.1:1234"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(arguments: tuple[object, ...], line: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as left:
        _taken(*arguments)
    assert left.value.code == 2
    assert capsys.readouterr().err == f"command: error: {line} (see --help)\n"


def test_the_names_are_the_flags() -> None:
    parser = argparse.ArgumentParser()
    flags(parser)
    assert sorted(NAMES) == sorted(action.dest for action in parser._actions if action.dest != "help")
