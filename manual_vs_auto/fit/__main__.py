"""`python -m manual_vs_auto.fit`: see `--help`."""

import os
import time
from collections.abc import Sequence

from manual_vs_auto import command
from manual_vs_auto.fit.options import Options, parse
from manual_vs_auto.runs import processes, signals


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    started = time.perf_counter()
    options = parse(arguments)
    return processes.through(options.processes, "manual_vs_auto.fit", lambda: _fit(options, started))


def _fit(options: Options, started: float) -> int:
    from manual_vs_auto.fit.run import run  # only now: --help answers without jax

    return run(options, started)


if __name__ == "__main__":
    signals.listen()
    command.run(main, leave=os._exit)  # an interrupted fit may still run in XLA, whose end nobody should wait for
