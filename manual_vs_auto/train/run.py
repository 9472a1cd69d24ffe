"""A whole run, told: facts, epochs, summary, and the directory that keeps it."""

import time
from collections.abc import Callable
from dataclasses import asdict

import jax

from manual_vs_auto.data import Dataset
from manual_vs_auto.train.agreement import Agreement, Tally
from manual_vs_auto.train.config import Config, UsageError
from manual_vs_auto.train.display import Display, evaluation_lines
from manual_vs_auto.train.facts import device_name, run_facts, versions
from manual_vs_auto.train.record import Record
from manual_vs_auto.train.trainer import DivergedError, Epoch, Reached, Trainer

INTERRUPTED = 130


def run(config: Config, read: Callable[[], Dataset], started: float) -> int:
    """Do what the command line says, and return the exit status: 0, 1 or INTERRUPTED.

    Args:   config:  from the command line.
            read:    returns the data, or raises DataError.
            started: time.perf_counter() when the process began, in seconds.
    Raises: UsageError and DataError, before anything is trained.
    """
    device = configure(config)
    dataset = read()
    config = config.resolved(len(dataset.train_images))
    run = _Run(config, dataset, device, started)
    with run.display:
        try:
            run.train()
            status = 0
        except DivergedError as error:
            run.diverged(error)
            status = 1
        except KeyboardInterrupt:
            status = INTERRUPTED
    run.summarise(interrupted=status == INTERRUPTED)
    return status or (1 if run.tally.agreed < run.tally.steps else 0)


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
    try:
        device = jax.devices(None if config.device == "auto" else config.device)[0]
    except RuntimeError as error:
        raise UsageError(f"--device {config.device}: there is none here ({' '.join(str(error).split())})") from None
    jax.config.update("jax_default_device", device)
    return device


class _Run:
    def __init__(self, config: Config, dataset: Dataset, device: jax.Device, started: float) -> None:
        self._config, self._dataset, self._device, self._started = config, dataset, device, started
        self._trainer = Trainer(config, dataset, device)
        self._record = Record(config.out) if config.out else None
        self._reached: Reached | None = None
        self._first_batch: tuple[Agreement, Agreement] | None = None
        self._done = 0
        self._seconds = 0.0
        self.display = Display(config, config.epochs)
        self.tally = Tally()

    def train(self) -> None:
        """Every epoch, each shown and recorded as it ends."""
        facts = run_facts(self._config, self._dataset, self._device, self._trainer)
        self.display.facts(facts)
        if self._record:
            self._record.start(self._config, versions(), device_name(self._device))
        self._trainer.compile()
        for epoch in self._trainer.epochs():
            self._take(epoch)
        self._first_batch = self._trainer.first_batch()

    def diverged(self, error: DivergedError) -> None:
        """Keep the last good parameters, and say what happened."""
        self._reached = error.last
        self._keep(error.last, error.step - 1)
        self.display.warn(
            f"{error}: stopped, and kept the parameters of step {max(error.step - 1, 0):,}; {_smaller(self._config)}"
        )

    def summarise(self, interrupted: bool) -> None:
        """The table of what was reached, whichever way the run ended."""
        show = self.display
        if interrupted:
            show.warn(f"interrupted after {self._done} of {self._config.epochs} epochs")
        if self._reached is None:
            return
        evaluation = self._reached.evaluation
        show.lines("", *evaluation_lines(evaluation))
        if self._first_batch:
            show.lines(f"{'agreement':<12} {_first_batch_line(self._first_batch)}")
        if self.tally.worst is not None:
            show.lines(f"{'':<12} {_tally_line(self.tally, self.tally.worst)}")
        images = self._done * len(self._dataset.train_images)
        rate = f", {images / self._seconds:,.0f} images/s" if self._seconds else ""
        show.lines(
            f"{'time':<12} compiling {self._trainer.compile_seconds:.2f} s, training {self._seconds:.2f} s{rate}; "
            f"{time.perf_counter() - self._started:.2f} s since the start"
        )
        if evaluation.unused:
            show.warn(_collapse_line(self._config, evaluation.unused))
        if self._record:
            show.lines(f"{'kept in':<12} {self._config.out}")
        right = sum(hits for _, _, hits in evaluation.by_class)
        total = sum(count for _, count, _ in evaluation.by_class)
        show.last(f"test accuracy {evaluation.accuracy:.2%}: {right:,} of {total:,}, loss {evaluation.loss:.4f}")

    def _take(self, epoch: Epoch) -> None:
        self._reached = epoch
        self._done = epoch.number
        self._seconds += epoch.seconds
        if epoch.audits is not None:
            self.tally.add(epoch.audits)
        metrics = {
            "epoch": epoch.number,
            "epochs": self._config.epochs,
            "step": epoch.number * self._trainer.steps,
            "loss": epoch.loss,
            "test_loss": epoch.evaluation.loss,
            "test_accuracy": epoch.evaluation.accuracy,
            "images_per_second": len(self._dataset.train_images) / epoch.seconds,
            "seconds": epoch.seconds,
            "seconds_left": self._seconds / epoch.number * (self._config.epochs - epoch.number),
            "compile_seconds": self._trainer.compile_seconds,
            "seconds_since_start": time.perf_counter() - self._started,
            **self.tally.metrics(),
        }
        self.display.epoch(metrics)
        if self._record:
            self._record.epoch(metrics)
        self._keep(epoch, epoch.number * self._trainer.steps)

    def _keep(self, reached: Reached, step: int) -> None:
        if self._record:
            about = {name: str(value) for name, value in asdict(self._config).items() if name in _ABOUT}
            self._record.weights(reached.weight, about | {"step": str(step)})


_ABOUT = ("gradient", "loss", "optimizer", "learning_rate", "schedule", "seed", "dtype", "batch_size", "epochs")


def _first_batch_line(first_batch: tuple[Agreement, Agreement]) -> str:
    parts = [
        f"{moment} |manual - auto| {float(at.difference):.2g}, "
        f"{'within' if at.ratio <= 1 else 'BEYOND'} its bound {float(at.bound):.2g}"
        for moment, at in zip(("before training", "after training"), first_batch, strict=True)
    ]
    return "on the first batch, " + "; ".join(parts)


def _tally_line(tally: Tally, worst: Agreement) -> str:
    return (
        f"manual and auto agreed at {tally.agreed:,} of {tally.steps:,} steps; the worst was step {tally.step:,}, "
        f"class {int(worst.label)}, pixel {int(worst.pixel)}: |manual - auto| {float(worst.difference):.2g}, "
        f"{'within' if worst.ratio <= 1 else 'BEYOND'} the bound {float(worst.bound):.2g} that rounding has there"
    )


def _collapse_line(config: Config, unused: tuple[int, ...]) -> str:
    labels = ", ".join(map(str, unused[:8])) + (", ..." if len(unused) > 8 else "")
    named = f"class {labels} is" if len(unused) == 1 else f"classes {labels} are"
    flat = "squared distance behind softmax is flat where the model is wrong and sure of it; "
    return (
        f"{named} never predicted: {flat if config.loss == 'squared_distance' else ''}{_smaller(config)}"
        f"{', or use --loss cross_entropy' if config.loss == 'squared_distance' else ''}"
    )


def _smaller(config: Config) -> str:
    if not config.learning_rate:
        return "use --optimizer adam"
    return f"lower --learning-rate, {config.learning_rate:g} now"
