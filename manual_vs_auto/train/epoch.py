"""The training loop: one epoch is one jitted scan over its batches."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from manual_vs_auto.model import Batch, Params, ValueAndGrad
from manual_vs_auto.rules.floating import widened

# What a step reports of itself beside its loss: nothing, or how two gradients agree.
Audit = Callable[[Params, Batch, Params], Any]
BatchOf = Callable[[jax.Array, jax.Array, jax.Array], Batch]
_GATHERED = 2**21  # bytes of images at a time


class State(NamedTuple):
    """What an epoch takes over from the one before: both are donated.

    params:    in at least float32, whatever dtype the gradient sees.
    optimizer: optax's state.
    """

    params: Params
    optimizer: optax.OptState


class Steps(NamedTuple):
    """What an epoch's steps report, one entry a step.

    losses: the mean loss of each batch, before its step, [S].
    audits: what the audit returned, stacked.
    """

    losses: jax.Array
    audits: Any


def order(seed: int, epoch: int, examples: int, batch_size: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Which example stands where in an epoch: a pure function of its arguments, int32 [S, B].

    No example is dropped: where the last batch is short, `examples` itself, which is no example, fills it.
    Drawn on the host, since compiling a sort takes XLA longer than all of the training.
    """
    steps = -(-examples // batch_size)
    padded = np.full(steps * batch_size, examples, np.int32)
    padded[:examples] = np.random.default_rng((seed, epoch)).permutation(examples)
    return padded.reshape(steps, batch_size)


def ahead(draw: Callable[[int], Any], numbers: range) -> Iterator[tuple[int, Callable[[], Any]]]:
    """The epochs with these numbers, and what gives each one's order, drawn while the one before is trained."""
    pool = ThreadPoolExecutor(1)
    following: Future[Any] | None = None
    try:
        for number in numbers:
            drawn, following = following or pool.submit(draw, number), None
            if number + 1 in numbers:
                following = pool.submit(draw, number + 1)
            yield number, drawn.result
    finally:
        pool.shutdown(wait=False)  # there may be nobody to wait: Python may be at its end


def batch_of(images: jax.Array, labels: jax.Array, index: jax.Array) -> Batch:
    """The examples at `index` [..., B]; one that is past the end does not count."""
    real = index < images.shape[0]
    return Batch(
        images=jnp.take(images, index, axis=0, mode="clip"),
        labels=jnp.take(labels, index, axis=0, mode="clip"),
        weights=real,
    )


def make_epoch(
    value_and_grad: ValueAndGrad,
    optimizer: optax.GradientTransformationExtraArgs,
    dtype: Any,
    audit: Audit,
    take: BatchOf = batch_of,
    shardings: Any = None,
) -> Any:
    """A jitted function of (state, images, labels, order) to (state, what the steps report).

    Args: value_and_grad: what is trained on, manual or auto: the loop can't tell.
          optimizer:      any of optax, also those that search along their step.
          dtype:          the dtype in which the gradient sees the parameters.
          audit:          called at every step with (params, batch, grads).
          take:           makes batches of (images, labels, index [..., B]).
          shardings:      of what it returns; None leaves them to the compiler.
    """
    value = _differentiable(value_and_grad)

    def epoch(state: State, images: jax.Array, labels: jax.Array, order: jax.Array) -> tuple[State, Steps]:
        def step(state: State, batch: Batch) -> tuple[State, Steps]:
            params = narrowed_to(state.params, dtype)
            loss, grads = value_and_grad(params, batch)
            wide = jax.tree.map(lambda leaf: widened("gradient", leaf), grads)
            updates, optimizer_state = optimizer.update(
                wide,
                state.optimizer,
                state.params,
                value=loss,
                grad=wide,
                value_fn=lambda params: value(narrowed_to(params, dtype), batch),
            )
            params_after = optax.apply_updates(state.params, updates)
            return State(params_after, optimizer_state), Steps(loss, audit(params, batch, grads))

        def several(state: State, index: jax.Array) -> tuple[State, Steps]:
            return jax.lax.scan(step, state, take(images, labels, index))

        steps, batch_size = order.shape
        many = steps_at_once(steps, batch_size * images.shape[1] * images.dtype.itemsize)
        state, told = jax.lax.scan(several, state, order.reshape(steps // many, many, batch_size))
        return state, jax.tree.map(lambda leaf: leaf.reshape(steps, *leaf.shape[2:]), told)

    return jax.jit(epoch, donate_argnums=0, out_shardings=shardings)


def steps_at_once(steps: int, size: int) -> int:
    """For how many of so many steps images are gathered at once, of which one step has this many bytes.

    A processor's threads are woken for it, which takes as long as gathering a small batch. What is gathered, still
    uint8, stays in the cache until its step. As many each time, so that one program does for all.
    """
    most = max(1, _GATHERED // max(size, 1))
    return max(count for count in range(1, min(most, steps) + 1) if steps % count == 0)


def narrowed_to(params: Params, dtype: Any) -> Params:
    """The parameters in the dtype that the gradient sees."""
    return Params(weight=params.weight.astype(dtype))


def _differentiable(value_and_grad: ValueAndGrad) -> Callable[[Params, Batch], jax.Array]:
    """The loss, differentiated by this gradient wherever an optimizer asks JAX to differentiate it."""

    def forward(params: Params, batch: Batch) -> tuple[jax.Array, Params]:
        return value_and_grad(params, batch)

    def backward(grads: Params, cotangent: jax.Array) -> tuple[Params, None]:
        return jax.tree.map(lambda leaf: cotangent.astype(leaf.dtype) * leaf, grads), None

    value = jax.custom_vjp(lambda params, batch: value_and_grad(params, batch)[0])
    value.defvjp(forward, backward)
    return value
