"""What a reader of a fit's result has to know: versions, device, data, sizes, and when it ends."""

from collections.abc import Sequence

from manual_vs_auto.data.source import printable
from manual_vs_auto.fit.examples import Examples
from manual_vs_auto.fit.options import Options
from manual_vs_auto.fit.training import Training
from manual_vs_auto.runs.machine import versions

_FEW_NAMES = 20  # of classes that are shown


def fit_facts(
    options: Options, examples: Examples, made: Training, device: str, l2s: Sequence[float]
) -> dict[str, str]:
    """One line a fact, in the order in which they are told."""
    count, width = examples.matrix.shape
    penalty = f"{l2s[0]:.3g}" if len(l2s) == 1 else f"{len(l2s)} values, {l2s[0]:.3g} to {l2s[-1]:.3g}"
    return {
        "versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "device": device,
        "data": f"{examples.features.where}: {count:,} rows of {width:,} features, {examples.matrix.dtype.name}",
        "in memory": made.told,
        **examples.told,
        "classes": _classes(examples.names, examples.classes),
        "parameters": f"{examples.classes * (width + options.intercept):,}",
        "objective": f"mean {options.loss} + l2/2 |W|^2, l2 {penalty}",
        "until": f"no element of the gradient is above {options.tol:g}, at most {options.max_iter:,} iterations",
    }


def _classes(names: Sequence[str], count: int) -> str:
    """The classes, the first of them by name."""
    shown = [*map(printable, names[:_FEW_NAMES]), *(["..."] if len(names) > _FEW_NAMES else [])]
    return f"{count:,}" + (f": {', '.join(shown)}" if names else f", 0 to {count - 1:,}")
