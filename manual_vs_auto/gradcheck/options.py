"""What may be said to the checker beside the functions and the sample."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from manual_vs_auto.gradcheck.claims.errors import UsageError
from manual_vs_auto.gradcheck.witnesses.kinks import Convention


@dataclass(frozen=True)
class Options:
    """Options of every check.

    order:      1, or 2 to judge the derivative of the hand-written derivative as thoroughly as itself. At 1 the rules
                that functions carry are differentiated at one point and around it, others not at all.
    seed:       of everything random; the same seed repeats the same report.
    dtype:      the referee's precision: "float64".
    shapes:     shapes to try beside the sample's: a list with one shape an array argument in each entry; None finds
                those that f accepts.
    domain:     where inputs may lie: (low, high) for all, or a list with one pair (or None) an argument; open ends;
                of a complex argument, for its real and its imaginary part.
    structure:  what a matrix argument is: {"A": "symmetric"}, "hermitian", "positive_definite" (Hermitian too),
                "lower_triangular", "upper_triangular" or "diagonal"; derivatives count in directions that keep it.
    convention: the derivative declared at a kink, a number or (low, high); None accepts anything between the
                one-sided slopes.
    complex_convention: what the cotangent of a complex number is to the rule. "jax": as jax.vjp has it, ct^T J without
                a conjugation; the gradient of a real f is df/dx_re - i df/dx_im. "conjugate": df/dx_re + i df/dx_im, as
                PyTorch and whoever descends along the gradient have it. Tangents are the same in both.
    surrogate:  the function whose derivative a straight-through rule claims, called with the same arguments.
    probes:     whether to go beyond the sample.
    budget_s:   seconds after which no further probe is begun.
    """

    order: int = 1
    seed: int = 0
    dtype: str = "float64"
    shapes: Sequence[Sequence[tuple[int, ...]]] | None = None
    domain: Any = None
    structure: Mapping[str, str] | None = None
    convention: Convention = None
    complex_convention: Literal["jax", "conjugate"] = "jax"
    surrogate: Callable[..., Any] | None = None
    probes: bool = True
    budget_s: float = 30.0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Options":
        """Raises: UsageError for what is not an option, or has no meaning."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise UsageError(f"no option {name!r}; there are {', '.join(sorted([*known, 'argnums']))}")
        options = cls(**given)
        if options.order not in (1, 2):
            raise UsageError(f"order={options.order}: 1 or 2")
        if str(options.dtype) != "float64":
            raise UsageError(f"dtype={options.dtype!r}: the referee computes in float64")
        if options.complex_convention not in ("jax", "conjugate"):
            raise UsageError(f'complex_convention={options.complex_convention!r}: "jax" or "conjugate"')
        budget: Any = options.budget_s
        if not isinstance(budget, int | float) or not budget > 0:
            raise UsageError(f"budget_s={budget!r}: more than 0 seconds")
        seed: Any = options.seed
        if not isinstance(seed, int) or seed < 0:
            raise UsageError(f"seed={seed!r}: a whole number, 0 or more")
        if options.surrogate is not None and not callable(options.surrogate):
            raise UsageError(f"surrogate={options.surrogate!r}: a function of the same arguments")
        shapes: Any = options.shapes
        if shapes is not None and not (isinstance(shapes, tuple | list) and all(map(_is_shapes, shapes))):
            raise UsageError(f"shapes={shapes!r}: a list, with one tuple of sizes an array argument in each entry")
        return replace(options, convention=_convention(options.convention))


def _is_shapes(entry: Any) -> bool:
    """Whether it is one shape an array."""
    return isinstance(entry, tuple | list) and all(
        isinstance(shape, tuple | list) and all(isinstance(n, int) and n >= 0 for n in shape) for shape in entry
    )


def _convention(given: Any) -> Convention:
    """Raises: UsageError unless it is a number or two in order."""
    if given is None or isinstance(given, int | float):
        return given
    ends = tuple(given) if isinstance(given, tuple | list) else ()
    if len(ends) != 2 or not all(isinstance(end, int | float) for end in ends) or ends[0] > ends[1]:
        raise UsageError(f"convention={given!r}: a number, or (low, high)")
    return float(ends[0]), float(ends[1])
