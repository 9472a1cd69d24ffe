"""How pictures look and what they become: SVG in the colour of the page, or PNG on white."""

import base64
import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.runs.errors import UsageError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Draw: TypeAlias = Callable[[Any], None]

MISSING = "the pictures need matplotlib: pip install matplotlib"
# From dark to light as the number grows, so that grey tells the same.
SIGNED = "cividis"
# The colour says nothing that marker and dashes don't.
COLORS = ("#4c78a8", "#d1495b", "#6a994e", "#8d6a9f")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_INK = "#010203"  # no picture has this colour otherwise: in SVG it becomes the text's
_STYLE = {
    "backend": "agg", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "lines.markersize": 4,
    "axes.grid": True, "grid.alpha": 0.25, "grid.linewidth": 0.6, "legend.frameon": False, "axes.axisbelow": True,
    "svg.fonttype": "none", "image.interpolation": "none",
}  # fmt: skip
_PLAIN: Any = {"Software": None}  # the same picture is the same bytes
_FONT = "DejaVu Sans"  # matplotlib's own, by which it measures


def require() -> None:
    """Raises: UsageError where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError(MISSING) from None


def line_of(at: int) -> dict[str, Any]:
    """How the run at this place, from 0, is drawn: no two of the first 28 the same."""
    return {"color": COLORS[at % len(COLORS)], "marker": MARKERS[at % len(MARKERS)]}


def short(name: str, longest: int = 40) -> str:
    """A name of at most so many characters for a picture, and only a name, whatever is in it."""
    shown = name if len(name) <= longest else f"...{name[3 - longest :]}"
    shown = "".join(c if c.isprintable() else "\ufffd" for c in shown)
    # Two dollars would make a formula, and a legend leaves out what begins with an underscore.
    return (" " if shown.startswith("_") else "") + shown.replace("$", "\\$")


def legend(figure: Any, axes: Sequence[Any], title: str = "") -> None:
    """Who is who, above everything, so that it covers nothing; the figure grows by it.

    Args: title: what the kinds of line are. Without one, a single name is not worth a line.
    """
    pairs = [pair for axis in axes for pair in zip(*axis.get_legend_handles_labels(), strict=True)]
    if len(pairs) < 2 and not title:
        return
    width, height = figure.get_size_inches()
    room = 0.08 * max(len(label) for _, label in pairs) + 0.5  # inches of one
    columns = max(1, min(len(pairs), int(width / room)))
    figure.set_size_inches(width, height + 0.2 * (-(-len(pairs) // columns) + bool(title)))
    handles, labels = zip(*pairs, strict=True)
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, title=title or None, alignment="left")


def svg(draw: Draw, name: str, label: str) -> str:
    """A figure as an element of an HTML page.

    Args: draw:  draws on a matplotlib Figure, whose size it sets.
          name:  goes before its identifiers, which must be the page's only ones.
          label: what it shows, for those who don't see it; HTML already.
    """
    ink = {
        f"{part}color": _INK for part in ("text.", "axes.label", "axes.edge", "axes.title", "xtick.", "ytick.", "grid.")
    }
    ink |= {"figure.facecolor": "none", "axes.facecolor": "none", "svg.hashsalt": name}
    stream = io.StringIO()
    _printed(draw, stream, ink, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    # Names of vocabularies, which nobody follows, and a style that would be the whole page's.
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'xmlns(:xlink)?="[^"]*"', "", text)
    text = re.sub(r'(?<= id=")|(?<=href="#)|(?<=url\(#)', f"{name}-", text)
    text = text.replace(_INK, "currentColor").replace(f"'{_FONT}'", "system-ui, sans-serif")
    text = "\n".join(line.rstrip() for line in text.splitlines() if line.strip())
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def png(draw: Draw) -> bytes:
    """A figure as a file."""
    stream = io.BytesIO()
    _printed(draw, stream, {}, format="png", dpi=150, metadata=_PLAIN)
    return stream.getvalue()


def _printed(draw: Draw, stream: Any, style: dict[str, Any], **how: Any) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    whole: Any = {**matplotlib.rcParamsDefault, **_STYLE, "font.family": [_FONT], **style}
    with matplotlib.rc_context(whole), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a page's reader may have one for it
        figure = Figure(layout="constrained")
        draw(figure)
        figure.savefig(stream, **how)


def pixels(image: Array, limit: float | None = None) -> str:
    """An image as the source of an <img>, one pixel a number.

    Args: image: uint8 [H, W] or [H, W, 3]; or, with a limit, floating [H, W], dark for -limit and light for limit, or
                 [H, W, 3], where mid-grey is 0 in each colour.
    """
    from matplotlib.image import imsave

    stream = io.BytesIO()
    if limit is None:
        shown = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    else:
        shown = image if image.ndim == 2 else np.clip(0.5 + image / (2 * limit), 0, 1)
    span: Any = {"vmin": -limit, "vmax": limit} if limit else {}
    imsave(stream, shown, format="png", cmap=SIGNED, metadata=_PLAIN, **span)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
