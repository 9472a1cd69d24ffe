"""A function or a rule that refuses float64 runs in its author's own precision instead, and is judged to that."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError, refusing
from manual_vs_auto.gradcheck.claims.outputs import Arrays
from manual_vs_auto.gradcheck.claims.trees import import_jax
from manual_vs_auto.gradcheck.engines.engine import widen
from manual_vs_auto.gradcheck.numerics.precision import eps, is_float, lowest

Precision: TypeAlias = Callable[[], contextlib.AbstractContextManager[None]]
WIDE = np.dtype(np.float64)


def in_own_precision(claim: Claim) -> Claim | None:
    """The claim with a cast around what refuses float64 and takes the sample as it is; None where nothing does."""
    sample = list(claim.inputs.sample)
    own = lowest([a.dtype for a in sample if is_float(a.dtype)])
    wide, author = _wide(), _author()
    if eps(own) == eps("float64") or any(leaf.device for leaf in claim.inputs.leaves):
        return None
    try:
        made = _made(claim.judged, author, sample)
    except Refused:
        return None
    given = [sample[at] for at in claim.inputs.moving] if claim.forward else [np.ones(s, d) for s, d in made]
    dtypes = [a.dtype for a in given]
    notes = {}
    for what, call in (("f", lambda a, _: claim.judged(a)), ("the rule", claim.manual)):
        try:
            _made(call, wide, widen(sample), widen(given))
        except (Refused, WrongShapeError) as refusal:
            with contextlib.suppress(Refused, WrongShapeError):
                _made(call, author, sample, given)
                notes[what] = f"{what} refuses float64 ({refusal}): it runs, and is judged, in {own}"
    if not notes:
        return None

    def cast(function: Callable[..., Any]) -> Callable[..., Any]:
        def inside(arrays: Arrays, *cotangents: Arrays) -> Any:
            if not any(a.dtype == WIDE and leaf.dtype != "float64" for a, leaf in pairs(arrays)):
                return function(arrays, *cotangents)
            low = [a.astype(leaf.dtype) if a.dtype == WIDE else a for a, leaf in pairs(arrays)]
            seeds = [[s.astype(d) for s, d in zip(part, dtypes, strict=True)] for part in cotangents]
            with author():
                found = function(low, *seeds)
            return _up(found)

        return inside

    def pairs(arrays: Arrays) -> Any:
        return zip(arrays, claim.inputs.leaves, strict=True)

    changed: dict[str, Any] = {}
    if "f" in notes:
        changed = {"f": cast(claim.f), "surrogate": claim.surrogate and cast(claim.surrogate)}
    if "the rule" in notes:
        changed |= {"manual": cast(claim.manual), "paired": claim.paired and cast(claim.paired)}
    return replace(claim, narrowed=frozenset(notes), notes=(*claim.notes, *notes.values()), **changed)


def _made(function: Callable[..., Any], precision: Precision, *groups: Arrays) -> list[tuple[Any, Any]]:
    """Shapes and dtypes of what a function returns; traced where JAX can. Raises: Refused, WrongShapeError."""
    jax = import_jax()
    with precision(), refusing():
        if jax is not None:
            from manual_vs_auto.gradcheck.engines.jax.jaxpr import refuses_tracing

            try:
                return [(a.shape, a.dtype) for a in jax.eval_shape(lambda *g: function(*g), *groups)]
            except Refused as refusal:
                if not refuses_tracing(refusal.error):
                    raise
        return [(np.shape(a), np.asarray(a).dtype) for a in function(*([np.array(a) for a in g] for g in groups))]


def _wide() -> Precision:
    jax = import_jax()
    return contextlib.nullcontext if jax is None else lambda: jax.enable_x64(True)


def _author() -> Precision:
    """As JAX is set now."""
    jax = import_jax()
    if jax is None:
        return contextlib.nullcontext
    setting = jax.config.jax_enable_x64
    return lambda: jax.enable_x64(setting)


def _up(found: Any) -> Any:
    if isinstance(found, tuple | list):
        return type(found)(map(_up, found))
    return found.astype(WIDE) if is_float(getattr(found, "dtype", None)) else found
