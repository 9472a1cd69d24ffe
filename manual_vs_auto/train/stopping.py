"""Whether a run has had enough: a pure function of its lines of metrics, so a resumed run decides as the first did."""

from collections.abc import Mapping, Sequence
from typing import Any

from manual_vs_auto.train.config import Config

_IMAGES = {"val": "validation", "test": "test"}


def watched(config: Config) -> str:
    """The images that a run stops by: "val" where there are any, else "test"."""
    return "val" if config.val else "test"


def criteria(config: Config) -> str:
    """What a run stops at, for a person; "" where it is only the number of epochs."""
    images = _IMAGES[watched(config)]
    said = []
    if config.patience:
        said.append(f"after {_epochs(config.patience)} without a better {images} loss")
    if config.target_accuracy:
        said.append(f"at a {images} accuracy of {_percent(config.target_accuracy)}")
    if said and not config.val:
        said[-1] += " (which the test images then decide: --val keeps others for it)"
    if config.max_time:
        said.append(f"before an epoch that would end later than {config.max_time:g} s")
    return ", or ".join(said)


def reason(config: Config, history: Sequence[Mapping[str, Any]], elapsed: float, epoch: float) -> str:
    """Why no other epoch should begin, for a person; "" where one should.

    Args: history: the run's lines of metrics, one an epoch from the first, those before a resume too.
          elapsed: seconds since the process began; a run that is resumed has its --max-time anew.
          epoch:   seconds that the last epoch took in this process, with all that goes with one; 0 before the first.
    """
    key, images = watched(config), _IMAGES[watched(config)]
    losses = [line[f"{key}_loss"] for line in history]
    accuracy = history[-1][f"{key}_accuracy"] if history else 0.0
    if config.target_accuracy and history and accuracy >= config.target_accuracy:
        return f"the {images} accuracy is {_percent(accuracy)}, and {_percent(config.target_accuracy)} was asked for"
    best = losses.index(min(losses)) if losses else 0
    if config.patience and len(losses) - 1 - best >= config.patience:
        since = f"in {_epochs(len(losses) - 1 - best)}"
        return f"no better {images} loss {since}: the best was {losses[best]:.4f}, after epoch {best + 1}"
    if config.max_time and epoch and elapsed + epoch > config.max_time:
        return f"another epoch of {epoch:.1f} s would end later than the {config.max_time:g} s of --max-time"
    return ""


def _epochs(number: int) -> str:
    return f"{number:,} epoch{'s' if number > 1 else ''}"


def _percent(share: float) -> str:
    return f"{100 * share:.10g}%"
