"""How good a run's model is, example by example: what a report draws, kept in evaluation.json."""

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.runs import files
from manual_vs_auto.runs.errors import UsageError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

FILE = "evaluation.json"
MOST_CLASSES = 200  # for which every pair of label and prediction is counted
_BINS = 15
_PAIRS, _MISTAKES = 20, 24  # how many are kept


@dataclass(frozen=True)
class Picture:
    """Pixels of an example, uint8 in rows; of grey, or of `channels` colours.

    pixels: base64 of height x width x channels bytes.
    """

    height: int
    width: int
    channels: int
    pixels: str

    def array(self) -> Array:
        """The pixels: uint8 [height, width], or [height, width, channels]."""
        flat = np.frombuffer(base64.b64decode(self.pixels, validate=True), np.uint8)
        shape = (self.height, self.width) + ((self.channels,) if self.channels > 1 else ())
        return flat.reshape(shape)


@dataclass(frozen=True)
class Mistake:
    """An example that the model takes for another class.

    index:       of the example, from 0.
    probability: what the model gives to the label, and to the class that it predicts: 0..1.
    """

    index: int
    label: int
    predicted: int
    label_probability: float
    predicted_probability: float
    picture: Picture | None = None


@dataclass(frozen=True)
class Bin:
    """Predictions of about the same confidence, the probability of the class that is predicted.

    count:      how many.
    confidence: their mean, 0..1; accuracy: the share that is right. Both 0 where there are none.
    """

    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Evaluation:
    """A model on examples with labels.

    of:            which examples: "test images", say.
    examples:      how many.
    classes:       K.
    class_names:   K texts, or none.
    top1, top5:    the share whose label has the largest probability, or one of the five largest: 0..1.
    cross_entropy: mean of -log p[label], in nats; a p below the smallest normal number of its dtype counts as that.
    confusion:     counts [K][K], by label and by prediction; None where K is more than MOST_CLASSES.
    confused:      (label, prediction, how often), the mistakes most made first.
    calibration:   bins of equal width of the confidence, from 0 to 1.
    mistakes:      those with the smallest probability of the label, the worst first.
    """

    of: str
    examples: int
    classes: int
    class_names: tuple[str, ...]
    top1: float
    top5: float
    cross_entropy: float
    confusion: tuple[tuple[int, ...], ...] | None
    confused: tuple[tuple[int, int, int], ...]
    calibration: tuple[Bin, ...]
    mistakes: tuple[Mistake, ...]

    @property
    def calibration_error(self) -> float:
        """How far confidence is from accuracy on average, 0..1: the expected calibration error.

        Source: Guo et al. 2017, On Calibration of Modern Neural Networks, (3). sum_b n_b / n |acc_b - conf_b|.
        """
        return sum(cell.count * abs(cell.accuracy - cell.confidence) for cell in self.calibration) / self.examples

    def name(self, label: int) -> str:
        """What a class is called."""
        return self.class_names[label] if self.class_names else str(label)

    def to_bytes(self) -> bytes:
        """One line of JSON with its own SHA-256; the same evaluation is the same bytes."""
        said = json.dumps(asdict(self), sort_keys=True, allow_nan=False)
        return f'{{"sha256": "{hashlib.sha256(said.encode()).hexdigest()}", "evaluation": {said}}}\n'.encode()

    def write(self, path: Path) -> None:
        """Leave it in a file, which is whole or as it was before. Raises: OSError."""
        partial = files.partial(path)
        try:
            files.write(partial, self.to_bytes())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def evaluate(
    probabilities: Iterable[Array],
    labels: Array,
    images: Array | None = None,
    class_names: Sequence[str] = (),
    of: str = "test examples",
) -> Evaluation:
    """Judge a model by what it says of examples.

    Args:   probabilities: floating [n, K] for some examples at a time, in the order of the labels.
            labels:        integer [N], 0..K-1.
            images:        [N, height, width] or [N, height, width, 3], uint8, or floating in 0..1: only the worst
                           mistakes' are read. None where there are none.
            class_names:   K texts, or none.
            of:            what a reader should call the examples.
    Raises: ValueError where there are no examples, the sizes differ, or a probability is not finite.
    """
    parts, at, classes = [], 0, 0
    for piece in probabilities:
        parts.append(judged(piece, labels[at : at + len(piece)]))
        at, classes = at + len(piece), piece.shape[1]
    if at != len(labels) or not at:
        raise ValueError(f"probabilities of {at:,} examples and {len(labels):,} labels")
    predicted, confidence, by_label, rank = (np.concatenate(column) for column in zip(*parts, strict=True))
    labels = np.asarray(labels, np.int64)
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.lexsort((wrong, -confidence[wrong], by_label[wrong]))][:_MISTAKES]
    tiny = np.finfo(piece.dtype).tiny
    return Evaluation(
        of=of,
        examples=at,
        classes=classes,
        class_names=tuple(class_names),
        top1=float(np.mean(rank < 1)),
        top5=float(np.mean(rank < 5)),
        cross_entropy=float(-np.mean(np.log(np.maximum(by_label, tiny)))),
        confusion=_counts(labels, predicted, classes) if classes <= MOST_CLASSES else None,
        confused=_most_confused(labels[wrong], predicted[wrong], classes),
        calibration=_bins(confidence, predicted == labels),
        mistakes=tuple(
            Mistake(i, int(labels[i]), int(predicted[i]), float(by_label[i]), float(confidence[i]), picture)
            for i in worst.tolist()
            for picture in [None if images is None else _picture(images[i])]
        ),
    )


def read(path: Path) -> Evaluation:
    """What `Evaluation.write` left.

    Raises: UsageError, one line, where the file can't be read, or where a byte is another than was written.
    """
    try:
        content = path.read_bytes()
        evaluation = _from_json(json.loads(content)["evaluation"])
        if evaluation.to_bytes() == content:
            return evaluation
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        pass
    raise UsageError(f"{path} is not as it was written: train or fit anew, or remove it to see the rest of the run")


def judged(piece: Array, labels: Array) -> tuple[Array, Array, Array, Array]:
    """Of [n, K]: the prediction, its probability, the label's, and how many classes come before the label: [n] each."""
    if not np.all(np.isfinite(piece)):
        raise ValueError("a probability is not finite")
    labels = labels.astype(np.int64)[:, None]
    predicted = np.argmax(piece, axis=-1)
    by_label = np.take_along_axis(piece, labels, axis=-1)
    # Of equal ones the first comes first, as for argmax.
    before = (piece > by_label) | ((piece == by_label) & (np.arange(piece.shape[1]) < labels))
    confidence = np.take_along_axis(piece, predicted[:, None], axis=-1)
    return predicted, confidence[:, 0].astype(np.float64), by_label[:, 0].astype(np.float64), np.sum(before, axis=-1)


def _counts(labels: Array, predicted: Array, classes: int) -> tuple[tuple[int, ...], ...]:
    table = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    return tuple(tuple(row) for row in table.tolist())


def _most_confused(labels: Array, predicted: Array, classes: int) -> tuple[tuple[int, int, int], ...]:
    pairs, times = np.unique(labels * classes + predicted, return_counts=True)
    most = np.lexsort((pairs, -times))[:_PAIRS]
    return tuple((*divmod(int(pairs[i]), classes), int(times[i])) for i in most)


def _bins(confidence: Array, right: Array) -> tuple[Bin, ...]:
    at = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    counts = np.bincount(at, minlength=_BINS)
    means = [np.bincount(at, values, _BINS) / np.maximum(counts, 1) for values in (confidence, right)]
    return tuple(Bin(*row) for row in zip(counts.tolist(), *(mean.tolist() for mean in means), strict=True))


def _picture(image: Array) -> Picture | None:
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        return None
    pixels = image if image.dtype == np.uint8 else np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    height, width, *channels = image.shape
    return Picture(height, width, math.prod(channels), base64.b64encode(pixels.tobytes()).decode())


def _from_json(said: dict[str, Any]) -> Evaluation:
    mistakes = tuple(
        Mistake(**mistake | {"picture": mistake["picture"] and Picture(**mistake["picture"])})
        for mistake in said["mistakes"]
    )
    for mistake in mistakes:
        if mistake.picture:
            mistake.picture.array()
    return Evaluation(
        **said
        | {
            "class_names": tuple(said["class_names"]),
            "confusion": said["confusion"] and tuple(tuple(row) for row in said["confusion"]),
            "confused": tuple(tuple(row) for row in said["confused"]),
            "calibration": tuple(Bin(**cell) for cell in said["calibration"]),
            "mistakes": mistakes,
        }
    )
