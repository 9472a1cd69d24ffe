"""What a fit says: facts at its start, a line a fit, a table at its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from manual_vs_auto.fit.scores import Scores
from manual_vs_auto.runs.display import Metrics
from manual_vs_auto.runs.evaluation import Evaluation
from manual_vs_auto.runs.model import Model


@dataclass(frozen=True, eq=False)
class Fitted:
    """One fit, and how good it is.

    l2:                       of l2/2 |W|^2.
    objective, gradient_norm: where it ended: the mean loss and the penalty, and the largest element of their gradient.
    iterations:               of the solver; converged: whether the gradient is as small as was asked for.
    seconds:                  since the first fit began.
    train, val:               on the rows that it learned from, and on those that it did not, if there are any.
    whole:                    all there is to say of the rows that tell most, of a fit that is the best until then.
    """

    l2: float
    objective: float
    gradient_norm: float
    iterations: int
    converged: bool
    seconds: float
    model: Model
    train: Scores
    val: Scores | None
    whole: Evaluation | None = None

    @property
    def held(self) -> Scores:
        """On the rows that tell most."""
        return self.val or self.train

    def metrics(self) -> dict[str, Any]:
        """A line of metrics.jsonl."""
        scores = {"train": self.train, **({"val": self.val} if self.val else {})}
        return {
            "l2": self.l2,
            "iterations": self.iterations,
            "converged": self.converged,
            "objective": self.objective,
            "gradient_norm": self.gradient_norm,
            "seconds": self.seconds,
            **{f"{name}_top{k}": getattr(found, f"top{k}") for name, found in scores.items() for k in (1, 5)},
            **{f"{name}_cross_entropy": found.cross_entropy for name, found in scores.items()},
        }


def number_of(reached: Any) -> int:
    """Of the iterations until then: a Progress's or a Solution's."""
    return int(getattr(reached, "iteration", 0) or getattr(reached, "iterations", 0))


def iteration_metrics(l2: float, reached: Any, seconds: float) -> dict[str, Any]:
    """A line of metrics.jsonl of an iteration."""
    return {
        "iteration": number_of(reached),
        "objective": reached.objective,
        "gradient_norm": reached.gradient_norm,
        "seconds": seconds,
        "l2": l2,
    }


def best_of(fits: Sequence[Fitted]) -> Fitted:
    """The best by validation: by top-1, of equal ones by cross-entropy, of equal ones the largest l2."""
    return max(fits, key=lambda fit: (fit.held.top1, -fit.held.cross_entropy, fit.l2))


def line(metrics: Metrics) -> str:
    """An iteration, or a fit that has ended, as a line for a person."""
    if "iteration" in metrics:
        return f"l2 {metrics['l2']:.3g}  {now(metrics)}  {metrics['seconds']:.1f} s"
    scores = [f"{name} top-1 {metrics[f'{name}_top1']:.2%}" for name in ("train", "val") if f"{name}_top1" in metrics]
    ended = "converged" if metrics["converged"] else "NOT converged"
    return (
        f"l2 {metrics['l2']:.3g}  objective {metrics['objective']:.6f}  gradient {metrics['gradient_norm']:.1e}  "
        f"{metrics['iterations']:,} iterations, {ended}  {', '.join(scores)}  {metrics['seconds']:.1f} s"
    )


def now(metrics: Metrics) -> str:
    """Where the solver is."""
    number = metrics.get("iteration", metrics.get("iterations"))
    return f"iteration {number:,}  objective {metrics['objective']:.6f}  gradient {metrics['gradient_norm']:.1e}"


def table(fits: Sequence[Fitted], kept: Fitted) -> list[str]:
    """A row a fit, the largest l2 first; the one that is kept has a star."""
    held = kept.val is not None
    head = ["l2", "objective", "gradient", "iterations", "converged", "train top-1", "top-5"]
    rows = [head + ["val top-1", "top-5"] * held]
    for fit in fits:
        scores = [fit.train] + [fit.val] * held
        rows.append([
            f"{fit.l2:.3g}" + "*" * (fit is kept and len(fits) > 1),
            f"{fit.objective:.6f}",
            f"{fit.gradient_norm:.1e}",
            f"{fit.iterations:,}",
            "yes" if fit.converged else "NO",
            *(f"{score:.2%}" for found in scores if found for score in (found.top1, found.top5)),
        ])  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [*lines, *(["* kept, the best by validation"] if len(fits) > 1 else [])]


def last_line(kept: Fitted) -> str:
    """The line that says it all."""
    of = "validation" if kept.val else "training"
    found = kept.whole or kept.held
    right = round(found.top1 * found.examples)
    return (
        f"{of} top-1 {found.top1:.2%}: {right:,} of {found.examples:,}, top-5 {found.top5:.2%}, "
        f"cross-entropy {found.cross_entropy:.4f}, l2 {kept.l2:.3g}"
    )
