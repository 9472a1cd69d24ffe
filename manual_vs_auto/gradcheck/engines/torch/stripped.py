"""torch.autograd.Function taken out of a function: its forward alone, which autograd differentiates by itself."""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch.autograd import function

from manual_vs_auto.gradcheck.claims.errors import asked
from manual_vs_auto.gradcheck.claims.tensors import is_tensor
from manual_vs_auto.gradcheck.engines.torch.operations import Looking


class _Context:
    """What a forward is given in place of torch's ctx: it keeps what it is told."""

    def __init__(self, given: Sequence[Any]) -> None:
        self.needs_input_grad = tuple(is_tensor(a) and a.requires_grad for a in given)
        self.saved_tensors: tuple[Any, ...] = ()
        self.without_gradient: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        self.without_gradient = tensors

    def save_for_forward(self, *tensors: Any) -> None: ...

    def mark_dirty(self, *tensors: Any) -> None: ...

    def set_materialize_grads(self, value: bool) -> None: ...


class Met:
    """What a stripped run came across: the classes with rules, and the outputs marked as not differentiable."""

    def __init__(self) -> None:
        self.rules: list[type] = []
        self.without_gradient: list[Any] = []


@contextlib.contextmanager
def stripped() -> Iterator[Met]:
    """Every torch.autograd.Function is its forward alone, but torch's own, however its `apply` is held."""
    met = Met()

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_torchs(cls):
            return super(function._SingleLevelFunction, cls).apply(*args, **kwargs)
        return _forward(met, cls, args, kwargs)

    with (
        _replaced(function._SingleLevelFunction, "apply", classmethod(apply)),
        _replaced(function, "custom_function_call", apply),
    ):
        yield met


def _is_torchs(cls: type) -> bool:
    """Whether torch itself uses it; torch.library's stand for a user's rule."""
    return cls.__module__.split(".")[0] == "torch" and not cls.__module__.startswith("torch._library")


def sets_up(cls: Any) -> bool:
    """Whether a Function has its context set up apart from its forward, which then has none."""
    return cls.setup_context is not torch.autograd.Function.setup_context


def _forward(met: Met, cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    met.rules.append(cls)
    ctx = _Context(args)
    Looking.inside += 1
    try:
        if sets_up(cls):
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            found = cls.forward(*bound.args, **bound.kwargs)
            cls.setup_context(ctx, bound.args, found)
        else:
            found = cls.forward(ctx, *args, **kwargs)
    finally:
        Looking.inside -= 1
    met.without_gradient.extend(ctx.without_gradient)
    return found


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name) if before is None else setattr(owner, name, before)


def pulled(
    f: Callable[[Sequence[Any]], list[Any]], arrays: Sequence[Any], at: Sequence[int], cotangents: Sequence[Any]
) -> tuple[list[Any], list[Any] | None]:
    """What f returns, and the cotangents of the arrays `at`, by autograd; None where no gradient leads to them."""
    outputs, leaves, twice = _traced(f, arrays, at, cotangents)
    pairs = [(o, c.to(o)) for o, c in zip(outputs, cotangents, strict=True) if is_tensor(o) and o.requires_grad]
    if not pairs:
        return outputs, None
    made, pulling = zip(*pairs, strict=True)
    found = _backward(made, leaves, pulling, twice)
    return outputs, [torch.zeros_like(leaf) if a is None else a for a, leaf in zip(found, leaves, strict=True)]


def pushed(
    f: Callable[[Sequence[Any]], list[Any]], arrays: Sequence[Any], at: Sequence[int], tangents: Sequence[Any]
) -> tuple[list[Any], list[Any] | None]:
    """What f returns, and its tangents. The pullback is linear in its cotangents: pulled back itself it pushes."""
    outputs, leaves, twice = _traced(f, arrays, at, tangents)
    made = [o for o in outputs if is_tensor(o) and o.requires_grad]
    if not made:
        return outputs, None
    dual = [torch.zeros_like(o, requires_grad=True) for o in made]
    back = _backward(made, leaves, dual, True)
    pairs = [(a, t.to(a)) for a, t in zip(back, tangents, strict=True) if a is not None and a.requires_grad]
    moved: Sequence[Any] = [None] * len(made)
    if pairs:
        through, pushing = zip(*pairs, strict=True)
        moved = _backward(through, dual, pushing, twice)
    rest = iter(moved)
    found = [next(rest) if is_tensor(o) and o.requires_grad else None for o in outputs]
    return outputs, [
        torch.zeros_like(torch.as_tensor(o)) if a is None else a for a, o in zip(found, outputs, strict=True)
    ]


def once_only(outputs: Sequence[Any]) -> bool:
    """Whether a backward on the way is marked as differentiable once: torch says so by an error, but not at once."""
    nodes = [o.grad_fn for o in outputs if is_tensor(o) and o.grad_fn is not None]
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        if node.name().endswith("Error"):
            return True
        new = {before for before, _ in node.next_functions if before is not None} - seen
        seen |= new
        nodes.extend(new)
    return False


def _backward(made: Sequence[Any], leaves: Sequence[Any], cotangents: Sequence[Any], twice: bool) -> Sequence[Any]:
    """What torch and every backward on the way make of it."""
    pull = partial(torch.autograd.grad, allow_unused=True, create_graph=twice)
    found: Sequence[Any] = asked(pull, made, leaves, cotangents)
    return found


def _traced(
    f: Callable[[Sequence[Any]], list[Any]], arrays: Sequence[Any], at: Sequence[int], seeds: Sequence[Any]
) -> tuple[list[Any], list[Any], bool]:
    """What f returns for leaves of its own, those leaves, and whether all this is differentiated once more."""
    twice = any(is_tensor(a) and a.requires_grad for a in (*arrays, *seeds))
    leaves = [a if a.requires_grad else a.detach().requires_grad_() for a in (arrays[place] for place in at)]
    # A leaf may not be written into; its copy may.
    filled = {place: leaf.clone() for place, leaf in zip(at, leaves, strict=True)}
    return f([filled.get(place, a) for place, a in enumerate(arrays)]), leaves, twice
