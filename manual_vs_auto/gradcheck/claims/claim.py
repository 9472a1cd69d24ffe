"""What somebody claims: that this function's derivative is that one. Every form of it becomes the same two functions.

Reverse: manual(arrays, cotangents) -> one cotangent a moving leaf, J^T ct. Forward: manual(arrays, tangents) -> one
tangent an output, J t. A gradient is reverse with the cotangent 1.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.arguments import Inputs
from manual_vs_auto.gradcheck.claims.errors import UsageError, WrongShapeError, asked, refusing
from manual_vs_auto.gradcheck.claims.tensors import copied, is_tensor, zeros_like
from manual_vs_auto.gradcheck.claims.trees import flatten, import_jax
from manual_vs_auto.gradcheck.numerics.precision import is_float

Arrays = Sequence[Any]


@dataclass(frozen=True)
class Claim:
    """A function of flat arrays and its claimed derivative.

    f(arrays) -> its floating outputs. manual(arrays, cotangents): above; if forward, they are
    tangents. rule: the hand-written code itself. function: the function as it was given.
    residual_bytes(arrays): what a rule keeps from forward to backward.
    paired: for a function that carries its rule, paired(arrays, cotangents) -> the floating outputs that the rule's
    forward returns, and what manual returns.
    """

    name: str
    kind: str
    inputs: Inputs
    f: Callable[[Arrays], list[Any]]
    manual: Callable[[Arrays, Arrays], list[Any]]
    rule: Callable[..., Any]
    function: Callable[..., Any]
    forward: bool = False
    residual_bytes: Callable[[Arrays], int] | None = None
    paired: Callable[[Arrays, Arrays], tuple[list[Any], list[Any]]] | None = None
    surrogate: Callable[[Arrays], list[Any]] | None = None

    def of(self, surrogate: Callable[[Arrays], list[Any]]) -> "Claim":
        """The same rule, claimed for the surrogate's derivative."""
        return replace(self, surrogate=surrogate)

    @property
    def judged(self) -> Callable[[Arrays], list[Any]]:
        """The function whose derivative is claimed: f, unless a surrogate is declared."""
        return self.surrogate or self.f

    @property
    def rule_name(self) -> str:
        """What the hand-written code is called in a report."""
        name = getattr(self.rule, "__name__", "")
        return (
            name
            if name.isidentifier()
            else {"gradient": "grad_fn", "vjp": "vjp_fn", "jvp": "jvp_fn"}.get(self.kind, "f")
        )

    @property
    def argument_names(self) -> list[str]:
        """Identifiers for the arguments."""
        return [name if name.isidentifier() else f"x{at}" for at, name in enumerate(self.inputs.names)]

    @property
    def call(self) -> str:
        """How the hand-written code is called, as an expression."""
        names = ", ".join(self.argument_names)
        if self.kind == "jvp":
            return f"{self.rule_name}(({names},), tangents)"
        if self.kind == "custom_jvp":
            return f"jax.jvp({self.rule_name}, ({names},), tangents)[1]"
        if self.kind == "autograd.Function":
            return f"{self.rule_name}{'.apply' if isinstance(self.rule, type) else ''}({names})"
        if self.kind == "custom_vjp":
            return f"jax.vjp({self.rule_name}, {names})[1](cotangent)"
        return f"{self.rule_name}({names if self.kind == 'gradient' else f'cotangent, {names}'})"

    @property
    def result_names(self) -> list[str]:
        """The leaves that a derivative is compared by: inputs in reverse, outputs (by number) in forward."""
        return [self.inputs.leaves[at].name for at in self.inputs.moving]


def outputs(f: Callable[..., Any], inputs: Inputs) -> Callable[[Arrays], list[Any]]:
    """The floating (for complex steps: complex) outputs of f as a flat list of arrays."""

    def flat(arrays: Arrays) -> list[Any]:
        leaves = flatten(asked(f, *inputs.unpack(arrays))).leaves
        return [leaf for leaf in leaves if floating(leaf) or _is_complex(leaf)]

    return flat


def gradient_claim(f: Callable[..., Any], grad_fn: Callable[..., Any], inputs: Inputs, single: bool) -> Claim:
    """The claim grad_fn(*args) -> gradient(s): like the argument if single, otherwise a tuple of them."""

    def manual(arrays: Arrays, _: Arrays) -> list[Any]:
        args = inputs.unpack(arrays)
        found = asked(grad_fn, *args)
        if not single and not isinstance(found, tuple | list):
            raise WrongShapeError(f"returned {_kind(found)}, expected a tuple of {len(inputs.arguments)} gradients")
        parts = (found,) if single else tuple(found)
        return _matched(parts, args, inputs)

    return Claim(_name(f), "gradient", inputs, outputs(f, inputs), manual, grad_fn, f)


def vjp_claim(f: Callable[..., Any], vjp_fn: Callable[..., Any], inputs: Inputs) -> Claim:
    """The claim vjp_fn(cotangent, *args) -> one cotangent a differentiable argument."""

    def manual(arrays: Arrays, cotangents: Arrays) -> list[Any]:
        args = inputs.unpack(arrays)
        # f gets arrays of its own: it may write into them.
        own = inputs.unpack([copied(a) for a in arrays])
        found = asked(vjp_fn, like_output(f, own, cotangents), *args)
        if not isinstance(found, tuple | list):
            if len(inputs.arguments) != 1:
                raise WrongShapeError(
                    f"returned {_kind(found)}, expected a tuple of {len(inputs.arguments)} cotangents"
                )
            found = (found,)
        if len(found) == len(args) != len(inputs.arguments):
            found = [found[at] for at in inputs.arguments]
        return _matched(tuple(found), args, inputs)

    return Claim(_name(f), "vjp", inputs, outputs(f, inputs), manual, vjp_fn, f)


def jvp_claim(f: Callable[..., Any], jvp_fn: Callable[..., Any], inputs: Inputs) -> Claim:
    """The claim jvp_fn(primals, tangents) -> tangent of the output, or JAX's pair of output and tangent.

    What does not move (integers, other arguments) has None for its tangent.
    """
    flat = outputs(f, inputs)

    def manual(arrays: Arrays, tangents: Arrays) -> list[Any]:
        args = inputs.unpack(arrays)
        moved: list[Any] = [None] * len(arrays)
        for at, tangent in zip(inputs.moving, tangents, strict=True):
            moved[at] = tangent
        nothing = None if any(map(is_tensor, tangents)) else np.zeros(())
        filled = inputs.unpack([nothing if t is None else t for t in moved])
        given = tuple(value if at in inputs.arguments else None for at, value in enumerate(filled))
        own = inputs.unpack([copied(a) for a in arrays])
        expected = flatten(asked(f, *own))
        found = asked(jvp_fn, args, given)
        if len(flatten(found).leaves) == 2 * len(expected.leaves) and isinstance(found, tuple) and len(found) == 2:
            found = found[1]
        parts = flatten(found).leaves
        if len(parts) != len(expected.leaves):
            raise WrongShapeError(f"returned {len(parts)} arrays, the output has {len(expected.leaves)}")
        parts = [part for part, like in zip(parts, expected.leaves, strict=True) if floating(like)]
        for part, like in zip(parts, flat(arrays), strict=True):
            _same_shape("the output", part, like)
        return parts

    return Claim(_name(f), "jvp", inputs, flat, manual, jvp_fn, f, forward=True)


def like_output(f: Callable[..., Any], args: tuple[Any, ...], cotangents: Arrays) -> Any:
    """The cotangents in the structure of f's output; integer outputs get float0 zeros, as from JAX, or torch's None."""
    jax = import_jax()
    by_jax = jax is not None and any(isinstance(leaf, jax.Array) for leaf in flatten(args).leaves)
    with refusing():
        tree = flatten(jax.eval_shape(lambda: f(*args)) if jax is not None and by_jax else asked(f, *args))
    rest, filled = list(cotangents), []
    for leaf in tree.leaves:
        no_tangent = np.zeros(np.shape(leaf), [("float0", "V")] if jax is None else jax.dtypes.float0)
        filled.append(rest.pop(0) if floating(leaf) else None if is_tensor(leaf) else no_tangent)
    return tree.rebuild(filled)


def floating(leaf: Any) -> bool:
    """Whether an array, a tracer or a Python number has a derivative."""
    return isinstance(leaf, float) or is_float(getattr(leaf, "dtype", None))


def _is_complex(leaf: Any) -> bool:
    return isinstance(leaf, complex) or "complex" in str(getattr(leaf, "dtype", ""))


def _matched(parts: tuple[Any, ...], args: tuple[Any, ...], inputs: Inputs) -> list[Any]:
    """One array a moving leaf out of one tree an argument. None, for a leaf or a whole argument, is zero."""
    if len(parts) != len(inputs.arguments):
        raise WrongShapeError(f"returned {len(parts)} derivatives, expected {len(inputs.arguments)}")
    found: dict[int, Any] = {}
    for at, part in zip(inputs.arguments, parts, strict=True):
        expected = flatten(args[at])
        given = dict(zip((p := flatten(part)).paths, p.leaves, strict=True))
        places = [place for place, leaf in enumerate(inputs.leaves) if leaf.argument == at]
        stray = set(given) - set(expected.paths)
        if stray:
            name = inputs.leaves[places[0]].name.split("[")[0]
            raise WrongShapeError(f"{name}: {sorted(stray)[0] or _kind(part)} is not in the argument")
        arrays = (pair for pair in zip(expected.paths, expected.leaves, strict=True) if _countable(pair[1]))
        for place, (path, value) in zip(places, arrays, strict=True):
            leaf = inputs.leaves[place]
            if leaf.moves:
                derivative = given.get(path)
                if derivative is None or str(getattr(derivative, "dtype", "")) == "[('float0', 'V')]":
                    derivative = zeros_like(value, "float32" if leaf.dtype == "bfloat16" else leaf.dtype)
                _same_shape(leaf.name, derivative, value)
                found[place] = derivative
    return [found[place] for place in inputs.moving]


def _countable(value: Any) -> bool:
    return floating(value) or (hasattr(value, "dtype") and getattr(value.dtype, "kind", "") in "iubf")


def _same_shape(name: str, found: Any, expected: Any) -> None:
    if tuple(asked(np.shape, found)) != tuple(np.shape(expected)):
        raise WrongShapeError(f"{name}: shape {tuple(np.shape(found))}, expected {tuple(np.shape(expected))}")
    if is_tensor(expected) and not (is_tensor(found) or isinstance(found, float | int)):
        raise WrongShapeError(f"{name}: {_kind(found)} of {type(found).__module__}, expected a tensor")
    if is_tensor(found) and not found.is_floating_point():
        raise WrongShapeError(f"{name}: {found.dtype}, expected floating numbers")


def _kind(value: Any) -> str:
    return f"an array of shape {tuple(np.shape(value))}" if hasattr(value, "shape") else type(value).__name__


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)


def scalar(made: Sequence[tuple[int, ...]]) -> None:
    """Raises: UsageError unless outputs of these shapes are one number."""
    if len(made) != 1 or math.prod(made[0]) != 1:
        shapes = ", ".join(map(str, made))
        raise UsageError(f"f must return one floating number for a gradient, and returns {shapes or 'none'}")
