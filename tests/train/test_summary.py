"""What a run is told at its end: the table, the comparison of gradients, and what to change."""

import math
from dataclasses import replace

import numpy as np
import pytest

from manual_vs_auto.train import Config
from manual_vs_auto.train.agreement import Agreement, Tally
from manual_vs_auto.train.evaluate import Evaluation
from manual_vs_auto.train.reached import Epoch
from manual_vs_auto.train.summary import (
    accuracy_line,
    evaluation_lines,
    first_batch_lines,
    has_diverged,
    smaller_steps,
    tally_lines,
    warning,
)

SQUARED, CROSS = Config(learning_rate=0.5), Config(learning_rate=0.5, loss="cross_entropy")
HARDLY = "hardly begun to learn; raise --epochs or --learning-rate"
WEIGHT = np.zeros((10, 4), np.float32)


def evaluated(
    loss: float, median: float | None = None, unused: tuple[int, ...] = (3,), classes: int = 10
) -> Evaluation:
    """On test images of two classes only."""
    rows = ((0, 20, 20), (3, 20, 0))
    median = loss if median is None else median
    return Evaluation(loss, median, 0.5, rows, (3, 0, 20), unused, classes)


def ended(evaluation: Evaluation, training: float | None = None) -> Epoch:
    loss = evaluation.loss if training is None else training
    return Epoch(4, WEIGHT, evaluation, number=1, loss=loss, seconds=1.0, audits=None)


@pytest.mark.parametrize("config", [SQUARED, CROSS], ids=["squared distance", "cross-entropy"])
@pytest.mark.parametrize("classes", [2, 3, 10, 100_000])
def test_a_guess_among_the_model_s_classes_has_hardly_begun(config: Config, classes: int) -> None:
    """Not among those of the test images; and rounding, in float64 or float32, takes nothing from it."""
    guess = 1 - 1 / classes if config.loss == "squared_distance" else math.log(classes)
    for loss in (
        guess,
        np.nextafter(guess, 99),
        np.nextafter(guess, 0),
        float(np.nextafter(np.float32(guess), np.float32(99))),
        guess * (1 + 1e-5),
        guess * 1.049,
        guess * 0.951,
    ):
        assert HARDLY in (warning(config, ended(evaluated(loss, classes=classes))) or "")
    for loss in (guess * 0.949, guess * 1.051):
        assert HARDLY not in (warning(config, ended(evaluated(loss, classes=classes))) or "")


def test_a_model_that_is_sure_and_wrong_has_begun() -> None:
    """Half of the images lost: the mean is that of a guess among ten, and no image's own loss is."""
    line = warning(SQUARED, ended(evaluated(0.9, median=0.0)))
    assert line == (
        "class 3 is never predicted: squared distance behind softmax is flat where the model is wrong and sure of it; "
        "lower --learning-rate, 0.5 now, or use --loss cross_entropy"
    )
    assert warning(CROSS, ended(evaluated(1.2))) == "class 3 is never predicted: lower --learning-rate, 0.5 now"


@pytest.mark.parametrize(("config", "median"), [(SQUARED, 0.81), (SQUARED, 0.57), (CROSS, 1.8)])
def test_a_model_that_is_not_sure_yet_needs_more_epochs(config: Config, median: float) -> None:
    """As after a few steps: no step was too large."""
    line = warning(config, ended(evaluated(median)))
    assert line == "class 3 is never predicted: the model is not sure of most images yet; raise --epochs"


def test_lost_classes_are_named_up_to_eight() -> None:
    for count, named in {
        2: "classes 0, 1 are never",
        8: "classes 0, 1, 2, 3, 4, 5, 6, 7 are never",
        9: "classes 0, 1, 2, 3, 4, 5, 6, 7, ... are never",
    }.items():
        assert named in (warning(CROSS, ended(evaluated(1.0, unused=tuple(range(count))))) or "")


def test_a_run_that_went_well_is_not_warned() -> None:
    for config, loss in ((SQUARED, 0.1), (CROSS, 0.3), (CROSS, math.log(10) * 1.04), (SQUARED, 0.9 * 1.04)):
        assert warning(config, ended(evaluated(loss, unused=()))) is None


def test_a_loss_above_a_guess_s_asks_for_smaller_steps() -> None:
    line = warning(CROSS, ended(evaluated(12.25, unused=()), training=8.0))
    assert line == "the loss ends at 12.25, where a guess has 2.303; lower --learning-rate, 0.5 now"
    assert warning(SQUARED, ended(evaluated(1.5, unused=()))) is not None
    assert warning(CROSS, ended(evaluated(2.43, unused=()))) is not None  # of log 10 = 2.303, 1.055 times


@pytest.mark.parametrize(("test", "training", "diverged"), [
    (4_057_020.0, 4_057_020.0, True),
    (103.3, 103.3, True),  # exp(-103.3) is below half of float32's smallest number, 2^-149
    (103.2, 103.3, False),
    (103.3, 103.2, False),
    (4_057_020.0, 0.1, False),  # test images of another kind
    (0.1, 4_057_020.0, False),  # a bad beginning
    (2.0, 2.0, False),
])  # fmt: skip
def test_what_has_diverged(test: float, training: float, diverged: bool) -> None:
    epoch = ended(evaluated(test, unused=()), training)
    assert has_diverged(CROSS, epoch) == diverged
    line = warning(CROSS, epoch)
    assert (line is not None and line.startswith("the training diverged: the loss ends at ")) == diverged
    assert np.exp(np.float32(-104)) == 0 < np.exp(np.float32(-103.2))


@pytest.mark.parametrize(("test", "training", "median", "accuracy", "diverged"), [
    (1.8, 1.8, 2.0, 0.1, True),  # all are lost, but those of one class
    (1.22, 1.23, 2.0, 0.39, True),  # most are
    (0.96, 0.96, 0.9, 0.5, True),  # half of them are right, as many as have the label 0
    (0.96, 0.96, 1.9, 0.6, False),  # poor, and on its way
    (1.22, 0.3, 2.0, 0.39, False),  # test images of another kind
    (0.6, 1.23, 0.0, 0.7, False),  # a bad beginning
    (0.9, 0.9, 0.9, 0.5, False),  # hardly begun
])  # fmt: skip
def test_what_has_diverged_by_squared_distance(
    test: float, training: float, median: float, accuracy: float, diverged: bool
) -> None:
    epoch = ended(replace(evaluated(test, median), accuracy=accuracy), training)
    assert has_diverged(SQUARED, epoch) == diverged
    line = warning(SQUARED, epoch) or ""
    assert line.startswith("the training diverged: the loss ends at ") == diverged
    assert not diverged or line.endswith("lower --learning-rate, 0.5 now, or use --loss cross_entropy")


def test_a_run_that_diverged_is_told_so_and_not_of_its_classes() -> None:
    assert warning(CROSS, ended(evaluated(4_057_020.0))) == (
        "the training diverged: the loss ends at 4.057e+06, where a guess has 2.303; lower --learning-rate, 0.5 now"
    )


def test_a_line_search_has_no_rate_to_lower() -> None:
    assert smaller_steps(replace(CROSS, learning_rate=0.0, optimizer="lbfgs")) == "use --optimizer adam"


def test_the_table_of_classes() -> None:
    evaluation = evaluated(0.25)
    assert evaluation_lines(evaluation) == [
        "class             0      3",
        "accuracy     100.0%   0.0%",
        "confused     3 taken for 0, 20 times: the mistake most made",
    ]
    assert accuracy_line(evaluation) == "test accuracy 50.00%: 20 of 40, loss 0.2500"
    assert len(evaluation_lines(replace(evaluation, confusion=None))) == 2


def test_many_classes_are_the_worst_ten() -> None:
    twenty = tuple((label, 20, label) for label in range(20))
    lines = evaluation_lines(replace(evaluated(1.0), by_class=twenty))
    assert lines[0].split() == ["class", *map(str, range(20))]
    lines = evaluation_lines(replace(evaluated(1.0), by_class=(*twenty, (1_234_567, 20, 20))))
    assert lines[0].split() == ["worst", "10", "of", "21", *map(str, range(10))]
    lines = evaluation_lines(replace(evaluated(1.0), by_class=((0, 20, 20), (1_234_567, 20, 10))))
    assert lines[0] == "class             0 1234567"
    assert lines[1] == "accuracy     100.0%   50.0%"


def at(ratio: float, difference: float, bound: float) -> Agreement:
    return Agreement(*(np.array(value) for value in (ratio, difference, bound, 1, 2)))


def test_the_comparison_of_gradients() -> None:
    lines = first_batch_lines("fused", 1_024, at(1.0, 2e-8, 2e-8), at(1.5, 3e-8, 2e-8))
    assert lines == [
        "agreement    fused and auto, each element of both gradients, on the first 1,024 images",
        "  at first   closest to its bound: |fused - auto| 2e-08, within the 2e-08 that rounding can do",
        "  trained    closest to its bound: |fused - auto| 3e-08, BEYOND the 2e-08 that rounding can do",
    ]
    tally = Tally(steps=1000, agreed=999, step=7, worst=at(np.nan, np.nan, 2e-8))
    assert tally_lines(tally) == [
        "  all steps  at 999 of 1,000 steps every element was within its bound",
        "  the worst  step 7, class 1, pixel 2: |manual - auto| nan, BEYOND the 2e-08 that rounding can do",
    ]
    assert tally_lines(Tally()) == []


@pytest.mark.parametrize("bound", [np.inf, np.nan])
def test_weights_beyond_the_dtype_s_numbers_can_not_be_compared(bound: float) -> None:
    lines = first_batch_lines("manual", 64, at(0.5, 1e-8, 2e-8), at(np.nan, np.nan, bound))
    assert lines[2].endswith("nothing can be told, for the weights are so large that the logits overflow")
