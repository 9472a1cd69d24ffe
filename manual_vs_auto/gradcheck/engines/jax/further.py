"""A function with its loops gone further: how far an iteration is from its limit."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.engines.jax.stripped import stripped


def each_step_further(claim: Claim) -> Callable[..., Any]:
    """g(arrays, tangents): for no, one and two steps more in every loop, the outputs and their tangents along each."""

    def each(arrays: Sequence[Any], tangents: Sequence[Sequence[Any]]) -> list[list[Any]]:
        return [_after(claim, steps, arrays, tangents) for steps in range(3)]

    return each


def _after(claim: Claim, steps: int, arrays: Sequence[Any], tangents: Sequence[Sequence[Any]]) -> list[Any]:
    plain = stripped(lambda arrays: claim.judged(arrays), further=steps)

    def of(moving: Sequence[Any]) -> Any:
        filled = dict(zip(claim.inputs.moving, moving, strict=True))
        return plain([filled.get(place, array) for place, array in enumerate(arrays)])

    primals = [arrays[at] for at in claim.inputs.moving]
    made = [jax.jvp(of, (primals,), (list(tangent),)) for tangent in tangents]
    return [made[0][0], *(tangent for _, tangent in made)]
