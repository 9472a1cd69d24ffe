"""What the manual rule costs beside autodiff: time, and the bytes that the compiled programs ask for."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError, refusing
from manual_vs_auto.gradcheck.engines.engine import Engine
from manual_vs_auto.gradcheck.witnesses.outcome import Case, Outcome

_ROUNDS = 9
_SECONDS = 1.0


@dataclass(frozen=True)
class Cost:
    """Medians of interleaved calls in seconds; bytes of temporaries from the compiled programs' memory analysis.

    residual_bytes: what the rule keeps from forward to backward; None where it has no residuals of its own.
    """

    manual_seconds: float
    auto_seconds: float
    manual_temporary_bytes: int
    auto_temporary_bytes: int
    residual_bytes: int | None

    @property
    def text(self) -> str:
        """One line."""
        kept = "" if self.residual_bytes is None else f", residuals of {self.residual_bytes:,} bytes"
        return (
            f"manual {self.manual_seconds / self.auto_seconds:.2g}x the time of autodiff, temporaries of "
            f"{self.manual_temporary_bytes:,} beside {self.auto_temporary_bytes:,} bytes{kept}"
        )


def cost_of(claim: Claim, engine: Engine, sample: Outcome) -> Cost | None:
    """Compile both for the sample, as the author would run them, and time them in turns. None where JAX can't."""
    auto = getattr(engine, "differentiate", None)
    if engine.xp != "jnp" or auto is None or sample.skipped:
        return None
    try:
        with refusing():
            return _measured(claim, auto, sample.case)
    except (Refused, WrongShapeError):
        return None


def _measured(claim: Claim, auto: Callable[..., Any], case: Case) -> Cost:
    import jax

    arguments = ([np.array(a) for a in case.arrays], [np.array(s) for s in case.cotangents])
    programs = [jax.jit(function).lower(*arguments).compile() for function in (claim.manual, auto)]
    seconds: list[list[float]] = [[], []]
    began = time.perf_counter()
    for at in range(_ROUNDS + 1):
        for program, taken in zip(programs, seconds, strict=True):
            start = time.perf_counter()
            jax.block_until_ready(program(*arguments))
            if at:
                taken.append(time.perf_counter() - start)
        if at and time.perf_counter() - began > _SECONDS:
            break
    sizes = [int(getattr(program.memory_analysis(), "temp_size_in_bytes", 0)) for program in programs]
    middle = [float(np.median(taken)) for taken in seconds]
    kept = None if claim.residual_bytes is None else claim.residual_bytes(case.arrays)
    return Cost(middle[0], middle[1], sizes[0], sizes[1], kept)
