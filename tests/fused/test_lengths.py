"""`jax.export` of the loss with symbols for lengths: one program for any of them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from manual_vs_auto.fused import linear_softmax_loss, linear_softmax_loss_and_grad
from manual_vs_auto.fused.lengths import least, sure
from tests.haste import hastily

ROOT = np.random.default_rng(4)
CLOSE: dict[str, Any] = {"rtol": 0, "atol": 1e-13}  # numbers of 1 after some dozen roundings, in another order
SYMBOLS = "B, T, K, D"
LOSSES = ("cross_entropy", "squared_distance")


def shapes(text: str) -> list[jax.ShapeDtypeStruct]:
    b, t, k, d = export.symbolic_shape(text)
    struct: Any = jax.ShapeDtypeStruct
    return [struct((k, d), jnp.float64), struct((b, t, d), jnp.float64), struct((b, t), jnp.int32)]


def arrays(b: int, t: int, k: int, d: int) -> tuple[Any, ...]:
    labels = ROOT.integers(0, k, (b, t))
    return jnp.asarray(ROOT.normal(size=(k, d))), jnp.asarray(ROOT.normal(size=(b, t, d))), jnp.asarray(labels, "int32")


def expect_one_program(function: Any, text: str, *sizes: tuple[int, ...]) -> None:
    program = export.export(jax.jit(function))(*shapes(text))
    for size in sizes:
        given = arrays(*size)
        for found, right in zip(*map(jax.tree.leaves, (program.call(*given), hastily(function, *given))), strict=True):
            np.testing.assert_allclose(found, right, **CLOSE)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("text", ["B, 3, 5, 4", "2, 3, K, 4", "2, 3, 5, D", SYMBOLS])
def test_by_default(text: str, loss: Any) -> None:
    expect_one_program(lambda *given: linear_softmax_loss_and_grad(*given, loss=loss), text, (2, 3, 5, 4))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mode", ["in_forward", "recompute"])
def test_in_chunks_of_any_choice(loss: Any, mode: Any) -> None:
    """Fewer rows and classes than a chunk has, as many, and more; many enough that squared distance sums in lanes."""

    def both(weight: Any, inputs: Any, labels: Any) -> Any:
        ones, numbers = jnp.ones_like(weight[:, 0]), {"label_smoothing": 0.1, "softcap": 3.0, "z_loss": 0.01}
        return linear_softmax_loss_and_grad(
            weight, inputs, labels, loss=loss, mode=mode, chunk_size=6, bias=ones, class_weight=2 * ones,
            sample_weight=(labels % 2).astype(weight.dtype), ignore_label=1, aux=("argmax", "entropy"),
            wrt=("weight", "inputs", "bias", "sample_weight", "class_weight"), **numbers,
        )  # fmt: skip

    expect_one_program(both, SYMBOLS, (1, 2, 3, 2), (2, 3, 6, 2), (3, 5, 13, 2), (1, 7, 300, 2))


@pytest.mark.parametrize("loss", LOSSES)
def test_targets_and_a_loss_for_each_row(loss: Any) -> None:
    def losses(weight: Any, inputs: Any, labels: Any) -> Any:
        targets = jnp.stack([labels == k for k in range(5)], -1).astype(inputs.dtype)
        return linear_softmax_loss(weight, inputs, targets, loss=loss, reduction="none", chunk_size=2)

    expect_one_program(losses, "B, T, 5, D", (2, 3, 5, 4), (1, 1, 5, 2))


def test_its_gradient_is_exported_too() -> None:
    def loss(*given: Any) -> Any:
        return linear_softmax_loss(*given)

    program, given = export.export(jax.jit(loss))(*shapes(SYMBOLS)), arrays(2, 3, 5, 4)
    found = program.vjp().call(*given, jnp.ones(()))[:2]
    for one, right in zip(found, jax.grad(loss, (0, 1))(*given), strict=True):
        np.testing.assert_allclose(one, right, **CLOSE)


@pytest.mark.usefixtures("optimised")
def test_a_symbol_costs_no_memory() -> None:
    """A chunk is as large as it would be of the number that the symbol turns out to be."""

    def f(*given: Any) -> Any:
        return linear_softmax_loss_and_grad(*given, mode="in_forward")

    program, sizes = export.export(jax.jit(f))(*shapes(SYMBOLS)), shapes("1, 4096, 32768, 16")
    found: list[Any] = [jax.jit(run).lower(*sizes).compile().memory_analysis() for run in (program.call, f)]
    assert found[0].temp_size_in_bytes <= 1.01 * found[1].temp_size_in_bytes


def test_a_claim_is_sure_where_it_holds_for_all_numbers() -> None:
    (b,) = export.symbolic_shape("b")
    assert sure(lambda: b >= 1)
    assert sure(lambda: least(b, 5) <= 5)
    assert not sure(lambda: b >= 2)
    assert not sure(lambda: b < 2)
