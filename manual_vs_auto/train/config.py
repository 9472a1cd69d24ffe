"""What a run is asked to do, with the defaults that depend on the rest and on the data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.processes import Asked, taken
from manual_vs_auto.runs.resume import parsed
from manual_vs_auto.train.flags import BATCH_SIZE, EPOCHS, FULL_BATCH_EPOCHS, LEARNING_RATES, parser_of_flags

# What a run is not made of: where it goes, and what is said of it.
_ASIDE = (
    "mesh",
    "processes",
    "out",
    "resume",
    "expected",
    "keep_checkpoints",
    "json",
    "quiet",
    "cache",
    "profile",
    "plot",
    "dry_run",
    "find_learning_rate",
)


@dataclass(frozen=True)
class Config:
    """One run. 0 and "" are defaults that `resolved` fills in from the rest and the data.

    gradient:      manual, auto, fused, or both, which computes manual and auto at every step and trains on manual.
    loss:          squared_distance or cross_entropy, the mean over a batch.
    epochs:        passes over the training images.
    batch_size:    images a step.
    optimizer:     a key of LEARNING_RATES.
    learning_rate: the schedule's peak; stays 0 for an optimizer that searches along its step.
    schedule:      how the learning rate goes over the whole run.
    seed:          of the order of the images.
    device:        auto takes what JAX prefers.
    processes:     which of several this is.
    mesh:          the devices that each batch is cut over, "data=2"; "" for one.
    dtype:         of the weights that the gradient sees, and of the gradient. The optimizer keeps its own
                   copy in at least float32.
    data:          a path that `data.load` takes, or None for the embedded MNIST.
    npz_keys:      of the four arrays in an .npz archive, where `data.load` doesn't know them.
    val:           the share of the training images that is kept out of the training, to stop by.
    patience:      epochs without a better loss, after which it stops.
    target_accuracy: a share 0..1, at which it stops.
    max_time:      seconds of this process, after which no epoch should end.
    dry_run:       say what would be done, and don't.
    find_learning_rate: try learning rates, suggest one, and train nothing.
    json:          print one line of JSON an epoch and nothing else.
    out:           a directory to leave the run in.
    resume:        go on with the run that is there.
    expected:      the data that a run's own file asks for, as `runs.keeping.expect_data` takes them.
    keep_checkpoints: how many of the last ones stay there, beside the best.
    quiet:         print the last line only.
    cache:         keep compiled programs for the next process.
    profile:       say at the end where the seconds went.
    plot:          leave pictures in `out`, too.
    tensorboard:   leave the metrics there as TensorBoard's event files, too.
    """

    gradient: str = "manual"
    loss: str = "squared_distance"
    epochs: int = 0
    batch_size: int = 0
    optimizer: str = "adam"
    learning_rate: float = 0.0
    schedule: str = ""
    seed: int = 0
    device: str = "auto"
    mesh: str = ""
    processes: Asked | None = None
    dtype: str = "float32"
    data: str | None = None
    npz_keys: tuple[str, ...] = ()
    val: float = 0.0
    patience: int = 0
    target_accuracy: float = 0.0
    max_time: float = 0.0
    dry_run: bool = False
    find_learning_rate: bool = False
    json: bool = False
    out: Path | None = None
    resume: bool = False
    expected: tuple[str, str] | None = None
    keep_checkpoints: int = 3
    quiet: bool = False
    cache: bool = True
    profile: bool = False
    plot: bool = False
    tensorboard: bool = False

    @property
    def full_batch(self) -> bool:
        """Whether the optimizer needs every image at every step."""
        return self.optimizer == "lbfgs"

    def resolved(self, examples: int) -> "Config":
        """With every default filled in, for a training set of so many images. Raises UsageError."""
        batch_size = self.batch_size or (examples if self.full_batch else min(BATCH_SIZE, examples))
        if batch_size > examples:
            raise UsageError(f"--batch-size {batch_size:,} is more than the {examples:,} training images")
        if self.full_batch and batch_size != examples:
            raise UsageError(
                f"--optimizer lbfgs needs the full batch: --batch-size {examples}, or none, not {batch_size}"
            )
        return replace(
            self,
            epochs=self.epochs or (FULL_BATCH_EPOCHS if self.full_batch else EPOCHS),
            batch_size=batch_size,
            learning_rate=self.learning_rate or LEARNING_RATES[self.optimizer],
            schedule=self.schedule or ("constant" if self.full_batch else "cosine"),
        )


def parse(arguments: Sequence[str] | None = None) -> Config:
    """The command line as a Config. Exits with 2 and one line where a flag is wrong, with 0 for --help."""
    parser = parser_of_flags()
    found = parsed(parser, arguments)
    config = Config(processes=taken(parser, found), **found)
    if config.npz_keys and config.data is None:
        parser.error("--npz-keys tells the names within an .npz archive: say which with --data")
    if config.full_batch and config.learning_rate:
        parser.error("--optimizer lbfgs searches along its step: leave --learning-rate out")
    if config.full_batch and config.schedule not in ("", "constant"):
        parser.error(f"--optimizer lbfgs searches along its step: leave --schedule {config.schedule} out")
    if config.full_batch and config.find_learning_rate:
        parser.error("--optimizer lbfgs searches along its step: there is no --find-learning-rate for it")
    if config.resume and config.find_learning_rate:
        parser.error("--find-learning-rate begins from nothing: leave --resume out")
    if config.processes and config.find_learning_rate:
        parser.error("--find-learning-rate is for one process: leave the others out")
    if config.profile and (config.json or config.quiet or config.dry_run or config.find_learning_rate):
        parser.error("--profile ends a run with a table: leave --json, --quiet, --dry-run, --find-learning-rate out")
    if config.dry_run and config.find_learning_rate:
        parser.error("--dry-run does nothing, and --find-learning-rate trains a little: leave one out")
    return config


def as_table(config: Config) -> dict[str, Any]:
    """What makes the run, as a run's config.toml has it: `--config` makes the same run of it."""
    return parser_of_flags().table({name: value for name, value in asdict(config).items() if name not in _ASIDE})
