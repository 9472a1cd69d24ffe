"""The scan: every example once, the mean over real ones, one compile, state donated."""

import logging
import subprocess
import sys
import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import manual_vs_auto.train.epoch as epoch_module
from manual_vs_auto import auto, manual, model
from manual_vs_auto.data import Dataset
from manual_vs_auto.model import Batch, Params
from manual_vs_auto.train import Config
from manual_vs_auto.train.epoch import State, _differentiable, ahead, batch_of, make_epoch, order, steps_at_once
from manual_vs_auto.train.flags import LEARNING_RATES
from manual_vs_auto.train.optimizers import optimizer
from manual_vs_auto.train.trainer import Trainer

NO_AUDIT = lambda *_: None  # noqa: E731


def test_order_is_a_permutation_and_a_pure_function() -> None:
    drawn = order(seed=3, epoch=2, examples=50, batch_size=16)
    assert drawn.shape == (4, 16)
    assert drawn.dtype == np.int32
    assert sorted(drawn.reshape(-1)[:50].tolist()) == list(range(50))
    assert drawn.reshape(-1)[50:].tolist() == [50] * 14
    np.testing.assert_array_equal(drawn, order(3, 2, 50, 16))
    assert not np.array_equal(drawn, order(3, 1, 50, 16))
    assert not np.array_equal(drawn, order(4, 2, 50, 16))
    assert not np.array_equal(order(0, 1, 50, 16), order(1, 0, 50, 16))


def test_orders_are_drawn_once_each_and_one_ahead() -> None:
    asked: list[int] = []

    def draw(number: int) -> int:
        asked.append(number)
        return 10 * number

    for number, drawn in ahead(draw, range(3, 6)):
        assert drawn() == 10 * number
    assert asked == [3, 4, 5]
    begun = {number: threading.Event() for number in (7, 8, 9)}
    for number, drawn in ahead(lambda number: begun[number].set(), range(7, 10)):
        drawn()
        assert number == 9 or begun[number + 1].wait(20), "while this epoch is trained"
        assert number > 7 or not begun[9].is_set()
    assert list(ahead(draw, range(4, 4))) == []


def test_padding_counts_for_nothing() -> None:
    images, labels = jnp.arange(12, dtype=jnp.uint8).reshape(3, 4), jnp.arange(3)
    batch = batch_of(images, labels, jnp.array([2, 0, 3, 3]))
    np.testing.assert_array_equal(batch.weights, [1, 1, 0, 0])
    np.testing.assert_array_equal(batch.images[:2], images[jnp.array([2, 0])])


def _by_hand(tiny: Dataset, rate: float, drawn: Any) -> Any:
    """Plain gradient descent in NumPy float64, batch by batch, without padding."""
    weight, losses = np.zeros((3, 16)), []
    for index in drawn:
        index = index[index < 50]
        batch = Batch(tiny.train_images[index], tiny.train_labels[index])
        loss, gradient = manual.value_and_grad()(Params(weight), batch)
        losses.append(loss)
        weight = weight - rate * gradient.weight
    return weight, losses


@pytest.mark.parametrize("gathered", [1, 2, 4])
@pytest.mark.parametrize("way", [manual, auto], ids=["manual", "auto"])
def test_an_epoch_is_the_plain_loop(tiny: Dataset, way: Any, gathered: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epoch_module, "_GATHERED", gathered * 16 * 16)  # so many steps' images
    optimize = optax.with_extra_args_support(optax.sgd(0.5))
    taken = []

    def take(images: jax.Array, labels: jax.Array, index: jax.Array) -> Batch:
        taken.append(index.shape)
        return batch_of(images, labels, index)

    epoch = make_epoch(way.value_and_grad(), optimize, jnp.float64, NO_AUDIT, take)
    params = model.init(3, 16, jnp, jnp.float64)
    drawn = order(0, 1, 50, 16)
    state, steps = epoch(State(params, optimize.init(params)), tiny.train_images, tiny.train_labels, drawn)
    weight, losses = _by_hand(tiny, 0.5, drawn)
    np.testing.assert_allclose(state.params.weight, weight, rtol=0, atol=1e-14)
    np.testing.assert_allclose(steps.losses, losses, rtol=1e-14)
    assert set(taken) == {(gathered, 16)}


def test_steps_whose_images_are_gathered_at_once() -> None:
    million = 2**20
    assert [steps_at_once(938, size) for size in (64 * 784, 0, million, 3 * million)] == [14, 938, 2, 1]
    assert [steps_at_once(steps, 2**18) for steps in (1, 2, 7, 8, 9, 12, 13)] == [1, 2, 7, 8, 3, 6, 1]


def test_state_is_donated(tiny: Dataset) -> None:
    optimize = optax.with_extra_args_support(optax.adam(0.01))
    epoch = make_epoch(manual.value_and_grad(), optimize, jnp.float32, NO_AUDIT)
    params = model.init(3, 16, np, np.float32)
    state = jax.device_put(State(params, optimize.init(params)))
    with jax.numpy_dtype_promotion("standard"):  # as `optimizers` asks for, for optax
        epoch(state, tiny.train_images, tiny.train_labels, order(0, 1, 50, 16))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state) if leaf.ndim == 2)


def test_one_compile_for_a_whole_run(tiny: Dataset, caplog: pytest.LogCaptureFixture, programs: dict[Any, Any]) -> None:
    """Three epochs, each with a last batch of 2 of 16: the epoch is compiled once, and so is the evaluation."""
    programs.clear()
    config = Config(gradient="both", epochs=3, batch_size=16, device="cpu").resolved(50)
    jax.config.update("jax_log_compiles", True)  # not the context, which the compiling threads would not see
    try:
        with caplog.at_level(logging.WARNING):
            trainer = Trainer(config, tiny, jax.devices()[0])
            trainer.compile()
            assert len(list(trainer.epochs())) == 3
    finally:
        jax.config.update("jax_log_compiles", False)
    compiled = [r.getMessage() for r in caplog.records if r.getMessage().startswith("Finished XLA compilation")]
    assert sum("jit(epoch)" in line for line in compiled) == 1
    assert sum("jit(evaluate)" in line for line in compiled) == 1


@pytest.mark.parametrize(
    ("name", "schedule", "dtype"),
    [(name, "constant", "float32") for name in LEARNING_RATES if name not in ("adam", "lbfgs")]
    # The gradient sees 8 bits of each weight, and a line search has to live with that.
    + [("adam", "cosine", "bfloat16"), ("sgd", "warmup_cosine", "bfloat16"), ("lbfgs", "constant", "bfloat16")],
)
def test_every_optimizer_learns(tiny: Dataset, name: str, schedule: str, dtype: str) -> None:
    rate = 10 * LEARNING_RATES[name]  # 20 steps are few
    config = Config(optimizer=name, learning_rate=rate, schedule=schedule, epochs=20, dtype=dtype).resolved(50)
    trainer = Trainer(config, tiny, jax.devices()[0])
    trainer.compile()
    epochs = list(trainer.epochs())
    assert epochs[-1].loss < 0.9 * epochs[0].loss
    assert epochs[-1].weight.dtype == jnp.dtype(dtype)


def test_a_line_search_differentiates_by_the_same_gradient() -> None:
    """Where an optimizer asks JAX for the loss's derivative, it gets this gradient, right or wrong."""
    batch = Batch(np.ones((2, 3)), np.array([0, 1]))

    def sevens(params: Params, batch: Batch) -> tuple[jax.Array, Params]:
        return jnp.sum(params.weight) * 0, Params(jnp.full_like(params.weight, 7.0))

    value = _differentiable(sevens)
    found = jax.grad(lambda params: 3 * value(params, batch))(Params(jnp.ones((2, 3))))
    np.testing.assert_array_equal(found.weight, 21)


def rates(schedule: str, steps: int, counted: int) -> list[float]:
    """The learning rate at each step of plain gradient descent with a peak of 2."""
    optimize = optimizer(Config(optimizer="sgd", learning_rate=2.0, schedule=schedule), steps)
    params, seen = np.zeros(1, np.float32), []
    state = optimize.init(params)
    for _ in range(counted):
        update, state = optimize.update(np.ones(1, np.float32), state, params)
        seen.append(-float(update[0]))
    return seen


def test_schedules_start_and_end_where_they_should() -> None:
    for schedule, ends in {"constant": (2.0, 2.0), "cosine": (2.0, 0.0), "warmup_cosine": (0.0, 0.0)}.items():
        seen = rates(schedule, 100, 101)
        np.testing.assert_allclose((seen[0], seen[100]), ends, atol=1e-6)
        assert max(seen) == pytest.approx(2.0)
        assert schedule != "warmup_cosine" or np.argmax(seen) == 5  # a twentieth of the run
        assert schedule == "constant" or seen[50] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_run_of_a_step_or_two_has_a_warm_up(steps: int) -> None:
    np.testing.assert_allclose(rates("warmup_cosine", steps, 3), [0.0, 2.0, 0.0], atol=1e-6)


FIRST_TWO = {
    "sgd": (2.0, 2.0),
    "momentum": (2.0, 2 * 1.9),  # what the first step did is done again, by 0.9
    "adam": (2.0, 2.0),  # a gradient that does not change, by its own size
    "adamw": (2.0, 2.0),  # at weights of 0, which do not decay
    "lion": (2.0, 2.0),
}


@pytest.mark.parametrize("name", FIRST_TWO)
def test_each_name_is_its_optimizer(name: str) -> None:
    """Two steps from 0 along a gradient of 1; and at a weight of 1 and no gradient only adamw's and lion's decays."""
    optimize = optimizer(Config(optimizer=name, learning_rate=2.0, schedule="constant"), 10)
    params, none = np.zeros(1, np.float32), np.zeros(1, np.float32)
    state, seen = optimize.init(params), []
    for _ in range(2):
        update, state = optimize.update(np.ones(1, np.float32), state, params)
        seen.append(-float(update[0]))
    np.testing.assert_allclose(seen, FIRST_TWO[name], rtol=1e-5)  # Adam's epsilon of 1e-8, and float32
    update, _ = optimize.update(none, optimize.init(params), np.ones(1, np.float32))
    assert bool(update[0]) == (name in ("adamw", "lion"))
    # How a gradient's size tells: not at all, or in proportion.
    update, _ = optimize.update(np.full(1, 3.0, np.float32), optimize.init(params), params)
    assert -float(update[0]) == pytest.approx(6.0 if name in ("sgd", "momentum") else 2.0)


def test_a_run_that_is_left_says_nothing_when_python_ends() -> None:
    code = """
from manual_vs_auto.train.epoch import ahead
left = ahead(lambda number: number, range(3))
next(left)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
