"""A failing input as Python that can be pasted and run."""

import contextlib
import re
from typing import Any, NamedTuple

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.outputs import like_output
from manual_vs_auto.gradcheck.claims.paired import Paired
from manual_vs_auto.gradcheck.claims.tensors import is_tensor
from manual_vs_auto.gradcheck.claims.trees import flatten, import_jax
from manual_vs_auto.gradcheck.engines.engine import Engine, Found, widen
from manual_vs_auto.gradcheck.explain.literal import imported, literal
from manual_vs_auto.gradcheck.witnesses.outcome import Case
from manual_vs_auto.gradcheck.witnesses.reference import reference


def code_of(claim: Claim, engine: Engine, case: Case, right: Found | None, primal: bool = False) -> str:
    """Python that computes the manual derivative there, with the right one in a remark.

    right: the right one, where there is one to show. primal: what the rule's forward returns instead of the derivative.
    """
    xp, back = engine.xp, _backward(claim, engine, case) if claim.kind == "autograd.Function" else None
    args = claim.inputs.unpack(engine.given(case.arrays) if xp == "torch" else case.arrays)
    args = args if back is None else back.args
    shown = list(zip(claim.argument_names, args, strict=True))
    # Among tensors there may be arrays of NumPy's, held.
    given = [(name, literal(value, "np" if xp == "torch" else xp)) for name, value in shown]
    if claim.forward:
        filled = claim.inputs.tangents(case.cotangents)
        parts = [literal(t, xp) if at in claim.inputs.arguments else "None" for at, t in enumerate(filled)]
        given.append(("tangents", f"({', '.join(parts)},)"))
    elif back is not None:
        given.append(("cotangent", literal(back.cotangents, xp)))
    elif claim.kind != "gradient":
        given.append(("cotangent", literal(_cotangent(claim, engine, case), xp)))
    code = "\n".join(f"{name} = {text}" for name, text in given)
    wide = xp == "jnp" and ("float64" in code or "complex128" in code)
    call = _forward(claim) if primal else claim.call
    result = [f"print({call})"] if back is None else [back.call, back.result]
    lines = [line for line, needed in (
        ("import jax", "jax." in call or wide),
        ("import jax.numpy as jnp", "jnp." in code),
        ("import numpy as np", "np." in code.replace("jnp.", "")),
        ("import torch", xp == "torch"),
    ) if needed]  # fmt: skip
    rules = (claim.rule.fwd, claim.rule.bwd) if isinstance(claim.rule, Paired) else ()
    lines += [imported(rule, rule.__name__) for rule in rules] or [imported(claim.rule, claim.rule_name)]
    lines += _mentioned(args)
    if wide:
        lines.append('jax.config.update("jax_enable_x64", True)')
    lines += [code, *result]
    if primal and not any(claim.complex_outputs):
        numbers = reference(claim, engine, widen(case.arrays), widen(case.cotangents)).outputs
    else:
        numbers = claim.own_results(right) if right else []
    if numbers:
        shown_right = (np.array2string(r, floatmode="unique", threshold=12).replace("\n", "") for r in numbers)
        lines.append("# right: " + ", ".join(shown_right))
    return "\n".join(lines)


def _forward(claim: Claim) -> str:
    """How what the rule's forward returns is asked for."""
    if isinstance(claim.rule, Paired):
        return f"{claim.rule.fwd.__name__}({', '.join(claim.argument_names)})[0]"
    if claim.kind == "jvp":
        return f"{claim.call}[0]"
    return re.sub(r"\[1\](\(cotangent\))?$", "[0]", claim.call)


def _cotangent(claim: Claim, engine: Engine, case: Case) -> Any:
    """The cotangents in the structure of the function's output, in the precision of its arguments."""
    jax = import_jax()
    wide = engine.xp == "jnp" and any(str(a.dtype) == "float64" for a in case.arrays)
    with contextlib.nullcontext() if jax is None or not wide else jax.enable_x64(True):
        return _as_output(claim, engine, case)


def _as_output(claim: Claim, engine: Engine, case: Case) -> Any:
    return like_output(claim.function, claim.inputs.unpack(engine.given(case.arrays)), case.cotangents, claim.turned)


class _Backward(NamedTuple):
    """How a torch function is differentiated in a paste: its arguments, the cotangents, and the two lines."""

    args: tuple[Any, ...]
    cotangents: Any
    call: str
    result: str


def _backward(claim: Claim, engine: Any, case: Case) -> _Backward:
    """The outputs are named by where they hang, but those that have no gradient; what is written into is a copy."""
    inputs, traced = claim.inputs, engine.traced(case.arrays)
    named = dict(zip(inputs.names, claim.argument_names, strict=True))
    heads = [inputs.names[leaf.argument] for leaf in inputs.leaves]
    leaves = [named[head] + leaf.name.removeprefix(head) for head, leaf in zip(heads, inputs.leaves, strict=True)]
    call = claim.call
    for at in traced.written:
        call = re.sub(rf"\b{leaves[at]}\b(?=[,)])", f"{leaves[at]}.clone()", call)
    wrt = "".join(f"{leaves[at]}, " for at in inputs.moving).rstrip()
    tree = flatten(traced.output)
    paths = [path for path, a in zip(tree.paths, tree.leaves, strict=True) if is_tensor(a) and a.requires_grad]
    told = [c for c, needed in zip(claim.own_cotangents(case.cotangents), traced.needed, strict=True) if needed]
    single = paths == [""]
    outputs = "output" if single else f"[{', '.join(f'output{path}' for path in paths)}]"
    result = f"print(torch.autograd.grad({outputs}, ({wrt}), cotangent, allow_unused=True))"
    return _Backward(inputs.unpack(traced.given), told[0] if single else told, f"output = {call}", result)


def _mentioned(value: object) -> list[str]:
    """Imports of the named tuples and functions among arguments."""
    if isinstance(value, dict):
        return [line for part in value.values() for line in _mentioned(part)]
    if isinstance(value, tuple | list):
        own = [imported(type(value), type(value).__name__)] if hasattr(value, "_fields") else []
        return own + [line for part in value for line in _mentioned(part)]
    return [imported(value, getattr(value, "__name__", "f"))] if callable(value) else []
