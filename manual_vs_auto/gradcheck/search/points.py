"""Points beyond the author's sample: the values that hide faults in it are changed one way at a time."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from manual_vs_auto.gradcheck.claims.domain import Domain
from manual_vs_auto.gradcheck.engines.engine import Found
from manual_vs_auto.gradcheck.search.held import all_held, orthonormal


class Unfit(ValueError):  # noqa: N818, it is no error
    """Numbers of that shape would mean something else than the sample's."""


# So many arguments are tried alone.
_ARGUMENTS = 6

_Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _some_zeros(a: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    kept = generator.random(a.shape) > 0.35
    if a.size:
        kept.flat[generator.integers(a.size)] = False
    return a * kept


def _saturated(a: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """One element of every row far above the others."""
    if a.ndim == 0 or a.size == 0:
        return a + 50
    raised = np.zeros(a.shape)
    np.put_along_axis(raised, generator.integers(0, a.shape[-1], (*a.shape[:-1], 1)), 50.0, -1)
    return a + raised


def _both_signs(a: np.ndarray) -> np.ndarray:
    """What overflows at large numbers often does so on one side of 0."""
    signed = a.copy()
    signed.flat[:1] = np.abs(a.flat[:1])
    signed.flat[1:2] = -np.abs(a.flat[1:2])
    return signed


def _symmetric(a: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return a + np.swapaxes(a, -1, -2) if is_square(a) else a


def quick(label: str) -> bool:
    """Whether a quick check tries a point of this name: the values that hide most, in fewest points."""
    return label in QUICK or label.endswith((" all 0", " some 0"))


CHANGES: dict[str, _Change] = {
    "fresh numbers": lambda a, _: a,
    "all positive": lambda a, _: np.abs(a),
    "all negative": lambda a, _: -np.abs(a),
    "large, x 30": lambda a, _: 30 * _both_signs(a),
    "large, x 1000": lambda a, _: 1000 * _both_signs(a),
    "huge, x 1e5": lambda a, _: -1e5 * _both_signs(a),
    "near zero, x 1e-3": lambda a, _: 1e-3 * a,
    "tiny, x 1e-6": lambda a, _: 1e-6 * a,
    "some zeros": _some_zeros,
    "zeros": lambda a, _: 0 * a,
    "saturated": _saturated,
    "symmetric": _symmetric,
}


# What a quick check tries of these and of the points below: the values that hide most, in fewest points. Two are large:
# there exponentials overflow, in float16 and in float64, and what is clipped is clipped.
QUICK = frozenset({
    "fresh numbers", "large, x 1000", "huge, x 1e5", "some zeros", "zeros", "near the edge of the domain",
    "what is held changed",
})  # fmt: skip


def resized(a: np.ndarray, shape: tuple[int, ...], moves: bool, generator: np.random.Generator) -> np.ndarray:
    """Numbers like these in another shape. What is sorted stays sorted, and distinct integers stay distinct.

    Raises: Unfit where there are not enough distinct ones, or where another shape means something else.
    """
    flat = a.ravel() if a.size else np.zeros(1, a.dtype)
    count = int(np.prod(shape))
    if not moves and a.dtype.kind == "f" and a.ndim and shape:
        if orthonormal(a):
            raise Unfit("an orthonormal matrix of another shape is another function")
        return _rows_like(a, shape, generator)
    if not moves and a.ndim == 1 and a.dtype.kind in "iu" and a.size > 1 and a[0] == 0 and a[-1] > a.size:
        raise Unfit("pointers into something of another size")
    ordered = not moves and a.ndim == 1 and a.size > 1 and bool(np.all(a[1:] > a[:-1]))
    if ordered and a.dtype.kind not in "iub":
        between = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, a.size), a)
        return np.asarray(between.reshape(shape).astype(a.dtype))
    distinct = a.dtype.kind in "iu" and np.unique(a).size == a.size > 1
    if distinct and count > a.size:
        flat = np.arange(int(a.min()), int(a.max()) + 1).astype(a.dtype)
    if distinct and count > flat.size:
        raise Unfit("not enough distinct numbers")
    drawn = generator.choice(flat, shape, replace=not distinct).astype(a.dtype)
    return np.sort(drawn, axis=None).reshape(shape) if ordered else drawn


def _rows_like(a: np.ndarray, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Rows of these where they fit; otherwise new ones, one-hot, of sum 1 or of length 1 if those are."""
    rows = a.reshape(-1, a.shape[-1]).astype(np.float64)
    count = int(np.prod(shape[:-1]))
    if shape[-1] == a.shape[-1]:
        return rows[generator.integers(0, len(rows), count)].reshape(shape).astype(a.dtype)
    if a.ndim == 1 and a.size > 1 and np.all(a[1:] > a[:-1]):
        return np.asarray(np.interp(np.linspace(0, 1, shape[-1]), np.linspace(0, 1, a.size), a).astype(a.dtype))
    drawn = generator.choice(rows.ravel(), (count, shape[-1]))
    sums, lengths = rows.sum(-1), np.sqrt((rows**2).sum(-1))
    if np.all(np.count_nonzero(rows, axis=-1) == 1):
        drawn = np.eye(shape[-1])[generator.integers(0, shape[-1], count)] * rows.max()
    elif np.allclose(sums, 1) and np.all(rows >= 0):
        drawn = (drawn + 1e-3) / (drawn + 1e-3).sum(-1, keepdims=True)
    elif np.allclose(lengths, 1):
        drawn = drawn / np.sqrt((drawn**2).sum(-1, keepdims=True))
    return drawn.reshape(shape).astype(a.dtype)


def typical(a: np.ndarray) -> float:
    """The root mean square of an array; 1 where that is nothing."""
    size = float(np.sqrt(np.mean(np.square(a, dtype=np.float64)))) if a.size else 0.0
    return size if np.isfinite(size) and size > 0 else 1.0


def is_square(a: np.ndarray) -> bool:
    """Whether the last two axes are equal."""
    return a.ndim >= 2 and a.shape[-1] == a.shape[-2]


def fresh(domain: Domain, like: Found, generator: np.random.Generator) -> Found:
    """New numbers of the sample's size, inside the domain, in float64; what does not move stays."""
    found = []
    for leaf, ends, a in zip(domain.inputs.leaves, domain.ends, like, strict=True):
        if not leaf.moves:
            found.append(a)
            continue
        drawn = typical(a) * generator.normal(size=a.shape)
        low, high = ends if ends is not None else (-np.inf, np.inf)
        if np.isfinite(low) and np.isfinite(high):
            drawn = low + (high - low) * generator.uniform(0.02, 0.98, a.shape)
        elif np.isfinite(low):
            drawn = low + np.abs(drawn) + 1e-3 * typical(a)
        elif np.isfinite(high):
            drawn = high - np.abs(drawn) - 1e-3 * typical(a)
        found.append(drawn)
    return domain.shaped(found)


def points(
    domain: Domain, sample: Found, generator: np.random.Generator, repeat: bool, constants: Sequence[float] = ()
) -> Iterator[tuple[str, Found | None]]:
    """Every probe by name with its arrays in the sample's dtypes; None where it would leave the domain.

    repeat: whether distinct integers may be tried repeated. constants: numbers that the program names.
    """
    for name, change in CHANGES.items():
        if name == "symmetric" and not any(map(is_square, sample)):
            continue
        drawn = fresh(domain, sample, generator)
        moving = domain.inputs.moving
        # The structure is restored after the change: what was made symmetric can be all positive too.
        changed = domain.shaped([change(a, generator) if at in moving else a for at, a in enumerate(drawn)])
        cast = in_dtypes(domain, changed)
        inside = domain.holds(cast) and all(np.all(np.isfinite(cast[at])) for at in moving)
        yield name, cast if inside else None
    # The same number in every argument: ties within one, and between two.
    level = np.round(typical(sample[domain.inputs.moving[0]]), 2) or 1.0
    tied = [np.full(a.shape, level) if at in domain.inputs.moving else a for at, a in enumerate(sample)]
    tied = in_dtypes(domain, domain.shaped(tied))
    yield "ties", tied if domain.holds(tied) else None
    yield from _alone(domain, sample, generator, constants)
    near = _near_the_edge(domain, sample, generator)
    if near is not None:
        yield "near the edge of the domain", near
    held = all_held(domain, sample, generator, repeat)
    if any(new is not old for new, old in zip(held, sample, strict=True)) and not domain.structured:
        yield "what is held changed", in_dtypes(domain, fresh(domain, held, generator))


def _alone(
    domain: Domain, sample: Found, generator: np.random.Generator, constants: Sequence[float]
) -> Iterator[tuple[str, Found | None]]:
    """One argument alone at 0, in all its places and in some, or at the program's own numbers: the rest stays.

    What lies beside them is the sample, for which f was meant: fresh numbers may be outside of what it takes.
    """
    special = {"all 0": np.zeros(1), "some 0": np.zeros(1), "at a bound": np.array(constants)}
    for at in domain.inputs.moving[:_ARGUMENTS]:
        name, a = domain.inputs.leaves[at].name, sample[at]
        for label, values in special.items():
            if not values.size or not a.size or (label == "some 0" and a.size == 1):
                continue
            chosen = np.ones(a.shape, bool) if label == "all 0" else generator.random(a.shape) < 0.5
            chosen.flat[generator.integers(a.size)] = True
            changed = list(sample)
            changed[at] = np.where(chosen, generator.choice(values, a.shape), a.astype(np.float64))
            cast = in_dtypes(domain, domain.shaped(changed))
            yield f"{name} {label}", cast if domain.holds(cast) else None


def in_dtypes(domain: Domain, arrays: Found) -> Found:
    """The arrays in the dtypes of the author's sample."""
    with np.errstate(all="ignore"):
        return [np.asarray(a).astype(s.dtype) for a, s in zip(arrays, domain.inputs.sample, strict=True)]


def _near_the_edge(domain: Domain, sample: Found, generator: np.random.Generator) -> Found | None:
    """Numbers a thousandth of the typical size inside a finite end of the domain."""
    if not any(end is not None and np.any(np.isfinite(end)) for end in domain.ends) or domain.structured:
        return None
    drawn = fresh(domain, sample, generator)
    for at, end in enumerate(domain.ends):
        if end is None or not np.any(np.isfinite(end)):
            continue
        inward, edge = (1, end[0]) if np.isfinite(end[0]) else (-1, end[1])
        width = min(typical(sample[at]), end[1] - end[0])
        drawn[at] = edge + inward * width * 1e-3 * generator.uniform(0.5, 1.0, drawn[at].shape)
    cast = in_dtypes(domain, drawn)
    return cast if domain.holds(cast) else None
