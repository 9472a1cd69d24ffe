"""When a run has had enough, from its lines of metrics alone."""

from typing import Any

import pytest

from manual_vs_auto.train import Config
from manual_vs_auto.train.stopping import criteria, reason

FOREVER = 1e9


def lines(*losses: float, accuracy: float = 0.5, key: str = "test") -> list[dict[str, Any]]:
    """A history in which the other images would decide otherwise."""
    other = "val" if key == "test" else "test"
    return [
        {f"{key}_loss": loss, f"{key}_accuracy": accuracy, f"{other}_loss": -at, f"{other}_accuracy": 1.0}
        for at, loss in enumerate(losses)
    ]


def test_without_criteria_nothing_stops_it() -> None:
    assert reason(Config(), lines(1, 2, 3, 4, accuracy=1.0), FOREVER, FOREVER) == ""
    assert criteria(Config()) == ""


@pytest.mark.parametrize(
    ("losses", "stops"),
    [((3,), False), ((3, 2, 1), False), ((1, 2), False), ((1, 2, 2), True), ((1, 1, 1), True), ((3, 1, 2, 0.9), False),
     ((3, 1, 2, 0.9, 1, 1), True), ((2, 1, 3), False)],
)  # fmt: skip
@pytest.mark.parametrize("key", ["test", "val"])
def test_patience_counts_since_the_first_best(losses: tuple[float, ...], stops: bool, key: str) -> None:
    config = Config(patience=2, val=0.1 if key == "val" else 0.0)
    assert bool(reason(config, lines(*losses, key=key), 0, 0)) == stops


def test_patience_says_which_was_the_best() -> None:
    assert reason(Config(patience=1), lines(3, 1.25, 2), 0, 0) == (
        "no better test loss in 1 epoch: the best was 1.2500, after epoch 2"
    )
    assert reason(Config(patience=2, val=0.1), lines(1, 2, 2, key="val"), 0, 0) == (
        "no better validation loss in 2 epochs: the best was 1.0000, after epoch 1"
    )


def test_an_accuracy_is_reached_by_the_last_epoch_and_not_by_one_before() -> None:
    config = Config(target_accuracy=0.9)
    assert reason(config, [], 0, 0) == ""
    assert reason(config, lines(1, accuracy=0.8999), 0, 0) == ""
    assert reason(config, lines(1, accuracy=0.9), 0, 0) == "the test accuracy is 90%, and 90% was asked for"
    assert reason(config, lines(1, accuracy=0.95) + lines(1, accuracy=0.8), 0, 0) == ""
    held = Config(target_accuracy=0.9, val=0.2)
    assert reason(held, lines(1, accuracy=0.8, key="val"), 0, 0) == ""  # though the test accuracy is 1
    assert reason(held, lines(1, accuracy=0.925, key="val"), 0, 0).startswith("the validation accuracy is 92.5%")


def test_no_epoch_begins_that_would_end_too_late() -> None:
    config = Config(max_time=10)
    assert reason(config, lines(1), 6, 4) == ""
    assert reason(config, lines(1), 6.5, 4) == "another epoch of 4.0 s would end later than the 10 s of --max-time"
    assert reason(config, lines(1, 1), 11, 0) == ""  # a run that is resumed does at least one epoch


def test_what_it_stops_at_is_told() -> None:
    assert criteria(Config(patience=1, val=0.1)) == "after 1 epoch without a better validation loss"
    assert criteria(Config(target_accuracy=0.931, patience=3, max_time=90, val=0.1)) == (
        "after 3 epochs without a better validation loss, or at a validation accuracy of 93.1%, "
        "or before an epoch that would end later than 90 s"
    )
    assert criteria(Config(patience=2)) == (
        "after 2 epochs without a better test loss (which the test images then decide: --val keeps others for it)"
    )
    assert criteria(Config(max_time=90)) == "before an epoch that would end later than 90 s"
