"""`python -m manual_vs_auto.fit`: see `--help`."""

import contextlib
import os
import sys
import time
from collections.abc import Sequence

from manual_vs_auto import command
from manual_vs_auto.fit.options import parse
from manual_vs_auto.runs import signals
from manual_vs_auto.runs.errors import UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    started = time.perf_counter()
    options = parse(arguments)
    from manual_vs_auto.data import DataError

    try:
        from manual_vs_auto.fit.run import run  # only now: --help answers without jax

        return run(options, started)
    except (UsageError, DataError) as error:
        print(f"manual_vs_auto.fit: error: {error}", file=sys.stderr)
        return error.status if isinstance(error, UsageError) else 2
    except MemoryError:
        print("manual_vs_auto.fit: error: there is no memory left", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return signals.status()
    except BrokenPipeError:
        return 141  # as a shell counts the reader's going away
    except OSError as error:
        with contextlib.suppress(OSError):
            print(
                f"manual_vs_auto.fit: error: {error.filename or 'standard output'}: {error.strerror}", file=sys.stderr
            )
        return 2


if __name__ == "__main__":
    signals.listen()
    command.run(main, leave=os._exit)  # an interrupted fit may still run in XLA, whose end nobody should wait for
