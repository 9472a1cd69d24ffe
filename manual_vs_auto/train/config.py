"""What a run is asked to do: the command's flags, and the defaults that depend on them."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from manual_vs_auto import command
from manual_vs_auto.runs.configuration import Parser
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.resume import parsed, run_flags
from manual_vs_auto.runs.spread import spread_flags
from manual_vs_auto.runs.values import accuracy, duration, part, path, positive, whole

GRADIENTS = ("manual", "auto", "fused", "both")
LOSSES = ("squared_distance", "cross_entropy")
SCHEDULES = ("constant", "cosine", "warmup_cosine")
DEVICES = ("auto", "cpu", "gpu")
DTYPES = ("float32", "float64", "bfloat16", "float16")

# The learning rate that each optimizer has when none is given. lbfgs searches for its own.
LEARNING_RATES: dict[str, float] = {
    "sgd": 0.5,
    "momentum": 0.1,
    "adam": 3e-3,
    "adamw": 3e-3,
    "lion": 3e-4,
    "lbfgs": 0.0,
}
# What a run is not made of: where it goes, and what is said of it.
_ASIDE = ("mesh", "out", "resume", "keep_checkpoints", "json", "quiet", "plot", "dry_run", "find_learning_rate")
_EPOCHS, _FULL_BATCH_EPOCHS, _BATCH_SIZE = 8, 60, 64


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
    keep_checkpoints: how many of the last ones stay there, beside the best.
    quiet:         print the last line only.
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
    keep_checkpoints: int = 3
    quiet: bool = False
    plot: bool = False
    tensorboard: bool = False

    @property
    def full_batch(self) -> bool:
        """Whether the optimizer needs every image at every step."""
        return self.optimizer == "lbfgs"

    def resolved(self, examples: int) -> "Config":
        """With every default filled in, for a training set of so many images. Raises UsageError."""
        batch_size = self.batch_size or (examples if self.full_batch else min(_BATCH_SIZE, examples))
        if batch_size > examples:
            raise UsageError(f"--batch-size {batch_size:,} is more than the {examples:,} training images")
        if self.full_batch and batch_size != examples:
            raise UsageError(
                f"--optimizer lbfgs needs the full batch: --batch-size {examples}, or none, not {batch_size}"
            )
        return replace(
            self,
            epochs=self.epochs or (_FULL_BATCH_EPOCHS if self.full_batch else _EPOCHS),
            batch_size=batch_size,
            learning_rate=self.learning_rate or LEARNING_RATES[self.optimizer],
            schedule=self.schedule or ("constant" if self.full_batch else "cosine"),
        )


def parse(arguments: Sequence[str] | None = None) -> Config:
    """The command line as a Config. Exits with 2 and one line where a flag is wrong, with 0 for --help."""
    parser = _parser()
    config = Config(**parsed(parser, arguments))
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
    if config.dry_run and config.find_learning_rate:
        parser.error("--dry-run does nothing, and --find-learning-rate trains a little: leave one out")
    return config


def as_table(config: Config) -> dict[str, Any]:
    """What makes the run, as a run's config.toml has it: `--config` makes the same run of it."""
    return _parser().table({name: value for name, value in asdict(config).items() if name not in _ASIDE})


def _parser() -> Parser:
    parser = Parser(
        "train",
        prog=command.program("manual_vs_auto.train"),
        description="Train a classifier of images, softmax(Wx), by a gradient that was written by hand, by jax.grad, "
        "or by both. Without a flag: on MNIST, which is in the package, in a few seconds.",
        epilog="Exit status: 0 trained; 1 the training diverged, a step disagreed with --gradient both, or no learning "
        "rate helped; 2 flags, data or files that can't be used; 3 no memory; 130 interrupted, 143 terminated.",
    )
    add = parser.add_argument
    add(
        "--gradient",
        choices=GRADIENTS,
        default="manual",
        help="manual: the notes', written by hand; auto: by jax.grad; fused: by hand, in one with the loss; both: "
        "manual and auto at every step, compared with a derived bound, and trained on manual (default: manual)",
    )
    add("--loss", choices=LOSSES, default="squared_distance", help="default: squared_distance, the notes' own")
    add("--epochs", type=whole(1), default=0, metavar="N", help=f"default: {_EPOCHS}; {_FULL_BATCH_EPOCHS} for lbfgs")
    add("--batch-size", type=whole(1), default=0, metavar="N", help=f"default: {_BATCH_SIZE}; every image for lbfgs")
    add("--optimizer", choices=tuple(LEARNING_RATES), default="adam", help="default: adam")
    rates = ", ".join(f"{name} {rate:g}" for name, rate in LEARNING_RATES.items() if rate)
    add("--learning-rate", type=positive, default=0.0, metavar="X", help=f"the schedule's peak (default: {rates})")
    add("--schedule", choices=SCHEDULES, default="", help="default: cosine; constant for lbfgs")
    add("--seed", type=whole(0), metavar="N", default=0, help="which order the images come in (default: 0)")
    add(
        "--device",
        choices=DEVICES,
        default="auto",
        help="auto: what JAX prefers; gpu: fails where there is none (default: auto)",
    )
    spread_flags(parser, "each batch")
    add(
        "--dtype",
        choices=DTYPES,
        default="float32",
        help="what the weights and the gradient are kept in (default: float32)",
    )
    add(
        "--data",
        metavar="PATH",
        help="a directory of IDX files by MNIST's names, gzipped or not, or of .npz files by KMNIST's (DIR/PREFIX "
        "where it holds several sets); or an .npz of x_train, y_train, x_test, y_test, or by MedMNIST's names "
        "(default: MNIST, which is embedded)",
    )
    add(
        "--npz-keys",
        type=_keys,
        default=(),
        metavar="A,B,C,D",
        help="what the .npz calls training images, training labels, test images and test labels, in this order",
    )
    add(
        "--val",
        type=part,
        metavar="X",
        default=0.0,
        help="keep this share of the training images, of each class alike, out of the training: 0.1 (default: none)",
    )
    add(
        "--patience",
        type=whole(1),
        metavar="N",
        default=0,
        help="stop after N epochs without a better loss on the images of --val; without --val it is the test loss, and "
        "the test images are then no longer unseen",
    )
    add(
        "--target-accuracy",
        type=accuracy,
        metavar="X",
        default=0.0,
        help="stop at this accuracy on the same images: a share, 0.93, or a percentage with its sign, 93%%",
    )
    add(
        "--max-time",
        type=duration,
        metavar="T",
        default=0.0,
        help="begin no epoch that would end, if it took as long as the one before, more than T after the start of "
        "this process: seconds, or 5m, or 2h",
    )
    add("--dry-run", action="store_true", help="print the whole configuration and what a run would take, and end")
    add(
        "--find-learning-rate",
        action="store_true",
        help="try rates that grow from step to step, suggest one, and end; with --out, draw it in DIR/pictures",
    )
    add("--json", action="store_true", help="one line of JSON an epoch on standard output, and nothing else there")
    add(
        "--out",
        type=path,
        metavar="DIR",
        help="leave config.toml, metrics.jsonl, model.safetensors and checkpoints in DIR, which must not hold "
        "a run yet",
    )
    run_flags(parser)
    add("--plot", action="store_true", help="leave pictures of the run in DIR/pictures; needs --out and matplotlib")
    add("--quiet", action="store_true", help="print the last line only")
    return parser


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in text.split(","))
    if len(keys) != 4 or not all(keys):
        raise argparse.ArgumentTypeError(f"{text!r} is not four names with commas between them")
    return keys
