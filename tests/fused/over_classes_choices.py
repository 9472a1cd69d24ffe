"""What may be asked of the fused loss beside its gradient, with classes over virtual devices; what travels.

Run by `test_classes_over_devices`, as `over_classes`.
"""

import re
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from manual_vs_auto import fused
from manual_vs_auto.model import Batch, Params
from tests.fused.over_classes import (
    ALONE,
    CHOICES,
    SIZES,
    SPREAD,
    Case,
    Spread,
    cases,
    compared,
    ours,
    second,
    spread_out,
    tell,
    tied,
    wrong,
)
from tests.fused.test_drawn import CLOSE
from tests.fused.test_precision import ROWS, exact
from tests.haste import HASTY

ROWS_, FEATURES, K = SIZES
AUX = ("log_prob", "argmax", "entropy", "log_sum_exp")
ALL = {"label_smoothing": 0.1, "z_loss": 0.1, "softcap": 3.0}
FORMS: list[tuple[str, dict[str, Any]]] = [
    ("labels", {"mode": "in_forward", "ignore_label": 3, **ALL}),
    ("labels", {"mode": "recompute", "loss": "squared_distance", "transposed": True, "reduction": "none", **ALL}),
    ("dense", {"mode": "in_forward", "loss": "squared_distance", **ALL}),
    ("dense", {"mode": "recompute", "reduction": "none", **ALL}),
    ("ids", {"mode": "in_forward", "transposed": True, "ignore_label": 3, "z_loss": 0.1}),
]


def as_on_one_device(form: str, options: dict[str, Any]) -> Iterator[str]:
    """Everything that has a gradient, and what is asked for beside it, as one device has them."""
    generator = np.random.default_rng(3)
    case = cases(generator, SIZES, SPREAD, np.float64)["drawn"]
    given = {"labels": case.labels, "dense": generator.dirichlet(np.ones(K), ROWS_)}
    given["ids"], chances = generator.integers(0, K, (ROWS_, 3)), generator.dirichlet(np.ones(3), ROWS_)
    more = {"label_probabilities": chances} if form == "ids" else {}
    turned = options.get("transposed", False)
    counts = generator.random(ROWS_) * (np.arange(ROWS_) % 4 > 0)
    case.inputs[0] = np.nan  # which is not read, while the other rows without a weight are: for their derivative
    arrays = (case.weight.T if turned else case.weight, case.inputs, case.bias, counts, generator.random(K) + 0.5)
    axis = int(turned)
    weight, by_class = P(None, "classes") if turned else ALONE, P(None, "classes") if form == "dense" else P()

    def loss(
        options: dict[str, Any], weight: Any, inputs: Any, bias: Any, counts: Any, by_class: Any, t: Any, y: Any
    ) -> Any:
        value, aux = ours(
            weight, inputs, y, bias=bias, sample_weight=counts, class_weight=by_class, temperature=t, aux=AUX,
            chunk_size=4 if options["mode"] == "in_forward" else 2, **options, **more,
        )  # fmt: skip
        return jnp.sum(value * jnp.arange(1, ROWS_ + 1, dtype=value.dtype) if value.ndim else value), aux

    def run(function: Any, *arrays: Any) -> Any:
        both = jax.value_and_grad(function, tuple(range(6)), has_aux=True)
        return jax.jit(both, compiler_options=HASTY)(*arrays)

    over = spread_out(
        partial(loss, {**options, "classes_axis": "classes", "classes": K}),
        weight, P(), ALONE, P(), ALONE, P(), by_class, out=(P(), P()),
    )  # fmt: skip
    y = given[form]
    padded = axis, None, 0, None, 0, 1 if form == "dense" else None
    there = [a if at is None else SPREAD.padded(a, at) for a, at in zip((*arrays, y), padded, strict=True)]
    found, right = (
        jax.tree.leaves(run(function, *some[:5], np.float64(1.3), some[5]))
        for function, some in ((over, there), (partial(loss, options), [*arrays, y]))
    )
    for one, other in zip(found, right, strict=True):
        expected = np.zeros(one.shape)
        expected[tuple(map(slice, other.shape))] = other
        if not np.allclose(one, expected, rtol=CLOSE, atol=CLOSE):
            yield f"{form} {options}: another {other.shape}"


def digits(loss: str, mode: str) -> Iterator[str]:
    """Rows that are sure, huge or almost impossible keep the digits that `test_precision` asks of one device."""
    spread, weight, inputs = Spread(1, 4, 5), np.zeros((8, 1), np.float32), np.zeros((1, 1), np.float32)

    def value(bias: Any, weight: Any, inputs: Any, labels: Any) -> Any:
        return ours(
            weight,
            inputs,
            labels,
            bias=bias,
            loss=loss,
            mode=mode,
            classes_axis="classes",
            classes=5,
        )

    run = jax.jit(spread_out(jax.value_and_grad(value), ALONE, ALONE, P(), P(), out=(P(), ALONE), spread=spread))
    for name, (logits, label) in ROWS.items():
        found, by_bias = run(spread.padded(np.asarray(logits, np.float32)), weight, inputs, np.array([label]))
        right, expected = exact(logits, label, loss)
        for one, other in ((found, right), (by_bias[:5], expected)):
            if not np.allclose(one, np.float64(other), rtol=3e-6, atol=1e-37):
                yield f"digits {loss} {mode} {name}: {one}, not {other}"


def travels(loss: str, mode: Any) -> Iterator[str]:
    """What the compiled program moves, and how often: 3 numbers a row, of squared distance 4, and dX."""
    spread, width = Spread(2, 4, 4 * K), np.dtype(np.float32).itemsize
    shapes = [jax.ShapeDtypeStruct(size, np.float32) for size in ((4 * K, FEATURES), (2 * ROWS_, FEATURES))]

    def both(weight: Any, inputs: Any, labels: Any) -> Any:
        found = fused.linear_softmax_loss_and_grad(
            weight,
            inputs,
            labels,
            loss=loss,
            mode=mode,
            chunk_size=4 * K,
            classes_axis="classes",
        )
        return jax.lax.pmean(found[0], "data"), found[1]

    specs = (ALONE, P("data"), P("data"))
    run = jax.jit(spread_out(both, *specs, out=(P(), specs[:2]), spread=spread))
    text = run.lower(*shapes, jax.ShapeDtypeStruct((2 * ROWS_,), np.int32)).compile().as_text()
    moved = re.findall(r"= (\(?\w+\[.*?) (all-\w+|reduce-scatter|collective-\w+)(?:-start)?\((?!.*calls=)", str(text))
    over = [[size.split(",") for size in re.findall(r"\[([\d,]*)\]", shape)] for shape, _ in moved]
    sizes = sorted(sum(int(np.prod([int(n or 1) for n in size])) for size in some) for some in over)
    numbers = 2 if loss == "cross_entropy" else 3
    # Over classes the maxima, the sums and dX; over data the loss with dW, by which that axis does not vary.
    expected = sorted([ROWS_, numbers * ROWS_, ROWS_ * FEATURES, 1 + K * FEATURES])
    if {kind for _, kind in moved} != {"all-reduce"} or sizes != expected:
        yield f"{loss} {mode} moves {moved}: {width * sum(sizes)} bytes, not {width * sum(expected)}"


def held(loss: str, mode: Any) -> Iterator[str]:
    """What the compiled program holds beside the formula of `plan`, as `test_memory` allows it on one device."""
    (rows, features, some, chunk), spread = (1024, 64, 4096, 256), Spread(1, 8, 8 * 4096)
    options: dict[str, Any] = {"loss": loss, "mode": mode, "chunk_size": chunk, "classes_axis": "classes"}
    stated = fused.plan(rows, features, some, **options).temporary_bytes
    shapes = [jax.ShapeDtypeStruct(size, np.float32) for size in ((8 * some, features), (rows, features))]
    mean = spread_out(partial(ours, **options), ALONE, P(), P(), spread=spread)
    run = jax.jit(jax.value_and_grad(mean, (0, 1))).lower(*shapes, jax.ShapeDtypeStruct((rows,), np.int32)).compile()
    found = run.memory_analysis()
    if found is None or abs(found.temp_size_in_bytes - stated) > 0.02 * stated + 64 * rows + 4096:
        yield f"{loss} {mode} holds {found}, not {stated}"


def elsewhere(loss: Any, mode: str, whole: bool) -> Iterator[str]:
    """Inputs that were gathered, a mesh whose axes are types, an axis left to the compiler, and the trainer's seam."""
    spread, sizes = Spread(2, 4, K), (2 * ROWS_, FEATURES, K)
    case = cases(np.random.default_rng(1), sizes, spread, np.float64)["drawn"]
    explicit = jax.make_mesh((2, 4), ("data", "classes"), (AxisType.Explicit,) * 2)

    def within(weight: Any, inputs: Any, bias: Any, labels: Any) -> Any:
        return ours(
            weight,
            inputs,
            labels,
            bias=bias,
            loss=loss,
            mode=mode,
            classes_axis="classes",
            classes=K,
        )

    def mean(*arrays: Any) -> Any:
        return jax.lax.pmean(within(*arrays), "data")

    def gathered(weight: Any, inputs: Any, *rest: Any) -> Any:
        return within(weight, jax.lax.all_gather(inputs, "classes", tiled=True), *rest)

    def seam(weight: Any, inputs: Any, labels: Any) -> Any:
        run = fused.value_and_grad(loss, classes_axis="classes", classes=K)
        value, grads = run(Params(weight), Batch(inputs, labels))
        # By a weight that is the same for all rows, JAX has summed the gradients of the devices' means.
        return jax.lax.pmean(value, "data"), grads.weight / 2

    arrays = spread.arrays(case)[:4]
    rows, pair = (ALONE, P("data"), ALONE, P("data")), Spread(1, 2, K)
    ways = {
        "explicit": (explicit, jax.shard_map(mean, mesh=explicit, in_specs=rows, out_specs=P()), rows),
        "partly": (spread.mesh, jax.shard_map(within, mesh=spread.mesh, in_specs=(ALONE, P(), ALONE, P()),
                                              out_specs=P(), axis_names={"classes"}), rows),
        "gathered": (pair.mesh, spread_out(gathered, ALONE, ALONE, ALONE, P(), spread=pair), (P(),) * 4),
    }  # fmt: skip
    for name, (mesh, function, specs) in ways.items() if whole else [*ways.items()][2:]:
        with jax.set_mesh(mesh):
            put = [jax.device_put(one, NamedSharding(mesh, spec)) for one, spec in zip(arrays, specs, strict=True)]
            for line in compared(case, loss, *jax.jit(jax.value_and_grad(function, (0, 1, 2)))(*put)):
                yield f"{name} {loss} {mode}: {line}"
    flat = Case(case.weight, case.inputs, 0 * case.bias, case.labels)
    run = spread_out(seam, ALONE, P("data"), P("data"), out=(P(), ALONE), spread=spread)
    value, by_weight = jax.jit(run)(arrays[0], arrays[1], arrays[3])
    right = flat.gradients(loss)
    for line in compared(flat, loss, value, [by_weight, *right[1][1:]]):
        yield f"the seam: {line}"


def one_bias(loss: str, mode: str) -> Iterator[str]:
    """A bias that is the same on every device has a gradient that is the sum of theirs."""
    spread = Spread(1, 2, 10)
    case = cases(np.random.default_rng(2), (ROWS_, FEATURES, 10), spread, np.float64)["drawn"]
    case = Case(case.weight, case.inputs, np.tile(case.bias[:5], 2), case.labels)

    def within(bias: Any, *arrays: Any) -> Any:
        return ours(*arrays, bias=bias, loss=loss, mode=mode, classes_axis="classes")

    run = jax.jit(jax.grad(spread_out(within, P(), ALONE, P(), P(), spread=spread)), compiler_options=HASTY)
    found, (*_, right) = run(case.bias[:5], case.weight, case.inputs, case.labels), case.gradients(loss)[1]
    if not np.allclose(found, right.reshape(2, 5).sum(axis=0), rtol=0, atol=CLOSE):
        yield f"another gradient by one bias for all, {loss} {mode}"


def choices(whole: bool) -> Iterator[str]:
    """Some of each, or all."""
    yield from wrong(SPREAD, SIZES, "cross_entropy", "recompute", label_smoothing=0.1)
    for form, options in FORMS if whole else FORMS[::3]:
        yield from as_on_one_device(form, options)
    for loss, mode in CHOICES if whole else CHOICES[3:]:
        yield from digits(loss, mode)
    for loss, mode in CHOICES if whole else CHOICES[:1]:
        yield from held(loss, mode)
    for loss, mode in CHOICES if whole else CHOICES[::3]:
        yield from travels(loss, mode)
    for loss, mode in CHOICES if whole else CHOICES[2:3]:
        yield from elsewhere(loss, mode, whole)
        yield from one_bias(loss, mode)
    for loss, mode in CHOICES if whole else CHOICES[3:]:
        yield from second(tied(), loss, mode)


if __name__ == "__main__":
    tell(choices("whole" in sys.argv))
