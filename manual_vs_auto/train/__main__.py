"""`python -m manual_vs_auto.train`: see `--help`."""

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from manual_vs_auto import command
from manual_vs_auto.runs import signals
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.train.config import parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    started = time.perf_counter()
    config = parse(arguments)
    # Only now: --help answers without jax, and jax is imported while the images are being unpacked.
    from manual_vs_auto.data import DataError, load

    try:
        if config.plot:
            from manual_vs_auto.runs.pictures.style import require

            require()
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(load, config.data, config.npz_keys)
            from manual_vs_auto.train.run import run

            return run(config, reading.result, started)
    except (UsageError, DataError) as error:
        print(f"manual_vs_auto.train: error: {error}", file=sys.stderr)
        return error.status if isinstance(error, UsageError) else 2
    except MemoryError:
        print("manual_vs_auto.train: error: there is no memory left", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return signals.status()
    except BrokenPipeError:
        return 141  # as a shell counts the reader's going away
    except OSError as error:
        with contextlib.suppress(OSError):
            print(
                f"manual_vs_auto.train: error: {error.filename or 'standard output'}: {error.strerror}", file=sys.stderr
            )
        return 2


if __name__ == "__main__":
    signals.listen()
    # Every file is closed. An interrupted epoch may still run in XLA, whose end nobody should wait for; and taking
    # XLA down in good order costs as long as three epochs.
    command.run(main, leave=os._exit)
