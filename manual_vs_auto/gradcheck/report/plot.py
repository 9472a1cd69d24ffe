"""The picture: manual, reference and difference side by side, and the remainder against the step."""

from pathlib import Path
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.verdict import Verdict
from manual_vs_auto.gradcheck.numerics.differences import STEPS
from manual_vs_auto.gradcheck.numerics.taylor import Remainder
from manual_vs_auto.gradcheck.report.report import Report

_WIDEST = 512


def draw(report: Report, path: Path) -> None:
    """Draw the leaf that decided, and the Taylor remainder there.

    Raises: ImportError where matplotlib is missing, saying how to install it; OSError if the file can't be written.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise ImportError("a picture needs matplotlib: pip install matplotlib") from missing
    outcome, worst = report.outcome, report.worst
    if outcome is None or worst is None or not outcome.reference:
        raise ValueError("there is nothing to draw: no derivative was compared")
    leaf = next((at for at, mark in enumerate(outcome.marks) if mark.name == worst.name), 0)
    apart = _as_image(outcome.manual[leaf] - outcome.reference[leaf])
    manual, reference = _as_image(outcome.manual[leaf]), _as_image(outcome.reference[leaf])
    with matplotlib.rc_context({"svg.hashsalt": "gradcheck", "font.size": 9}):
        figure = Figure(figsize=(11, 3.2), layout="constrained")
        figure.suptitle(f"{report.verdict}  {report.name}, {report.kind}, {worst.name}")
        axes = figure.subplots(1, 4)
        span = _span(manual, reference)
        for axis, title, values in zip(
            axes, ("manual", "reference", "difference"), (manual, reference, apart), strict=False
        ):
            _show(figure, axis, title, values, span if title != "difference" else _span(values))
        _remainders(axes[3], [a.taylor for a in outcome.answers if a.taylor is not None], report.verdict)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)


def _as_image(a: np.ndarray) -> np.ndarray:
    """Two axes: rows, and columns; a long vector in several rows."""
    if a.ndim <= 1:
        return a.reshape(1, -1) if a.size <= 64 else _wrapped(a.ravel())
    image = a.reshape(-1, a.shape[-1])
    return image if max(image.shape) <= _WIDEST else _wrapped(image.ravel())


def _wrapped(flat: np.ndarray) -> np.ndarray:
    """Blocks of equal length, the largest number of each: a single wrong element stays to be seen."""
    side = min(int(np.ceil(np.sqrt(flat.size))), _WIDEST)
    block = -(-flat.size // side**2)
    padded = np.zeros(side * side * block)
    padded[: flat.size] = flat
    blocks = padded.reshape(side * side, block)
    chosen = np.argmax(np.abs(blocks), axis=1)
    picked: np.ndarray = blocks[np.arange(side * side), chosen].reshape(side, side)
    return picked


def _span(*images: np.ndarray) -> float:
    largest = [float(np.max(np.abs(i), initial=0.0, where=np.isfinite(i))) for i in images]
    return max(largest) or 1.0


def _show(figure: Any, axis: Any, title: str, values: np.ndarray, span: float) -> None:
    shown = axis.imshow(values, cmap="RdBu_r", vmin=-span, vmax=span, aspect="auto", interpolation="nearest")
    axis.set_title(title)
    axis.set_xticks([])
    axis.set_yticks([])
    figure.colorbar(shown, ax=axis, orientation="horizontal", format="%.2g", ticks=[-span, 0, span])


def _remainders(axis: Any, all_of_them: list[Remainder], verdict: Verdict) -> None:
    """|phi(h) - phi(0) - h s| over h: order 2 if s is the slope, order 1 if not."""
    axis.set_title("remainder against step")
    axis.set_xlabel("step, relative")
    told = [r for r in all_of_them if np.isfinite(r.order)] or all_of_them
    wrong = [r for r in told if r.right is False]
    if not told:
        axis.text(0.5, 0.5, "no Taylor remainder\n(a kink, or not finite)", ha="center", va="center")
        return
    chosen = wrong[0] if wrong and verdict is Verdict.DISAGREE else told[0]
    seen = np.isfinite(chosen.remainders) & (chosen.remainders > 0)
    if np.any(seen):
        axis.loglog(STEPS[seen], chosen.remainders[seen], "o-", ms=3, label="remainder")
        top = float(chosen.remainders[seen][0] / STEPS[seen][0])
        for order, style in ((1, "--"), (2, ":")):
            axis.loglog(STEPS, top * STEPS[0] * (STEPS / STEPS[0]) ** order, style, color="grey",
                        label=f"slope {order}: {'wrong' if order == 1 else 'right'}")  # fmt: skip
    axis.loglog(STEPS, np.maximum(chosen.floors, 1e-300), "-", color="lightgrey", label="rounding")
    axis.set_ylim(bottom=max(float(np.min(chosen.floors)) / 10, 1e-20))
    axis.legend(fontsize=7)
