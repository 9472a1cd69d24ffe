"""A failing input as Python that can be pasted and run."""

from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.outputs import like_output
from manual_vs_auto.gradcheck.engines.engine import Engine, widen
from manual_vs_auto.gradcheck.explain.literal import imported, literal
from manual_vs_auto.gradcheck.witnesses.outcome import Case
from manual_vs_auto.gradcheck.witnesses.reference import reference


def code_of(claim: Claim, engine: Engine, case: Case, formula: bool) -> str:
    """Python that computes the manual derivative there, with the right one in a remark."""
    xp = "jnp" if hasattr(engine, "differentiate") else "np"
    args = claim.inputs.unpack(case.arrays)
    shown = list(zip(claim.argument_names, args, strict=True))
    given = [(name, literal(value, xp)) for name, value in shown]
    if claim.forward:
        filled = claim.inputs.tangents(case.cotangents)
        parts = [literal(t, xp) if at in claim.inputs.arguments else "None" for at, t in enumerate(filled)]
        given.append(("tangents", f"({', '.join(parts)},)"))
    elif claim.kind != "gradient":
        given.append(("cotangent", literal(_cotangent(claim, engine, case), xp)))
    code = "\n".join(f"{name} = {text}" for name, text in given)
    wide = xp == "jnp" and ("float64" in code or "complex128" in code)
    result = f"print({claim.call})"
    lines = [line for line, needed in (
        ("import jax", "jax." in claim.call or wide),
        ("import jax.numpy as jnp", "jnp." in code),
        ("import numpy as np", "np." in code.replace("jnp.", "")),
    ) if needed]  # fmt: skip
    lines += [imported(claim.rule, claim.rule_name), *(_mentioned(args))]
    if wide:
        lines.append('jax.config.update("jax_enable_x64", True)')
    lines += [code, result]
    if formula:
        right = reference(claim, engine, widen(case.arrays), widen(case.cotangents)).values
        right = claim.own_results(right) if right else []
        shown_right = (np.array2string(r, floatmode="unique", threshold=12).replace("\n", "") for r in right)
        lines.append("# right: " + ", ".join(shown_right))
    return "\n".join(lines)


def _cotangent(claim: Claim, engine: Engine, case: Case) -> Any:
    """The cotangents in the structure of the function's output."""
    arrays: list[Any] = [np.array(a) for a in case.arrays]
    if hasattr(engine, "differentiate"):
        import jax

        arrays = [jax.numpy.asarray(a) for a in arrays]
    return like_output(claim.function, claim.inputs.unpack(arrays), case.cotangents, claim.turned)


def _mentioned(value: object) -> list[str]:
    """Imports of the named tuples and functions among arguments."""
    if isinstance(value, dict):
        return [line for part in value.values() for line in _mentioned(part)]
    if isinstance(value, tuple | list):
        own = [imported(type(value), type(value).__name__)] if hasattr(value, "_fields") else []
        return own + [line for part in value for line in _mentioned(part)]
    return [imported(value, getattr(value, "__name__", "f"))] if callable(value) else []
