"""What the fused loss is by its definitions: NumPy, every logit, one-hot targets, no identity of ours."""

import functools
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto.fused import linear_softmax_loss, linear_softmax_loss_and_grad
from manual_vs_auto.rules import Array
from tests.haste import HASTY, hastily


def quick(*arrays: Any, **options: Any) -> Any:
    """`linear_softmax_loss_and_grad`, compiled in haste."""
    return hastily(lambda *arrays: linear_softmax_loss_and_grad(*arrays, **options), *arrays)


@dataclass(frozen=True)
class Case:
    """Arrays by the argument's name, labels, and the options that a definition knows."""

    arrays: dict[str, Array]
    labels: Array
    options: dict[str, Any] = field(default_factory=dict)


def drawn(
    generator: np.random.Generator, rows: int, features: int, classes: int, options: dict[str, Any], dtype: Any
) -> Case:
    """A case with every array there is; the logits' size is drawn too, from flat to saturated."""
    size = generator.choice([0.3, 1, 4])
    arrays = {
        "weight": size * generator.normal(size=(classes, features)),
        "inputs": generator.normal(size=(rows, features)),
        "bias": generator.normal(size=classes),
        "sample_weight": generator.random(rows) * (generator.random(rows) > 0.2),
    }
    labels = generator.integers(0, classes, rows)
    if options.get("ignore_label") is not None:
        labels = np.where(generator.random(rows) < 0.3, options["ignore_label"], labels)
    return Case({name: np.asarray(array, dtype) for name, array in arrays.items()}, labels, options)


def losses(arrays: dict[str, Any], labels: Any, options: dict[str, Any], xp: Any = np) -> tuple[Any, Any]:
    """The loss of each row times its weight, [N], before it is reduced, and the weights themselves."""
    classes = len(arrays["weight"])
    z = arrays["inputs"] @ arrays["weight"].T + xp.reshape(arrays["bias"], (1, classes))
    cap, ignored, e = options.get("softcap"), options.get("ignore_label"), options.get("label_smoothing", 0.0)
    if cap is not None:
        z = cap * xp.tanh(z / cap)
    counts = arrays["sample_weight"]
    if ignored is not None:
        counts = xp.where(labels == ignored, 0, counts)
        labels = xp.where(labels == ignored, 0, labels)
    targets = xp.asarray((1 - e) * np.eye(classes) + e / classes, dtype=z.dtype)[labels]
    shifted = z - xp.max(z, axis=1, keepdims=True)
    log_p = shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
    if options.get("loss", "cross_entropy") == "cross_entropy":
        result = -xp.sum(xp.where(targets == 0, 0, targets * log_p), axis=1)
    else:
        result = xp.sum((xp.exp(log_p) - targets) ** 2, axis=1)
    log_sum = z[:, 0] - log_p[:, 0]
    return counts * (result + options.get("z_loss", 0.0) * log_sum**2), counts


def defined(arrays: dict[str, Any], labels: Any, options: dict[str, Any], cotangent: Any = 1.0, xp: Any = np) -> Any:
    """The loss by definition; with reduction none the sum of the rows' losses, each times its cotangent [N]."""
    rows, counts = losses(arrays, labels, options, xp)
    total = xp.sum(rows * cotangent)
    if options.get("reduction", "mean") != "mean":
        return total
    weight = xp.sum(counts)
    return total / xp.where(weight == 0, 1, weight)


# In float64 these are many small programs that run a few times each. In float32, where the precision is at stake, they
# are compiled as everybody's are.
def _differentiated(function: Any, frozen: tuple[tuple[str, Any], ...], hasty: bool) -> Any:
    program = jax.value_and_grad(functools.partial(function, choices=dict(frozen)))
    return jax.jit(program, compiler_options=HASTY if hasty else None)


@functools.cache
def _definition(frozen: tuple[tuple[str, Any], ...], hasty: bool) -> Any:
    """Compiled once for all draws of the same shapes."""
    return _differentiated(_by_definition, frozen, hasty)


@functools.cache
def fused_program(frozen: tuple[tuple[str, Any], ...], hasty: bool) -> Any:
    """The same of the fused loss."""
    return _differentiated(_by_fused, frozen, hasty)


def _by_definition(arrays: dict[str, Any], labels: Any, cotangent: Any, choices: dict[str, Any]) -> Any:
    return defined(arrays, labels, choices, cotangent, jnp)


def _by_fused(arrays: dict[str, Any], labels: Any, cotangent: Any, choices: dict[str, Any]) -> Any:
    return jnp.sum(linear_softmax_loss(labels=labels, **arrays, **choices) * cotangent)


def by_autodiff(case: Case, cotangent: Any = 1.0) -> tuple[Any, dict[str, Any]]:
    """The definition's loss and gradients by JAX, in the dtype of the case."""
    run = _definition(tuple(case.options.items()), case.arrays["weight"].dtype == np.float64)
    return run(case.arrays, case.labels, np.asarray(cotangent, case.arrays["weight"].dtype))  # type: ignore[no-any-return]


def by_fused(case: Case, cotangent: Any = 1.0, **choices: Any) -> tuple[Any, dict[str, Any]]:
    """The fused loss and its gradients by every array."""
    frozen = tuple((case.options | choices).items())
    run = fused_program(frozen, case.arrays["weight"].dtype == np.float64)
    return run(case.arrays, case.labels, np.asarray(cotangent, case.arrays["weight"].dtype))  # type: ignore[no-any-return]


def distance(found: dict[str, Any], right: dict[str, Any]) -> float:
    """The largest difference of any gradient, relative to the largest number of all, or to 1."""
    size = max(1.0, *(float(np.max(np.abs(np.asarray(array, np.float64)), initial=0)) for array in right.values()))
    return max(
        float(np.max(np.abs(np.asarray(found[name], np.float64) - np.asarray(expected, np.float64)), initial=0)) / size
        for name, expected in right.items()
    )
