"""A whole run, told: facts, epochs, summary, and the directory that keeps it."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import jax

from manual_vs_auto.data import Dataset
from manual_vs_auto.train.agreement import Tally
from manual_vs_auto.train.config import Config, UsageError
from manual_vs_auto.train.display import Display
from manual_vs_auto.train.facts import device_name, run_facts, versions
from manual_vs_auto.train.record import Record, recorded
from manual_vs_auto.train.summary import (
    accuracy_line,
    evaluation_lines,
    first_batch_lines,
    has_diverged,
    smaller_steps,
    tally_lines,
    warning,
)
from manual_vs_auto.train.trainer import DivergedError, Epoch, Reached, Trainer

FAILED, INTERRUPTED = 1, 130
# Of the configuration, what the file of the weights says of them.
_ABOUT = ("gradient", "loss", "optimizer", "learning_rate", "schedule", "seed", "dtype", "batch_size", "epochs")


def run(config: Config, read: Callable[[], Dataset], started: float) -> int:
    """Do what the command line says, and return the exit status: 0, FAILED or INTERRUPTED.

    Args:   config:  from the command line.
            read:    returns the data, or raises DataError.
            started: time.perf_counter() when the process began, in seconds.
    Raises: UsageError and DataError before anything is trained; UsageError where the directory can't be written.
    """
    device = configure(config)
    dataset = read()
    config = config.resolved(len(dataset.train_images))
    with Display(config) as display, recorded(config.out) if config.out else nullcontext() as record:
        run = _Run(config, dataset, device, display, record, started)
        try:
            return run.train()
        except DivergedError as error:
            return run.diverged(error)
        except KeyboardInterrupt:
            return run.interrupted()


def configure(config: Config) -> jax.Device:
    """Point JAX at the device, and give it the dtype and the matrix products that the run needs.

    Raises: UsageError if the device is not there.
    """
    if config.device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    if config.dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    # Some GPUs and TPUs shorten a float32 product to fewer bits unless they are told not to.
    jax.config.update("jax_default_matmul_precision", "highest")
    devices = _devices(None if config.device == "auto" else config.device)
    if not devices:
        here = ", ".join(sorted({device.platform for device in _devices(None)})) or "nothing at all"
        hint = "; the extra `cuda` installs JAX for NVIDIA's" if config.device == "gpu" else ""
        raise UsageError(f"--device {config.device}: JAX sees none here, only {here}{hint}")
    jax.config.update("jax_default_device", devices[0])
    return devices[0]


def _devices(platform: str | None) -> list[jax.Device]:
    try:
        return jax.devices(platform)
    except (RuntimeError, AssertionError):  # the second where JAX_PLATFORMS names what is not there
        return []


class _Run:
    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        device: jax.Device,
        display: Display,
        record: Record | None,
        started: float,
    ) -> None:
        self._config, self._dataset, self._device = config, dataset, device
        self._display, self._record, self._started = display, record, started
        self._trainer = Trainer(config, dataset, device)
        self._reached: Reached | None = None
        self._done = 0
        self._seconds = 0.0
        self._tally = Tally()

    def train(self) -> int:
        """Every epoch, each shown and recorded as it ends, then the summary."""
        for odd in self._dataset.warnings:
            self._display.warn(odd)
        self._display.facts(run_facts(self._config, self._dataset, self._device, self._trainer))
        if self._record:
            self._record.start(self._config, versions(), device_name(self._device))
        self._trainer.compile()
        for epoch in self._trainer.epochs():
            self._take(epoch)
        first_batch = first_batch_lines(
            self._trainer.by_hand, self._trainer.first_batch_size, *self._trainer.first_batch()
        )
        self._summarise([*first_batch, *tally_lines(self._tally)])
        if line := warning(self._config, epoch):
            self._display.warn(line)
        return 0 if self._tally.agreed == self._tally.steps and not has_diverged(epoch) else FAILED

    def diverged(self, error: DivergedError) -> int:
        """Keep the last good parameters, and say what happened."""
        metrics = self._metrics(self._done + 1, error.last, None) | {"diverged_at_step": error.step}
        self._keep(error.last, metrics)
        self._display.unfinished(metrics)
        self._display.warn(
            f"{error}: stopped, and kept the parameters after step {error.last.step:,}; {smaller_steps(self._config)}"
        )
        self._summarise(tally_lines(self._tally))
        return FAILED

    def interrupted(self) -> int:
        """What was reached until then."""
        self._display.warn(f"interrupted after {self._done} of {self._config.epochs} epochs")
        self._summarise(tally_lines(self._tally))
        return INTERRUPTED

    def _summarise(self, agreement: list[str]) -> None:
        if self._reached is None:
            return
        images = self._done * len(self._dataset.train_images)
        rate = f" at {images / self._seconds:,.0f} images/s" if self._seconds else ""
        self._display.lines(
            "",
            *evaluation_lines(self._reached.evaluation, self._dataset.class_names),
            *agreement,
            f"{'time':<12} compiling {self._trainer.compile_seconds:.2f} s, training {self._seconds:.2f} s{rate}, "
            f"in all {time.perf_counter() - self._started:.2f} s",
            *([f"{'kept in':<12} {self._config.out}"] if self._record else []),
        )
        self._display.last(accuracy_line(self._reached.evaluation))

    def _take(self, epoch: Epoch) -> None:
        seconds = self._seconds + epoch.seconds
        if epoch.audits is not None:
            self._tally.add(epoch.audits)
        metrics = self._metrics(epoch.number, epoch, epoch.loss) | {
            "images_per_second": len(self._dataset.train_images) / epoch.seconds,
            "seconds": epoch.seconds,
            "seconds_left": seconds / epoch.number * (self._config.epochs - epoch.number),
        }
        self._keep(epoch, metrics)
        self._done, self._seconds = epoch.number, seconds
        self._display.epoch(metrics)

    def _metrics(self, epoch: int, reached: Reached, loss: float | None) -> dict[str, Any]:
        return {
            "epoch": epoch,
            "epochs": self._config.epochs,
            "step": reached.step,
            "loss": loss,
            "test_loss": reached.evaluation.loss,
            "test_accuracy": reached.evaluation.accuracy,
            "compile_seconds": self._trainer.compile_seconds,
            "seconds_since_start": time.perf_counter() - self._started,
            **self._tally.metrics(),
        }

    def _keep(self, reached: Reached, metrics: dict[str, Any]) -> None:
        """In the directory first: what is told and summed up is then kept, too."""
        if self._record:
            about = {name: str(value) for name, value in asdict(self._config).items() if name in _ABOUT}
            self._record.keep(metrics, reached.weight, about | {"step": str(reached.step)})
        self._reached = reached
