"""`python -m manual_vs_auto.train`: see `--help`."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from manual_vs_auto import command
from manual_vs_auto.runs import processes, signals
from manual_vs_auto.train.config import Config, parse
from manual_vs_auto.train.stages import Stages


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    stages = Stages()
    config = parse(arguments)
    return processes.through(config.processes, "manual_vs_auto.train", lambda: _train(config, stages))


def _train(config: Config, stages: Stages) -> int:
    # Only now: --help answers without jax, and jax is imported while the images are being unpacked.
    from manual_vs_auto.runs import programs

    alone = not (config.mesh or config.processes)  # XLA says what ends one of several
    config = replace(config, cache=config.cache and alone and programs.quiet())
    from manual_vs_auto.data import load

    if config.plot:
        from manual_vs_auto.runs.pictures.style import require

        require()
    if config.tensorboard:
        from manual_vs_auto.runs import events

        events.require()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(stages.beside("images", load), config.data, config.npz_keys)
        from manual_vs_auto.train.run import run

        stages.was("imports")
        return run(config, reading.result, stages)


if __name__ == "__main__":
    signals.listen()
    # Every file is closed. An interrupted epoch may still run in XLA, whose end nobody should wait for; and taking
    # XLA down in good order costs as long as three epochs.
    command.run(main, leave=os._exit)
