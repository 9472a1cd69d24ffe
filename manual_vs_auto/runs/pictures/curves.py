"""What a run told on its way: loss, accuracy, objective, the sweep, and how two gradients agreed."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from manual_vs_auto.runs.kept import Kept, column
from manual_vs_auto.runs.pictures.style import legend, line_of, short

_SIZE = (7.0, 2.9)


def losses(runs: Sequence[Kept], figure: Any) -> None:
    """Training and test loss by epoch; different losses have a panel each."""
    trained = [run for run in runs if run.epochs]
    kinds = sorted({str(run.config.get("loss")) for run in trained})
    axes = _panels(figure, len(kinds))
    for kind, axis in zip(kinds, axes, strict=True):
        for at, run in enumerate(runs):
            if run in trained and run.config.get("loss") == kind:
                epochs = column(run.epochs, "epoch")
                test, training = column(run.epochs, "test_loss"), column(run.epochs, "loss")
                axis.plot(epochs, test, label=short(run.name), **line_of(at))
                axis.plot(epochs, training, ":", **line_of(at), markerfacecolor="none")
                if not np.all(np.isnan(held_back := column(run.epochs, "val_loss"))):
                    axis.plot(epochs, held_back, "--", **line_of(at), markerfacecolor="none")
        axis.set(xlabel="epoch", ylabel=f"{kind.replace('_', ' ')}, mean per example")
        _whole(axis)
    legend(figure, axes, "solid: test; dotted: training" + ("; dashed: validation" if _validated(runs) else ""))


def accuracies(runs: Sequence[Kept], figure: Any) -> None:
    """Test accuracy by epoch."""
    (axis,) = _panels(figure, 1)
    for at, run in enumerate(runs):
        if run.epochs:
            values = 100 * column(run.epochs, "test_accuracy")
            epochs = column(run.epochs, "epoch")
            axis.plot(epochs, values, label=short(run.name), **line_of(at))
            if not np.all(np.isnan(held_back := column(run.epochs, "val_accuracy"))):
                axis.plot(epochs, 100 * held_back, "--", **line_of(at), markerfacecolor="none")
    axis.set(xlabel="epoch", ylabel="accuracy, %")
    _whole(axis)
    legend(figure, [axis], "solid: test; dashed: validation" if _validated(runs) else "")


def iterations(runs: Sequence[Kept], figure: Any) -> None:
    """Objective and gradient norm by iteration, for each run's best l2."""
    left, right = _panels(figure, 2)
    for at, run in enumerate(runs):
        lines = run.iterations
        if not lines:
            continue
        number, style = column(lines, "iteration"), line_of(at) | {"markevery": max(1, len(lines) // 20)}
        left.plot(number, column(lines, "objective"), label=f"{short(run.name)}, l2 {lines[0]['l2']:g}", **style)
        right.plot(number, _positive(column(lines, "gradient_norm")), label=short(run.name), **style)
        if (tol := run.config.get("tol")) is not None:
            right.axhline(float(tol), color=style["color"], linestyle="--", linewidth=0.8)
    left.set(xlabel="iteration", ylabel="objective, mean per example")
    _whole(left)
    right.set(xlabel="iteration", ylabel="largest |gradient|", yscale="log")
    _whole(right)
    legend(figure, [left], "dashed: the tolerance" if right.lines[1:] else "")


def sweep(runs: Sequence[Kept], figure: Any) -> None:
    """The score by l2, with the best marked. An l2 of 0 stands a decade left of the smallest other."""
    (axis,) = _panels(figure, 1)
    swept = [run for run in runs if len(run.ends) > 1]
    values = np.concatenate([column(run.ends, "l2") for run in swept])
    zero = min(values[values > 0], default=1.0) / 10
    for at, run in enumerate(runs):
        if run not in swept or run.best is None:
            continue
        l2s, style = column(run.ends, "l2"), line_of(at)
        places = np.where(l2s > 0, l2s, zero)
        if run.score == "val_top1":
            axis.plot(places, 100 * column(run.ends, "val_top1"), label=short(run.name), **style)
        # Without validation the training's is all there is, and says it by its dots.
        label = {} if run.score == "val_top1" else {"label": short(run.name)}
        axis.plot(places, 100 * column(run.ends, "train_top1"), ":", markerfacecolor="none", **style, **label)
        at_best = 100 * column([run.best], run.score)[0]
        axis.plot(run.best["l2"] or zero, at_best, "*", markersize=14, color=style["color"],
                  label=f"its best: l2 {run.best['l2']:g}")  # fmt: skip
    axis.set(xscale="log", xlabel="l2" + (f"; 0 is drawn at {zero:g}" if 0 in values else ""), ylabel="top-1, %")
    legend(figure, [axis], "solid: validation; dotted: training")


def agreement(runs: Sequence[Kept], figure: Any) -> None:
    """|manual - auto| by epoch, at the step that came closest to its bound, and that bound."""
    (axis,) = _panels(figure, 1)
    for at, run in enumerate(runs):
        lines = audited(run)
        if not lines:
            continue
        epochs, apart, bound = (column(lines, key) for key in ("epoch", "epoch_difference", "epoch_bound"))
        floor = np.nanmin(bound) / 1e6
        axis.plot(epochs, np.maximum(apart, floor), label=short(run.name), **line_of(at))
        axis.plot(epochs, bound, "--", color=line_of(at)["color"])
    axis.set(yscale="log", xlabel="epoch", ylabel="|manual - auto|, of the gradient")
    _whole(axis)
    legend(figure, [axis], "solid: manual - auto; dashed: what rounding alone can do")


def _validated(runs: Sequence[Kept]) -> bool:
    return any(line.get("val_loss") is not None for run in runs for line in run.epochs)


def audited(run: Kept) -> list[Any]:
    """The epochs in which two gradients were compared and something could be told."""
    return [line for line in run.epochs if line.get("epoch_bound") and line.get("epoch_difference") is not None]


def _panels(figure: Any, count: int) -> list[Any]:
    figure.set_size_inches(*_SIZE)
    return list(np.atleast_1d(figure.subplots(1, count)))


def _whole(axis: Any) -> None:
    """The axis counts: its ticks are whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _positive(values: np.ndarray) -> np.ndarray:
    """For an axis of logarithms: 0 is not on it."""
    return np.where(values > 0, values, np.nan)


CURVES: dict[str, tuple[Callable[[Sequence[Kept], Any], None], Callable[[Kept], bool]]] = {
    "loss": (losses, lambda run: bool(run.epochs)),
    "accuracy": (accuracies, lambda run: bool(run.epochs)),
    "iterations": (iterations, lambda run: bool(run.iterations)),
    "sweep": (sweep, lambda run: len(run.ends) > 1),
    "agreement": (agreement, lambda run: bool(audited(run))),
}
