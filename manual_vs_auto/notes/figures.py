"""`python -m manual_vs_auto.notes.figures`: the pictures of the notes, drawn anew."""

import argparse
import base64
import io
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from manual_vs_auto import manual
from manual_vs_auto.data import load
from manual_vs_auto.model import Batch, Params
from manual_vs_auto.notes.mistakes import MISTAKES, Mistake
from manual_vs_auto.rules.cross_entropy import cross_entropy_jacobian
from manual_vs_auto.rules.softmax import softmax_jacobian
from manual_vs_auto.rules.softmax_squared_distance import softmax_squared_distance, softmax_squared_distance_jacobian

FOLDER = Path(__file__).parent / "figures"
STYLE = {
    "svg.hashsalt": "manual_vs_auto", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.prop_cycle": "cycler('color', ['#4c78a8', '#d1495b', '#6a994e', '#8d6a9f'])",
}  # fmt: skip
LOGITS = np.array([2.0, 1.0, 0.0, -1.0, 1.5, 0.5])
_SNAPSHOTS = (1, 10, 1000)
# Points of a drawing, and levels of a pixel, by which two drawings of the same thing may differ.
_POINTS, _LEVELS = 0.1, 4
_CHAOTIC = 40.0  # where rounding is what is drawn, or decides: half of an accuracy, or three decades of an error


def jacobian(figure: Any) -> None:
    """Softmax's Jacobian, notes (8): the diagonal alone is positive, and every row sums to zero."""
    figure.set_size_inches(4.6, 3.4)
    axis = figure.add_axes((0.1, 0.12, 0.78, 0.78))
    values = softmax_jacobian(LOGITS)[0]
    shown = axis.imshow(values, cmap="RdBu_r", vmin=-0.25, vmax=0.25, interpolation="none")
    for (row, column), value in np.ndenumerate(values):
        color = "white" if abs(value) > 0.15 else "black"
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=color)
    axis.set(xlabel="logit j", ylabel="probability i", title="dS_i / dz_j")
    figure.colorbar(shown, cax=figure.add_axes((0.84, 0.12, 0.03, 0.78)))


def plateau(figure: Any) -> None:
    """Loss and slope by how far a wrong logit is above the label's, and the surface for two wrong ones."""
    figure.set_size_inches(8, 3.1)
    lead = np.linspace(-10, 10, 201)
    logits = np.stack([0 * lead, lead], axis=-1)
    labels = np.zeros(len(lead), np.int64)
    left = figure.add_axes((0.07, 0.17, 0.38, 0.72))
    for name, slopes, style in (("squared distance", softmax_squared_distance_jacobian, "-"),
                                ("cross-entropy", cross_entropy_jacobian, "--")):  # fmt: skip
        left.plot(lead, slopes(logits, labels)[0][:, 1], style, label=name)
    left.set(xlabel="wrong logit - label's logit", ylabel="slope by the wrong logit")
    left.legend(frameon=False, loc="upper left")
    right = figure.add_axes((0.55, 0.17, 0.38, 0.72))
    a, b = np.meshgrid(lead[::4], lead[::4])
    surface = softmax_squared_distance(np.stack([0 * a, a, b], axis=-1), np.zeros(a.shape, np.int64))
    filled = right.contourf(a, b, surface, levels=np.linspace(0, 2, 11), cmap="viridis")
    right.set(xlabel="first wrong logit", ylabel="second wrong logit", title="squared distance, label's logit 0")
    right.set(xticks=range(-10, 11, 5), yticks=range(-10, 11, 5))
    figure.colorbar(filled, cax=figure.add_axes((0.945, 0.17, 0.015, 0.72)))


def weights(figure: Any) -> None:
    """W's rows as images after some steps of plain gradient descent on MNIST: batches of 64, step 0.5."""
    figure.set_size_inches(8, 2.8)
    data = load()
    chosen = np.random.default_rng(0).permutation(len(data.train_labels))
    params, value_and_grad = Params(np.zeros((10, 784))), manual.value_and_grad()
    row = 0
    for step in range(1, _SNAPSHOTS[-1] + 1):
        at = np.take(chosen, np.arange(64 * (step - 1), 64 * step), mode="wrap")
        _, grads = value_and_grad(params, Batch(data.train_images[at], data.train_labels[at]))
        params = Params(params.weight - 0.5 * grads.weight)
        if step not in _SNAPSHOTS:
            continue
        limit = float(np.max(np.abs(params.weight)))
        for digit in range(10):
            axis = figure.add_axes((0.07 + 0.092 * digit, 0.63 - 0.31 * row, 0.088, 0.29))
            axis.imshow(
                params.weight[digit].reshape(28, 28), cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="none"
            )
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if row == 0:
                axis.set_title(str(digit))
            if digit == 0:
                axis.set_ylabel(f"step {step:,}")
        row += 1


def differences(figure: Any) -> None:
    """How far finite differences of a loss are from its slope, against the step."""
    figure.set_size_inches(5.2, 3.2)
    axis = figure.add_axes((0.14, 0.16, 0.82, 0.8))
    logits, labels, direction = LOGITS, np.array(2), np.eye(6)[0]
    slope = softmax_squared_distance_jacobian(logits, labels)[0][0]
    steps = 10.0 ** np.arange(-15, 0.01, 0.25)

    def f(step: float) -> float:
        return float(softmax_squared_distance(logits + step * direction, labels))

    one_sided = np.array([(f(h) - f(0)) / h for h in steps])
    central = np.array([(f(h) - f(-h)) / (2 * h) for h in steps])
    for name, found in (("one-sided", one_sided), ("central", central)):
        errors = np.maximum(np.abs(found - slope) / abs(slope), 1e-13)
        axis.loglog(steps, errors, "o-", markersize=3, label=name)
    axis.set(xlabel="step", ylabel="relative error", ylim=(1e-13, 10))
    axis.legend(frameon=False)


def mistake(made: Mistake, figure: Any) -> None:
    """The test accuracy over training with the right line and with the wrong one."""
    from manual_vs_auto.notes.gallery import courses

    figure.set_size_inches(3.2, 1.7)
    axis = figure.add_axes((0.17, 0.24, 0.8, 0.68))
    for course, label, style in zip(courses(made), ("right", "wrong"), ("-", "--"), strict=True):
        axis.plot(course.steps, 100 * course.accuracy, style, label=label)
    axis.set(xlabel="step", ylabel="test accuracy, %", ylim=(0, 100), xlim=(0, None))
    axis.legend(frameon=False, loc="center right")


FIGURES: dict[str, Callable[[Any], None]] = {
    "jacobian": jacobian,
    "plateau": plateau,
    "weights": weights,
    "differences": differences,
    **{f"mistake-{made.name}": partial(mistake, made) for made in MISTAKES},
}


def drawn(name: str) -> str:
    """The figure of this name as SVG."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = {**matplotlib.rcParamsDefault, "backend": "agg", **STYLE}
    with matplotlib.rc_context(style):
        figure = Figure()
        FIGURES[name](figure)
        canvas: Any = FigureCanvasSVG(figure)
        stream = io.StringIO()
        canvas.print_svg(stream, metadata={"Date": None})
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def differ(name: str, one: str, other: str) -> bool:
    """Whether two drawings of this figure differ by more than another processor's rounding makes."""
    chaotic = {"differences", *(f"mistake-{made.name}" for made in MISTAKES if made.chaotic)}
    points = _CHAOTIC if name in chaotic else _POINTS
    pictures = [[_pixels(text) for text in re.findall(r"base64,([^\"]+)", svg)] for svg in (one, other)]
    # Names are hashes of what they name.
    noise = r"base64,[^\"]+|<metadata>.*?</metadata>|(?<=[\"#])(?:C\w+_)?[a-z]*[0-9a-f]{10}(?=[\")])"
    texts = [re.sub(noise, "", svg, flags=re.DOTALL) for svg in (one, other)]
    number = r"(?<![\w.])-?\d+\.?\d*(?:e-?\d+)?(?!\w)"
    if re.sub(number, "#", texts[0]) != re.sub(number, "#", texts[1]) or len(pictures[0]) != len(pictures[1]):
        return True
    numbers = [np.array(re.findall(number, text), float) for text in texts]
    far = [float(np.max(np.abs(a - b), initial=0.0)) for a, b in zip(*pictures, strict=True)]
    return bool(np.max(np.abs(numbers[0] - numbers[1]), initial=0.0) > points or max(far, default=0) > _LEVELS)


def version(svg: str) -> str:
    """Which Matplotlib drew it: another one draws the same differently."""
    found = re.search(r"Matplotlib v([\d.]+)", svg)
    return found[1] if found else "?"


def _pixels(text: str) -> np.ndarray:
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(base64.b64decode(text)), format="png")
    return 255 * np.asarray(pixels, float)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Args: arguments: those of the command line by default."""
    parser = argparse.ArgumentParser(
        prog="python -m manual_vs_auto.notes.figures",
        description=__doc__,
        epilog="exit status: 0 done, 1 with --check: another is drawn, 2 used wrongly",
    )
    parser.add_argument("names", nargs="*", help=f"which (default all): {', '.join(FIGURES)}")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where (default: beside the notes)")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; status 1 if one there is not what is drawn"
    )
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in FIGURES]
    if unknown:
        parser.error(f"no figure {unknown[0]!r}; there are {', '.join(FIGURES)}")
    try:
        wrong = [name for name in asked.names or FIGURES if not _left(name, asked.out / f"{name}.svg", asked.check)]
    except OSError as error:
        parser.error(str(error))
    except ImportError:
        parser.error("the pictures need matplotlib: pip install matplotlib")
    return 1 if wrong else 0


def _left(name: str, path: Path, check: bool) -> bool:
    """Whether the figure in the file is the one that the code draws, once this has returned."""
    svg = drawn(name)
    if not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(svg)
        print(path)
        return True
    same = path.exists() and not differ(name, path.read_text(), svg)
    print(f"{path}: {'the same' if same else 'another'}")
    return same


if __name__ == "__main__":
    sys.exit(main())
