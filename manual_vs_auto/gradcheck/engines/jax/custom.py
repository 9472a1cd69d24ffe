"""The claim that a function makes by carrying its own derivative rule."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from manual_vs_auto.gradcheck.claims.arguments import Inputs
from manual_vs_auto.gradcheck.claims.claim import Arrays, Claim, outputs
from manual_vs_auto.gradcheck.claims.errors import Refused, UsageError, WrongShapeError, refusing
from manual_vs_auto.gradcheck.engines.engine import widen
from manual_vs_auto.gradcheck.engines.jax.engine import precision
from manual_vs_auto.gradcheck.engines.jax.jaxpr import refuses_the_rule
from manual_vs_auto.gradcheck.engines.jax.stripped import rules_in


def custom_claim(f: Callable[..., Any], inputs: Inputs) -> Claim:
    """Reverse where there is a custom_vjp in f, forward where there are only custom_jvp.

    Raises: UsageError if there is neither.
    """
    flat = outputs(f, inputs)
    try:
        with precision(np.float64), refusing():
            rules = rules_in(flat, widen(inputs.sample))
    except Refused as refusal:
        raise UsageError(
            f"there is no custom_vjp and no custom_jvp in what JAX can't trace: {refusal}"
        ) from refusal.error
    if not rules:
        raise UsageError(f"there is no custom_vjp and no custom_jvp in {getattr(f, '__name__', f)}, but JAX's own")
    forward = "vjp" not in rules

    def of(arrays: Arrays) -> tuple[Callable[..., Any], list[Any]]:
        def chosen(moving: list[Any]) -> list[Any]:
            filled = dict(zip(inputs.moving, moving, strict=True))
            return flat([filled.get(at, array) for at, array in enumerate(arrays)])

        return chosen, [arrays[at] for at in inputs.moving]

    def paired(arrays: Arrays, cotangents: Arrays) -> tuple[list[Any], list[Any]]:
        chosen, primals = of(arrays)
        try:
            if forward:
                out, tangents = jax.jvp(chosen, (primals,), (list(cotangents),))
                return list(out), list(tangents)
            out, pull = jax.vjp(chosen, primals)
            return list(out), list(pull(list(cotangents))[0])
        except Refused:
            raise
        except Exception as fault:
            raise _as_wrong_shape(fault) from fault

    def manual(arrays: Arrays, cotangents: Arrays) -> list[Any]:
        return paired(arrays, cotangents)[1]

    def residual_bytes(arrays: Arrays) -> int:
        chosen, primals = of(arrays)
        kept = jax.tree.leaves(jax.eval_shape(lambda p: jax.vjp(chosen, p)[1], primals))
        return sum(a.size * a.dtype.itemsize for a in kept)

    name = getattr(f, "__name__", type(f).__name__)
    kind = "custom_jvp" if forward else "custom_vjp"
    return Claim(name, kind, inputs, flat, manual, f, f, forward, None if forward else residual_bytes, paired)


def _as_wrong_shape(fault: Exception) -> Exception:
    """JAX itself refuses rules whose results have another structure, shape or dtype; others the rule raised."""
    return WrongShapeError(f"rule: {str(fault).splitlines()[0]}") if refuses_the_rule(fault) else Refused(fault)
