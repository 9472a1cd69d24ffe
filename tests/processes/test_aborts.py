"""Why JAX aborts: what its C++ has written, in one line."""

import subprocess
import sys

import pytest

from manual_vs_auto.runs.processes.aborts import reason

FATAL = (
    "F1130 07:31:15.623402   27230 client.h:80] Terminating process because the JAX distributed service detected fatal "
    "errors. This most likely indicates that another task died; see the other task logs for more details. Disable "
    "Python buffering, i.e. `python -u`, to be sure to see all the previous output. absl::Status: "
)


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("UNAVAILABLE: The following tasks are unhealthy (stopped sending heartbeats):\n1\nThe tasks have crashed.\n",
         "process 1 gave no sign of life in time"),
        ("UNAVAILABLE: The following tasks are unhealthy (stopped sending heartbeats):\n12\n3\nThe tasks have crashed.",
         "processes 3, 12 gave no sign of life in time"),
        ("UNAVAILABLE: The following tasks are unhealthy (stopped sending heartbeats):\n"
         "/job:jax_worker/replica:0/task:3\nThe tasks have crashed.", "process 3 gave no sign of life in time"),
        ("UNAVAILABLE: Failed to send RPC to coordination service. Either the leader task died\n:UNKNOWN:Error",
         "process 0 is gone"),
        ("DEADLINE_EXCEEDED: Deadline Exceeded\n\nRPC: /xla.coordination.CoordinationService/Heartbeat",
         "process 0 is gone"),
        ("ABORTED: it is new\nand more", "JAX's runtime has failed: ABORTED: it is new"),
    ],
)  # fmt: skip
def test_the_reason_in_one_line(status: str, line: str) -> None:
    assert reason(f"E1130 something before\n{FATAL}{status}".encode()) == line


def test_another_abort_is_none_of_ours() -> None:
    assert reason(b"F1130 07:31:15 cuda.cc:80] Check failed: x == y\n") == ""


@pytest.mark.parametrize(
    ("then", "status", "out", "err"),
    [
        ("os.abort()", -6, "", "said\n"),
        ("os.write(2, FATAL); os.abort()", 4, "", "manual_vs_auto: error: process 0 is gone\n"),
        ("known.append(143); os.write(2, FATAL); os.abort()", 143, "", ""),
        # As the process says it itself, and is not through with it; as it would, when the abort has begun to.
        ("aborts.saying(); Thread(target=own).start(); os.write(2, FATAL); os.abort()", 5, "", "own\n"),
        (
            "aborts._write = slowly; Thread(target=fail).start(); time.sleep(0.5); aborts.saying(); own()",
            4,
            "",
            "manual_vs_auto: error: process 0 is gone\n",
        ),
        ("print('told', file=sys.stderr); aborts.pass_on()", 0, "", "told\nsaid\n"),
        ("time.sleep(1); os.kill(os.getpid(), 9)", -9, "", "said\n"),
    ],
)
def test_what_is_told_when_a_process_aborts(then: str, status: int, out: str, err: str) -> None:
    """Another abort stays one, with all that C++ has said."""
    code = f"""
import os, sys, time
from threading import Thread
from manual_vs_auto.runs.processes.aborts import Aborts
FATAL = {(FATAL + "UNAVAILABLE: Failed to send RPC to coordination service").encode()!r}
known = []
aborts = Aborts(lambda: known[0] if known else None)
def own():
    time.sleep(0.5)
    print("own", file=sys.stderr)
    known.append(5)
def slowly(text, write=aborts._write):
    write(text)
    time.sleep(1)
def fail():
    os.write(2, FATAL)
    os.abort()
os.write(2, b"said\\n")
{then}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (status, out, err)
