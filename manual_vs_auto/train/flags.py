"""The flags of `train`."""

import argparse

from manual_vs_auto import command
from manual_vs_auto.runs.configuration import Parser
from manual_vs_auto.runs.resume import run_flags
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
EPOCHS, FULL_BATCH_EPOCHS, BATCH_SIZE = 8, 60, 64  # where none are asked for


def parser_of_flags() -> Parser:
    """All of them, with their help."""
    parser = Parser(
        "train",
        prog=command.program("manual_vs_auto.train"),
        description="Train a classifier of images, softmax(Wx), by a gradient that was written by hand, by jax.grad, "
        "or by both. Without a flag: on MNIST, which is in the package, in a few seconds.",
        epilog="Exit status: 0 trained; 1 the training diverged, a step disagreed with --gradient both, or no learning "
        "rate helped; 2 flags, data or files that can't be used; 3 no memory; 130 interrupted, 143 terminated.",
        data=("data", "npz_keys", "val"),
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
    add("--epochs", type=whole(1), default=0, metavar="N", help=f"default: {EPOCHS}; {FULL_BATCH_EPOCHS} for lbfgs")
    add("--batch-size", type=whole(1), default=0, metavar="N", help=f"default: {BATCH_SIZE}; every image for lbfgs")
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
    add(
        "--no-cache",
        dest="cache",
        action="store_false",
        help="compile everything, and keep no program for the next run (they are in $MANUAL_VS_AUTO_CACHE, or in the "
        "user's cache directory, 64 MB at most)",
    )
    add("--profile", action="store_true", help="say at the end where the seconds went, from the start of the process")
    add("--quiet", action="store_true", help="print the last line only")
    return parser


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in text.split(","))
    if len(keys) != 4 or not all(keys):
        raise argparse.ArgumentTypeError(f"{text!r} is not four names with commas between them")
    return keys
