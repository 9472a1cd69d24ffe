"""The launcher: what it passes on, and how it ends all of them."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from manual_vs_auto.launch import _first_failed, free_port, main

CODE = """
import sys
from manual_vs_auto import launch
launch._THEMSELVES = {patience}
sys.exit(launch.Launched({commands!r}).status())
"""


@contextmanager
def launched(*codes: str, words: list[list[str]] | None = None, patience: float = 5) -> Iterator[subprocess.Popen[str]]:
    """The launcher with a process for each piece of Python, or these; all are killed with the block."""
    commands = words or [[sys.executable, "-c", code] for code in codes]
    running = subprocess.Popen(
        [sys.executable, "-c", CODE.format(commands=commands, patience=patience)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout
    assert running.stderr
    with running.stdout, running.stderr:
        try:
            yield running
        finally:
            for _ in range(2):  # the second kills
                running.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    running.wait(timeout=0.3)
            running.kill()
            running.wait()


def lines(running: subprocess.Popen[str], count: int) -> list[str]:
    assert running.stdout
    return sorted(running.stdout.readline() for _ in range(count))


def pids(running: subprocess.Popen[str], count: int) -> list[int]:
    """Of processes that say theirs first."""
    return [int(line.split()[1]) for line in lines(running, count)]


def expect_gone(process: int) -> None:
    until = time.monotonic() + 10
    while alive(process):
        assert time.monotonic() < until
        time.sleep(0.02)


def alive(process: int) -> bool:
    """Whether it has not ended, though nobody may have asked how."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


TELL = "import os, signal, sys, time\n{}\nprint(os.getpid(), flush=True)\ntime.sleep(60)"
STUBBORN = TELL.format("signal.signal(signal.SIGTERM, signal.SIG_IGN)")


def gentle(number: signal.Signals, status: int = 143) -> str:
    """One that ends by this signal with this status."""
    return TELL.format(f"signal.signal({int(number)}, lambda *_: sys.exit({status}))")


def test_each_line_has_its_process_in_front() -> None:
    """As a whole, of both streams, also the last one without an end."""
    code = "import sys\nfor n in range(300): print('x' * 100, n, flush=True)\nprint('last', file=sys.stderr, end='')"
    with launched(code, code) as running:
        out, err = running.communicate(timeout=30)
    assert running.returncode == 0
    told = out.splitlines()
    for process in (0, 1):
        mine = [line for line in told if line.startswith(f"[{process}] ")]
        assert mine == [f"[{process}] {'x' * 100} {number}" for number in range(300)]
    assert len(told) == 600
    assert sorted(err.splitlines()) == ["[0] last", "[1] last"]


def test_a_line_comes_when_it_is_printed() -> None:
    with launched("print('now'); import time; time.sleep(60)") as running:
        assert lines(running, 1) == ["[0] now\n"]


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        ("sys.exit(3)", 3, "with status 3"),
        ("os.kill(os.getpid(), 9)", 137, "by SIGKILL"),
        ("os.abort()", 134, "by SIGABRT"),
    ],
)
def test_where_one_fails_all_are_ended(end: str, status: int, said: str) -> None:
    with launched(gentle(signal.SIGTERM, 4), f"import os, sys; {end}", patience=1) as running:
        (other,) = pids(running, 1)
        _, err = running.communicate(timeout=30)
    assert running.returncode == status
    assert err == f"manual_vs_auto.launch: process 1 ended {said}: the others are ended, too\n"
    expect_gone(other)


@pytest.mark.parametrize(
    ("ended", "failed"),
    [([None, 4, 2], 2), ([4, None], 0), ([0, None, 0], None), ([0, -9, 2], 1), ([4, 4], 0)],
)
def test_the_one_to_blame_is_rather_one_that_did_not_lose_another(ended: list[int | None], failed: int | None) -> None:
    assert _first_failed(ended) == failed


@pytest.mark.parametrize("late", [0, 1])
def test_where_all_end_alike_none_is_blamed(late: int) -> None:
    """As they do by a signal to one of them, whichever ends first."""
    codes = [f"import sys, time; time.sleep({0.5 * (number == late)}); sys.exit(143)" for number in (0, 1)]
    with launched(*codes) as running:
        _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (143, "manual_vs_auto.launch: all ended with status 143\n")


@pytest.mark.parametrize(
    ("statuses", "blamed"), [((4, 3), "process 1 ended with status 3"), ((3, 4), "process 0 ended with status 3")]
)
def test_what_one_has_lost_is_to_blame_though_it_ends_later(statuses: tuple[int, int], blamed: str) -> None:
    codes = [f"import sys, time; time.sleep({0.5 * (status == 3)}); sys.exit({status})" for status in statuses]
    with launched(*codes) as running:
        _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (3, f"manual_vs_auto.launch: {blamed}: the others are ended, too\n")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_is_passed_on_once(name: str) -> None:
    one = gentle(getattr(signal, name))
    with launched(one, one) as running:
        others = pids(running, 2)
        running.send_signal(getattr(signal, name))
        running.send_signal(getattr(signal, name))  # its echo
        _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (143, "")
    for other in others:
        expect_gone(other)


def test_a_second_signal_kills() -> None:
    with launched(STUBBORN, STUBBORN) as running:
        others = pids(running, 2)
        running.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=10) == 137
    for other in others:
        expect_gone(other)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_none_is_left_where_the_launcher_is_killed() -> None:
    with launched(gentle(signal.SIGTERM), gentle(signal.SIGTERM)) as running:
        others = pids(running, 2)
        running.kill()
        for other in others:
            expect_gone(other)


def test_a_reader_that_goes_away_ends_all() -> None:
    code = TELL.format("").replace("time.sleep(60)", "while True: print('x', flush=True); time.sleep(0.01)")
    with launched(code) as running:
        (other,) = pids(running, 1)
        assert running.stdout
        running.stdout.close()
        assert running.wait(timeout=15) == 141
        expect_gone(other)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--processes", "2", "--", "tran"], "'tran' is no command that it starts: one of train, fit stands behind --"),
        (["--processes", "2"], "'' is no command that it starts"),
        (["--processes", "0", "--", "train"], "argument --processes: '0' is no whole number from 1"),
        *(
            (
                ["--processes", "2", "--", "fit", "x.npy", *given],
                f"{given[0].partition('=')[0]} is what it tells each of them itself: leave it out behind fit",
            )
            for given in (
                ["--process-id", "0"],
                ["--coordinator=127.0.0.1:1"],
                ["--num-processes", "2"],
                ["--distributed"],
            )
        ),
    ],
)
def test_what_is_wrong_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(f"manual_vs_auto.launch: error: {said}")
    assert "did you mean" not in err  # of what is behind -- nothing is the launcher's own
    assert err.count("\n") == 1


def test_the_steps_of_two_processes(tmp_path: Path) -> None:
    """Started by it, and ended together by one SIGINT to the launcher."""
    where = ["--coordinator", f"127.0.0.1:{free_port()}", "--num-processes", "2", "--out", str(tmp_path)]
    each = [[sys.executable, "-m", "tests.processes.steps", *where, "--seconds", "0.02", "--process-id", str(number)]
            for number in (0, 1)]  # fmt: skip
    with launched(words=each) as running:
        assert running.stdout
        told = [running.stdout.readline() for _ in range(4)]
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=10)
    assert running.returncode == 130
    told += out.splitlines(keepends=True)
    assert told == [f"[0] step {number}\n" for number in range(len(told))]  # the collectives say nothing there
    assert re.fullmatch(r"(\[[01]\] interrupted after (\d+)\n)\[[01]\] interrupted after \2\n", err)
