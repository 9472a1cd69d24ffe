"""The tables of the page: how good, how long, and in what the configurations differ."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from manual_vs_auto.runs.kept import Kept
from manual_vs_auto.runs.pictures.judged import percent
from manual_vs_auto.runs.report.html import details, note, section, table

_NOTHING = "\u2013"
# Where a run is kept and how it talks is no part of what it is.
_DIGEST = re.compile("[0-9a-f]{64}")
_TELLING = {"out", "json", "quiet", "plot", "tensorboard", "config"}


def summary(runs: Sequence[Kept]) -> str:
    """Results first, then what differs, then what is the same."""
    names = ["", *(run.name for run in runs)]
    results = [(name, [tell(run) for run in runs]) for name, tell in _RESULTS.items()]
    results = [(name, cells) for name, cells in results if set(cells) != {_NOTHING}]
    settings = _settings(runs)
    differ = [row for row in settings if len(set(row[1]) - {_NOTHING}) > 1]
    same = [row for row in settings if len(set(row[1])) == 1]
    other = [row for row in settings if row not in differ and row not in same]
    parts = [table(names, results, "Results", {_ACCURACY: "first"})]
    if len(runs) == 1:
        parts.append(details("Configuration", table(names, settings)))
    elif differ:
        marks = {name: "differs" for name, _ in differ}
        parts.append(table(names, differ, "Where the configurations differ", marks))
    elif not other:
        parts.append(note("The configurations are the same."))
    if len(runs) > 1 and other:
        parts.append(details(f"Only some have it: {len(other)} settings", table(names, other)))
    if len(runs) > 1 and same:
        parts.append(details(f"The same in all: {len(same)} settings", table(names, same)))
    return section("summary", "Summary", *parts)


def _settings(runs: Sequence[Kept]) -> list[tuple[str, list[str]]]:
    flat = [_flat(run.config) | _flat(run.about, "run.") for run in runs]
    keys = dict.fromkeys(key for settings in flat for key in settings if key not in _TELLING)
    return [(key, [settings.get(key, _NOTHING) for settings in flat]) for key in keys]


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{key}.")
        elif value not in ("", []):
            listed = isinstance(value, list)
            found[before + key] = ", ".join(map(str, value)) if listed else _number(value)
    return found


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return f"{value[:16]}..."
    return f"{value:g}" if isinstance(value, float) else str(value)


def _top1(run: Kept) -> str:
    if run.evaluation:
        return f"{percent(run.evaluation.top1, 2)} of {run.evaluation.examples:,} {run.evaluation.of}"
    if run.epochs:
        return _share(run.epochs[-1], "test_accuracy")
    return _share(run.best, run.score)


def _top5(run: Kept) -> str:
    return percent(run.evaluation.top5, 2) if run.evaluation else _share(run.best, "val_top5")


def _share(line: Mapping[str, Any] | None, key: str) -> str:
    return _NOTHING if line is None or line.get(key) is None else percent(line[key], 2)


def _last(run: Kept, key: str) -> str:
    lines = run.epochs if run.command == "train" else [run.best] if run.best else run.iterations
    value = lines[-1].get(key) if lines else None
    if value is None and run.iterations:
        value = run.iterations[-1].get(key)
    return _NOTHING if value is None else f"{value:.4g}"


def _loss(run: Kept) -> str:
    value = _last(run, "test_loss")
    return value if value == _NOTHING else f"{value} ({str(run.config.get('loss')).replace('_', ' ')})"


def _length(run: Kept) -> str:
    if run.command == "train":
        return f"{len(run.epochs)} of {run.config.get('epochs', '?')} epochs" if run.epochs else _NOTHING
    if run.best is None:
        return f"{len(run.iterations)} iterations" if run.iterations else _NOTHING
    return f"{run.best['iterations']} iterations, {'converged' if run.best.get('converged') else 'NOT converged'}"


def _agreed(run: Kept) -> str:
    told = [line for line in run.epochs if None not in (line.get("agreed_steps"), line.get("steps"))]
    return f"at {told[-1]['agreed_steps']:,} of {told[-1]['steps']:,} steps" if told else _NOTHING


def _sweep(run: Kept) -> str:
    return f"{run.best['l2']:g} of {len(run.ends)}" if run.best and len(run.ends) > 1 else _NOTHING


def _stopped(run: Kept) -> str:
    return str(run.epochs[-1].get("stopped") or _NOTHING) if run.epochs else _NOTHING


def _diverged(run: Kept) -> str:
    steps = [line["diverged_at_step"] for line in run.metrics if line.get("diverged_at_step") is not None]
    return f"at step {steps[-1]:,}" if steps else _NOTHING


_ACCURACY = "accuracy"
_RESULTS: dict[str, Callable[[Kept], str]] = {
    "command": lambda run: run.command,
    _ACCURACY: _top1,
    "label among the first five": _top5,
    "test loss": _loss,
    "objective": lambda run: _last(run, "objective"),
    "largest |gradient|": lambda run: _last(run, "gradient_norm"),
    "cross-entropy, nats": lambda run: f"{run.evaluation.cross_entropy:.4f}" if run.evaluation else _NOTHING,
    "calibration error": lambda run: percent(run.evaluation.calibration_error) if run.evaluation else _NOTHING,
    "length": _length,
    "stopped, since": _stopped,
    "best l2 of the sweep": _sweep,
    "training or fitting, seconds": lambda run: _NOTHING if run.seconds is None else f"{run.seconds:.2f}",
    "manual and auto agreed": _agreed,
    "diverged": _diverged,
    "missing": lambda run: "; ".join(run.missing) or _NOTHING,
}
