"""--profile: every second of the process is in a stage, once."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manual_vs_auto.train import stages as module
from manual_vs_auto.train.stages import Stages
from tests.train.conftest import Command


def test_stages_by_a_clock_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.0, 13.0, 16.5, 20.0, 21.0, 22.0])
    monkeypatch.setattr(module, "_before", lambda _: 0.5)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    stages = Stages()  # 10
    stages.was("imports")  # 12: 2 s
    stages.next()  # 13: a second of the rest
    stages.was("evaluating", but=1.5)  # 16.5: 3.5 s less these
    stages.add("training", 1.5)
    assert stages.beside("images", lambda x: x + 1)(2) == 3  # 20, 21
    assert stages.lines() == [  # 22
        "profile      12.50 s from the start of the process",
        "  Python       0.50 s    4%", "  imports      2.00 s   16%", "  evaluating   2.00 s   16%",
        "  training     1.50 s   12%", "  the rest     6.50 s   52%", "  images       1.00 s  beside these",
    ]  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not say when a process began")
def test_what_was_before_the_command() -> None:
    code = """
import time; time.sleep(0.3)
from manual_vs_auto.train.stages import Stages
print(Stages().lines()[1])
"""
    start = time.perf_counter()
    line = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    whole = time.perf_counter() - start
    seconds = float(line.split()[1])
    assert line.startswith("  Python ")
    assert 0.28 < seconds <= whole + 0.02


def test_the_command(command: Command, tiny_file: Path) -> None:
    done = command("--data", tiny_file, "--epochs", 40, "--profile")
    assert (done.returncode, done.stderr) == (0, "")
    found = re.findall(r"^  ([\w ]+?) +(\d+\.\d\d) s +(?:\d+%|beside these)$", done.stdout, re.MULTILINE)
    names = [name for name, _ in found]
    assert [name for name in names if name != "Python"] == [
        "imports", "transfer", "compiling", "training", "evaluating", "comparing", "the rest", "images",
    ]  # fmt: skip
    whole = re.search(r"^profile +(\d+\.\d\d) s from the start of the process$", done.stdout, re.MULTILINE)
    assert whole is not None
    assert abs(sum(float(seconds) for _, seconds in found[:-1]) - float(whole[1])) < 0.05
    assert "profile" not in command("--data", tiny_file, "--epochs", 1).stdout


@pytest.mark.parametrize("flag", ["--json", "--quiet", "--dry-run", "--find-learning-rate"])
def test_what_it_cannot_go_with(command: Command, flag: str) -> None:
    done = command("--profile", flag)
    assert done.returncode == 2
    assert (
        "--profile ends a run with a table: leave --json, --quiet, --dry-run, --find-learning-rate out" in done.stderr
    )
