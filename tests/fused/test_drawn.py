"""Hundreds of drawn cases against the definitions: NumPy float64, jax.grad, optax and PyTorch."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from manual_vs_auto.fused import linear_softmax_loss, linear_softmax_loss_and_grad
from tests.fused.reference import Case, by_autodiff, by_fused, defined, distance, drawn

# Every value of every option is here with every mode, and each pair of options somewhere.
OPTIONS: list[dict[str, Any]] = [
    {},
    {"loss": "squared_distance"},
    {"label_smoothing": 0.1},
    {"loss": "squared_distance", "label_smoothing": 0.2, "z_loss": 0.01},
    {"softcap": 1.5},
    {"loss": "squared_distance", "softcap": 2.0, "ignore_label": 3},
    {"z_loss": 0.1, "ignore_label": -100},
    {"label_smoothing": 0.3, "softcap": 2.0, "z_loss": 0.05, "ignore_label": -1},
    {"reduction": "sum"},
    {"loss": "squared_distance", "reduction": "sum", "label_smoothing": 1.0},
    {"reduction": "none"},
    {"loss": "squared_distance", "reduction": "none", "softcap": 3.0},
    {"reduction": "none", "label_smoothing": 0.1, "ignore_label": 0, "z_loss": 0.01},
]
# Rows, features, classes, chunk: a prime of each, one of each, chunks that divide, that don't, and that hold all.
SIZES = [(13, 5, 17, 4), (12, 3, 8, 4), (7, 4, 1, 3), (1, 2, 9, 2), (5, 6, 11, 64)]
DRAWS = 4
# Sums of a few dozen terms, a few roundings each, with numbers up to exp's own error of some ulp: 1e3 ulp of float64.
CLOSE = 1e3 * float(np.finfo(np.float64).eps)


def modes(options: dict[str, Any]) -> tuple[str, ...]:
    return ("recompute",) if options.get("reduction") == "none" else ("in_forward", "recompute")


CASES = [
    (options, size, mode)
    for (at, options), (where, size) in itertools.product(enumerate(OPTIONS), enumerate(SIZES))
    if where == 0 or (at + where) % 4 == 0
    for mode in modes(options)
]


@pytest.mark.parametrize(("options", "size", "mode"), CASES)
def test_float64_is_the_definition(options: dict[str, Any], size: tuple[int, int, int, int], mode: str) -> None:
    generator = np.random.default_rng(len(str(options)) + size[0])
    for _ in range(DRAWS):
        case = drawn(generator, *size[:3], options, np.float64)
        cotangent = generator.normal(size=size[0]) if options.get("reduction") == "none" else 1.0
        value, grads = by_fused(case, cotangent, mode=mode, chunk_size=size[3])
        np.testing.assert_allclose(value, defined(case.arrays, case.labels, options, cotangent), rtol=CLOSE, atol=CLOSE)
        assert distance(grads, by_autodiff(case, cotangent)[1]) < CLOSE


@pytest.mark.parametrize("options", OPTIONS[:2] + OPTIONS[4:5] + OPTIONS[6:8])
@pytest.mark.parametrize("mode", ["in_forward", "recompute"])
@pytest.mark.usefixtures("optimised")
def test_float32_is_as_near_to_float64_as_autodiff_is(options: dict[str, Any], mode: str) -> None:
    generator = np.random.default_rng(len(str(options)))
    ours, theirs = [], []
    for _ in range(12):
        case = drawn(generator, 64, 16, 257, options, np.float32)
        wide = Case({name: np.asarray(array, np.float64) for name, array in case.arrays.items()}, case.labels, options)
        right = by_autodiff(wide)[1]
        ours.append(distance(by_fused(case, mode=mode, chunk_size=48)[1], right))
        theirs.append(distance(by_autodiff(case)[1], right))
    # Of two equally good programs neither is twice as far off, in the mean of twelve.
    assert np.mean(ours) <= 2 * np.mean(theirs)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("mode", ["in_forward", "recompute"])
def test_optax_has_the_same_cross_entropy(smoothing: float, mode: Any) -> None:
    generator = np.random.default_rng(2)
    for rows, features, classes in [(13, 5, 17)] * 6:
        weight, inputs = (jnp.asarray(generator.normal(size=size)) for size in ((classes, features), (rows, features)))
        labels = jnp.asarray(generator.integers(0, classes, rows))

        def theirs(weight: Any, inputs: Any, labels: Any = labels, classes: int = classes) -> Any:
            targets = optax.smooth_labels(jax.nn.one_hot(labels, classes, dtype=weight.dtype), smoothing)
            return optax.softmax_cross_entropy(inputs @ weight.T, targets).mean()

        value, right = jax.value_and_grad(theirs, (0, 1))(weight, inputs)
        loss, grads = linear_softmax_loss_and_grad(
            weight, inputs, labels, label_smoothing=smoothing, mode=mode, chunk_size=4
        )
        np.testing.assert_allclose(loss, value, rtol=CLOSE)
        for ours, expected in zip(grads, right, strict=True):
            np.testing.assert_allclose(ours, expected, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_pytorch_has_the_same_cross_entropy(smoothing: float, reduction: Any) -> None:
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(3)
    for _ in range(10):
        weight, inputs, bias = (generator.normal(size=size) for size in ((17, 5), (13, 5), (17,)))
        labels = np.where(generator.random(13) < 0.2, -100, generator.integers(0, 17, 13))
        cotangent = generator.normal(size=13) if reduction == "none" else np.float64(1.0)
        leaves = [torch.tensor(array, requires_grad=True) for array in (weight, inputs, bias)]
        theirs = torch.nn.functional.cross_entropy(
            torch.nn.functional.linear(leaves[1], leaves[0], leaves[2]),
            torch.tensor(labels),
            ignore_index=-100,
            label_smoothing=smoothing,
            reduction=reduction,
        )
        theirs.backward(torch.tensor(cotangent))
        value, pullback = jax.vjp(
            lambda weight, inputs, bias, labels=labels: linear_softmax_loss(
                weight, inputs, jnp.asarray(labels), bias=bias, ignore_label=-100, label_smoothing=smoothing,
                reduction=reduction, chunk_size=4,
            ),
            *map(jnp.asarray, (weight, inputs, bias)),
        )  # fmt: skip
        np.testing.assert_allclose(value, theirs.detach().numpy(), rtol=CLOSE)
        for ours, leaf in zip(pullback(jnp.asarray(cotangent)), leaves, strict=True):
            np.testing.assert_allclose(ours, leaf.grad.numpy(), rtol=0, atol=CLOSE)
