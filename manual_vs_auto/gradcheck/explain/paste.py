"""A failing input as Python that can be pasted and run."""

from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim, like_output
from manual_vs_auto.gradcheck.claims.tensors import copied, is_tensor
from manual_vs_auto.gradcheck.engines.engine import Engine, widen
from manual_vs_auto.gradcheck.explain.literal import imported, literal
from manual_vs_auto.gradcheck.witnesses.outcome import Case
from manual_vs_auto.gradcheck.witnesses.reference import reference


def code_of(claim: Claim, engine: Engine, case: Case, formula: bool) -> str:
    """Python that computes the manual derivative there, with the right one in a remark."""
    xp, output, pulled = engine.xp, list[str](), None
    args = claim.inputs.unpack(engine.given(case.arrays) if xp == "torch" else case.arrays)
    if claim.kind == "autograd.Function":
        args, output, pulled = _traced(claim, engine, case)
    shown = list(zip(claim.argument_names, args, strict=True))
    # Among tensors there may be arrays of NumPy's, held.
    given = [(name, literal(value, "np" if xp == "torch" else xp)) for name, value in shown]
    if claim.forward:
        moved = iter(case.cotangents)
        filled = claim.inputs.unpack([next(moved) if leaf.moves else np.zeros(()) for leaf in claim.inputs.leaves])
        parts = [literal(t, xp) if at in claim.inputs.arguments else "None" for at, t in enumerate(filled)]
        given.append(("tangents", f"({', '.join(parts)},)"))
    elif output:
        given.append(("cotangent", literal(pulled, xp)))
    elif claim.kind != "gradient":
        given.append(("cotangent", literal(_cotangent(claim, engine, case), xp)))
    code = "\n".join(f"{name} = {text}" for name, text in given)
    result = f"print({claim.call})"
    lines = [line for line, needed in (
        ("import jax", "jax." in claim.call or ("float64" in code and xp == "jnp")),
        ("import jax.numpy as jnp", "jnp." in code),
        ("import numpy as np", "np." in code.replace("jnp.", "")),
        ("import torch", xp == "torch"),
    ) if needed]  # fmt: skip
    lines += [imported(claim.rule, claim.rule_name), *(_mentioned(args))]
    if "float64" in code and xp == "jnp":
        lines.append('jax.config.update("jax_enable_x64", True)')
    lines += [code, *output, result]
    if formula:
        right = reference(claim, engine, widen(case.arrays), widen(case.cotangents)).values
        shown_right = (np.array2string(r, floatmode="unique", threshold=12).replace("\n", "") for r in right)
        lines.append("# right: " + ", ".join(shown_right))
    return "\n".join(lines)


def _cotangent(claim: Claim, engine: Engine, case: Case) -> Any:
    """The cotangents in the structure of the function's output."""
    return like_output(claim.function, claim.inputs.unpack(engine.given(case.arrays)), case.cotangents)


def _traced(claim: Claim, engine: Engine, case: Case) -> tuple[tuple[Any, ...], list[str], Any]:
    """A torch function's arguments, those that move requiring a gradient, its outputs that have one, the cotangents."""
    given = engine.given(case.arrays)
    # A function that writes into its arguments is not to be asked with those that are shown.
    args, own = claim.inputs.unpack(given), [copied(a.requires_grad_() if at in claim.inputs.moving else a)
                                             for at, a in enumerate(given)]  # fmt: skip
    made = claim.function(*claim.inputs.unpack(own))
    told = [c for out, c in zip(claim.f(own), case.cotangents, strict=True) if getattr(out, "requires_grad", False)]
    names = ", ".join(claim.argument_names)
    call = f"{claim.rule_name}{'.apply' if isinstance(claim.rule, type) else ''}({names})"
    if is_tensor(made):
        return args, [f"output = {call}"], told[0] if told else None
    leaves = call if isinstance(made, tuple | list) else f"torch.utils._pytree.tree_leaves({call})"
    return args, [f"output = [o for o in {leaves} if isinstance(o, torch.Tensor) and o.requires_grad]"], told


def _mentioned(value: object) -> list[str]:
    """Imports of the named tuples and functions among arguments."""
    if isinstance(value, dict):
        return [line for part in value.values() for line in _mentioned(part)]
    if isinstance(value, tuple | list):
        own = [imported(type(value), type(value).__name__)] if hasattr(value, "_fields") else []
        return own + [line for part in value for line in _mentioned(part)]
    return [imported(value, getattr(value, "__name__", "f"))] if callable(value) else []
