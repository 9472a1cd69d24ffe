"""The fused loss with its classes over virtual devices, for a process of its own: it says what differs, or nothing.

Run by `test_classes_over_devices`, since how many devices there are is settled when JAX starts.
"""

import itertools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 " + os.environ.get("XLA_FLAGS", "")

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from manual_vs_auto.fused import linear_softmax_loss
from tests.fused.test_drawn import CLOSE
from tests.haste import HASTY

for name, value in (("enable_x64", True), ("numpy_rank_promotion", "raise"), ("numpy_dtype_promotion", "strict")):
    jax.config.update(f"jax_{name}", value)

Array = Any
ours: Any = linear_softmax_loss
Sizes = tuple[int, int, int]
CHOICES = [(loss, mode) for loss in ("cross_entropy", "squared_distance") for mode in ("in_forward", "recompute")]


@dataclass(frozen=True)
class Spread:
    """So many devices for the rows and for the classes, and K of them."""

    data: int
    devices: int
    classes: int

    @property
    def held(self) -> int:
        """Classes that a device has, padding among them."""
        return -(-self.classes // self.devices)

    @property
    def mesh(self) -> Any:
        """Of the first devices."""
        some = jax.devices()[: self.data * self.devices]
        return jax.make_mesh((self.data, self.devices), ("data", "classes"), (AxisType.Auto,) * 2, devices=some)

    def padded(self, array: Array, axis: int = 0) -> Array:
        """The array with infinity and NaN for what is no class."""
        more = self.held * self.devices - self.classes
        found = np.pad(array, [(0, more * (at == axis)) for at in range(array.ndim)], constant_values=np.nan)
        np.moveaxis(found, axis, 0)[self.classes : self.classes + more % 2] = np.inf
        return found

    def arrays(self, case: "Case") -> list[Array]:
        """weight, inputs, bias, labels and a mask of rows, as many as divide, with NaN where nobody may look."""
        rows = -len(case.labels) % self.data
        inputs = np.pad(case.inputs, [(0, rows), (0, 0)], constant_values=np.nan)
        mask = np.arange(len(inputs)) < len(case.labels)
        return [self.padded(case.weight), inputs, self.padded(case.bias), np.pad(case.labels, (0, rows)), mask]


@dataclass(frozen=True)
class Case:
    """Arrays of a loss, without padding."""

    weight: Array
    inputs: Array
    bias: Array
    labels: Array

    def gradients(self, loss: str, smoothing: float = 0.0) -> tuple[Array, list[Array]]:
        """The mean loss and its gradients in NumPy float64 by notes (6), (7), (9) and (10): no identity of ours."""
        w, x, b = (array.astype(np.float64) for array in (self.weight, self.inputs, self.bias))
        z = x @ w.T + b
        shifted = z - z.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        p, y = np.exp(log_p), (1 - smoothing) * np.eye(len(w))[self.labels] + smoothing / len(w)
        if loss == "cross_entropy":
            losses, by_logits = -np.sum(np.where(y == 0, 0, y * log_p), axis=1), p - y
        else:
            losses, by_logits = np.sum((p - y) ** 2, axis=1), 2 * p * (p - y - np.sum(p * (p - y), axis=1)[:, None])
        g = by_logits / len(x)
        return losses.mean(), [g.T @ x, g @ w, g.sum(axis=0)]

    def bounds(self, loss: str, dtype: Any) -> tuple[Array, list[Array]]:
        """How far the loss and each number of the gradients may be off, by rounding in this dtype.

        Each logit of row b is a sum of D + 1 terms: off by d = (D + 2) eps max_k (sum_d |x w| + |b_k|). So E_k is by
        2 d and exp's ulp or two of itself, S by no more and a rounding for each of K terms and what devices add, and
        p_k by r = 4 d + (K + 24) eps. dL/dz_k is p - y, or 2 p (p - y - s) with s = sum p (p - y) off by 3 r: by 12 r,
        and is not above 2. The losses are off by r or 8 r, and by some ulp. Each sum of n terms rounds n + 4 times.
        """
        w, x, b = (np.abs(array.astype(np.float64)) for array in (self.weight, self.inputs, self.bias))
        eps, rows, classes = float(np.finfo(dtype).eps), len(x), len(w)
        d = (x.shape[1] + 2) * eps * np.max(x @ w.T + b, axis=1)
        r = 4 * d + (classes + 24) * eps
        g = (12 * r + 2 * (rows + classes + 4) * eps) / rows
        value = np.mean(8 * r) + (rows + 8) * eps * abs(self.gradients(loss)[0])
        return value, [np.broadcast_to(g @ x, w.shape), g[:, None] * w.sum(axis=0), np.full(classes, g.sum())]


ALONE = P("classes")
# Eight devices, of which one has no class.
SIZES = (11, 3, 19)
SPREAD = Spread(1, 8, 19)


def spread_out(function: Any, *specs: Any, out: Any = None, spread: Spread = SPREAD) -> Any:
    """The function within shard_map."""
    out = P() if out is None else out
    return jax.shard_map(function, mesh=spread.mesh, in_specs=specs, out_specs=out)


def cases(generator: np.random.Generator, sizes: Sizes, spread: Spread, dtype: Any) -> dict[str, Case]:
    """Rows of every kind, of the same shapes; a label on every device that has a class."""
    rows, features, classes = sizes
    labels = generator.permutation(np.resize(np.arange(0, classes, spread.held), rows))
    weight, inputs = generator.normal(size=(classes, features)), generator.normal(size=(rows, features))
    # A row of zeros has the bias for its logits.
    flat = inputs * (np.arange(rows) % 4 == 0)[:, None]
    device, tied = np.arange(classes) // spread.held, [1, classes // 2, classes - 1, labels[1]]
    found = {
        "drawn": (inputs, generator.normal(size=classes)),
        "ties at the maximum on several devices": (flat, np.where(np.isin(np.arange(classes), tied), 9.0, 0.1)),
        "ties on each device, at a maximum of its own": (flat, 0.3 * (device * 3 % spread.devices)),
        "huge": (flat, generator.choice([1e4, -1e4, 9999.0, 0.0], classes)),
        "far below 0": (flat, generator.normal(size=classes) - 1e4),
        "sure and wrong": (flat, 40.0 * (np.arange(classes) == classes - 1)),
    }
    made = {}
    for name, (x, b) in found.items():
        w, x, b = (np.asarray(array, dtype) for array in (weight, x, b))
        made[name] = Case(w, x, b, labels)
    return made


def local(spread: Spread, options: dict[str, Any], *arrays: Array) -> Array:
    """The mean loss of all rows, within shard_map: what a user writes."""
    weight, inputs, bias, labels, mask = arrays
    total = ours(
        weight, inputs, labels, bias=bias, sample_weight=mask, reduction="sum", classes_axis="classes",
        classes=spread.classes, **options,
    )  # fmt: skip
    rows = jax.lax.psum(jnp.sum(mask, dtype=total.dtype), "data")
    return jax.lax.psum(total, "data") / rows


SPECS = (P("classes"), P("data"), P("classes"), P("data"), P("data"))


def program(spread: Spread, options: dict[str, Any], inside: bool) -> Any:
    """Loss and gradients by weight, inputs and bias, differentiated inside of shard_map or from outside."""
    run, by = partial(local, spread, options), (0, 1, 2)
    if inside:
        both = jax.shard_map(jax.value_and_grad(run, by), mesh=spread.mesh, in_specs=SPECS, out_specs=(P(), SPECS[:3]))
    else:
        both = jax.value_and_grad(jax.shard_map(run, mesh=spread.mesh, in_specs=SPECS, out_specs=P()), by)
    return jax.jit(both)


def compared(case: Case, loss: str, value: Array, grads: Any, smoothing: float = 0.0) -> Iterator[str]:
    """What is further off than it may be, and what is not 0 where there is no class."""
    expected, right = case.gradients(loss, smoothing)
    (allowed, bounds), (ours, ulps) = case.bounds(loss, case.weight.dtype), case.bounds(loss, np.float64)
    if not abs(float(value) - expected) <= allowed + ours:
        yield f"loss is off by {abs(float(value) - expected):.2g}, where {allowed:.2g} is rounding"
    for name, grad, one, bound, ulp in zip(("weight", "inputs", "bias"), grads, right, bounds, ulps, strict=True):
        found = np.asarray(grad, np.float64)
        excess = np.max(np.abs(found[: len(one)] - one) / (bound + ulp))
        if not excess <= 1:
            yield f"{name}'s gradient is off by {excess:.2g} times what is rounding"
        if name != "inputs" and np.any(found[len(one) :] != 0):
            yield f"{name}'s gradient is not 0 where nothing is"


def wrong(
    spread: Spread, sizes: Sizes, loss: str, mode: str, dtype: Any = np.float64, inside: bool = True, **options: Any
) -> Iterator[str]:
    """What differs from the definition, of every kind of row."""
    choices = {"loss": loss, "mode": mode, "chunk_size": 4 if mode == "in_forward" else 2, **options}
    run, compiled = program(spread, choices, inside), None
    for name, case in cases(np.random.default_rng(sizes), sizes, spread, dtype).items():
        arrays = spread.arrays(case)
        compiled = compiled or run.lower(*arrays).compile(HASTY)
        value, grads = compiled(*arrays)
        for line in compared(case, loss, value, grads, options.get("label_smoothing", 0.0)):
            yield f"{loss} {mode} {spread} {np.dtype(dtype).name} inside={inside} {name}: {line}"


def second(case: Case, loss: str, mode: str) -> Iterator[str]:
    """The derivative of the gradient along a direction."""
    spread = Spread(1, 4, len(case.weight))

    def along(function: Any, w: Any, x: Any, dw: Any, dx: Any) -> Any:
        run = jax.jit(lambda *a: jax.jvp(jax.grad(function, (0, 1)), a[:2], a[2:])[1], compiler_options=HASTY)
        return run(w, x, dw, dx)

    def mean(w: Any, x: Any, b: Any = case.bias, **choices: Any) -> Any:
        return ours(w, x, case.labels, bias=b, loss=loss, mode=mode, chunk_size=2, **choices)

    over = spread_out(partial(mean, classes_axis="classes", classes=spread.classes), ALONE, P(), ALONE, spread=spread)
    whole, bias = case.weight, spread.padded(case.bias)
    one = along(mean, whole, case.inputs, np.sin(whole), np.cos(case.inputs))
    padded = (spread.padded(whole), case.inputs, spread.padded(np.sin(whole)), np.cos(case.inputs))
    found = along(lambda w, x: over(w, x, bias), *padded)
    if not all(np.allclose(a[: len(b)], b, rtol=0, atol=CLOSE) for a, b in zip(found, one, strict=True)):
        yield f"another second derivative of {loss} {mode}"


def tied() -> Case:
    """Rows with several classes at the maximum."""
    made = cases(np.random.default_rng(5), (5, 2, 7), Spread(1, 4, 7), np.float64)
    return made["ties at the maximum on several devices"]


def gradients(whole: bool) -> Iterator[str]:
    """Loss and gradients on 1, 2, 4, 8 and 2 x 4 devices, of sizes that are drawn, and primes; whole: of each kind."""
    generator, empty, at = np.random.default_rng(0), False, 0
    for data, devices in ((1, 1), (1, 2), (1, 4), (1, 8), (2, 4)):
        few = {1: CHOICES[:1], 2: CHOICES[3:], 4: CHOICES[1:3]}.get(data * devices, CHOICES)
        for loss, mode in CHOICES if whole else few:
            rows, features, classes = (int(generator.choice(primes)) for primes in ([11, 13], [3, 5], [17, 19, 29]))
            spread = Spread(data, devices, classes)
            empty |= spread.held * (devices - 1) >= classes
            kinds = itertools.product((np.float64, np.float32), (True, False))
            for dtype, inside in kinds if whole else [((np.float64, np.float32)[at % 2], at // 2 % 2 == 0)]:
                yield from wrong(spread, (rows, features, classes), loss, mode, dtype, inside)
            at += 1
    if not empty:
        yield "no device was without a class"


def tell(lines: Iterator[str]) -> None:
    """Print a line for each thing that is wrong, and exit with 1 if there is one."""
    found = list(lines)
    print(*found, sep="\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    tell(gradients("whole" in sys.argv))
