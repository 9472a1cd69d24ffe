"""What a fit is asked to do: the command's flags."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from manual_vs_auto import command
from manual_vs_auto.runs.configuration import Parser
from manual_vs_auto.runs.processes import Asked, taken
from manual_vs_auto.runs.resume import parsed, run_flags
from manual_vs_auto.runs.spread import spread_flags
from manual_vs_auto.runs.values import path, whole

LOSSES = ("cross_entropy", "squared_distance")
DEVICES = ("auto", "cpu", "gpu")
_ASIDE = (
    "mesh",
    "processes",
    "json",
    "quiet",
    "plot",
    "out",
    "resume",
    "expected",
    "keep_checkpoints",
    "onnx",
)  # where what is fitted goes, and how it is told
_SHARE = 0.1  # of the rows, that a sweep keeps back where nobody says which

_DESCRIPTION = """\
Fit softmax(Wx + b) to features of any kind, a linear probe say, to the true optimum, and keep what was learned.

  %(prog)s x.npy --labels y.npy --out run
  %(prog)s x.npy --labels y.npy --sweep 10 --standardize --out run
  %(prog)s data.npz:x --labels y --val 0.2
  %(prog)s table.parquet --labels species --val new.parquet species
  %(prog)s --resume run"""
_EPILOG = """\
Exit status: 0 converged; 1 not; 2 flags, data or files that can't be used; 3 no memory; 130 interrupted,
143 terminated."""


@dataclass(frozen=True)
class Options:
    """One fit.

    features:    a file, or FILE:KEY.
    labels:      a file, FILE:KEY, or an array or a column of the features' file.
    loss:        the mean over the examples, as train has it.
    l2:          of l2/2 |W|^2, or None for 1/N.
    c:           scikit-learn's C: l2 is 1/(C N). None is not given.
    standardize: to mean 0 and standard deviation 1, by the training rows.
    sweep:       how many l2 to try, or which ones; () for none.
    val:         a share of the rows to keep back, or a file, or a file and its labels; () for none.
    intercept:   whether there is a b.
    tol:         the largest element of the gradient at which the optimum is reached.
    max_iter:    of each fit.
    processes:   which of several this is.
    mesh:        the devices that the rows are cut over, "data=2"; "" for one.
    device:      auto takes what JAX prefers.
    seed:        of the rows that are kept back.
    json, quiet: as train has them.
    plot:        leave pictures in the run's directory.
    tensorboard: leave the metrics there as TensorBoard's event files, too.
    out:         a directory to leave the run in.
    resume:      go on with the run that is there.
    expected:    the data that a run's own file asks for, as `runs.keeping.expect_data` takes them.
    keep_checkpoints: how many of the last ones stay.
    onnx:        a file to export to.
    """

    features: str
    labels: str
    loss: str = "cross_entropy"
    l2: float | None = None
    c: float | None = None
    standardize: bool = False
    sweep: int | tuple[float, ...] = ()
    val: tuple[float | str, ...] = ()
    intercept: bool = True
    tol: float = 1e-4
    max_iter: int = 1000
    device: str = "auto"
    mesh: str = ""
    processes: Asked | None = None
    seed: int = 0
    json: bool = False
    quiet: bool = False
    plot: bool = False
    tensorboard: bool = False
    out: Path | None = None
    resume: bool = False
    expected: tuple[str, str] | None = None
    keep_checkpoints: int = 3
    onnx: Path | None = None

    @property
    def share(self) -> float | None:
        """Of the rows, that are kept back; None where the rows are another file's, or there are none."""
        return self.val[0] if len(self.val) == 1 and isinstance(self.val[0], float) else None

    @property
    def val_file(self) -> str:
        """The file to validate with; "" where there is none."""
        return str(self.val[0]) if self.val and self.share is None else ""


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The command line as Options. Exits with 2 and one line where a flag is wrong, with 0 for --help."""
    parser = _parser()
    found = parsed(parser, arguments)
    if found["features"] is None and len(found["val"]) > 1:  # they stand behind --val, which takes all that follows
        found["features"] = str(found["val"].pop())
    if found["features"] is None:
        parser.error("the following arguments are required: FEATURES")
    found["val"] = tuple(found["val"])
    if isinstance(found["sweep"], list):
        found["sweep"] = tuple(found["sweep"])
    if found["sweep"] and not found["val"]:
        found["val"] = (_SHARE,)
    options = Options(processes=taken(parser, found), **found)
    if sum(given not in (None, ()) for given in (options.l2, options.c, options.sweep)) > 1:
        parser.error("--l2, --C and --sweep say the same in three ways: use one")
    if len(options.val) > 2:
        parser.error(f"--val takes a share, a file, or a file and its labels, not {len(options.val)} things")
    if len(options.val) == 2 and isinstance(options.val[0], float):
        parser.error(f"--val {options.val[0]} keeps rows back: what is {options.val[1]}?")
    return options


def as_table(options: Options) -> dict[str, Any]:
    """What makes the run, as a run's config.toml has it: `--config` makes the same run of it."""
    return _parser().table({name: value for name, value in asdict(options).items() if name not in _ASIDE})


def _parser() -> Parser:
    parser = Parser(
        "fit",
        prog=command.program("manual_vs_auto.fit"),
        description=_DESCRIPTION,
        epilog=_EPILOG,
        data=("features", "labels", "val"),
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("features", metavar="FEATURES", nargs="?", help="a .npy, .npz, .safetensors, .parquet or .arrow file of "
        "numbers, a row an example; FILE:NAME is one of its arrays, FILE:A,B,C some of its columns")  # fmt: skip
    add("--labels", required=True, metavar="LABELS", help="a file of whole numbers or texts, one a row; or the name of "
        "an array or a column of FEATURES")  # fmt: skip
    add("--out", type=path, metavar="RUN", help="leave the run in this directory, which must not hold one yet")
    add("--loss", choices=LOSSES, default="cross_entropy", help="default: cross_entropy; squared_distance, the notes' "
        "own, has local optima")  # fmt: skip
    add("--l2", type=_not_negative, metavar="X", help="the penalty l2/2 |W|^2 beside the mean loss (default: 1/N)")
    add("--C", dest="c", type=_positive, metavar="X", help="the same as scikit-learn has it: l2 = 1/(C N), of "
        "two classes 2/(C N), for there it has one row")  # fmt: skip
    add("--standardize", action="store_true", help="bring each feature to mean 0 and standard deviation 1")
    add("--sweep", type=_sweep, default=(), metavar="N|X,X,...", help="try N values of l2, or these, and keep the best "
        "by --val")  # fmt: skip
    add("--val", type=_val, nargs="+", default=(), metavar="SHARE|FILE", help="what to validate with: a share of the "
        f"rows, kept back ({_SHARE} for a sweep), or a file like FEATURES, and its labels")  # fmt: skip
    add("--no-intercept", dest="intercept", action="store_false", help="W alone, no b")
    add("--tol", type=_positive, default=1e-4, metavar="X", help="stop when no element of the gradient is larger "
        "(default: 1e-4)")  # fmt: skip
    add("--max-iter", type=whole(1), default=1000, metavar="N", help="of each fit (default: 1000)")
    add("--device", choices=DEVICES, default="auto", help="auto: what JAX prefers; gpu: fails where there is none")
    spread_flags(parser, "the rows")
    add("--seed", type=whole(0), default=0, metavar="N", help="which rows are kept back (default: 0)")
    add("--json", action="store_true", help="one line of JSON a fit on standard output, and nothing else there")
    add("--quiet", action="store_true", help="print the last line only")
    add("--plot", action="store_true", help="leave pictures in RUN, by matplotlib")
    run_flags(parser)
    add("--onnx", type=path, metavar="FILE", help="export what was learned, by onnx")
    return parser


def _val(text: str) -> float | str:
    try:
        share = float(text)
    except ValueError:
        return text
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a share of the rows is between 0 and 1")
    return share


def _not_negative(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0")
    return number


def _positive(text: str) -> float:
    if not (number := _not_negative(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return number


def _sweep(text: str) -> int | tuple[float, ...]:
    if text.isdecimal():
        return whole(2)(text)
    return tuple(_not_negative(value) for value in text.split(","))
