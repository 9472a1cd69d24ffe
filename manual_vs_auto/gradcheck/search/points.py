"""Points beyond the author's sample: the values that hide faults in it are changed one way at a time."""

from collections.abc import Iterator, Sequence

import numpy as np

from manual_vs_auto.gradcheck.claims.complex import split
from manual_vs_auto.gradcheck.claims.domain import Domain, masked
from manual_vs_auto.gradcheck.engines.engine import Found
from manual_vs_auto.gradcheck.search.changes import CHANGES, OF_PAIRS, changed
from manual_vs_auto.gradcheck.search.held import all_held, orthonormal


class Unfit(ValueError):  # noqa: N818, it is no error
    """Numbers of that shape would mean something else than the sample's."""


# So many arguments are tried alone.
_ARGUMENTS = 6


def quick(label: str) -> bool:
    """Whether a quick check tries a point of this name: the values that hide most, in fewest points."""
    return label in QUICK or label.endswith((" all 0", " some 0"))


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
    if moves and not np.all(np.isfinite(a)):
        # Row by row as they are: which are masked together is no accident.
        if a.ndim == len(shape) and a.size:
            return a[np.ix_(*(np.arange(n) % own for n, own in zip(shape, a.shape, strict=True)))]
        finite = flat[np.isfinite(flat)]
        return generator.choice(finite, shape) if finite.size else np.ones(shape, a.dtype)
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
    """The root mean square of an array's finite numbers; 1 where that is nothing."""
    finite = a[np.isfinite(a)]
    size = float(np.sqrt(np.mean(np.square(finite, dtype=np.float64)))) if finite.size else 0.0
    return size if np.isfinite(size) and size > 0 else 1.0


def fresh(domain: Domain, like: Found, generator: np.random.Generator) -> Found:
    """New numbers of the sample's size, inside the domain, in float64; what does not move stays."""
    found = []
    for leaf, ends, a in zip(domain.inputs.leaves, domain.ends, like, strict=True):
        if not leaf.moves:
            found.append(a)
            continue
        stays = ~np.isfinite(a)
        drawn = typical(a) * generator.normal(size=a.shape)
        low, high = ends if ends is not None else (-np.inf, np.inf)
        if np.isfinite(low) and np.isfinite(high):
            drawn = low + (high - low) * generator.uniform(0.02, 0.98, a.shape)
        elif np.isfinite(low):
            drawn = low + np.abs(drawn) + 1e-3 * typical(a)
        elif np.isfinite(high):
            drawn = high - np.abs(drawn) - 1e-3 * typical(a)
        found.append(np.where(stays, a, drawn))
    return domain.shaped(found)


def points(
    domain: Domain, sample: Found, generator: np.random.Generator, repeat: bool, constants: Sequence[float] = ()
) -> Iterator[tuple[str, Found | None]]:
    """Every probe by name with its arrays in the sample's dtypes; None where it would leave the domain.

    repeat: whether distinct integers may be tried repeated. constants: numbers that the program names.
    """
    leaves = domain.inputs.leaves
    squares = [len(s := leaf.outer(a.shape)) > 1 and s[-1] == s[-2] for leaf, a in zip(leaves, sample, strict=True)]
    for name in CHANGES:
        if (name == "symmetric" and not any(squares)) or (name in OF_PAIRS and not any(at.complex for at in leaves)):
            continue
        drawn = fresh(domain, sample, generator)
        moving = domain.inputs.moving
        # The structure is restored after the change: what was made symmetric can be all positive too.
        there = [changed(name, leaf, a, generator) for leaf, a in zip(leaves, drawn, strict=True)]
        cast = in_dtypes(domain, domain.shaped(there))
        inside = domain.holds(cast) and all(
            np.all(np.isfinite(cast[at]) | masked(cast[at], sample[at])) for at in moving
        )
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
    for at in domain.inputs.moving[:_ARGUMENTS]:
        leaf = domain.inputs.leaves[at]
        shape = leaf.outer(sample[at].shape)
        if len(shape) > 1 and shape[-1] == shape[-2] > 1:
            # Equal eigenvalues, equal singular values.
            alike = typical(sample[at]) * np.broadcast_to(np.eye(shape[-1]), shape)
            alike = split(alike) if leaf.complex else alike
            cast = in_dtypes(domain, [alike if place == at else a for place, a in enumerate(sample)])
            yield f"{leaf.name} the identity", cast if domain.holds(cast) else None
    special = {"all 0": np.zeros(1), "some 0": np.zeros(1), "at a bound": np.array(constants)}
    for at in domain.inputs.moving[:_ARGUMENTS]:
        name, a = domain.inputs.leaves[at].name, sample[at]
        for label, values in special.items():
            if not values.size or not a.size or (label == "some 0" and a.size == 1):
                continue
            chosen = np.ones(a.shape, bool) if label == "all 0" else generator.random(a.shape) < 0.5
            chosen.flat[generator.integers(a.size)] = True
            if domain.inputs.leaves[at].complex:
                chosen[...] = chosen[..., :1]  # both parts of a complex number
            there = list(sample)
            there[at] = np.where(chosen, generator.choice(values, a.shape), a.astype(np.float64))
            cast = in_dtypes(domain, domain.shaped(there))
            yield f"{name} {label}", cast if domain.holds(cast) else None


def in_dtypes(domain: Domain, arrays: Found) -> Found:
    """The arrays in the dtypes of the author's sample, and masked where that is."""
    with np.errstate(all="ignore"):
        cast = [np.asarray(a).astype(s.dtype) for a, s in zip(arrays, domain.inputs.sample, strict=True)]
    return [
        np.where(masked(a, s), s, a) if leaf.moves and a.shape == s.shape else a
        for leaf, a, s in zip(domain.inputs.leaves, cast, domain.inputs.sample, strict=True)
    ]


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
