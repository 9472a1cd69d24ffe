"""How hand-written code is called, for what is wrong with it: expressions of a paste."""

import re

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.paired import Paired


def call(claim: Claim) -> str:
    """For the derivative."""
    rule, names = claim.rule_name, ", ".join(claim.argument_names)
    if isinstance(claim.rule, Paired):
        return f"{claim.rule.bwd.__name__}({claim.rule.fwd.__name__}({names})[1], cotangent)"
    if claim.kind == "jvp":
        return f"{rule}(({names},), tangents)"
    if claim.kind == "autograd.Function":
        return f"{rule}{'.apply' if isinstance(claim.rule, type) else ''}({names})"
    if claim.kind in ("custom_vjp", "custom_jvp"):
        # JAX moves all that it is given: what does not is held.
        moving = ", ".join(_moving(claim))
        held = rule if moving == names else f"lambda {moving}: {rule}({names})"
        forward = f"jax.jvp({held}, ({moving},), tangents)[1]"
        return forward if claim.forward else f"jax.vjp({held}, {moving})[1](cotangent)"
    return f"{rule}({names if claim.kind == 'gradient' else f'cotangent, {names}'})"


def output(claim: Claim) -> str:
    """For what the rule's forward returns."""
    if isinstance(claim.rule, Paired):
        return f"{claim.rule.fwd.__name__}({', '.join(claim.argument_names)})[0]"
    if claim.kind == "jvp":
        return f"{call(claim)}[0]"
    return re.sub(r"\[1\](\(cotangent\))?$", "[0]", call(claim))


def mapped(claim: Claim) -> str:
    """For the derivative over the first axis of everything that holds numbers."""
    names = [claim.argument_names[leaf.argument] for leaf in claim.inputs.leaves]
    listed = ", ".join([*dict.fromkeys(names), _seeds(claim)])
    return f"jax.vmap(lambda {listed}: {call(claim)})({listed})"


def moved(claim: Claim, derivative: str, torch: bool, several: bool) -> str:
    """For the derivative of the derivative along moves: one of each argument that is differentiated, and of the seeds.

    several: whether the seeds are given, and moved, one by one.
    """
    seeds = [] if claim.kind == "gradient" else [f"{'*' if several else ''}{_seeds(claim)}"]
    listed = ", ".join([*_moving(claim), *seeds])
    jvp = "torch.autograd.functional.jvp" if torch else "jax.jvp"
    return f"{jvp}(lambda {listed}: {derivative}, ({listed},), moves)[1]"


def _moving(claim: Claim) -> list[str]:
    return [claim.argument_names[at] for at in claim.inputs.arguments]


def _seeds(claim: Claim) -> str:
    return "tangents" if claim.forward else "cotangent"
