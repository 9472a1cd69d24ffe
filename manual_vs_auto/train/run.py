"""A whole run, told: facts, epochs, summary, and the directory that keeps it."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jax
from jax.sharding import Mesh

from manual_vs_auto.data import Dataset
from manual_vs_auto.runs import arrays, signals, together
from manual_vs_auto.runs.display import Display, in_all
from manual_vs_auto.runs.errors import NoRoomError
from manual_vs_auto.runs.keeping import expect_data, opened
from manual_vs_auto.runs.mesh import mesh_of, prepare, spread_name
from manual_vs_auto.runs.processes import agreement
from manual_vs_auto.runs.values import AXES
from manual_vs_auto.train import dry_run, learning_rates
from manual_vs_auto.train.agreement import Tally, epoch_metrics
from manual_vs_auto.train.config import Config, as_table
from manual_vs_auto.train.configured import configure, held_out
from manual_vs_auto.train.display import words
from manual_vs_auto.train.facts import run_facts
from manual_vs_auto.train.following import expect_same, follow, share
from manual_vs_auto.train.keeping import Keeping, data_of
from manual_vs_auto.train.leave import leave
from manual_vs_auto.train.reached import DivergedError, Epoch, Reached
from manual_vs_auto.train.stages import Stages
from manual_vs_auto.train.stopping import reason
from manual_vs_auto.train.summary import (
    accuracy_line,
    evaluation_lines,
    first_batch_lines,
    has_diverged,
    smaller_steps,
    tally_lines,
    warning,
)
from manual_vs_auto.train.trainer import Trainer

FAILED = 1


def run(config: Config, read: Callable[[], Dataset], stages: Stages) -> int:
    """`_run`, by every process."""
    prepare(config.mesh, AXES[: 1 + (config.gradient == "fused")], "--gradient fused has it")
    return together.of_all(_run(config, read, stages))


def _run(config: Config, read: Callable[[], Dataset], stages: Stages) -> int:
    """Do what the command line says, and return the exit status: 0, FAILED, or by a signal 130 or 143.

    Args:   config:  from the command line.
            read:    returns the data, or raises DataError.
            stages:  where the seconds of the process went until now.
    Raises: UsageError and DataError before anything is trained; UsageError where the directory can't be written;
            NoRoomError where there is too little memory.
    """
    mesh = mesh_of(config.mesh, device := configure(config))
    dataset = held_out(config, read())
    config = config.resolved(len(dataset.train_labels))
    expect_same(as_table(config), dataset)
    expect_data(config.expected, lambda: arrays.digest(data_of(dataset)))
    if not together.first():
        return follow(config, dataset, device, mesh)
    if config.dry_run:
        return dry_run.show(config, dataset, device, mesh)
    if config.find_learning_rate:
        return learning_rates.show(config, dataset, device)
    display = Display(words(config.epochs), json=config.json, quiet=config.quiet)
    with display, opened(config.out, config.resume, config.keep_checkpoints, config.tensorboard) as found:
        keeping = Keeping(config, dataset, spread_name(device, mesh), found) if found else None
        run = _Run(config, dataset, device, mesh, display, keeping, stages)
        try:
            return run.train()
        except DivergedError as error:
            return run.diverged(error)
        except KeyboardInterrupt:
            return run.interrupted()
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            raise NoRoomError(f"no memory is left: use a smaller one than --batch-size {config.batch_size:,}") from None


class _Run:
    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        device: jax.Device,
        mesh: Mesh | None,
        display: Display,
        keeping: Keeping | None,
        stages: Stages,
    ) -> None:
        self._config, self._dataset, self._device = config, dataset, device
        self._display, self._keeping, self._stages = display, keeping, stages
        self._trainer = Trainer(config, dataset, device, mesh, keep=config.cache)
        self._reached: Reached | None = None
        self._done = 0
        self._seconds = 0.0
        self._tally = Tally()
        self._history: list[dict[str, Any]] = []
        self._stopped = ""
        self._mark = 0.0

    def train(self) -> int:
        """Every epoch, each shown and recorded as it ends, then the summary."""
        for odd in self._dataset.warnings:
            self._display.warn(odd)
        if self._keeping:
            for said in self._keeping.said:
                self._display.warn(said)
        self._display.facts(run_facts(self._config, self._dataset, self._device, self._trainer))
        self._stages.next()
        self._trainer.compile()
        self._stages.was("transfer", but=self._trainer.compile_seconds)
        self._stages.add("compiling", self._trainer.compile_seconds)
        if self._keeping:
            self._begin(self._keeping)
        share(self._keeping.snapshot if self._keeping else None, bool(self._reached and self._stopped))
        self._mark = time.perf_counter()
        self._stages.next()
        if self._reached and self._stopped:
            leave(self._config, self._dataset, self._reached.weight)  # which may not have come to it
            self._display.last(f"{self._config.out} is finished: {self._stopped}")
            return 0
        for epoch in self._trainer.epochs():
            self._stages.add("training", epoch.seconds)
            self._stages.was("evaluating", but=epoch.seconds)
            self._take(epoch)
            if agreement.agreed(bool(self._stopped)):
                break
            self._stages.next()
        if self._keeping:
            self._keeping.flush()
        self._stages.next()
        first_batch = first_batch_lines(
            self._trainer.by_hand, self._trainer.first_batch_size, *self._trainer.first_batch()
        )
        self._stages.was("comparing")
        if self._keeping:
            leave(self._config, self._dataset, epoch.weight)
        self._summarise([*first_batch, *tally_lines(self._tally)])
        if line := warning(self._config, epoch):
            self._display.warn(line)
        return 0 if self._tally.agreed == self._tally.steps and not has_diverged(self._config, epoch) else FAILED

    def _begin(self, keeping: Keeping) -> None:
        """Start in the directory, or go on from what is there."""
        lines = keeping.begin(self._trainer.steps)
        if keeping.snapshot:
            self._trainer.restore(keeping.snapshot.arrays, keeping.snapshot.number)
            self._tally = Tally.of(keeping.snapshot.about["tally"])
            self._history, self._done = lines, len(lines)
            self._seconds = sum(line["seconds"] for line in lines)
            epochs = self._config.epochs
            all_done = f"all its {epochs:,} epochs are done" if self._done == epochs else ""
            self._stopped = all_done or reason(self._config, lines, 0.0, 0.0)
            self._reached = self._trainer.reached()

    def diverged(self, error: DivergedError) -> int:
        """Keep the last good parameters, and say what happened."""
        metrics = self._metrics(self._done + 1, error.last, None) | {"diverged_at_step": error.step}
        if self._keeping:
            self._keeping.keep(error.last, metrics)
            self._keeping.flush()
        self._reached = error.last
        self._display.unfinished(metrics)
        self._display.warn(
            f"{error}: stopped, and kept the parameters after step {error.last.step:,}; {smaller_steps(self._config)}"
        )
        self._summarise(tally_lines(self._tally))
        return FAILED

    def interrupted(self) -> int:
        """What was reached until then."""
        if self._keeping:
            self._keeping.flush()
        with suppress(OSError):  # the terminal may be gone, and the run is kept
            self._display.warn(f"{signals.said()} after {self._done} of {self._config.epochs} epochs")
            self._summarise(tally_lines(self._tally))
        return signals.status()

    def _summarise(self, agreement: list[str]) -> None:
        if self._reached is None:
            return
        images = self._done * len(self._dataset.train_labels)
        rate = f" at {images / self._seconds:,.0f} images/s" if self._seconds else ""
        self._display.lines(
            "",
            *evaluation_lines(self._reached.evaluation, self._dataset.class_names),
            *agreement,
            *([f"{'moved':<12} {moved}"] if (moved := self._trainer.moved()) else []),
            *([f"{'stopped':<12} after epoch {self._done:,}: {self._stopped}"] if self._stopped else []),
            f"{'time':<12} compiling {self._trainer.compile_seconds:.2f} s, training {self._seconds:.2f} s{rate}, "
            f"{in_all(self._stages.started, self._config.resume)}",
            *(self._stages.lines() if self._config.profile else []),
            *([f"{'kept in':<12} {self._config.out}"] if self._keeping else []),
        )
        self._display.last(accuracy_line(self._reached.evaluation))

    def _take(self, epoch: Epoch) -> None:
        seconds = self._seconds + epoch.seconds
        if epoch.audits is not None:
            self._tally.add(epoch.audits)
        metrics = self._metrics(epoch.number, epoch, epoch.loss) | {
            "images_per_second": len(self._dataset.train_labels) / epoch.seconds,
            "seconds": epoch.seconds,
            "seconds_left": seconds / epoch.number * (self._config.epochs - epoch.number),
            **epoch_metrics(epoch.audits),
        }
        now = time.perf_counter()
        if epoch.number < self._config.epochs:
            self._stopped = reason(
                self._config, [*self._history, metrics], now - self._stages.started, now - self._mark
            )
        self._mark = now
        if self._stopped:
            metrics["stopped"] = self._stopped
        self._history.append(metrics)
        if self._keeping:  # first: what is told and summed up is then kept, too
            self._keeping.keep_epoch(epoch, metrics, self._trainer, self._tally)
        self._reached = epoch
        self._done, self._seconds = epoch.number, seconds
        self._display.done(metrics)

    def _metrics(self, epoch: int, reached: Reached, loss: float | None) -> dict[str, Any]:
        return {
            "epoch": epoch,
            "epochs": self._config.epochs,
            "step": reached.step,
            "loss": loss,
            "test_loss": reached.evaluation.loss,
            "test_accuracy": reached.evaluation.accuracy,
            **({"val_loss": val.loss, "val_accuracy": val.accuracy} if (val := reached.validation) else {}),
            "compile_seconds": self._trainer.compile_seconds,
            "seconds_since_start": time.perf_counter() - self._stages.started,
            **self._tally.metrics(),
        }
