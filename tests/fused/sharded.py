"""The fused loss on eight virtual devices, for a process of its own: it says what differs, or nothing.

Run by `test_sharding`, since how many devices there are is settled when JAX starts.
"""

import os
import re
import sys
from collections.abc import Iterator
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 " + os.environ.get("XLA_FLAGS", "")

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from manual_vs_auto.fused import linear_softmax_loss, plan
from tests.haste import HASTY

ROOT = np.random.default_rng(0)
CLASSES = 24
WEIGHT, INPUTS, BIAS = (ROOT.normal(size=size).astype(np.float32) for size in ((24, 20), (16, 20), (24,)))
LABELS, COUNTS = ROOT.integers(0, 24, 16), (ROOT.random(16) > 0.3).astype(np.float32)
DENSE = ROOT.dirichlet(np.ones(24), 16).astype(np.float32)
# How rows and classes are spread over a mesh of 4 x 2.
SPREAD: dict[str, tuple[Any, Any]] = {
    "rows": ("data", None),
    "classes": (None, ("data", "model")),
    "both": ("data", "model"),
    "neither": (None, None),
}
FORMS = {"labels": LABELS, "dense": DENSE}
# Sums of two dozen terms of about 1 in float32, in two orders: logits of size 10, so 16 ulp.
CLOSE = 2e-6


def defined(loss: str, weight: Any, inputs: Any, bias: Any, y: Any) -> Any:
    log_p = jax.nn.log_softmax(inputs @ weight.T + bias[None, :])
    rows = -jnp.sum(y * log_p, 1) if loss == "cross_entropy" else jnp.sum((jnp.exp(log_p) - y) ** 2, 1)
    return jnp.sum(COUNTS * rows) / jnp.sum(COUNTS)


def right(loss: str, form: str) -> Any:
    y = DENSE if form == "dense" else np.eye(CLASSES, dtype=np.float32)[LABELS]
    return jax.value_and_grad(lambda w, x, b: defined(loss, w, x, b, y), (0, 1, 2))(WEIGHT, INPUTS, BIAS)


def distance(found: Any, expected: Any) -> float:
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    return max(float(np.max(np.abs(np.asarray(one) - np.asarray(other)))) for one, other in pairs)


def on_a_mesh(kind: Any, spread: str, loss: str, mode: Any, form: str) -> Iterator[str]:
    """Under jit on a mesh whose axes are the compiler's (Auto) or part of the types (Explicit)."""
    rows, classes = SPREAD[spread]
    mesh = jax.make_mesh((4, 2), ("data", "model"), axis_types=(kind, kind))

    def put(array: Any, *spec: Any) -> Any:
        return jax.device_put(array, NamedSharding(mesh, P(*spec)))

    arrays = put(WEIGHT, classes, None), put(INPUTS, rows, None), put(BIAS, classes)
    labels = put(FORMS[form], rows, classes) if form == "dense" else put(LABELS, rows)
    counts = put(COUNTS, rows)
    reduction: Any = "none" if mode == "recompute" else "mean"

    def ours(weight: Any, inputs: Any, bias: Any) -> Any:
        found = linear_softmax_loss(
            weight, inputs, labels, bias=bias, sample_weight=counts, loss=loss, mode=mode, chunk_size=9,  # type: ignore[call-overload]
            reduction=reduction, aux=("argmax",),
        )  # fmt: skip
        value, aux = found
        return (jnp.sum(value) / jnp.sum(counts) if reduction == "none" else value), aux

    with jax.set_mesh(mesh):
        program = jax.jit(jax.value_and_grad(ours, (0, 1, 2), has_aux=True)).lower(*arrays).compile(HASTY)
        (value, aux), grads = program(*arrays)
        text = program.as_text()
    if distance((value, grads), right(loss, form)) > CLOSE:
        yield f"is off by {distance((value, grads), right(loss, form)):.2g}"
    if not np.array_equal(aux["argmax"], np.argmax(INPUTS @ WEIGHT.T + BIAS, axis=1)):
        yield "has another argmax"
    if kind == AxisType.Explicit and [jax.typeof(g) for g in grads] != [jax.typeof(a) for a in arrays]:
        yield f"returns gradients {[jax.typeof(g) for g in grads]}"
    # What is as large as an argument may be summed, but is nowhere gathered.
    for shape in re.findall(r"= \w+\[([\d,]+)\][^=]* all-gather\(", str(text)):
        if np.prod([int(size) for size in shape.split(",")]) >= min(WEIGHT.size, INPUTS.size):
            yield f"gathers [{shape}]"


def within_shard_map(loss: str, mode: Any) -> Iterator[str]:
    """The mean over devices of each one's loss, and gradients taken outside and inside of shard_map."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))

    def local(weight: Any, inputs: Any, bias: Any, labels: Any, counts: Any) -> Any:
        total = linear_softmax_loss(
            weight, inputs, labels, bias=bias, sample_weight=counts, loss=loss, mode=mode,  # type: ignore[call-overload]
            chunk_size=1 if mode == "in_forward" else 7, reduction="sum",
        )  # fmt: skip
        return jax.lax.psum(total, "data") / jax.lax.psum(jnp.sum(counts), "data")

    def inside(weight: Any, *rest: Any) -> Any:
        return jax.grad(local)(weight, *rest)

    specs = (P(), P("data"), P(), P("data"), P("data"))
    spread = jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=P())
    arrays = (WEIGHT, INPUTS, BIAS, LABELS, COUNTS)
    if distance(jax.jit(jax.value_and_grad(spread, (0, 1, 2)))(*arrays), right(loss, "labels")) > CLOSE:
        yield "is off"
    by_weight = jax.jit(jax.shard_map(inside, mesh=mesh, in_specs=specs, out_specs=P()))(*arrays)
    if distance(by_weight, right(loss, "labels")[1][0]) > CLOSE:
        yield "is off inside"


def chunks() -> Iterator[str]:
    """Every device has its share of every chunk."""
    found = plan(4096, 64, 8192, mode="in_forward", chunk_size=1000)
    if (found.row_groups, found.chunk_size, found.chunks) != (8, 1000, 5):
        yield str(found)
    # 12 rows can be spread over 4 devices, and 7 over none.
    if [plan(rows, 3, 5).row_groups for rows in (12, 7)] != [4, 1]:
        yield str([plan(rows, 3, 5) for rows in (12, 7)])


def main() -> None:
    """Print a line for each thing that is wrong, and exit with 1 if there is one."""
    wrong = [f"chunks: {line}" for line in chunks()]
    for kind, spread, loss, mode, form in (
        (AxisType.Explicit, "rows", "cross_entropy", "in_forward", "labels"),
        (AxisType.Explicit, "both", "squared_distance", "in_forward", "dense"),
        (AxisType.Explicit, "classes", "squared_distance", "recompute", "labels"),
        (AxisType.Explicit, "both", "cross_entropy", "recompute", "labels"),
        (AxisType.Explicit, "neither", "cross_entropy", "recompute", "dense"),
        (AxisType.Auto, "rows", "squared_distance", "in_forward", "labels"),
        (AxisType.Auto, "rows", "cross_entropy", "recompute", "labels"),
        (AxisType.Auto, "classes", "cross_entropy", "in_forward", "labels"),
        (AxisType.Auto, "classes", "squared_distance", "recompute", "dense"),
    ):
        name = f"{kind.name} {spread} {loss} {mode} {form}"
        wrong += [f"{name} {line}" for line in on_a_mesh(kind, spread, loss, mode, form)]
    for loss, mode in (("cross_entropy", "in_forward"), ("squared_distance", "recompute")):
        wrong += [f"shard_map {loss} {mode} {line}" for line in within_shard_map(loss, mode)]
    print(*wrong, sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
