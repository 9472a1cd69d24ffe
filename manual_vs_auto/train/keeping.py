"""What training keeps in its directory, and how it goes on from there."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto.data import Dataset
from manual_vs_auto.runs import arrays, origin, signals
from manual_vs_auto.runs.arrays import Array
from manual_vs_auto.runs.checkpoints import Snapshot
from manual_vs_auto.runs.directory import Resumed, recorded, resumed
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.machine import device_name, versions
from manual_vs_auto.runs.model import Model, to_bytes
from manual_vs_auto.runs.record import Record
from manual_vs_auto.runs.resume import expect_as_begun
from manual_vs_auto.train.agreement import Tally
from manual_vs_auto.train.config import Config, as_table
from manual_vs_auto.train.reached import Epoch, Reached
from manual_vs_auto.train.trainer import Trainer

# Of the configuration, what the file of the weights says of them.
_ABOUT = ("gradient", "loss", "optimizer", "learning_rate", "schedule", "seed", "dtype", "batch_size", "epochs")
# What may be another when a run goes on: where the data are, since what they are is compared, when it stops, and what
# is told of it.
_FREE = ("data", "patience", "target_accuracy", "max_time", "tensorboard")


class Keeping:
    """A run's directory, as training uses it.

    said: what a person has to know of how the run goes on, a line each.
    """

    def __init__(self, config: Config, dataset: Dataset, device: jax.Device, found: Record | Resumed) -> None:
        self._config, self._dataset, self._device = config, dataset, device
        self._resumed = found if isinstance(found, Resumed) else None
        self._record = found.record if isinstance(found, Resumed) else found
        self._best: float | None = None
        self.said = [*self._resumed.said, *self._others()] if self._resumed else []
        # Beside what is compiled: both take their time.
        pool = ThreadPoolExecutor(2)
        self._data = pool.submit(arrays.digest, _arrays(dataset))
        self._ready = pool.submit(arrays.ready)

    @property
    def snapshot(self) -> Snapshot | None:
        """What the run goes on from; None from its beginning."""
        return self._resumed.snapshot if self._resumed else None

    def begin(self, steps: int) -> list[dict[str, Any]]:
        """Write down how the run begins; or see that it has begun so, and go back to the last whole checkpoint.

        Args:    steps: an epoch has.
        Returns: the metrics until then, a line an epoch.
        Raises:  UsageError if it has begun otherwise, or if the directory can't be written.
        """
        about = {"command": "train", "device": device_name(self._device), "data_sha256": self._data.result()}
        self._ready.result()
        if not self._resumed:
            self._record.start(as_table(self._config), about | {"versions": versions()})
            return []
        begun = _run(self._resumed)
        if begun["data_sha256"] != about["data_sha256"]:
            raise UsageError(f"--resume {self._config.out}: the data are not those that the run began with")
        snapshot = self._resumed.snapshot
        if not snapshot:
            self._record.restore(self._resumed.config, b"", None)
            return []
        weight = snapshot.arrays["params.weight"].astype(jnp.dtype(self._config.dtype))
        weights = self._weights(weight, snapshot.number * steps)
        self._record.restore(self._resumed.config, snapshot.metrics, weights)
        lines = self._record.lines()
        self._best = min(map(_judged, lines))
        self._record.go_on(snapshot.number, 1 + [*map(_judged, lines)].index(self._best))
        return lines

    def keep(self, reached: Reached, metrics: dict[str, Any]) -> None:
        """A line of metrics with the weights: both, or neither."""
        with signals.held():
            self._record.keep(metrics, self._weights(reached.weight, reached.step))

    def keep_epoch(self, epoch: Epoch, metrics: dict[str, Any], trainer: Trainer, tally: Tally) -> None:
        """An epoch that is done, with all that the next one needs."""
        judged = _judged(metrics)
        best = self._best is None or judged < self._best
        with signals.held():
            self._record.keep(metrics, self._weights(epoch.weight, epoch.step))
            self._best = judged if best else self._best
            self._record.snapshot(epoch.number, trainer.state(), {"tally": tally.kept()}, best)

    def flush(self) -> None:
        """The last epoch and the best one have their checkpoints."""
        with signals.held():
            self._record.flush()

    def _others(self) -> list[str]:
        """What is not as it was when the run began. Raises: UsageError where it can't go on so."""
        assert self._resumed
        machine = {"device": device_name(self._device), "versions": versions()}
        where = f"--resume {self._config.out}"
        return expect_as_begun(where, self._resumed.config, as_table(self._config), machine, _FREE)

    def _weights(self, weight: Array, step: int) -> bytes:
        """The content of the file."""
        about = {name: value for name, value in asdict(self._config).items() if name in _ABOUT}
        inputs = f"images {'x'.join(map(str, self._dataset.image_shape))}"
        names = self._dataset.class_names
        return to_bytes(
            Model(weight, None, None, None, self._config.loss, "train", names, inputs, about | {"step": step})
        )


@contextmanager
def opened(config: Config, dataset: Dataset, device: jax.Device) -> Iterator[Keeping | None]:
    """The directory that a resolved config names, new or to go on in; None where it names none. Raises: UsageError."""
    if config.out is None:
        yield None
    elif config.resume:
        with resumed(config.out, config.keep_checkpoints, config.tensorboard) as found:
            yield Keeping(config, dataset, device, found)
    else:
        with recorded(config.out, config.keep_checkpoints, config.tensorboard) as record:
            yield Keeping(config, dataset, device, record)


def _run(resumed: Resumed) -> dict[str, Any]:
    return dict((origin.table(resumed.config) or {})["run"])


def _judged(metrics: dict[str, Any]) -> float:
    """What the best epoch has least of."""
    return float(metrics.get("val_loss", metrics["test_loss"]))


def _arrays(dataset: Dataset) -> dict[str, Array]:
    """All that a run learns from, and is judged by."""
    values = {field.name: getattr(dataset, field.name) for field in fields(dataset)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
