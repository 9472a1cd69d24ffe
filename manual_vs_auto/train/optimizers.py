"""The optimizers and schedules of the command, all of them optax's. No flag names `growing`: it finds a rate."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import optax

from manual_vs_auto.train.config import Config

GROWTH = 1e6  # from the first rate of `growing` to its last
_WARMUP = 0.05  # the share of the run in which warmup_cosine rises

_OPTIMIZERS: dict[str, Callable[[optax.ScalarOrSchedule], optax.GradientTransformation]] = {
    "sgd": optax.sgd,
    "momentum": lambda rate: optax.sgd(rate, momentum=0.9),
    "adam": optax.adam,
    "adamw": optax.adamw,
    "lion": optax.lion,
    "lbfgs": lambda _: optax.lbfgs(),
}

_SCHEDULES: dict[str, Callable[[float, int], optax.Schedule]] = {
    "growing": lambda peak, steps: optax.exponential_decay(peak / GROWTH, max(1, steps - 1), GROWTH),
    "constant": lambda peak, _: optax.constant_schedule(peak),
    "cosine": optax.cosine_decay_schedule,
    "warmup_cosine": lambda peak, steps: optax.warmup_cosine_decay_schedule(
        init_value=0.0, peak_value=peak, warmup_steps=max(1, round(_WARMUP * steps)), decay_steps=max(2, steps)
    ),
}


def optimizer(config: Config, steps: int) -> optax.GradientTransformationExtraArgs:
    """The optimizer of a resolved config, for a run of so many steps in all."""
    schedule = _SCHEDULES[config.schedule](config.learning_rate, steps)
    made = optax.with_extra_args_support(_OPTIMIZERS[config.optimizer](schedule))
    return optax.GradientTransformationExtraArgs(_promoting(made.init), _promoting(made.update))


def _promoting(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of optax's, which leaves it to JAX to promote dtypes and ranks, also where JAX is told not to."""

    @wraps(function)
    def called(*args: Any, **options: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return function(*args, **options)

    return called
