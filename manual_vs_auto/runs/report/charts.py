"""The curves of the page: drawings in it, each with words that say the same."""

from collections.abc import Callable, Sequence
from functools import partial

from manual_vs_auto.runs.kept import Kept
from manual_vs_auto.runs.pictures.curves import CURVES, audited
from manual_vs_auto.runs.pictures.judged import calibration, percent
from manual_vs_auto.runs.pictures.style import svg
from manual_vs_auto.runs.report.html import details, figure, note, section, table, text


def charts(runs: Sequence[Kept]) -> list[str]:
    """The sections of all that the runs told on their way: those that one of them has something for."""
    parts = []
    for name, (title, reading, words) in _WORDS.items():
        draw, has = CURVES[name]
        shown = [run for run in runs if has(run)]
        if shown:
            label = f"{title}. " + "; ".join(f"{run.name}: {words(run)}" for run in shown) + "."
            drawing = svg(partial(draw, runs), name, text(label))
            parts.append(section(name, title, figure(drawing, reading, kind="chart")))
    return parts


def calibrations(runs: Sequence[Kept]) -> str:
    """Accuracy by confidence, as a drawing and as a table for each run."""
    judged = [(run, run.evaluation) for run in runs if run.evaluation]
    if not judged:
        return ""
    errors = "; ".join(f"{run.name}: {percent(found.calibration_error)} apart on average" for run, found in judged)
    drawing = svg(partial(calibration, runs), "reliability", text(f"Accuracy by confidence. {errors}."))
    tables = [
        details(
            f"{run.name}: expected calibration error {percent(found.calibration_error, 2)}",
            table(
                ["confidence, mean", "predictions", "accuracy"],
                [(percent(b.confidence), [f"{b.count:,}", percent(b.accuracy)]) for b in found.calibration if b.count],
            ),
        )
        for run, found in judged
    ]
    reading = (
        "A model that says 80 % should be right 8 times in 10: on the dashed line. Above it, it is too modest. Where "
        "the lower curve shows few predictions, the upper one tells little."
    )
    return section(
        "calibration",
        "Calibration",
        figure(drawing, reading, kind="chart"),
        note("The expected calibration error is the mean distance from that line, each prediction counting once."),
        *tables,
    )


def _loss(run: Kept) -> str:
    first, last = (run.epochs[at].get("test_loss") for at in (0, -1))
    return f"test loss from {_number(first)} to {_number(last)} in {len(run.epochs)} epochs"


def _accuracy(run: Kept) -> str:
    last = run.epochs[-1].get("test_accuracy")
    return f"{'unknown' if last is None else percent(last, 2)} at the end"


def _iterations(run: Kept) -> str:
    first, last = (run.iterations[at].get("objective") for at in (0, -1))
    norm = _number(run.iterations[-1].get("gradient_norm"))
    return f"objective from {_number(first)} to {_number(last)}, largest gradient {norm} at the end"


def _sweep(run: Kept) -> str:
    best = run.best
    score = None if best is None else best.get(run.score)
    if best is None or score is None:
        return "no score"
    return f"best {percent(score, 2)} at l2 {best['l2']:g}, of {len(run.ends)}"


def _agreement(run: Kept) -> str:
    lines = audited(run)
    largest = max(lines, key=lambda line: line["epoch_difference"] / line["epoch_bound"])
    return f"at most {largest['epoch_difference']:.2g}, where rounding can do {largest['epoch_bound']:.2g}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


_WORDS: dict[str, tuple[str, str, Callable[[Kept], str]]] = {
    "loss": ("Loss", "By epoch. Training: the mean over the epoch, each example before its step.", _loss),
    "accuracy": ("Accuracy", "Of the test images, after each epoch.", _accuracy),
    "iterations": (
        "Way to the optimum",
        "By iteration, for the l2 that scored best. Dashed: the tolerance, where it is known.",
        _iterations,
    ),
    "sweep": ("Path of the sweep", "The score by l2, the strength of the penalty. A star marks the best.", _sweep),
    "agreement": (
        "Manual minus auto",
        "By epoch, at the step and the weight that came closest to the bound. Below the dashed line the two gradients "
        "are the same number, apart from rounding.",
        _agreement,
    ),
}
