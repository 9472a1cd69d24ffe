"""How far a training has come: a model on the way, an epoch, the end of a loss."""

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.train.agreement import Agreement
from manual_vs_auto.train.evaluate import Evaluation

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Reached:
    """A model on the way.

    step:       how many steps led to it.
    weight:     [K, D] in the run's dtype, on the host.
    evaluation: of that weight, on the test images.
    validation: on those of --val, where there are any.
    """

    step: int
    weight: Array
    evaluation: Evaluation
    validation: Evaluation | None = field(default=None, kw_only=True)

    @property
    def finite(self) -> bool:
        """Whether every loss is."""
        losses = [judged.loss for judged in (self.evaluation, self.validation) if judged]
        return all(map(math.isfinite, losses))


@dataclass(frozen=True)
class Epoch(Reached):
    """An epoch that is done.

    number:  from 1.
    loss:    the mean over its examples, each before the step that it took part in.
    seconds: of its steps alone.
    audits:  with --gradient both an Agreement of arrays [S], else None.
    """

    number: int
    loss: float
    seconds: float
    audits: Agreement | None


class DivergedError(Exception):
    """The loss stopped being finite.

    step: the first one whose loss is not, from 1.
    last: the last parameters whose loss was finite, those that the step before began with; or those that its epoch
          began with, where their test loss is not.
    """

    def __init__(self, step: int, last: Reached) -> None:
        super().__init__(f"the loss stopped being finite at step {step:,}")
        self.step = step
        self.last = last
