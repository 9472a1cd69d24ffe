"""What the processes of a training do that is spread over several: one writes and talks, the others follow it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import jax
from jax.sharding import Mesh

from manual_vs_auto.data import Dataset
from manual_vs_auto.runs import together
from manual_vs_auto.runs.arrays import glance
from manual_vs_auto.runs.checkpoints import Snapshot
from manual_vs_auto.runs.machine import versions
from manual_vs_auto.runs.processes import agreement
from manual_vs_auto.train.config import Config
from manual_vs_auto.train.keeping import data_of
from manual_vs_auto.train.reached import DivergedError
from manual_vs_auto.train.trainer import Trainer


def expect_same(settings: Mapping[str, Any], dataset: Dataset) -> None:
    """Raises: UsageError in every process where one has been asked for something else, or has other data."""
    if not together.alone():
        agreement.expect_same(
            {name: str(value) for name, value in settings.items()} | versions() | {"data": glance(data_of(dataset))}
        )


def share(snapshot: Snapshot | None, finished: bool) -> None:
    """Tell the others what the run goes on from, and whether nothing is left to do."""
    agreement.meet()  # whatever this one had to do before
    together.shared(snapshot.arrays if snapshot else {}, [snapshot.number if snapshot else 0, finished])


def follow(config: Config, dataset: Dataset, device: jax.Device, mesh: Mesh | None) -> int:
    """Take every step with the first process, until all are taken, it stops, or any process has heard a signal."""
    trainer = Trainer(config, dataset, device, mesh)
    trainer.compile()
    if config.dry_run:
        return 0
    agreement.meet()
    arrays, (number, finished) = together.shared({}, None)
    if number:
        trainer.restore(arrays, number)
    with suppress(KeyboardInterrupt, DivergedError):
        for _ in trainer.epochs() if not finished else ():
            if agreement.agreed():
                break
    return 0
