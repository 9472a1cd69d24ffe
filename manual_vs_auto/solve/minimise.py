"""The optimum of softmax(W x + b): one value of the penalty, or a path of them."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, get_args

import jax
import numpy as np
from jax.sharding import Mesh

from manual_vs_auto.model import LOSSES, Loss
from manual_vs_auto.rules import Array
from manual_vs_auto.solve.descent import Solver
from manual_vs_auto.solve.objective import Objective
from manual_vs_auto.solve.passes import DATA
from manual_vs_auto.solve.told import Progress, Solution, State
from manual_vs_auto.solve.walk import Walk

Device: TypeAlias = Literal["auto", "cpu", "gpu"]
Start: TypeAlias = tuple[Array, Array]
_NOWHERE = -50.0  # the b of a class without rows: what is left of it float32 can tell from 0, and no gradient can


def minimise(
    features: Array,
    labels: Array,
    classes: int,
    *,
    l2: float = 0.0,
    **options: Any,
) -> Solution:
    """The W and b with the least mean loss and penalty.

    Source:  notes (5) to (10). F = sum_i w_i L(S(W x_i + b), y_i) / sum_i w_i + l2/2 |W|^2; b is not penalised. With
             cross-entropy F is convex and the optimum is the only one (for l2 > 0); with squared distance it is local.
    Args:    features: floating [N, D], NumPy's, also memory-mapped and half as wide. labels: integer [N] in 0..K-1.
             classes: K, from 2. l2: the penalty, per mean loss. options: those of `path`.
    Raises:  ValueError and TypeError that name what can't be used.
    Example:
        >>> found = minimise(np.array([[-1.0], [1.0], [3.0]]), np.array([0, 1, 1]), 2, l2=0.1, tol=1e-8)
        >>> found.converged, np.round(found.weight[1] - found.weight[0], 3)
        (True, array([1.864]))
    """
    (found,) = path(features, labels, classes, [l2], **options)
    return found


def path(
    features: Array,
    labels: Array,
    classes: int,
    l2s: Sequence[float] | Array,
    *,
    loss: Loss = "cross_entropy",
    weights: Array | None = None,
    intercept: bool = True,
    start: Start | None = None,
    tol: float = 1e-4,
    max_iter: int = 1000,
    solver: Literal["auto"] | Solver = "auto",
    device: Device = "auto",
    mesh: Mesh | None = None,
    on_iteration: Callable[[Progress], bool | None] | None = None,
    on_solution: Callable[[float, Solution, State], None] | None = None,
    on_program: Callable[[Any], None] | None = None,
    resume: State | None = None,
) -> list[Solution]:
    """`minimise` for each of several penalties, the strongest first: each from where those before it point to.

    Args:    features, labels, classes: as `minimise` takes them.
             l2s:      the penalties, in any order.
             weights:  [N] >= 0, how much each row counts; None is 1 for each.
             start:    weight [K, D] and bias [K] to begin from; else zeros, and far below for the bias of a class
                       without rows, where cross-entropy's optimum has it.
             tol:      the gradient's largest entry at the end.
             max_iter: the most iterations for each penalty.
             solver:   "lbfgs", in the metric of `metric`; "newton", truncated, by the exact Hessian products of
                       `curvature`; "auto" takes the first, which took less time wherever both were measured.
             device:   "auto" takes NumPy where there is little to do, and else what JAX prefers.
             mesh:     cuts the rows over its axis "data"; with several processes all of them call this with the same
                       arguments, of which features may be mapped from a file: each reads its own rows, and a sample.
             on_iteration: called after each iteration; where it returns true, the fit ends there.
             on_solution: called with each penalty, its Solution, as it is there, and what the path needs to go on.
             on_program: called with each program that is compiled for a mesh, before it first runs.
             resume:   go on from a State of a path that had the same arguments, with the same bits on the same machine.
    Returns: a Solution for each of l2s, in their order.
    Raises:  ValueError and TypeError that name what can't be used.
    """
    where, l2s = None if mesh else _device(device), [float(l2) for l2 in l2s]
    if mesh and DATA not in mesh.shape:
        raise ValueError(f"mesh must have an axis {DATA!r} for the rows, not only {mesh.axis_names}")
    _expect(features, labels, classes, l2s, loss, weights, solver)
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        objective = Objective(
            features,
            labels,
            classes,
            loss=loss,
            l2=0.0,
            weights=weights,
            intercept=intercept,
            device=where,
            mesh=mesh,
            on_program=on_program,
        )
        begin = objective.joined(*(start or _start(objective, labels, weights)))
        walk = Walk(objective, "lbfgs" if solver == "auto" else solver, begin, on_iteration, on_solution)
        if resume is not None:
            walk.take_up(resume)
        found = walk.go(sorted(set(l2s), reverse=True), tol, max_iter)
        return [found[l2] for l2 in l2s]


def _start(objective: Objective, labels: Array, weights: Array | None) -> Start:
    """W = 0, and b = 0 but for classes without rows, whose b belongs at -infinity with cross-entropy.

    On the way there it bends less with each step, in all directions, so that no metric serves for long.
    """
    classes, width = objective.shape
    weight, bias = np.zeros((classes, width - objective.intercept)), np.zeros(classes)
    if objective.loss == "cross_entropy" and objective.intercept:
        bias[np.bincount(labels, weights, minlength=classes) == 0] = _NOWHERE
    return weight, bias


def _device(name: str) -> jax.Device | None:
    if name not in get_args(Device):
        raise ValueError(f"device must be one of {', '.join(get_args(Device))}, not {name!r}")
    if name == "auto":
        return None
    try:
        return jax.local_devices(backend=name)[0]
    except (RuntimeError, AssertionError):
        here = ", ".join(sorted({device.platform for device in jax.devices()}))
        raise ValueError(f"device {name!r}: JAX sees none here, only {here}") from None


def _expect(
    features: Array, labels: Array, classes: int, l2s: Sequence[float], loss: str, weights: Array | None, solver: str
) -> None:
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, not {loss!r}")
    if solver not in ("auto", *get_args(Solver)):
        raise ValueError(f"solver must be one of auto, {', '.join(get_args(Solver))}, not {solver!r}")
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(f"features must be [N, D] with at least one row and column, not {features.shape}")
    if not jax.numpy.issubdtype(features.dtype, np.floating):
        raise TypeError(f"features must be floating, not {features.dtype}")
    if labels.shape != features.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers [{len(features)}], not {labels.dtype} {labels.shape}")
    if classes < 2:
        raise ValueError(f"classes must be at least 2, not {classes}")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels must be in 0..{classes - 1}, not {labels.min()}..{labels.max()}")
    if not l2s or not all(0 <= l2 < math.inf for l2 in l2s):
        raise ValueError(f"l2 must be finite and not negative, not {l2s}")
    if weights is not None:
        if np.shape(weights) != labels.shape:
            raise ValueError(f"weights must be [{len(labels)}], not {np.shape(weights)}")
        if not (np.min(weights) >= 0 and 0 < np.sum(weights) < math.inf):
            raise ValueError("weights must be finite, not negative, and not all 0")
