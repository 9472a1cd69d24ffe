"""A run's directory, read for those who look at it: nothing in it is believed before it is checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.runs import evaluation as evaluation_file
from manual_vs_auto.runs import model as model_file
from manual_vs_auto.runs import origin
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.evaluation import Evaluation
from manual_vs_auto.runs.model import Model

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Line: TypeAlias = Mapping[str, Any]

METRICS = "metrics.jsonl"
COMMANDS = ("train", "fit")
# Of a line of metrics, what is drawn or told; the rest may be anything.
_NUMBERS = {
    "epoch", "loss", "test_loss", "test_accuracy", "val_loss", "val_accuracy", "seconds", "diverged_at_step",
    "agreed_steps", "steps", "epoch_difference", "epoch_bound", "iteration", "objective", "gradient_norm", "l2",
    "iterations", "converged", "train_top1", "train_cross_entropy", "val_top1", "val_top5", "val_cross_entropy",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Kept:
    """What a run has left.

    name:       of the directory, as it was given.
    command:    "train" or "fit".
    config:     the resolved configuration: the flags by name.
    about:      the table [run]: versions, device and the like.
    metrics:    a mapping an epoch, or an iteration and, of fit, each l2's end.
    model:      what it learned; None where there is no file of it.
    evaluation: how good that is; None where there is no file of it.
    missing:    what is not there and why, a line each.
    """

    name: str
    directory: Path
    command: str
    config: Mapping[str, Any]
    about: Mapping[str, Any]
    metrics: tuple[Line, ...]
    model: Model | None
    evaluation: Evaluation | None
    missing: tuple[str, ...]

    @property
    def epochs(self) -> list[Line]:
        """Train's lines, one an epoch, without one at which it diverged."""
        return [line for line in self.metrics if "epoch" in line and "diverged_at_step" not in line]

    @property
    def ends(self) -> list[Line]:
        """Fit's last line for each l2, the smallest l2 first."""
        return sorted((line for line in self.metrics if "iterations" in line), key=lambda line: line["l2"])

    @property
    def best(self) -> Line | None:
        """Fit's end with the best score, of equal ones the one with the least cross-entropy, then the largest l2."""
        key = self.score.replace("top1", "cross_entropy")
        ranked = [((_or(line.get(self.score), -1.0), -_or(line.get(key), 0.0), line["l2"]), line) for line in self.ends]
        return max(ranked, key=lambda pair: pair[0])[1] if ranked else None

    @property
    def score(self) -> str:
        """Which of the scores says which l2 is best: on examples that were kept back, where there are any."""
        held_back = any(line.get("val_top1") is not None for line in self.ends)
        return "val_top1" if held_back else "train_top1"

    @property
    def iterations(self) -> list[Line]:
        """Fit's lines on the way to the best l2, in order, its end too; to the last one where none has ended."""
        lines, best = [line for line in self.metrics if "iteration" in line], self.best
        l2 = best["l2"] if best else lines[-1]["l2"] if lines else None
        lines = [line for line in lines if line["l2"] == l2]
        # Fit keeps what there is time for, so that the last one may be long before the end.
        if best and best.get("objective") is not None:
            end = _or(best["iterations"], np.inf)
            lines = [*(line for line in lines if _or(line["iteration"], end) < end), {**best, "iteration": end}]
        return lines

    @property
    def seconds(self) -> float | None:
        """How long the training took, without compiling: train tells each epoch's, fit how long until then."""
        if self.command == "train":
            return sum(_or(line.get("seconds"), 0.0) for line in self.epochs) if self.epochs else None
        return max((_or(line.get("seconds"), 0.0) for line in self.metrics if "seconds" in line), default=None)


def column(lines: list[Line], key: str) -> Array:
    """A number of each line, float64; NaN where it is none."""
    return np.array([_or(line.get(key), np.nan) for line in lines], np.float64)


def _or(value: Any, otherwise: float) -> float:
    return otherwise if value is None else float(value)


def read(directory: Path) -> Kept:
    """Read what a run left.

    Raises: UsageError, one line, where the directory holds no run, or a file in it is damaged.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory} is no directory: name one that train or fit left with --out")
    config = _config(directory / origin.FILE)
    about = config.pop("run")
    command = about["command"]
    metrics, missing = _metrics(directory / METRICS)
    model = model_file.read(directory) if (directory / model_file.FILE).exists() else None
    path = directory / evaluation_file.FILE
    evaluation = evaluation_file.read(path) if path.exists() else None
    if model is None:
        missing.append(f"{model_file.FILE}: W is not shown")
    if evaluation is None:
        missing.append(
            f"{evaluation_file.FILE}, which is written when a run ends: it was stopped, or is still going; no "
            f"confusion matrix, mistakes or calibration before {command} --resume has ended it"
        )
    told = f"{command} has told nothing yet"
    if not metrics and not missing:
        missing.append(f"lines in {METRICS}: {told}")
    about = {name: value for name, value in about.items() if name != "command"}
    return Kept(str(directory), directory, command, config, about, metrics, model, evaluation, tuple(missing))


def _config(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path.parent} holds no run: {path.name} is missing") from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    config = origin.table(content)
    about = (config or {}).get("run")
    if config is None or not isinstance(about, dict) or about.get("command") not in COMMANDS:
        raise UsageError(f"{path} is no run's: [run] must have command = {' or '.join(map(repr, COMMANDS))}")
    if not origin.is_sealed(content):
        raise UsageError(f"{path} is not as it was written: its SHA-256 differs")
    return config


def _metrics(path: Path) -> tuple[tuple[Line, ...], list[str]]:
    """The lines, and what is missing. A last one without an end was being written when its run was killed."""
    try:
        *lines, rest = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return (), [f"{path.name}: no curves"]
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    missing = [f"the end of the last line of {path.name}: that line is left out"] if rest else []
    return tuple(_line(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)), missing


def _line(text: bytes, where: str) -> Line:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict):
        raise UsageError(f"{where}: no JSON object")
    for key in _NUMBERS & set(line):
        if line[key] is not None and not isinstance(line[key], int | float):
            raise UsageError(f"{where}: {key!r} is no number")
    if ("iteration" in line or "iterations" in line) and line.get("l2") is None:
        raise UsageError(f"{where}: 'l2' is missing")
    return line
