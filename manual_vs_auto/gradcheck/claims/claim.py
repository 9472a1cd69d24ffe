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
from manual_vs_auto.gradcheck.claims.complex import joined, taken_apart
from manual_vs_auto.gradcheck.claims.errors import UsageError, WrongShapeError, asked
from manual_vs_auto.gradcheck.claims.outputs import Arrays, Outputs, as_real, floating, like_output
from manual_vs_auto.gradcheck.claims.paired import Paired, alone, outputs_as
from manual_vs_auto.gradcheck.claims.tensors import copied, zeros_like
from manual_vs_auto.gradcheck.claims.trees import flatten


@dataclass(frozen=True)
class Claim:
    """A function of flat arrays and its claimed derivative.

    f(arrays) -> its floating outputs. manual(arrays, cotangents): above; if forward, they are
    tangents. rule: the hand-written code itself. function: the function as it was given.
    residual_bytes(arrays): what a rule keeps from forward to backward.
    paired: for a rule that may return f's output, too, paired(arrays, cotangents) -> the floating outputs that it
    returns, none where it does not, and what manual returns.
    approximated: whether f is one of JAX's own, a series or a fit, of which nobody can see how exact it is.
    narrowed: "f" or "the rule", if they refuse float64 and run in the sample's precision. notes: for the report.
    complex_outputs: which of the outputs are pairs of real and imaginary part; known once f was called.
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
    approximated: bool = False
    narrowed: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    complex_outputs: Sequence[bool] = ()

    @property
    def carried(self) -> bool:
        """Whether f carries the rule, which is then used wherever f is."""
        return self.paired is not None and self.kind not in ("vjp", "jvp")

    @property
    def complex_inputs(self) -> Sequence[bool]:
        """Which of the moving leaves are pairs."""
        return [self.inputs.leaves[at].complex for at in self.inputs.moving]

    @property
    def complex_results(self) -> Sequence[bool]:
        """Which parts of the derivative are pairs."""
        return self.complex_outputs if self.forward else self.complex_inputs

    @property
    def complex_cotangents(self) -> Sequence[bool]:
        """Which of the cotangents (forward: of the tangents) are pairs."""
        return self.complex_inputs if self.forward else self.complex_outputs

    @property
    def turned(self) -> bool:
        """Whether the author's complex cotangents are the conjugates of the checker's own."""
        return not self.forward and not self.inputs.conjugate

    def own_results(self, results: Arrays) -> list[Any]:
        """Derivatives as the author has them: complex, in the convention of cotangents that he declared."""
        return joined(results, self.complex_results, self.turned)

    def own_cotangents(self, cotangents: Arrays) -> list[Any]:
        """Cotangents (forward: tangents) as the author has them."""
        return joined(cotangents, self.complex_cotangents, self.turned)

    def of_own_cotangents(self, cotangents: Arrays) -> list[Any]:
        """The author's cotangents as the checker has them."""
        return taken_apart(cotangents, self.complex_cotangents, self.turned)

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
    def result_names(self) -> list[str]:
        """The leaves that a derivative is compared by: inputs in reverse, outputs (by number) in forward."""
        return [self.inputs.leaves[at].name for at in self.inputs.moving]


def gradient_claim(f: Callable[..., Any], grad_fn: Callable[..., Any], inputs: Inputs, single: bool) -> Claim:
    """The claim grad_fn(*args) -> gradient(s): like the argument if single, otherwise a tuple of them."""

    def manual(arrays: Arrays, _: Arrays) -> list[Any]:
        args = inputs.unpack(arrays)
        found = asked(grad_fn, *args)
        if not single and not isinstance(found, tuple | list):
            raise WrongShapeError(f"returned {_kind(found)}, expected a tuple of {len(inputs.arguments)} gradients")
        parts = (found,) if single else tuple(found)
        return _matched(parts, args, inputs)

    flat = Outputs(f, inputs)
    return Claim(_name(f), "gradient", inputs, flat, manual, grad_fn, f, complex_outputs=flat.complex)


def vjp_claim(f: Callable[..., Any], vjp_fn: Callable[..., Any], inputs: Inputs) -> Claim:
    """The claim vjp_fn(cotangent, *args) -> one cotangent a differentiable argument."""
    both = vjp_fn.both if isinstance(vjp_fn, Paired) else lambda *given: ([], vjp_fn(*given))

    def paired(arrays: Arrays, cotangents: Arrays) -> tuple[list[Any], list[Any]]:
        args = inputs.unpack(arrays)
        # f gets arrays of its own: it may write into them.
        own = inputs.unpack([copied(a) for a in arrays])
        returned, found = asked(both, like_output(f, own, cotangents, not inputs.conjugate), *args)
        if not isinstance(found, tuple | list):
            if len(inputs.arguments) != 1:
                raise WrongShapeError(
                    f"returned {_kind(found)}, expected a tuple of {len(inputs.arguments)} cotangents"
                )
            found = (found,)
        if len(found) == len(args) != len(inputs.arguments):
            found = [found[at] for at in inputs.arguments]
        return returned, _matched(tuple(found), args, inputs)

    flat = Outputs(f, inputs)
    kept = paired if isinstance(vjp_fn, Paired) else None
    return Claim(_name(f), "vjp", inputs, flat, alone(paired), vjp_fn, f, paired=kept, complex_outputs=flat.complex)


def jvp_claim(f: Callable[..., Any], jvp_fn: Callable[..., Any], inputs: Inputs) -> Claim:
    """The claim jvp_fn(primals, tangents) -> tangent of the output, or JAX's pair of output and tangent.

    What does not move (integers, other arguments) has None for its tangent.
    """
    flat = Outputs(f, inputs)

    def paired(arrays: Arrays, tangents: Arrays) -> tuple[list[Any], list[Any]]:
        args, filled = inputs.unpack(arrays), inputs.tangents(tangents)
        given = tuple(value if at in inputs.arguments else None for at, value in enumerate(filled))
        own = inputs.unpack([copied(a) for a in arrays])
        output, returned = asked(f, *own), list[Any]()
        expected, found = flatten(output), asked(jvp_fn, args, given)
        if len(flatten(found).leaves) == 2 * len(expected.leaves) and isinstance(found, tuple) and len(found) == 2:
            returned, found = outputs_as(output, found[0]), found[1]
        parts = flatten(found).leaves
        if len(parts) != len(expected.leaves):
            raise WrongShapeError(f"returned {len(parts)} arrays, the output has {len(expected.leaves)}")
        pairs = [(part, like) for part, like in zip(parts, expected.leaves, strict=True) if floating(like)]
        return returned, [as_real("the output", part, like, False) for part, like in pairs]

    return Claim(_name(f), "jvp", inputs, flat, alone(paired), jvp_fn, f, True, None, paired,
                 complex_outputs=flat.complex)  # fmt: skip


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
                found[place] = as_real(leaf.name, derivative, value, not inputs.conjugate)
    return [found[place] for place in inputs.moving]


def _countable(value: Any) -> bool:
    return floating(value) or (hasattr(value, "dtype") and getattr(value.dtype, "kind", "") in "iubf")


def _kind(value: Any) -> str:
    return f"an array of shape {tuple(np.shape(value))}" if hasattr(value, "shape") else type(value).__name__


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)


def scalar(made: Sequence[tuple[int, ...]], pairs: Sequence[bool]) -> None:
    """Raises: UsageError unless outputs of these shapes, some of them pairs, are one real number."""
    if len(made) == 1 and all(pairs):
        raise UsageError(
            "f must return one real number for a gradient, and its output is complex: take its real part or the square"
            " of its absolute value, or judge the derivative by check_vjp or check_jvp"
        )
    if len(made) != 1 or math.prod(made[0]) != 1:
        shapes = ", ".join(map(str, made))
        raise UsageError(f"f must return one floating number for a gradient, and returns {shapes or 'none'}")
