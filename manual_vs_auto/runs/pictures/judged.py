"""What a run's model is and does at its end: W's rows, confusion, mistakes, calibration."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from manual_vs_auto.runs.evaluation import Evaluation
from manual_vs_auto.runs.kept import Kept
from manual_vs_auto.runs.model import Model
from manual_vs_auto.runs.pictures.style import SIGNED, Array, legend, line_of, short

MOST_ROWS = 20  # of W
_WRITTEN = 20  # classes up to which a confusion matrix has its counts written into it
_COLUMNS = 8
_NAME = 14  # characters of a class's name
_SHOWN = 0.995  # of W's elements; a few pixels at an edge, seldom bright, would make all others look like 0


def calibration(runs: Sequence[Kept], figure: Any) -> None:
    """Accuracy by confidence, beside what it should be, and below how many predictions have it."""
    figure.set_size_inches(4.8, 4.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 100], [0, 100], "--", color="#888888", linewidth=1, label="calibrated")
    for at, run in enumerate(runs):
        if run.evaluation is None:
            continue
        bins = run.evaluation.calibration
        filled = [cell for cell in bins if cell.count]
        x, y = ([100 * getattr(cell, name) for cell in filled] for name in ("confidence", "accuracy"))
        upper.plot(x, y, label=short(run.name), clip_on=False, **line_of(at))
        lower.plot(x, [cell.count for cell in filled], **line_of(at))
    upper.set(ylabel="accuracy, %", xlim=(0, 102), ylim=(0, 102))
    lower.set(xlabel="confidence, %", ylabel="predictions", yscale="log")
    legend(figure, [upper])


def confusion(evaluation: Evaluation, figure: Any) -> None:
    """How often a label, by row, is taken for each class, by column: the share of the label's examples."""
    counts = np.array(evaluation.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 3.2 + 0.22 * min(evaluation.classes, _WRITTEN)
    figure.set_size_inches(side + 0.8, side)
    axis = figure.subplots()
    axis.grid(visible=False)
    # The square root: a mistake in a hundred is seen.
    shown = axis.imshow(np.sqrt(shares), cmap="Greys", vmin=0, vmax=1)
    if evaluation.classes <= _WRITTEN:
        for (row, at), count in np.ndenumerate(counts):
            color = "white" if shares[row, at] > 0.3 else "black"
            axis.text(at, row, str(count), ha="center", va="center", fontsize=7, color=color)
        names = [short(evaluation.name(label), _NAME) for label in range(evaluation.classes)]
        axis.set_xticks(range(evaluation.classes), names, rotation=90 if max(map(len, names)) > 2 else 0)
        axis.set_yticks(range(evaluation.classes), names)
    axis.set(xlabel="taken for", ylabel="label")
    bar = figure.colorbar(shown, ticks=np.sqrt([0, 0.01, 0.1, 0.3, 0.6, 1]), shrink=0.8)
    bar.ax.set_yticklabels(["0", "1", "10", "30", "60", "100"])
    bar.set_label("share of the label's examples, %")


def weights(model: Model, figure: Any) -> None:
    """W's rows as images."""
    rows, limit = weight_images(model)
    down = -(-len(rows) // 5)
    figure.set_size_inches(6.4, 1.35 * down)
    axes = np.atleast_1d(figure.subplots(down, 5)).ravel()
    for axis in axes:
        axis.set_axis_off()
    shown = None
    for axis, row, name in zip(axes, rows, model.names, strict=False):
        image = row if row.ndim == 2 else np.clip(0.5 + row / (2 * limit), 0, 1)
        shown = axis.imshow(image, cmap=SIGNED, vmin=-limit, vmax=limit)
        axis.set_title(short(name, _NAME))
    if rows[0].ndim == 2:
        figure.colorbar(shown, ax=axes.tolist(), label="weight, logit per pixel of 0..1")


def weight_images(model: Model) -> tuple[Array, float]:
    """W's first rows as images, [rows, H, W] or [rows, H, W, 3], and the magnitude that few are above."""
    rows = model.affine()[0][:MOST_ROWS].reshape(-1, *model.image_shape)
    if rows.ndim == 4 and rows.shape[3] == 1:
        rows = rows[..., 0]
    return rows, float(np.quantile(np.abs(rows), _SHOWN)) or float(np.max(np.abs(rows))) or 1.0


def has_weight_images(run: Kept) -> bool:
    """Whether W's rows can be looked at."""
    if run.model is None:
        return False
    shape = run.model.image_shape
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))


def mistakes(evaluation: Evaluation, figure: Any) -> None:
    """The worst mistakes that have a picture, with what the model gave to the label and to its prediction."""
    found = [(mistake, mistake.picture) for mistake in evaluation.mistakes if mistake.picture]
    down = -(-len(found) // _COLUMNS)
    figure.set_layout_engine("none")  # whose search for room takes a second with so many
    figure.set_size_inches(9.6, 1.7 * down)
    for at, (mistake, picture) in enumerate(found):
        row, column = divmod(at, _COLUMNS)
        axis = figure.add_axes(((column + 0.05) / _COLUMNS, (down - row - 0.98) / down, 0.9 / _COLUMNS, 0.7 / down))
        axis.set_axis_off()
        axis.imshow(picture.array(), cmap="gray", vmin=0, vmax=255)
        label, taken = (short(evaluation.name(at), _NAME) for at in (mistake.label, mistake.predicted))
        chances = (mistake.label_probability, mistake.predicted_probability)
        axis.set_title(f"{label}: {percent(chances[0])}\ntaken for {taken}: {percent(chances[1])}", fontsize=7)


def percent(share: float, digits: int = 1) -> str:
    """A share of 0..1 for a person; what is not quite nothing or all does not look like it."""
    least = 10.0**-digits
    if 0 < 100 * share < least / 2:
        return f"<{least:g} %"
    if 100 - least / 2 < 100 * share < 100:
        return f">{100 - least:g} %"
    return f"{100 * share:.{digits}f} %"
