"""What training keeps in its directory, and how it goes on from there."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from typing import Any

import jax.numpy as jnp
import numpy as np

from manual_vs_auto.data import Dataset
from manual_vs_auto.runs import arrays, keeping, signals
from manual_vs_auto.runs.arrays import Array
from manual_vs_auto.runs.directory import Resumed
from manual_vs_auto.runs.machine import versions
from manual_vs_auto.runs.model import Model, to_bytes
from manual_vs_auto.runs.places import absolute
from manual_vs_auto.runs.record import Record
from manual_vs_auto.train.agreement import Tally
from manual_vs_auto.train.config import Config, as_table
from manual_vs_auto.train.reached import Epoch, Reached
from manual_vs_auto.train.trainer import Trainer

# Of the configuration, what the file of the weights says of them.
_ABOUT = ("gradient", "loss", "optimizer", "learning_rate", "schedule", "seed", "dtype", "batch_size", "epochs")
# What may be another when a run goes on: where the data are, since what they are is compared, when it stops, and what
# is told of it.
_FREE = ("data", "patience", "target_accuracy", "max_time", "tensorboard")


class Keeping(keeping.Keeping):
    """A run's directory, as training uses it."""

    def __init__(self, config: Config, dataset: Dataset, device: str, found: Record | Resumed) -> None:
        machine = {"device": device, "versions": versions()}
        super().__init__(config.out, found, as_table(config), machine, _FREE)
        self._config, self._dataset = config, dataset
        self._best: float | None = None
        # Beside what is compiled: both take their time.
        pool = ThreadPoolExecutor(2)
        self._data = pool.submit(arrays.digest, data_of(dataset))
        self._ready = pool.submit(arrays.ready)

    def begin(self, steps: int) -> list[dict[str, Any]]:
        """Write down how the run begins; or see that it has begun so, and go back to the last whole checkpoint.

        Args:    steps: an epoch has.
        Returns: the metrics until then, a line an epoch.
        Raises:  UsageError if it has begun otherwise, or if the directory can't be written.
        """
        data = self._config.data
        self._start("train", self._data.result(), {"data": absolute(data)} if data else {})
        self._ready.result()
        if not self._resumed:
            return []
        if not (snapshot := self.snapshot):
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

    def _weights(self, weight: Array, step: int) -> bytes:
        """The content of the file."""
        about = {name: value for name, value in asdict(self._config).items() if name in _ABOUT}
        inputs = f"images {'x'.join(map(str, self._dataset.image_shape))}"
        names = self._dataset.class_names
        return to_bytes(
            Model(weight, None, None, None, self._config.loss, "train", names, inputs, about | {"step": step})
        )


def _judged(metrics: dict[str, Any]) -> float:
    """What the best epoch has least of."""
    return float(metrics.get("val_loss", metrics["test_loss"]))


def data_of(dataset: Dataset) -> dict[str, Array]:
    """All that a run learns from, and is judged by."""
    values = {field.name: getattr(dataset, field.name) for field in fields(dataset)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
