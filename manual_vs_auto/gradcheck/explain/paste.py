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
from manual_vs_auto.gradcheck.explain import calls
from manual_vs_auto.gradcheck.explain.literal import imported, literal
from manual_vs_auto.gradcheck.witnesses.outcome import Case
from manual_vs_auto.gradcheck.witnesses.reference import reference


def code_of(
    claim: Claim, engine: Engine, case: Case, right: Found | None, why: str = "", along: Found | None = None
) -> str:
    """Python that computes the manual derivative there, with the right one in a remark.

    right: the right one, where there is one to show. why: of the fault; "primal" is shown by what the rule's forward
    returns, "vmap" by the rule over the cases that are stacked in this one. along: how the arrays that move and the
    cotangents do, where the fault is in the rule's own derivative.
    """
    xp, back = engine.xp, _backward(claim, engine, case) if claim.kind == "autograd.Function" else None
    args = claim.inputs.unpack(engine.given(case.arrays) if xp == "torch" else case.arrays)
    args = args if back is None else back.args
    shown = list(zip(claim.argument_names, args, strict=True))
    # Among tensors there may be arrays of NumPy's, held.
    given = [(name, literal(value, "np" if xp == "torch" else xp)) for name, value in shown]
    if claim.kind != "gradient":
        seeds = _seeds(claim, engine, case) if why != "vmap" else _stacked(claim, engine, case)
        given.append(("tangents" if claim.forward else "cotangent", seeds))
    call = calls.output(claim) if why == "primal" else calls.call(claim)
    result = [f"print({call})"] if back is None else [back.call, back.result]
    if why == "vmap":
        result = [f"print({(call := calls.mapped(claim))})"]
    elif along is not None and (xp != "torch" or all(is_tensor(args[at]) for at in claim.inputs.arguments)):
        several = xp == "torch" and (claim.forward or (back is not None and isinstance(back.cotangents, list)))
        given.append(("moves", _moves(claim, engine, case, along, several)))
        call = calls.moved(claim, call if back is None else back.slopes, xp == "torch", several)
        result = [f"print({call})"]
    code = "\n".join(f"{name} = {text}" for name, text in given)
    wide = xp == "jnp" and ("float64" in code or "complex128" in code)
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
    if why == "primal" and not any(claim.complex_outputs):
        numbers = reference(claim, engine, widen(case.arrays), widen(case.cotangents)).outputs
    else:
        numbers = claim.own_results(right) if right else []
    if numbers:
        shown_right = (np.array2string(r, floatmode="unique", threshold=12).replace("\n", "") for r in numbers)
        lines.append("# right: " + ", ".join(shown_right))
    return "\n".join(lines)


def _seeds(claim: Claim, engine: Engine, case: Case) -> str:
    """The tangents, or the cotangents in the structure of what f returns."""
    if claim.forward:
        filled = enumerate(claim.inputs.tangents(case.cotangents))
        parts = [(at in claim.inputs.arguments, literal(t, engine.xp)) for at, t in filled]
        # JAX itself wants tangents of what moves alone.
        told = [text if moves else "None" for moves, text in parts if moves or claim.kind != "custom_jvp"]
        return f"({', '.join(told)},)"
    if claim.kind == "autograd.Function":
        return literal(_backward(claim, engine, case).cotangents, engine.xp)
    return literal(_cotangent(claim, engine, case), engine.xp)


def _stacked(claim: Claim, engine: Engine, case: Case) -> str:
    """The same of several cases in one."""
    import jax

    if claim.forward:
        return _seeds(claim, engine, case)
    count = len(case.cotangents[0])
    each = [Case(case.label, [a[n] for a in case.arrays], [s[n] for s in case.cotangents]) for n in range(count)]
    trees = (_cotangent(claim, engine, one) for one in each)
    return literal(jax.tree.map(lambda *parts: np.stack(parts), *trees), engine.xp)


def _moves(claim: Claim, engine: Engine, case: Case, along: Found, several: bool) -> str:
    """One of each argument that is differentiated, and of the cotangents or the tangents; several: one by one."""
    moving = claim.inputs.moving
    pairs = zip(moving, along, strict=False)
    filled = claim.inputs.tangents([part.astype(case.arrays[at].dtype) for at, part in pairs])
    parts = [literal(filled[at], engine.xp) for at in claim.inputs.arguments]
    if claim.kind != "gradient":
        seeds = zip(along[len(moving) :], case.cotangents, strict=True)
        there = case._replace(cotangents=[part.astype(s.dtype) for part, s in seeds])
        parts.append(("*" if several else "") + _seeds(claim, engine, there))
    return f"({', '.join(parts)},)"


def _cotangent(claim: Claim, engine: Engine, case: Case) -> Any:
    """The cotangents in the structure of the function's output, in the precision of its arguments."""
    jax = import_jax()
    wide = engine.xp == "jnp" and any(str(a.dtype) == "float64" for a in case.arrays)
    with contextlib.nullcontext() if jax is None or not wide else jax.enable_x64(True):
        return _as_output(claim, engine, case)


def _as_output(claim: Claim, engine: Engine, case: Case) -> Any:
    return like_output(claim.function, claim.inputs.unpack(engine.given(case.arrays)), case.cotangents, claim.turned)


class _Backward(NamedTuple):
    """How a torch function is differentiated in a paste: its arguments, the cotangents, and the two lines.

    slopes: both in one expression, which can be differentiated.
    """

    args: tuple[Any, ...]
    cotangents: Any
    call: str
    result: str
    slopes: str


def _backward(claim: Claim, engine: Any, case: Case) -> _Backward:
    """The outputs are named by where they hang, but those that have no gradient; what is written into is a copy."""
    inputs, traced = claim.inputs, engine.traced(case.arrays)
    named = dict(zip(inputs.names, claim.argument_names, strict=True))
    heads = [inputs.names[leaf.argument] for leaf in inputs.leaves]
    leaves = [named[head] + leaf.name.removeprefix(head) for head, leaf in zip(heads, inputs.leaves, strict=True)]
    call = calls.call(claim)
    for at in traced.written:
        call = re.sub(rf"\b{leaves[at]}\b(?=[,)])", f"{leaves[at]}.clone()", call)
    wrt = "".join(f"{leaves[at]}, " for at in inputs.moving).rstrip()
    tree = flatten(traced.output)
    paths = [path for path, a in zip(tree.paths, tree.leaves, strict=True) if is_tensor(a) and a.requires_grad]
    told = [c for c, needed in zip(claim.own_cotangents(case.cotangents), traced.needed, strict=True) if needed]
    single = paths == [""]
    outputs = "output" if single else f"[{', '.join(f'output{path}' for path in paths)}]"
    result = f"print(torch.autograd.grad({outputs}, ({wrt}), cotangent, allow_unused=True))"
    slopes = f"torch.autograd.grad({outputs.replace('output', call)}, ({wrt}), cotangent, create_graph=True)"
    return _Backward(inputs.unpack(traced.given), told[0] if single else told, f"output = {call}", result, slopes)


def _mentioned(value: object) -> list[str]:
    """Imports of the named tuples and functions among arguments."""
    if isinstance(value, dict):
        return [line for part in value.values() for line in _mentioned(part)]
    if isinstance(value, tuple | list):
        own = [imported(type(value), type(value).__name__)] if hasattr(value, "_fields") else []
        return own + [line for part in value for line in _mentioned(part)]
    return [imported(value, getattr(value, "__name__", "f"))] if callable(value) else []
