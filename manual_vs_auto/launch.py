"""`python -m manual_vs_auto.launch`: several processes of one command on this machine; see `--help`."""

import argparse
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock, Thread
from types import FrameType
from typing import IO

from manual_vs_auto import command
from manual_vs_auto.runs.errors import LostError
from manual_vs_auto.runs.parsing import Parser
from manual_vs_auto.runs.processes import timeouts
from manual_vs_auto.runs.values import whole

COMMANDS = {"train": "manual_vs_auto.train", "fit": "manual_vs_auto.fit"}
_OWN = ("--coordinator", "--num-processes", "--process-id", "--distributed")
_UNREAD = 141  # as a shell counts the reader's going away
_POLL = 0.05  # seconds
_THEMSELVES = 5.0  # seconds in which the others end because one has failed
_ASKED = 10.0  # seconds in which they then end by SIGTERM
_ECHO = 0.2  # seconds within which a second signal is the same one once more
_PARENT_DIES = 1  # PR_SET_PDEATHSIG
_DESCRIPTION = """\
Start one command as several processes on this machine, which do its work together on JAX's distributed runtime.

  %(prog)s --processes 2 -- train --epochs 4 --out run

Each line that they print has its process in front: [0], [1]; process 0 tells the run. Where one fails, all are ended,
and a line says which and why. Ctrl-C, SIGTERM and SIGHUP are passed on to all of them, once: they keep what they have
reached and end together; a second one kills them. On Linux they end, too, where this process is killed.

Nothing is set for them but the flags that say where they find each other. The XLA of each uses as many threads as
there are processors, so on one CPU two processes are for trying things out, not for speed; `taskset` before the
command gives all of them fewer. One process can use all GPUs of a machine."""
_EPILOG = "Exit status: that of the process that failed first, or 128 and its signal; 0 where none has failed."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    parser = Parser(prog=command.program("manual_vs_auto.launch"), description=_DESCRIPTION, epilog=_EPILOG)
    parser.usage = "%(prog)s --processes N [--start-timeout T] [--heartbeat-timeout T] -- COMMAND ..."
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--processes", type=whole(1), required=True, metavar="N", help="how many")
    timeouts(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help=f"{' or '.join(COMMANDS)}, "
        "with its flags")  # fmt: skip
    options = parser.parse_args(arguments)
    name, *flags = options.command[options.command[:1] == ["--"] :] or [""]
    if name not in COMMANDS:
        parser.error(f"{name!r} is no command that it starts: one of {', '.join(COMMANDS)} stands behind --")
    if own := [flag for flag in (word.partition("=")[0] for word in flags) if flag in _OWN]:
        parser.error(f"{own[0]} is what it tells each of them itself: leave it out behind {name}")
    for timeout in ("start_timeout", "heartbeat_timeout"):
        if value := getattr(options, timeout):
            flags += [f"--{timeout.replace('_', '-')}", str(value)]
    where = ["--coordinator", f"127.0.0.1:{free_port()}", "--num-processes", str(options.processes)]
    whole_command = [sys.executable, "-m", COMMANDS[name], *flags, *where]
    return Launched([[*whole_command, "--process-id", str(number)] for number in range(options.processes)]).status()


def free_port() -> int:
    """A port of this machine that nobody listens on, at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Launched:
    """Commands that run at once, each in a process of its own, and end together.

    Args: commands: each a program and its arguments; its place is its number.
    """

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._heard: tuple[int, float] | None = None  # the first signal, and when
        self._lock, self._unread, self._blamed = Lock(), False, False
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name)
            if name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                signal.signal(number, self._hear)
        first = _dying_with(os.getpid())
        started = [
            subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,  # the terminal's Ctrl-C is for this process, which passes it on
                preexec_fn=first,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
            for words in commands
        ]
        self._processes += started
        if self._heard:
            self._send(self._heard[0])
        self._readers = [
            Thread(target=self._pass_on, args=(number, stream, output.buffer), daemon=True)
            for number, process in enumerate(self._processes)
            for stream, output in ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def status(self) -> int:
        """Wait for their end, and return the status to end with."""
        failed: int | None = None
        patience = [(_THEMSELVES, signal.SIGTERM), (_ASKED, signal.SIGKILL)]
        until = 0.0
        while None in (ended := [process.poll() for process in self._processes]):
            if failed is None and (failed := _first_failed(ended)) is not None:
                until = time.monotonic() + patience[0][0]
            if self._unread and failed is None:
                failed, until = -1, time.monotonic()
            if failed is not None and patience and time.monotonic() > until:
                failed = self._blame(failed, ended)
                self._send(patience.pop(0)[1])
                until = time.monotonic() + (patience[0][0] if patience else 0)
            time.sleep(_POLL)
        failed = self._blame(_first_failed(ended) if failed is None else failed, ended)
        for reader in self._readers:
            reader.join(1)
        return 0 if failed is None else _UNREAD if failed < 0 else _as_shell(ended[failed])

    def _blame(self, failed: int | None, ended: Sequence[int | None]) -> int | None:
        """Say once which one has failed, and return it: when the others have ended, too, or have had the time to."""
        if failed is None or failed < 0 or self._blamed:
            return failed
        self._blamed = True
        if ended[failed] == LostError.status:
            failed = _first_failed(ended) or 0
        if self._heard is None:
            self._write(sys.stderr.buffer, f"manual_vs_auto.launch: {_said(failed, ended)}\n".encode())
        return failed

    def _pass_on(self, number: int, stream: IO[bytes], output: IO[bytes]) -> None:
        """Each line as a whole, with the process that has written it in front."""
        for line in stream:
            self._write(output, b"[%d] %s%s" % (number, line, b"" if line.endswith(b"\n") else b"\n"))

    def _write(self, output: IO[bytes], line: bytes) -> None:
        with self._lock:
            try:
                output.write(line)
                output.flush()
            except OSError:
                self._unread = True

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self._heard is None:
            self._heard = number, time.monotonic()
            self._send(number)
        elif time.monotonic() - self._heard[1] > _ECHO:
            self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.send_signal(number)


def _dying_with(parent: int) -> Callable[[], None] | None:
    """What a child does first, so that it gets SIGTERM when its parent ends, however that does; None but on Linux."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def die() -> None:
        prctl(_PARENT_DIES, signal.SIGTERM)
        if os.getppid() != parent:  # it has ended before
            os._exit(1)

    return die


def _first_failed(ended: Sequence[int | None]) -> int | None:
    """The number of a process that has failed, if one has: rather one that has not only lost another."""
    return min(
        (number for number, status in enumerate(ended) if status),
        key=lambda number: ended[number] == LostError.status,
        default=None,
    )


def _said(failed: int, ended: Sequence[int | None]) -> str:
    """How they ended. Where all did so alike, as they do by a signal to one, none of them is the one to blame."""
    status = ended[failed] or 0
    how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
    if len(ended) == 1:
        return f"process {failed} ended {how}"
    return f"all ended {how}" if set(ended) == {status} else f"process {failed} ended {how}: the others are ended, too"


def _as_shell(status: int | None) -> int:
    """A status of Popen's as a shell counts it."""
    return 128 - status if status and status < 0 else status or 0


if __name__ == "__main__":
    command.run(main)
