"""The loss of softmax(Wx) and its gradients by weight and inputs, as others would have it and as `fused` has it.

Every system is a maker: given the loss and the arrays it returns a call without arguments, and the compiled program
where there is one; or None, where it has no such loss or is not installed.
"""

import importlib
import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from manual_vs_auto.fused import linear_softmax_loss

Made = tuple[Callable[[], Any], Any] | None


def _logits(weight: Any, inputs: Any) -> Any:
    wide = jnp.promote_types(weight.dtype, jnp.float32)
    return lax.dot_general(inputs, weight, (((1,), (1,)), ((), ())), preferred_element_type=wide)


def _at(rows: Any, labels: Any) -> Any:
    return jnp.take_along_axis(rows, labels[:, None], axis=1)[:, 0]


def one_hot(loss: str, weight: Any, inputs: Any, labels: Any) -> Any:
    z = _logits(weight, inputs)
    targets = jax.nn.one_hot(labels, len(weight), dtype=z.dtype)
    if loss == "cross_entropy":
        return jnp.mean(-jnp.sum(targets * jax.nn.log_softmax(z), axis=1))
    return jnp.mean(jnp.sum((jax.nn.softmax(z) - targets) ** 2, axis=1))


def _rows(loss: str, weight: Any, inputs: Any, labels: Any) -> Any:
    z = _logits(weight, inputs)
    if loss == "cross_entropy":
        return jax.nn.logsumexp(z, axis=1) - _at(z, labels)
    p = jax.nn.softmax(z)
    return jnp.sum(p * p, axis=1) - 2 * _at(p, labels) + 1


def integer_labels(loss: str, weight: Any, inputs: Any, labels: Any) -> Any:
    return jnp.mean(_rows(loss, weight, inputs, labels))


def chunks(most: int, loss: str, weight: Any, inputs: Any, labels: Any) -> Any:
    """Integer labels, and jax.checkpoint over chunks of at most so many rows: the leanest that plain JAX has."""
    size = next(size for size in range(min(most, len(labels)), 0, -1) if len(labels) % size == 0)
    rows = jax.checkpoint(partial(_rows, loss))

    def step(total: Any, chunk: Any) -> Any:
        return total + jnp.sum(rows(weight, *chunk)), None

    cut = (inputs.reshape(-1, size, inputs.shape[1]), labels.reshape(-1, size))
    return lax.scan(step, jnp.zeros((), jnp.promote_types(weight.dtype, jnp.float32)), cut)[0] / len(labels)


def by_optax(loss: str, weight: Any, inputs: Any, labels: Any) -> Any:
    if loss != "cross_entropy":
        return None
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(_logits(weight, inputs), labels))


def _jax(function: Any, loss: str, weight: Any, inputs: Any, labels: Any) -> Made:
    if function is by_optax and loss != "cross_entropy":
        return None
    program = jax.jit(jax.value_and_grad(partial(function, loss), (0, 1))).lower(weight, inputs, labels).compile()
    return partial(program, weight, inputs, labels), program


def _fused(mode: str, loss: str, weight: Any, inputs: Any, labels: Any) -> Any:
    return linear_softmax_loss(weight, inputs, labels, loss=loss, mode=mode)  # type: ignore[call-overload]


def _tokamax(loss: str, weight: Any, inputs: Any, labels: Any) -> Made:
    if importlib.util.find_spec("tokamax") is None or loss != "cross_entropy":
        return None
    kernel = importlib.import_module("tokamax").linear_softmax_cross_entropy_loss
    importlib.import_module("absl.flags").FLAGS(["benchmarks.fused"])  # else it reads our command line for its own

    def function(_: str, w: Any, x: Any, t: Any) -> Any:
        return kernel(x, t, w.T, reduction="mean")

    return _jax(function, loss, weight, inputs, labels)


def _torch(kernel: str, loss: str, weight: Any, inputs: Any, labels: Any) -> Made:
    if importlib.util.find_spec("torch") is None:
        return None
    torch: Any = importlib.import_module("torch")  # its types differ by version, and it may not be there
    functional = torch.nn.functional
    if kernel == "linear_cross_entropy" and (loss != "cross_entropy" or not hasattr(functional, kernel)):
        return None
    w, x = (torch.from_dlpack(array).clone().requires_grad_() for array in (weight, inputs))
    t = torch.from_dlpack(labels).long()

    def call() -> Any:
        w.grad = x.grad = None
        if kernel == "linear_cross_entropy":
            value = functional.linear_cross_entropy(x, w, t)
        elif loss == "cross_entropy":
            value = functional.cross_entropy(functional.linear(x, w).float(), t)
        else:
            p = torch.softmax(functional.linear(x, w).float(), dim=1)
            value = ((p * p).sum(dim=1) - 2 * p.gather(1, t[:, None])[:, 0] + 1).mean()
        value.backward()
        if w.is_cuda:
            torch.cuda.synchronize()
        return value, (w.grad, x.grad)

    return call, None


def products(weight: Any, inputs: Any) -> Made:
    """The three bare matrix products of a gradient: of [N, K] numbers that are there, and nothing between them."""
    z = jax.jit(_logits)(weight, inputs).astype(weight.dtype)

    def product(left: Any, right: Any, contract: tuple[int, int], out: Any) -> Any:
        dimensions = (((contract[0],), (contract[1],)), ((), ()))
        return lax.dot_general(left, right, dimensions, preferred_element_type=out)

    wide = jnp.promote_types(weight.dtype, jnp.float32)
    calls = [
        jax.jit(partial(product, contract=contract, out=out)).lower(*operands).compile()
        for contract, out, operands in (
            ((1, 1), wide, (inputs, weight)),
            ((0, 0), weight.dtype, (z, inputs)),
            ((1, 0), inputs.dtype, (z, weight)),
        )
    ]
    operands = ((inputs, weight), (z, inputs), (z, weight))
    return lambda: [jax.block_until_ready(call(*pair)) for call, pair in zip(calls, operands, strict=True)], None


# The first two are ours; a claim is made against the best of the others.
SYSTEMS: dict[str, Callable[[str, Any, Any, Any], Made]] = {
    "fused in_forward": partial(_jax, partial(_fused, "in_forward")),
    "fused recompute": partial(_jax, partial(_fused, "recompute")),
    "jax.grad, one-hot": partial(_jax, one_hot),
    "jax.grad, integer labels": partial(_jax, integer_labels),
    "jax.grad, chunks of 512": partial(_jax, partial(chunks, 512)),
    "jax.grad, chunks of 2048": partial(_jax, partial(chunks, 2048)),
    "optax": partial(_jax, by_optax),
    "tokamax": _tokamax,
    "torch": partial(_torch, "plain"),
    "torch linear_cross_entropy": partial(_torch, "linear_cross_entropy"),
}


def reference(xp: Any, loss: str, weight: Any, inputs: Any, labels: Any, rows: int = 512) -> tuple[Any, Any]:
    """Both gradients in the float64 of xp, by definition, some rows at a time."""
    weight, inputs = (xp.asarray(array, dtype=xp.float64) for array in (weight, inputs))
    labels = xp.asarray(labels)
    by_weight, by_inputs = xp.zeros_like(weight), []
    for at in range(0, len(inputs), rows):
        x, t = inputs[at : at + rows], labels[at : at + rows]
        z = x @ weight.T
        p = xp.exp(z - xp.max(z, axis=1, keepdims=True))
        p = p / xp.sum(p, axis=1, keepdims=True)
        d = p - (xp.arange(len(weight))[None, :] == t[:, None])
        g = d if loss == "cross_entropy" else 2 * p * (d - xp.sum(p * d, axis=1, keepdims=True))
        by_weight = by_weight + g.T @ x
        by_inputs.append(g @ weight)
    return by_weight / len(inputs), xp.concatenate(by_inputs) / len(inputs)
