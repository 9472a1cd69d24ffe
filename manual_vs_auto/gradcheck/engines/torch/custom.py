"""The claim that a function makes by calling a torch.autograd.Function; and what is called where f is no function."""

import contextlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from manual_vs_auto.gradcheck.claims.arguments import Inputs
from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, UsageError, WrongShapeError
from manual_vs_auto.gradcheck.claims.outputs import Outputs
from manual_vs_auto.gradcheck.claims.paired import alone
from manual_vs_auto.gradcheck.claims.tensors import is_function, is_tensor
from manual_vs_auto.gradcheck.engines.engine import widen
from manual_vs_auto.gradcheck.engines.torch.engine import called, given
from manual_vs_auto.gradcheck.engines.torch.stripped import pulled, sets_up, stripped
from manual_vs_auto.gradcheck.numerics.precision import is_float

# How torch says that what a backward returned can't be a derivative.
_NO_DERIVATIVE = (
    "incorrect number of gradients",
    "returned an invalid gradient",
    "expected Variable",
    "to be a Variable",
)


def applied(f: Any) -> Any:
    """A plain function of the arguments for a torch.autograd.Function, its `apply`, or a module; others as they are.

    A module's parameters and buffers are given to it anew at every call, in float64 beside arguments in float64: what
    it writes into them is forgotten.
    """
    owner = getattr(f, "__self__", None)
    if is_function(f) or (is_function(owner) and f.__name__ == "apply"):
        rule: Any = f if is_function(f) else owner
        named = list(inspect.signature(rule.forward).parameters.values())
        return _named(rule.apply, rule, rule.__name__, named if sets_up(rule) else named[1:])
    if isinstance(f, torch.nn.Module):
        named = list(inspect.signature(f.forward).parameters.values())
        return _named(lambda *args: _call_module(f, args), f, type(f).__name__, named)
    return f


def _named(call: Callable[..., Any], rule: Any, name: str, named: list[inspect.Parameter]) -> Callable[..., Any]:
    def wrapped(*args: Any) -> Any:
        return call(*args)

    wrapped.__name__ = name
    vars(wrapped).update(rule=rule, __signature__=inspect.Signature(named))
    return wrapped


def _call_module(module: Any, args: tuple[Any, ...]) -> Any:
    wide = any(is_tensor(a) and a.dtype in (torch.float64, torch.complex128) for a in tree_leaves(args))
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    own = {
        k: v.detach().to(torch.float64 if wide and is_float(v.dtype) else v.dtype, copy=True) for k, v in state.items()
    }
    return torch.func.functional_call(module, own, args)


def custom_claim(f: Callable[..., Any], inputs: Inputs) -> Claim:
    """That every torch.autograd.Function in f has the derivative of its forward for its backward.

    An output that a Function marks as not differentiable is not judged.
    Raises:  UsageError if there is no Function in f but torch's own, Refused for what f refuses.
    """
    if not any(leaf.device for leaf in inputs.leaves):
        raise UsageError("a torch.autograd.Function differentiates tensors: give it tensors")
    every, name = Outputs(f, inputs), getattr(f, "__name__", type(f).__name__)
    if not inputs.conjugate:
        raise UsageError('complex_convention="jax": PyTorch calls the rule of a Function in its own convention')
    wide = widen(inputs.sample)
    with stripped() as met:
        made = called(every, wide, given(inputs, wide))
        if not met.rules:
            # torch.library comes to its Function where a gradient is required.
            with contextlib.suppress(Refused):
                called(lambda values: pulled(every, values, inputs.moving, made), wide, given(inputs, wide))
    if not met.rules:
        raise UsageError(f"there is no torch.autograd.Function in {name}, but torch's own")
    kept = [at for at, a in enumerate(made) if not any(a is marked for marked in met.without_gradient)]

    def flat(arrays: Sequence[Any]) -> list[Any]:
        found = every(arrays)
        return [found[at] for at in kept]

    def paired(arrays: Sequence[Any], cotangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        try:
            made, found = pulled(flat, arrays, inputs.moving, cotangents)
        except Refused as refusal:
            if any(words in str(refusal.error) for words in _NO_DERIVATIVE):
                raise WrongShapeError(f"rule: {str(refusal.error).splitlines()[0]}") from refusal.error
            raise
        return made, [torch.zeros_like(arrays[at]) for at in inputs.moving] if found is None else found

    rule = getattr(f, "rule", f)
    return Claim(name, "autograd.Function", inputs, flat, alone(paired), rule, f, paired=paired,
                 complex_outputs=[every.complex[at] for at in kept])  # fmt: skip
