"""What may be said to the checker beside the functions and the sample."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike
from typing import Any, Literal, TypeAlias, TypedDict, get_args

import numpy as np

from manual_vs_auto.gradcheck.claims.errors import UsageError
from manual_vs_auto.gradcheck.witnesses.kinks import Convention
from manual_vs_auto.gradcheck.witnesses.limit import Limit

DType: TypeAlias = str | type[np.generic] | np.dtype[Any]
Effort: TypeAlias = Literal["quick", "full"]
SpecialPoints: TypeAlias = Literal["report", "fail", "ignore"]
EFFORTS: tuple[str, ...] = get_args(Effort)
SPECIAL_POINTS: tuple[str, ...] = get_args(SpecialPoints)
DTYPES = ("float64", "float32", "bfloat16", "float16")


class Settings(TypedDict, total=False):
    """The options as keywords of a check, for editors and type checkers. `Options` says what each means."""

    order: int
    seed: int
    dtype: str
    shapes: Sequence[Sequence[tuple[int, ...]]] | None
    domain: Any
    structure: Mapping[str, str] | None
    convention: float | Sequence[float] | None
    complex_convention: Literal["jax", "conjugate"] | None
    surrogate: Callable[..., Any] | None
    probes: bool
    budget_s: float
    effort: Effort
    rtol: float | None
    atol: float | None
    dtypes: DType | Sequence[DType] | None
    cache: str | PathLike[str] | None
    special_points: SpecialPoints
    f_accuracy: float | None


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
                PyTorch and whoever descends along the gradient have it. None is "conjugate" beside tensors and "jax"
                elsewhere. Tangents are the same in both.
    surrogate:  the function whose derivative a straight-through rule claims, called with the same arguments.
    probes:     whether to go beyond the sample.
    budget_s:   seconds after which f is asked no more, but for one look at every element at the sample. The cause of a
                fault and its smallest input may take as long again. What there was no time for is in the report.
    effort:     "full", or "quick": the sample, and probes of its own shapes that need no further program. Other shapes,
                vmap, second order and the less telling points are left out, and the report says so; what `shapes` or
                order=2 ask for is done nevertheless.
    rtol, atol: an upper limit beside the derived bound, at the sample: an element further from the reference than
                atol + rtol |reference| disagrees, in float64 or in the sample's precision. One that is not given is 0.
                Neither allows anything that the bound does not.
    dtypes:     "float32", or a list: the sample is cast to each and judged; the report is that of the worst. The
                budget is for all together.
    special_points: what a rule is that is right everywhere but at single points where f has a derivative, or a kink
                that is not in the sample: "report" makes it SPECIAL, "fail" DISAGREE, "ignore" AGREE with a note.
    f_accuracy: how exact f itself is, relative to its largest number: 1e-4 for an iteration that stops there. Its
                derivative is held to no more. None measures it, by iterating once more.
    cache:      a folder in which JAX keeps compiled programs for the next process (jax_compilation_cache_dir).
    """

    order: int = 1
    seed: int = 0
    dtype: str = "float64"
    shapes: Sequence[Sequence[tuple[int, ...]]] | None = None
    domain: Any = None
    structure: Mapping[str, str] | None = None
    convention: Convention = None
    complex_convention: Literal["jax", "conjugate"] | None = None
    surrogate: Callable[..., Any] | None = None
    probes: bool = True
    budget_s: float = 20.0
    effort: Effort = "full"
    rtol: float | None = None
    atol: float | None = None
    dtypes: Sequence[str] | None = None
    cache: str | PathLike[str] | None = None
    special_points: SpecialPoints = "report"
    f_accuracy: float | None = None

    @property
    def limit(self) -> Limit | None:
        """The upper limit that rtol and atol make."""
        return Limit.of(self.rtol, self.atol)

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
        if options.complex_convention not in (None, "jax", "conjugate"):
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
        if options.effort not in EFFORTS:
            raise UsageError(f"effort={options.effort!r}: {' or '.join(map(repr, EFFORTS))}")
        if options.special_points not in SPECIAL_POINTS:
            raise UsageError(f"special_points={options.special_points!r}: {', '.join(map(repr, SPECIAL_POINTS))}")
        accuracy: Any = options.f_accuracy
        if accuracy is not None and not (isinstance(accuracy, int | float) and 0 <= accuracy < 1):
            raise UsageError(f"f_accuracy={accuracy!r}: from 0 to 1, relative")
        cache: Any = options.cache
        if cache is not None and not (isinstance(cache, str | PathLike) and str(cache)):
            raise UsageError(f"cache={options.cache!r}: the path of a folder")
        return replace(
            options, convention=_convention(options.convention), dtypes=_dtypes(options.dtypes),
            rtol=_limit("rtol", options.rtol), atol=_limit("atol", options.atol),
        )  # fmt: skip


def _is_shapes(entry: Any) -> bool:
    """Whether it is one shape an array."""
    return isinstance(entry, tuple | list) and all(
        isinstance(shape, tuple | list) and all(isinstance(n, int) and n >= 0 for n in shape) for shape in entry
    )


def _limit(name: str, given: Any) -> float | None:
    """Raises: UsageError unless it is one number, NumPy's or JAX's included."""
    array = np.asarray(0.0 if given is None else given)
    if array.ndim or array.dtype.kind not in "iuf" or not 0 <= array < math.inf:
        raise UsageError(f"{name}={given!r}: a number, 0 or more")
    return None if given is None else float(array)


def _dtypes(given: Any) -> tuple[str, ...] | None:
    """Their names, each once. Raises: UsageError for one that is not judged, or none at all."""
    if given is None:
        return None
    listed = given if isinstance(given, tuple | list) else (given,)
    names = tuple(dict.fromkeys(map(_name_of, listed)))
    unknown = [name for name in names if name not in DTYPES]
    if unknown or not names:
        raise UsageError(f"dtypes={given!r}: {', '.join(DTYPES)}, or a list of them")
    return names


def _name_of(dtype: Any) -> str:
    """NumPy's name of it; what NumPy does not know as it stands there, as bfloat16 where there is no JAX."""
    try:
        return str(dtype) if dtype is None else np.dtype(dtype).name
    except (TypeError, ValueError):
        return str(dtype)


def _convention(given: Any) -> Convention:
    """Raises: UsageError unless it is a number or two in order."""
    if given is None or isinstance(given, int | float):
        return given
    ends = tuple(given) if isinstance(given, tuple | list) else ()
    if len(ends) != 2 or not all(isinstance(end, int | float) for end in ends) or ends[0] > ends[1]:
        raise UsageError(f"convention={given!r}: a number, or (low, high)")
    return float(ends[0]), float(ends[1])
