"""A run without its words: trajectories, audits, and what happens when the loss is lost."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto import auto, manual, model
from manual_vs_auto.data import Dataset
from manual_vs_auto.model import Batch, Loss, Params, ValueAndGrad
from manual_vs_auto.train import Config
from manual_vs_auto.train import trainer as trainer_module
from manual_vs_auto.train.agreement import Agreement, Tally
from manual_vs_auto.train.epoch import order
from manual_vs_auto.train.evaluate import make_evaluator, summarised
from manual_vs_auto.train.trainer import DivergedError, Epoch, Trainer


def trained(tiny: Dataset, **flags: object) -> list[Epoch]:
    config = Config(**{"epochs": 4, "batch_size": 16, "learning_rate": 0.03, **flags}).resolved(len(tiny.train_images))  # type: ignore[arg-type]
    trainer = Trainer(config, tiny, jax.devices()[0])
    trainer.compile()
    return list(trainer.epochs())


@pytest.mark.parametrize("loss", ["squared_distance", "cross_entropy"])
def test_manual_auto_and_fused_train_alike(tiny: Dataset, loss: str) -> None:
    by_hand, by_machine, in_one = (
        trained(tiny, gradient=way, loss=loss, dtype="float64") for way in ("manual", "auto", "fused")
    )
    # 16 steps, each adding a few ulp of the gradient
    for other in (by_machine, in_one):
        np.testing.assert_allclose(by_hand[-1].weight, other[-1].weight, rtol=0, atol=1e-12)
        assert by_hand[-1].evaluation.accuracy == other[-1].evaluation.accuracy > 0.8


def test_a_run_is_a_function_of_its_seed(tiny: Dataset) -> None:
    one, same, other = (trained(tiny, seed=seed)[-1].weight for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_both_agrees_at_every_step(tiny: Dataset) -> None:
    tally = Tally()
    for epoch in trained(tiny, gradient="both"):
        assert epoch.audits is not None
        tally.add(epoch.audits)
    assert (tally.steps, tally.agreed) == (16, 16)
    assert tally.worst is not None
    assert 0 <= tally.worst.ratio <= 1


@pytest.mark.parametrize("fault", ["factor", "element", "nan"])
def test_both_finds_a_wrong_gradient(tiny: Dataset, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(loss: Loss) -> ValueAndGrad:
        right = manual.value_and_grad(loss)

        def gradient(params: Params, batch: Batch) -> tuple[jax.Array, Params]:
            value, grads = right(params, batch)
            changed = {
                "factor": grads.weight * 1.01,
                "element": grads.weight.at[1, 7].multiply(0.9),
                "nan": grads.weight.at[2, 3].set(jnp.nan),
            }[fault]
            return value, Params(changed)

        return gradient

    monkeypatch.setitem(trainer_module.GRADIENTS, "both", wrong)
    tally = Tally()
    try:
        for epoch in trained(tiny, gradient="both", epochs=1, learning_rate=1e-6):
            assert epoch.audits is not None
            tally.add(epoch.audits)
    except DivergedError:
        assert fault == "nan"
        return
    assert fault != "nan"
    assert tally.agreed < tally.steps
    assert tally.worst is not None
    if fault == "element":
        assert (tally.worst.label, tally.worst.pixel) == (1, 7)


def test_the_tally_counts_and_keeps_the_worst() -> None:
    tally = Tally()
    assert tally.metrics() == {}
    tally.add(_audits(0.1, 0.5, 0.2))
    tally.add(_audits(0.3, 0.4))
    assert (tally.steps, tally.agreed, tally.step) == (5, 5, 2)
    tally.add(_audits(0.3, np.nan, 2.0))
    assert (tally.steps, tally.agreed, tally.step) == (8, 6, 7)
    tally.add(_audits(5.0))
    assert (tally.agreed, tally.step) == (6, 7)  # nothing is worse than a NaN
    assert tally.metrics()["worst_step"] == 7
    tally.add(_audits(np.nan))
    json.dumps(tally.metrics(), allow_nan=False)


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
        value, gradient = jax.jit(manual.value_and_grad("cross_entropy"))(Params(weight), batch)
        if not np.isfinite(value):
            break
        kept, weight = weight, weight - np.float32(3e38) * gradient.weight
    assert caught.value.step == step
    np.testing.assert_allclose(last.weight, kept, rtol=1e-5)


def test_the_first_batch_is_compared(tiny: Dataset) -> None:
    config = Config(epochs=1, batch_size=16).resolved(50)
    trainer = Trainer(config, tiny, jax.devices()[0])
    trainer.compile()
    list(trainer.epochs())
    before, after = trainer.first_batch()
    assert 0 <= before.ratio <= 1
    assert 0 <= after.ratio <= 1


def test_evaluation_in_pieces(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """30 images, 7 at a time: none twice, none left out."""
    monkeypatch.setattr("manual_vs_auto.train.evaluate._PIECE", 7)
    params = Params(jax.random.normal(jax.random.key(0), (3, 16), jnp.float32))
    losses, predictions = make_evaluator("cross_entropy")(params, tiny.test_images, tiny.test_labels)
    assert losses.shape == predictions.shape == (30,)
    np.testing.assert_array_equal(predictions, model.predictions(params, tiny.test_images))
    mean = model.loss(params, Batch(tiny.test_images, tiny.test_labels), "cross_entropy")
    np.testing.assert_allclose(losses.mean(), mean, rtol=1e-6)


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


def test_an_epoch_that_fails_late_is_replayed_to_the_step_before(
    tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One weight counts the steps, another sums what each batch holds; the loss is lost at the eleventh step."""

    def counting(_: Loss) -> ValueAndGrad:
        def gradient(params: Params, batch: Batch) -> tuple[jax.Array, Params]:
            assert batch.weights is not None
            held = jnp.sum(batch.weights * batch.images[:, 5].astype(jnp.float32))
            change = jnp.zeros_like(params.weight).at[0, 0].set(-1.0).at[0, 1].set(-held)
            return jnp.where(params.weight[0, 0] >= 10, jnp.nan, 1.0), Params(change)

        return gradient

    monkeypatch.setitem(trainer_module.GRADIENTS, "manual", counting)
    with pytest.raises(DivergedError) as caught:
        trained(tiny, optimizer="sgd", learning_rate=1.0, schedule="constant")
    assert caught.value.step == 11  # the third of the third epoch's four
    held = [tiny.train_images[row[row < 50], 5].sum() for number in (1, 2, 3) for row in order(0, number, 50, 16)]
    np.testing.assert_array_equal(caught.value.last.weight[0, :2], [9, sum(held[:9])])


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
