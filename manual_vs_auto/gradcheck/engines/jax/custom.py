"""The claim that a function makes by carrying its own derivative rule."""

from collections.abc import Callable
from typing import Any

import jax

from manual_vs_auto.gradcheck.claims.arguments import Inputs
from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.complex import is_complex, joined, taken_apart
from manual_vs_auto.gradcheck.claims.errors import Refused, UsageError, WrongShapeError, asked, refusing
from manual_vs_auto.gradcheck.claims.outputs import Arrays, Outputs, as_real, floating, like
from manual_vs_auto.gradcheck.claims.paired import alone
from manual_vs_auto.gradcheck.engines.engine import widen
from manual_vs_auto.gradcheck.engines.jax.arrays import precision
from manual_vs_auto.gradcheck.engines.jax.jaxpr import refuses_the_rule
from manual_vs_auto.gradcheck.engines.jax.stripped import bare, rules_in
from manual_vs_auto.gradcheck.numerics.precision import is_float


def custom_claim(f: Callable[..., Any], inputs: Inputs) -> Claim:
    """Reverse where there is a custom_vjp in f, forward where there are only custom_jvp.

    JAX's own rules are trusted, unless f holds no others: then it is they that are asked about.

    Raises: UsageError if there is none, or if complex cotangents are declared to be others than JAX gives it.
    """
    flat = Outputs(f, inputs)
    if inputs.conjugate:
        raise UsageError('complex_convention="conjugate": JAX calls the rule that f carries, in its own convention')
    others = _rules_in(flat, inputs)
    rules = others or _rules_in(flat, inputs, of_jax=True)
    if not rules:
        raise UsageError(f"there is no custom_vjp and no custom_jvp in {_name(f)}")
    forward = "vjp" not in rules

    pairs = [leaf.complex for leaf in inputs.leaves]

    def of(arrays: Arrays) -> tuple[Callable[..., Any], list[Any]]:
        whole = joined(arrays, pairs)

        def chosen(moving: list[Any]) -> list[Any]:
            filled = dict(zip(inputs.moving, moving, strict=True))
            args = inputs.fill([filled.get(at, array) for at, array in enumerate(whole)])
            return [leaf for leaf in jax.tree.leaves(asked(f, *args)) if floating(leaf)]

        return chosen, [whole[at] for at in inputs.moving]

    def paired(arrays: Arrays, cotangents: Arrays) -> tuple[list[Any], list[Any]]:
        chosen, primals = of(arrays)
        try:
            if forward:
                given = joined(cotangents, map(is_complex, primals))
                out, tangents = jax.jvp(chosen, (primals,), (given,))
                return taken_apart(out, map(is_complex, out)), taken_apart(tangents, map(is_complex, out))
            out, pull = jax.vjp(chosen, primals)
            narrow = [like(s, o) for s, o in zip(cotangents, out, strict=True)]
            found = pull(joined(narrow, map(is_complex, out), conjugate=True))[0]
        except Refused as refusal:
            # A pushforward runs within the call of f.
            raise _as_wrong_shape(refusal.error) from refusal.error
        except Exception as fault:
            raise _as_wrong_shape(fault) from fault
        each = zip((inputs.leaves[at].name for at in inputs.moving), found, primals, strict=True)
        return taken_apart(out, map(is_complex, out)), [as_real(name, g, p, True, exact=True) for name, g, p in each]

    def residual_bytes(arrays: Arrays) -> int:
        chosen, primals = of(arrays)
        kept = jax.tree.leaves(jax.eval_shape(lambda p: jax.vjp(chosen, p)[1], primals))
        return sum(a.size * a.dtype.itemsize for a in kept)

    kind, plain = "custom_jvp" if forward else "custom_vjp", flat if others else bare(flat)
    notes = () if others else ("no rule in f but JAX's own: these are judged",)
    kept = None if forward else residual_bytes
    return Claim(_name(f), kind, inputs, plain, alone(paired), f, f, forward, kept, paired,
                 complex_outputs=flat.complex, approximated=not others, notes=notes)  # fmt: skip


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)


def _rules_in(flat: Callable[[Arrays], list[Any]], inputs: Inputs, of_jax: bool = False) -> frozenset[str]:
    """Looked for in float64; in the author's own precision where f refuses that."""
    first: Refused | None = None
    for arrays in (widen(inputs.sample), list(inputs.sample)):
        try:
            with precision(*(a.dtype for a in arrays if is_float(a.dtype))), refusing():
                return rules_in(flat, arrays, of_jax=of_jax)
        except Refused as refusal:
            first = first or refusal
    assert first is not None
    raise UsageError(f"there is no custom_vjp and no custom_jvp in what JAX can't trace: {first}") from first.error


def _as_wrong_shape(fault: Exception) -> Exception:
    """JAX itself refuses rules whose results have another structure, shape or dtype; others the rule raised."""
    return WrongShapeError(f"rule: {str(fault).splitlines()[0]}") if refuses_the_rule(fault) else Refused(fault)
