"""The words at the end of a run: how good, where it errs, how the gradients agreed, what to change."""

import math
from collections.abc import Sequence

from manual_vs_auto.train.agreement import Agreement, Tally
from manual_vs_auto.train.config import Config
from manual_vs_auto.train.evaluate import Evaluation
from manual_vs_auto.train.reached import Epoch

_MANY_CLASSES = 20
_NEAR = 0.05  # of the loss of a guess: a model that learns is further below it within a few steps
_SOFT = 0.6  # of a guess's: most images have an answer by now that is neither sure nor right for good
_LOST = 1.99  # of squared distance's 2: the label's probability is below 0.005, and its gradient as small
# A loss whose probability, exp(-loss), is 0 in float32, whose smallest number is 2^-149. That is far above any guess's:
# log K is 22 where int32 has no more labels.
_IMPOSSIBLE = 149 * math.log(2)
_OTHERWISE = ", or use --loss cross_entropy"


def evaluation_lines(evaluation: Evaluation, names: Sequence[str] = ()) -> list[str]:
    """Test accuracy per class, by its name where it has one, and the mistake most made."""

    def called(label: int) -> str:
        return names[label][:20] if names else str(label)  # 20 characters are as wide as the line can bear

    rows = sorted(evaluation.by_class, key=lambda row: row[2] / row[1])
    shown = sorted(rows) if len(rows) <= _MANY_CLASSES else rows[: _MANY_CLASSES // 2]
    title = "class" if len(rows) <= _MANY_CLASSES else f"worst {len(shown)} of {len(rows)}"
    widths = [max(6, len(called(label))) for label, _, _ in shown]
    lines = [
        f"{title:<12} "
        + " ".join(f"{called(label):>{width}}" for (label, _, _), width in zip(shown, widths, strict=True)),
        f"{'accuracy':<12} "
        + " ".join(f"{hits / count:>{width}.1%}" for (_, count, hits), width in zip(shown, widths, strict=True)),
    ]
    if evaluation.confusion:
        label, taken_for, times = evaluation.confusion
        taken = f"{called(label)} taken for {called(taken_for)}"
        lines.append(f"{'confused':<12} {taken}, {times:,} times: the mistake most made")
    return lines


def accuracy_line(evaluation: Evaluation) -> str:
    """The line that says it all."""
    right, total = (sum(row[at] for row in evaluation.by_class) for at in (2, 1))
    return f"test accuracy {evaluation.accuracy:.2%}: {right:,} of {total:,}, loss {evaluation.loss:.4f}"


def first_batch_lines(by_hand: str, size: int, before: Agreement, after: Agreement) -> list[str]:
    """How manual, or fused, and auto agreed on the first batch."""
    return [
        f"{'agreement':<12} {by_hand} and auto, each element of both gradients, on the first {size:,} images",
        f"{'  at first':<12} closest to its bound: {_distance(before, by_hand)}",
        f"{'  trained':<12} closest to its bound: {_distance(after, by_hand)}",
    ]


def tally_lines(tally: Tally) -> list[str]:
    """How manual and auto agreed at every step that was compared."""
    if tally.worst is None:
        return []
    at = tally.worst
    return [
        f"{'  all steps':<12} at {tally.agreed:,} of {tally.steps:,} steps every element was within its bound",
        f"{'  the worst':<12} step {tally.step:,}, class {int(at.label)}, pixel {int(at.pixel)}: {_distance(at)}",
    ]


def has_diverged(config: Config, epoch: Epoch) -> bool:
    """Whether a run ended with an absurd loss, finite though it is.

    That is: what it says of the average image is impossible, on the images it trained on and on the test images.
    On those alone it may be so for good reasons, labels of another kind say; and an epoch may begin badly and end well.
    Squared distance is at most 2, where a model is sure and wrong, and flat there: it is absurd where both losses are
    worse than a guess's, and most test images are lost so, or no more are right than if all were one class.
    """
    evaluation = epoch.evaluation
    least = min(epoch.loss, evaluation.loss)
    if config.loss != "squared_distance":
        return least > _IMPOSSIBLE
    counts = [count for _, count, _ in evaluation.by_class]
    lost = evaluation.median > _LOST or evaluation.accuracy * sum(counts) <= max(counts) * (1 + _NEAR)
    return lost and least > (1 + _NEAR) * guess_loss(config, evaluation.classes)


def warning(config: Config, epoch: Epoch) -> str | None:
    """What to change, after the last epoch of a run that went wrong; None if it did not."""
    evaluation = epoch.evaluation
    guess = guess_loss(config, evaluation.classes)
    ends = f"the loss ends at {evaluation.loss:,.4g}, where a guess has {guess:.4g}; {smaller_steps(config)}"
    if has_diverged(config, epoch):
        return f"the training diverged: {ends}{_OTHERWISE if config.loss == 'squared_distance' else ''}"
    if evaluation.unused:
        return collapse_line(config, evaluation)
    return ends if min(epoch.loss, evaluation.loss) > (1 + _NEAR) * guess else None


def guess_loss(config: Config, classes: int) -> float:
    """The loss of a model that takes all K classes to be as likely, as it does before training."""
    return 1 - 1 / classes if config.loss == "squared_distance" else math.log(classes)


def collapse_line(config: Config, evaluation: Evaluation) -> str:
    """Classes that are never predicted, and what to change."""
    unused, guess = evaluation.unused, guess_loss(config, evaluation.classes)
    labels = ", ".join(map(str, unused[:8])) + (", ..." if len(unused) > 8 else "")
    named = f"class {labels} is" if len(unused) == 1 else f"classes {labels} are"
    # The mean would not tell: with half of the images sure and wrong, squared distance has a guess's, too.
    if abs(evaluation.median - guess) <= _NEAR * guess:
        return f"{named} never predicted: the model has hardly begun to learn; raise --epochs or --learning-rate"
    if _SOFT * guess < evaluation.median < guess:
        return f"{named} never predicted: the model is not sure of most images yet; raise --epochs"
    if config.loss == "squared_distance":
        return (
            f"{named} never predicted: squared distance behind softmax is flat where the model is wrong and sure of "
            f"it; {smaller_steps(config)}{_OTHERWISE}"
        )
    return f"{named} never predicted: {smaller_steps(config)}"


def smaller_steps(config: Config) -> str:
    """What to change where steps were too large."""
    if not config.learning_rate:
        return "use --optimizer adam"
    return f"lower --learning-rate, {config.learning_rate:g} now"


def _distance(at: Agreement, by_hand: str = "manual") -> str:
    if not math.isfinite(at.bound):
        return "nothing can be told, for the weights are so large that the logits overflow"
    within = "within" if at.ratio <= 1 else "BEYOND"
    return f"|{by_hand} - auto| {float(at.difference):.2g}, {within} the {float(at.bound):.2g} that rounding can do"
