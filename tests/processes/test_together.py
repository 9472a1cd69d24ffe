"""Two real processes: they end together by a signal, and where one is killed, fails or does something else."""

import json
import signal
import time

import pytest

from manual_vs_auto.launch import free_port
from tests.processes import conftest
from tests.processes.conftest import HEARTBEAT, Several, Start

SIGNALLED = {signal.SIGTERM: (143, "terminated"), signal.SIGINT: (130, "interrupted")}
EACH = 2 * (1 + 2)  # what a step adds: two elements of 1 and two of 2


def kept(several: Several) -> int:
    """The step that is kept, which must be a whole one's."""
    found = json.loads((several.out / "kept.json").read_text())
    assert found["sum"] == EACH * found["step"]
    return int(found["step"])


def end_by_a_signal(start: Start, number: signal.Signals, process: int) -> None:
    several = start(2, "--seconds", 0.02)
    several.reach(3)
    several.send(process, number)
    ends = several.ends(10)
    status, said = SIGNALLED[number]
    assert ends == [(status, f"{said} after {kept(several)}\n")] * 2


def end_by_a_kill(start: Start, process: int, *flags: object, resumed: bool = True) -> None:
    """And what is kept goes on to what it would have been."""
    several = start(2, "--seconds", 0.02, "--heartbeat-timeout", HEARTBEAT, *flags)
    several.reach(3)
    several.send(process, signal.SIGKILL)
    ends = several.ends(HEARTBEAT + 5)
    assert ends[process] == (-signal.SIGKILL, "")
    status, said = ends[1 - process]
    assert status == 4
    assert said.splitlines()[-1].endswith(f": error: process {process} is gone"), said
    assert len(said.splitlines()) == 1, said
    if not resumed:
        return
    again = start(2, "--steps", kept(several) + 5)
    assert again.ends(60) == [(0, "")] * 2
    assert kept(again) == kept(several)


@pytest.mark.newest
@pytest.mark.parametrize(("number", "process"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)])
def test_a_signal_to_one_ends_all_with_its_status(start: Start, number: signal.Signals, process: int) -> None:
    end_by_a_signal(start, number, process)


@pytest.mark.newest
@pytest.mark.parametrize("process", [0, 1])
def test_where_one_is_killed_the_other_says_so_and_ends(start: Start, process: int) -> None:
    end_by_a_kill(start, process, resumed=process == 0)


@pytest.mark.whole
@pytest.mark.parametrize("process", [0, 1])
@pytest.mark.parametrize("number", SIGNALLED)
@pytest.mark.parametrize("_time", range(10))
def test_a_signal_ten_times(start: Start, number: signal.Signals, process: int, _time: int) -> None:
    end_by_a_signal(start, number, process)


@pytest.mark.whole
@pytest.mark.parametrize("process", [0, 1])
@pytest.mark.parametrize("_time", range(10))
def test_a_kill_ten_times(start: Start, process: int, _time: int) -> None:
    end_by_a_kill(start, process)


@pytest.mark.whole
@pytest.mark.parametrize("process", [0, 1])
def test_a_collective_that_nobody_awaits_is_explained_too(start: Start, process: int) -> None:
    end_by_a_kill(start, process, "--unwaited", "--seconds", 0, resumed=False)


@pytest.mark.whole
@pytest.mark.parametrize("process", [0, 1])
def test_one_that_stands_still_is_left_behind(start: Start, process: int) -> None:
    """And ends when it goes on, for the others have."""
    several = start(2, "--seconds", 0.02, "--heartbeat-timeout", HEARTBEAT)
    several.reach(3)
    several.send(process, signal.SIGSTOP)
    other = several.processes[1 - process]
    _, said = other.communicate(timeout=HEARTBEAT + 5)
    assert other.returncode == 4
    assert said in ("manual_vs_auto: error: process 0 is gone\n",
                    "manual_vs_auto: error: process 1 gave no sign of life in time\n")  # fmt: skip
    several.send(process, signal.SIGCONT)
    assert several.processes[process].wait(timeout=HEARTBEAT + 5) == 4


def test_a_signal_in_a_long_step_does_not_wait_for_it(start: Start) -> None:
    several = start(2, "--seconds", 60, each=[["--seconds", 60], ["--seconds", 60]])
    several.reach(0)
    several.send(1, signal.SIGTERM)
    assert several.ends(10) == [(143, "terminated after 0, alone\n")] * 2


def test_what_process_0_decides_stops_all(start: Start) -> None:
    several = start(2, "--stop-at", 4)
    assert several.ends(60) == [(0, "")] * 2
    assert kept(several) == 4


@pytest.mark.whole
def test_process_0_may_be_ahead_in_what_it_decides(start: Start) -> None:
    """The store forgets what all have read, and nothing else."""
    assert start(2, "--steps", 1, "--idle", 2500).ends(60) == [(0, "")] * 2


def test_other_facts_are_refused_by_name_in_all(start: Start) -> None:
    several = start(2, each=[["--fact", "one"], ["--fact", "two"]])
    line = "steps: error: the processes differ: fact is one in process 0, two in process 1\n"
    assert several.ends(60) == [(2, line)] * 2
    assert not (several.out / "kept.json").exists()


def test_what_one_is_refused_ends_all(start: Start) -> None:
    several = start(2, "--fail-at", 3)
    first, second = several.ends(60)
    assert second == (2, "steps: error: it fails\n")
    assert first == (2, "steps: error: process 1 has ended with 2, and says why\n")
    assert kept(several) in (2, 3)


@pytest.mark.whole
def test_an_error_in_one_ends_all(start: Start) -> None:
    first, (status, said) = start(2, "--raise-at", 3).ends(60)
    assert (status, said.splitlines()[-1]) == (1, "ZeroDivisionError: it raises")
    assert first == (1, "steps: error: process 1 has ended with 1, and says why\n")


def test_slurm_is_found(start: Start) -> None:
    several = start(2, "--steps", 3, slurm=free_port())
    assert several.ends(60) == [(0, "")] * 2
    assert kept(several) == 3


def test_nothing_is_found(start: Start) -> None:
    line = "JAX finds no SLURM, Open MPI, Kubernetes or Cloud TPU that has started this"
    how = "use --coordinator, --num-processes and --process-id"
    assert start(1, slurm=0).ends(60) == [(2, f"steps: error: --distributed: {line}: {how}\n")]


def test_what_slurm_says_may_not_be_there(start: Start) -> None:
    """JAX would abort."""
    several = start(2, "--start-timeout", 2, slurm=free_port())
    several.processes[0].kill()
    began = time.monotonic()
    _, other = several.ends(30)
    assert other == (2, "steps: error: --distributed: JAX's runtime has not started within 2 s\n")
    assert time.monotonic() - began < 20


@pytest.mark.whole
def test_a_proxy_is_not_asked(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC would, for this machine, too."""
    monkeypatch.setitem(conftest.ENVIRONMENT, "http_proxy", "http://127.0.0.1:9")
    assert start(2, "--steps", 1).ends(60) == [(0, "")] * 2
