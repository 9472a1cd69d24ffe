"""A run without its words: trajectories, audits, and what happens when the loss is lost."""

import json
import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto import auto, fused, manual, model
from manual_vs_auto.data import Dataset
from manual_vs_auto.model import Batch, Loss, Params, ValueAndGrad
from manual_vs_auto.train import Config
from manual_vs_auto.train import trainer as trainer_module
from manual_vs_auto.train.agreement import Agreement, Tally
from manual_vs_auto.train.epoch import State, make_epoch, order
from manual_vs_auto.train.evaluate import make_evaluator, summarised
from manual_vs_auto.train.optimizers import optimizer
from manual_vs_auto.train.reached import DivergedError, Epoch, Reached
from manual_vs_auto.train.trainer import Trainer
from tests.train.replayed import FLAGS, counting, expect_replayed


def made(tiny: Dataset, **flags: object) -> Trainer:
    config = Config(**{"epochs": 4, "batch_size": 16, "learning_rate": 0.03, **flags}).resolved(len(tiny.train_images))  # type: ignore[arg-type]
    trainer = Trainer(config, tiny, jax.devices()[0])
    trainer.compile()
    return trainer


def trained(tiny: Dataset, **flags: object) -> list[Epoch]:
    return list(made(tiny, **flags).epochs())


@pytest.mark.parametrize("loss", ["squared_distance", "cross_entropy"])
def test_manual_auto_and_fused_train_alike(tiny: Dataset, loss: Loss) -> None:
    weights = []
    for way in ("manual", "auto", "fused"):
        optimize = optimizer(Config(learning_rate=0.03, schedule="constant"), 16)
        epoch = make_epoch(trainer_module.GRADIENTS[way](loss), optimize, jnp.float64, lambda *_: None)
        params = model.init(3, 16, np, np.float64)
        state = State(params, jax.tree.map(np.asarray, optimize.init(params)))
        rows = np.concatenate([order(0, number, 50, 16) for number in range(1, 5)])
        state, _ = epoch(state, tiny.train_images, tiny.train_labels, rows)
        weights.append(np.asarray(state.params.weight))
    # 16 steps, each adding a few ulp of the gradient
    for other in weights[1:]:
        np.testing.assert_allclose(weights[0], other, rtol=0, atol=1e-12)
    assert model.accuracy(Params(weights[0]), tiny.test_images, tiny.test_labels) > 0.8


def test_a_run_is_a_function_of_its_seed(tiny: Dataset) -> None:
    one, same, other = (trained(tiny, seed=seed)[-1].weight for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_gradient_that_is_no_number_ends_the_run(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    right = manual.value_and_grad("squared_distance")

    def wrong(params: Params, batch: Batch) -> tuple[jax.Array, Params]:
        value, grads = right(params, batch)
        return value, Params(grads.weight.at[2, 3].set(jnp.nan))

    monkeypatch.setitem(trainer_module.GRADIENTS, "manual", lambda _: wrong)
    with pytest.raises(DivergedError) as caught:
        trained(tiny)
    assert (caught.value.step, caught.value.last.step) == (2, 0)
    assert not caught.value.last.weight.any()


def test_the_tally_counts_and_keeps_the_worst() -> None:
    tally = Tally()
    assert tally.metrics() == {}
    tally.add(_audits(0.1, 0.5, 0.2))
    tally.add(_audits(0.3, 0.4))
    assert (tally.steps, tally.agreed, tally.step) == (5, 5, 2)
    tally.add(_audits(0.3, np.nan, 2.0))
    assert (tally.steps, tally.agreed, tally.step) == (8, 6, 7)
    tally.add(_audits(np.nan, 5.0))
    assert (tally.agreed, tally.step) == (6, 7)  # nothing is worse than a NaN, and the first is kept
    assert tally.metrics()["worst_step"] == 7
    tally.add(_audits(np.nan))
    json.dumps(tally.metrics(), allow_nan=False)


def test_the_tally_keeps_the_first_of_equals() -> None:
    """And what reaches its bound is within it."""
    tally = Tally()
    tally.add(_audits(0.5, 1.0, 1.0))
    tally.add(_audits(1.0))
    assert (tally.steps, tally.agreed, tally.step) == (4, 4, 2)
    tally.add(_audits(np.nextafter(1.0, 2)))
    assert (tally.steps, tally.agreed, tally.step) == (5, 4, 5)


def test_the_tally_tells_where() -> None:
    worst = Agreement(*(np.array([value]) for value in (2.0, 0.5, 0.25, 3, 7)))
    tally = Tally()
    tally.add(worst)
    assert tally.metrics() == {
        "agreed_steps": 0,
        "steps": 1,
        "worst_step": 1,
        "worst_class": 3,
        "worst_pixel": 7,
        "worst_difference": 0.5,
        "worst_bound": 0.25,
    }
    tally.add(Agreement(*(np.array([value]) for value in (np.nan, np.nan, np.inf, 1, 2))))
    assert (tally.metrics()["worst_difference"], tally.metrics()["worst_bound"]) == (None, None)


def _audits(*ratios: float) -> Agreement:
    zeros = np.zeros(len(ratios))
    return Agreement(np.array(ratios), np.array(ratios), zeros, zeros.astype(int), zeros.astype(int))


def test_a_lost_loss_keeps_the_last_good_parameters(tiny: Dataset) -> None:
    """Steps of 3e38 on cross-entropy: the weights overflow within an epoch, and the step before is kept."""
    flags = {"optimizer": "sgd", "learning_rate": 3e38, "schedule": "constant", "loss": "cross_entropy"}
    with pytest.raises(DivergedError, match="the loss stopped being finite at step") as caught:
        trained(tiny, **flags)
    last = caught.value.last
    assert np.all(np.isfinite(last.weight))
    # The same run by a plain loop: the first loss that is not finite has this number, and the last good weight is kept.
    weight = np.zeros((3, 16), np.float32)
    kept, step = weight, 0
    for index in (row for number in (1, 2) for row in order(0, number, 50, 16)):
        step += 1
        batch = Batch(tiny.train_images[index[index < 50]], tiny.train_labels[index[index < 50]])
        with np.errstate(over="ignore", invalid="ignore"):
            value, gradient = manual.value_and_grad("cross_entropy")(Params(weight), batch)
        if not np.isfinite(value):
            break
        kept, weight = weight, weight - np.float32(3e38) * gradient.weight
    assert (caught.value.step, last.step) == (step, step - 2)
    np.testing.assert_allclose(last.weight, kept, rtol=1e-5)


def test_the_first_batch_is_compared(tiny: Dataset) -> None:
    trainer = made(tiny)
    epochs = list(trainer.epochs())
    assert [(epoch.number, epoch.step) for epoch in epochs] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    assert all(epoch.seconds > 0 for epoch in epochs)
    before, after = trainer.first_batch()
    assert 0 <= before.ratio <= 1
    assert 0 <= after.ratio <= 1
    assert trainer.first_batch_size == 16
    assert (trainer.steps, trainer.parameters, trainer.state_bytes) == (4, 48, 3 * 48 * 4 + 2 * 4)
    # The mean over images: the same by another road, batch by batch from where the epoch begins.
    weight, losses = np.zeros((3, 16), np.float32), []
    optimize = optimizer(Config(batch_size=16, learning_rate=0.03, epochs=4).resolved(50), 16)
    state = optimize.init(weight)
    for row in order(0, 1, 50, 16):
        index = row[row < 50]
        batch = Batch(tiny.train_images[index], tiny.train_labels[index])
        value, gradient = manual.value_and_grad("squared_distance")(Params(weight), batch)
        update, state = optimize.update(gradient.weight, state, weight)
        weight = np.asarray(weight + update)
        losses.append((float(value), len(index)))
    assert [count for _, count in losses] == [16, 16, 16, 2]
    # float32 with sums of 16 terms, over four steps of Adam, which divides by the gradient's own size
    assert epochs[0].loss == pytest.approx(sum(value * count for value, count in losses) / 50, rel=1e-5)


def test_the_first_batch_shows_a_wrong_gradient(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the gradient by hand that trains, and before training as well as after."""
    right = fused.value_and_grad("squared_distance")

    def wrong(params: Params, batch: Batch) -> tuple[jax.Array, Params]:
        value, grads = right(params, batch)
        return value, Params(1.01 * grads.weight)

    monkeypatch.setattr(fused, "value_and_grad", lambda _: wrong)
    trainer = made(tiny, gradient="fused", epochs=1, learning_rate=1e-6)
    list(trainer.epochs())
    assert trainer.by_hand == "fused"
    assert all(at.ratio > 1 for at in trainer.first_batch())


def test_a_long_first_batch_is_compared_in_part(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "_COMPARED", 7)
    trainer = Trainer(Config().resolved(50), tiny, jax.devices()[0])
    assert trainer.first_batch_size == 7
    batch = trainer._first_batch()
    np.testing.assert_array_equal(batch.images, tiny.train_images[order(0, 1, 50, 50)[0, :7]])
    np.testing.assert_array_equal(batch.labels, tiny.train_labels[order(0, 1, 50, 50)[0, :7]])


def test_evaluation_in_pieces(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """36 images, 7 at a time: none twice, none left out."""
    monkeypatch.setattr("manual_vs_auto.train.evaluate.PIECE", 7)
    params = Params(np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32))
    losses, predictions = make_evaluator("cross_entropy")(params, tiny.test_images, tiny.test_labels)
    assert losses.shape == predictions.shape == (36,)
    np.testing.assert_array_equal(predictions, model.predictions(params, tiny.test_images))
    mean = model.loss(params, Batch(tiny.test_images, tiny.test_labels), "cross_entropy")
    np.testing.assert_allclose(losses.mean(), mean, rtol=1e-6)


def test_a_small_test_set_is_one_piece_of_its_size(tiny: Dataset) -> None:
    """And not of 4,096, most of them padding."""
    program = make_evaluator("cross_entropy").lower(
        Params(np.zeros((3, 16), np.float32)), tiny.test_images, tiny.test_labels
    )
    assert "tensor<36x16xf32>" in program.as_text()
    assert "4096" not in program.as_text()


def test_the_summary_of_predictions() -> None:
    labels = np.array([0] * 12 + [1] * 12 + [2] * 3 + [4] * 12, np.int32)
    predictions = np.array([0] * 12 + [0] * 5 + [1] * 7 + [1] * 3 + [1] * 2 + [0] * 10, np.int32)
    found = summarised(np.ones(39), predictions, labels, classes=5)
    assert found.by_class == ((0, 12, 12), (1, 12, 7), (2, 3, 0), (4, 12, 0))
    assert found.confusion == (4, 0, 10)
    assert found.unused == (4,)  # class 2 is never predicted either, but 3 images tell nothing; 3 has none
    assert found.accuracy == pytest.approx(19 / 39)
    perfect = summarised(np.zeros(39), labels, labels, classes=5)
    assert (perfect.confusion, perfect.unused, perfect.accuracy) == (None, (), 1.0)


def test_few_images_tell_nothing() -> None:
    """Of two classes that are never predicted, the one with eleven test images and not the one with ten."""
    labels = np.array([0] * 10 + [1] * 11 + [2] * 12, np.int32)
    found = summarised(np.arange(33.0), np.full(33, 2, np.int32), labels, classes=4)
    assert (found.unused, found.confusion) == ((1,), (1, 2, 11))
    assert (found.loss, found.median, found.classes) == (16.0, 16.0, 4)
    skewed = summarised(np.array([0.0, 0.0, 3.0]), labels[:3], labels[:3], classes=4)
    assert (skewed.loss, skewed.median) == (1.0, 0.0)


def test_an_epoch_that_fails_late_is_replayed_to_the_step_before(
    tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once more up to the last step whose loss was finite."""
    monkeypatch.setitem(trainer_module.GRADIENTS, "manual", counting)
    with pytest.raises(DivergedError) as caught:
        trained(tiny, **FLAGS)
    expect_replayed(caught.value, tiny)


@pytest.mark.parametrize("test_images", ["as the training images", "others"])
def test_a_loss_that_is_lost_on_test_images_alone(
    tiny: Dataset, test_images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The losses of all eight steps are finite, but after them the weights are not; or never good for these images."""

    def counting(_: Loss) -> ValueAndGrad:
        def gradient(params: Params, batch: Batch) -> tuple[jax.Array, Params]:
            seven = params.weight[0, 0] >= 7
            return jnp.float32(1), Params(jnp.zeros_like(params.weight).at[0, 0].set(jnp.where(seven, -jnp.inf, -1.0)))

        return gradient

    monkeypatch.setitem(trainer_module.GRADIENTS, "manual", counting)
    if test_images == "others":  # the test loss is lost from the sixth step on: the epoch's beginning is the last good
        reached = Trainer._reached

        def losing(self: Trainer, step: int, state: Any) -> Reached:
            found = reached(self, step, state)
            lost = replace(found.evaluation, loss=math.nan)
            return replace(found, evaluation=lost) if step > 5 else found

        monkeypatch.setattr(Trainer, "_reached", losing)
    with pytest.raises(DivergedError) as caught:
        trained(tiny, optimizer="sgd", learning_rate=1.0, schedule="constant", loss="cross_entropy")
    step = 7 if test_images == "as the training images" else 4
    assert (caught.value.step, caught.value.last.step) == (9, step)
    assert caught.value.last.weight[0, 0] == step


def test_both_asks_the_machine(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The witness is autodiff and not the hand-coded gradient again: a wrong witness is a disagreement."""
    right = auto.value_and_grad("squared_distance")

    def wrong(params: Params, batch: Batch) -> tuple[jax.Array, Params]:
        value, grads = right(params, batch)
        return value, Params(-grads.weight)

    monkeypatch.setattr(auto, "value_and_grad", lambda _: wrong)
    (epoch,) = trained(tiny, gradient="both", epochs=1)
    assert epoch.audits is not None
    assert np.all(np.asarray(epoch.audits.ratio) > 1)
